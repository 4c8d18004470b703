use super::*;
use crate::probe::ProbeId;

const MS: Duration = Duration::from_millis(1);
const PACKET: DataSize = DataSize::new(1200);

/// A pacer, and what leaves it when.
struct Sender {
    pacer: Pacer<u32>,
    start: Instant,
    now: Instant,
    number: u64,
    /// Milliseconds and the packet.
    left: Vec<(u128, u32)>,
    probes: Vec<SentProbe>,
}

impl Sender {
    fn new(kbps: u64) -> Self {
        let start = Instant::now();
        let pacer = Pacer::new(start, Bitrate::from_kbps(kbps));
        Self { pacer, start, now: start, number: 0, left: Vec::new(), probes: Vec::new() }
    }

    fn leaves(&mut self, item: u32, size: DataSize) {
        self.left.push(((self.now - self.start).as_millis(), item));
        self.number += 1;
        self.pacer.handle_sent(self.now, size, Some(SeqNo::new(self.number)));
        self.probes.extend(self.pacer.poll_probe());
    }

    fn offer(&mut self, class: PacketClass, item: u32) {
        if self.pacer.admits(self.now, class) {
            self.leaves(item, PACKET);
        } else {
            self.pacer.push(self.now, class, PACKET, item);
        }
    }

    /// Wakes at every timeout, as a shard does.
    fn run(&mut self, time: Duration) {
        let end = self.now + time;
        while let Some(due) = self.pacer.poll_timeout().filter(|due| *due <= end) {
            assert!(due >= self.now, "it wakes for what was due before");
            self.now = self.now.max(due);
            let before = self.left.len();
            while let Some(item) = self.pacer.poll_send(self.now) {
                self.leaves(item, PACKET);
            }
            if let Some(size) = self.pacer.poll_padding(self.now) {
                self.leaves(u32::MAX, size);
            }
            assert!(self.left.len() > before, "woken for nothing");
        }
        self.now = end;
    }

    fn times(&self) -> Vec<u128> {
        self.left.iter().map(|(at, _)| *at).collect()
    }
}

#[test]
fn what_fits_leaves_at_once_and_is_not_kept() {
    let mut sender = Sender::new(20_000);
    for item in 0..8 {
        sender.offer(PacketClass::Video, item);
    }
    assert_eq!(sender.left.len(), 8, "a frame of 8 on 20 Mbit/s");
    assert!(sender.pacer.is_empty());
    assert_eq!(sender.pacer.poll_timeout(), None);
}

#[test]
fn a_frame_is_spread_at_two_and_a_half_times_the_estimate_in_bursts() {
    // 5 Mbit/s: a packet each 1.92 ms, three in a burst.
    let mut sender = Sender::new(2_000);
    for item in 0..10 {
        sender.offer(PacketClass::Video, item);
    }
    assert_eq!(sender.left.len(), 3);
    sender.run(100 * MS);
    assert_eq!(sender.times(), [0, 0, 0, 5, 5, 5, 11, 11, 11, 17]);
    assert!(sender.left.iter().map(|(_, item)| *item).eq(0..10), "in their order");
}

#[test]
fn sound_leaves_at_once_and_retransmissions_pass_pictures() {
    let mut sender = Sender::new(1_000);
    for item in 0..6 {
        sender.offer(PacketClass::Video, item);
    }
    sender.offer(PacketClass::Retransmission, 100);
    sender.offer(PacketClass::Audio, 200);
    sender.run(100 * MS);
    let order: Vec<_> = sender.left.iter().map(|(_, item)| *item).collect();
    assert_eq!(order, [0, 1, 200, 100, 2, 3, 4, 5]);
}

#[test]
fn nothing_overtakes_in_its_class() {
    let mut sender = Sender::new(1_000);
    for item in 0..20 {
        sender.offer(PacketClass::Video, item);
        sender.run(MS);
    }
    sender.run(200 * MS);
    assert!(sender.left.iter().map(|(_, item)| *item).eq(0..20), "{:?}", sender.left);
}

#[test]
fn silence_saves_nothing_up_and_a_new_rate_counts_for_what_is_owed() {
    let mut sender = Sender::new(2_000);
    sender.run(10_000 * MS);
    for item in 0..10 {
        sender.offer(PacketClass::Video, item);
    }
    assert_eq!(sender.left.len(), 3);
    assert_eq!(sender.pacer.queue_time(sender.now).as_millis(), 19);
    sender.pacer.set_estimate(sender.now, Bitrate::from_kbps(1_000));
    assert_eq!(sender.pacer.queue_time(sender.now).as_millis(), 38);
    sender.run(10 * MS);
    assert_eq!(sender.pacer.oldest(sender.now), 10 * MS);
}

#[test]
fn what_is_not_kept_does_not_leave() {
    let mut sender = Sender::new(500);
    for item in 0..10 {
        sender.offer(PacketClass::Video, item);
    }
    sender.pacer.retain(|item| item % 2 == 0);
    sender.run(1000 * MS);
    assert_eq!(sender.left.iter().map(|(_, item)| *item).collect::<Vec<_>>(), [0, 2, 4, 6, 8]);
    assert_eq!(sender.pacer.queue_time(sender.now), Duration::ZERO);
}

fn plan(id: u32, kbps: u64) -> ProbePlan {
    ProbePlan {
        id: ProbeId::new(id),
        target: Bitrate::from_kbps(kbps),
        duration: 15 * MS,
        min_packets: 5,
        min_delta: 2 * MS,
    }
}

#[test]
fn a_probe_is_filled_up_to_its_rate_in_its_time() {
    for kbps in [450, 900, 3_000, 20_000] {
        let mut sender = Sender::new(300);
        sender.pacer.probe(sender.now, plan(1, kbps));
        sender.run(100 * MS);
        let [probe] = sender.probes[..] else { panic!("{kbps}: {:?}", sender.probes) };
        let packets = probe.last.get() - probe.first.get() + 1;
        let time = sender.left.last().unwrap().0;
        assert!(packets >= 5 && (10..=17).contains(&time), "{kbps}: {packets} in {time} ms");
        assert_eq!(sender.pacer.poll_timeout(), None);
    }
}

#[test]
fn media_counts_for_a_probe_and_the_next_one_waits_for_its_end() {
    let mut sender = Sender::new(300);
    sender.pacer.probe(sender.now, plan(1, 2_000));
    sender.pacer.probe(sender.now, plan(2, 4_000));
    sender.offer(PacketClass::Audio, 1);
    sender.offer(PacketClass::Audio, 2);
    sender.run(100 * MS);
    let ids: Vec<_> = sender.probes.iter().map(|probe| probe.plan.id.get()).collect();
    assert_eq!(ids, [1, 2]);
    assert_eq!(sender.probes[0].first, SeqNo::new(1));
    assert_eq!(sender.probes[1].first.get(), sender.probes[0].last.get() + 1);
}
