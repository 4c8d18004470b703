//! The rate that a probe has shown, from when its packets left and when they arrived (libwebrtc
//! `probe_bitrate_estimator.cc`).
//!
//! Takes each reported packet of a probe, in any order; gives a rate as soon as enough of them are known, and a better
//! one with each that follows. Invariant: a rate is never above what was really sent.

use std::cmp::Ordering;
use std::time::{Duration, Instant};

use sfu_wire::rtcp::FeedbackTime;
use sfu_wire::{Bitrate, DataSize};

use crate::probe::{ProbeId, ProbePlan, SentProbe};
use crate::twcc::PacketResult;

/// The share of the planned packets, and of the planned bytes, that has to arrive.
/// Higher: probes over lossy paths tell nothing. Lower: a few packets in a lucky row tell too much.
/// (libwebrtc `probe_bitrate_estimator.cc`)
const MIN_ARRIVED: f64 = 0.80;
/// Arrivals that are faster than the sending by more than this came out of a queue in a burst and tell nothing.
/// (libwebrtc `probe_bitrate_estimator.cc`)
const MAX_RATIO: f64 = 2.0;
/// Arrivals that are slower than the sending by more than this have filled the link: its capacity is seen.
/// (libwebrtc `probe_bitrate_estimator.cc`)
const UNSATURATED: f64 = 0.9;
/// How much of a capacity that is seen to use. Higher: the queue of the probe stays. Lower: capacity lies idle.
/// (libwebrtc `probe_bitrate_estimator.cc`)
const TARGET_UTILIZATION: f64 = 0.95;
/// Longest time from the first packet to the last, at either end (libwebrtc `probe_bitrate_estimator.cc`).
const MAX_INTERVAL: Duration = Duration::from_secs(1);
/// A probe is forgotten when nothing of it has arrived for so long (libwebrtc `probe_bitrate_estimator.cc`).
const MAX_AGE: Duration = Duration::from_secs(1);
/// Probes that are measured at once; the oldest gives way. Two start together, and each second brings few more.
const MAX_PROBES: usize = 8;

/// Makes rates of what is reported of probes.
#[derive(Debug, Default)]
pub struct ProbeEstimator {
    clusters: [Option<Cluster>; MAX_PROBES],
    last: Option<Bitrate>,
}

impl ProbeEstimator {
    /// Has seen no probe.
    pub fn new() -> Self {
        Self::default()
    }

    /// A report tells of a packet; `probe` is the one that its number belongs to. Gives what the probe has shown so
    /// far, `None` while that is too little, or when it is nothing to rely on.
    pub fn add(&mut self, probe: &SentProbe, result: &PacketResult) -> Option<Bitrate> {
        let arrival = result.arrival?;
        if !probe.contains(result.seq) {
            return None;
        }
        self.forget_old(arrival);
        let slot = self.slot(probe.id())?;
        let cluster = match slot {
            Some(cluster) if cluster.id == probe.id() => {
                cluster.add(result, arrival);
                cluster
            }
            _ => slot.insert(Cluster::new(probe.id(), result, arrival)),
        };
        let rate = cluster.rate(&probe.plan)?;
        self.last = Some(rate);
        self.last
    }

    /// The newest rate, once: what goes into the estimate after all packets of a report.
    pub fn take_last(&mut self) -> Option<Bitrate> {
        self.last.take()
    }

    fn forget_old(&mut self, arrival: FeedbackTime) {
        for slot in &mut self.clusters {
            slot.take_if(|cluster| arrival.micros_since(cluster.last_arrival) > MAX_AGE.as_micros() as i64);
        }
    }

    /// Where this probe is, else a free place, else that of the oldest probe.
    fn slot(&mut self, id: ProbeId) -> Option<&mut Option<Cluster>> {
        self.clusters.iter_mut().min_by_key(|slot| match slot {
            Some(cluster) if cluster.id == id => (0, id),
            None => (1, id),
            Some(cluster) => (2, cluster.id),
        })
    }
}

/// What has arrived of a probe.
#[derive(Debug)]
struct Cluster {
    id: ProbeId,
    packets: u32,
    size: DataSize,
    first_sent: Instant,
    last_sent: Instant,
    /// Of what left at `last_sent`.
    last_sent_size: DataSize,
    first_arrival: FeedbackTime,
    /// Of the packet that came at `first_arrival`.
    first_arrival_size: DataSize,
    last_arrival: FeedbackTime,
}

impl Cluster {
    const fn new(id: ProbeId, result: &PacketResult, arrival: FeedbackTime) -> Self {
        Self {
            id,
            packets: 1,
            size: result.size,
            first_sent: result.sent,
            last_sent: result.sent,
            last_sent_size: result.size,
            first_arrival: arrival,
            first_arrival_size: result.size,
            last_arrival: arrival,
        }
    }

    fn add(&mut self, result: &PacketResult, arrival: FeedbackTime) {
        self.packets += 1;
        self.size += result.size;
        self.first_sent = self.first_sent.min(result.sent);
        match result.sent.cmp(&self.last_sent) {
            Ordering::Greater => (self.last_sent, self.last_sent_size) = (result.sent, result.size),
            // The pacer sends its bursts at one time: none of the last one is within the interval.
            Ordering::Equal => self.last_sent_size += result.size,
            Ordering::Less => {}
        }
        if arrival.micros_since(self.first_arrival) < 0 {
            (self.first_arrival, self.first_arrival_size) = (arrival, result.size);
        }
        if arrival.micros_since(self.last_arrival) > 0 {
            self.last_arrival = arrival;
        }
    }

    fn rate(&self, plan: &ProbePlan) -> Option<Bitrate> {
        let min_packets = (f64::from(plan.min_packets) * MIN_ARRIVED) as u32;
        let min_size = (plan.min_size().get() as f64 * MIN_ARRIVED) as u64;
        if self.packets < min_packets || self.size.get() < min_size {
            return None;
        }
        let send_interval = self.last_sent.saturating_duration_since(self.first_sent);
        let arrival_interval = Duration::from_micros(self.last_arrival.micros_since(self.first_arrival).unsigned_abs());
        // How long the last packet took to send is unknown, and how long the first took to arrive: without their sizes.
        let sent = rate_within(self.size - self.last_sent_size, send_interval)?;
        let received = rate_within(self.size - self.first_arrival_size, arrival_interval)?;
        if received > sent * MAX_RATIO {
            return None;
        }
        if received < sent * UNSATURATED {
            return Some(received * TARGET_UTILIZATION);
        }
        Some(sent.min(received))
    }
}

/// `None` unless the interval is one that a probe can have.
fn rate_within(size: DataSize, interval: Duration) -> Option<Bitrate> {
    Some(Bitrate::of(size, interval)).filter(|rate| interval <= MAX_INTERVAL && *rate > Bitrate::ZERO)
}

#[cfg(test)]
mod tests {
    use sfu_wire::SeqNo;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Feeds an estimator, packet after packet.
    struct Feed {
        estimator: ProbeEstimator,
        start: Instant,
        min_packets: u32,
        min_bytes: u64,
    }

    impl Feed {
        const fn with(start: Instant, min_packets: u32, min_bytes: u64) -> Self {
            let estimator = ProbeEstimator { clusters: [const { None }; MAX_PROBES], last: None };
            Self { estimator, start, min_packets, min_bytes }
        }

        fn new() -> Self {
            Self::with(Instant::now(), 5, 5000)
        }

        /// A packet of probe `id`: bytes, when it left and when it came in milliseconds; gives bits per second.
        fn add(&mut self, id: u32, (bytes, sent, arrived): (u64, u32, i64)) -> Option<u64> {
            let plan = ProbePlan {
                id: ProbeId::new(id),
                target: Bitrate::new(self.min_bytes * 8),
                duration: Duration::from_secs(1),
                min_packets: self.min_packets,
                min_delta: 2 * MS,
            };
            let probe = SentProbe { plan, first: SeqNo::new(10), last: SeqNo::new(50) };
            let result = PacketResult {
                seq: SeqNo::new(10),
                sent: self.start + MS * sent,
                size: DataSize::new(bytes),
                arrival: Some(FeedbackTime::new(arrived * 4)),
            };
            self.estimator.add(&probe, &result).map(Bitrate::get)
        }

        /// All packets of probe 0; what the last one gives.
        fn add_all(&mut self, packets: impl IntoIterator<Item = (u64, u32, i64)>) -> Option<u64> {
            packets.into_iter().fold(None, |_, packet| self.add(0, packet))
        }
    }

    /// `count` packets of 1000 bytes that leave and arrive so many milliseconds apart.
    fn train(count: u32, sent: u32, arrived: i64) -> impl Iterator<Item = (u64, u32, i64)> {
        (0..count).map(move |index| (1000, index * sent, i64::from(index) * arrived))
    }

    #[test]
    fn an_empty_path_shows_the_rate_that_was_sent() {
        assert_eq!(Feed::new().add_all(train(4, 10, 10)), Some(800_000));
        let small = (0..6).map(|index| (150, index * 10, i64::from(index) * 10));
        assert_eq!(Feed::with(Instant::now(), 5, 1000).add_all(small), Some(120_000));
        let large = (0..25).map(|index| (12_500, index, i64::from(index)));
        assert_eq!(Feed::with(Instant::now(), 30, 312_500).add_all(large), Some(100_000_000));
    }

    #[test]
    fn a_full_path_shows_its_capacity_and_a_little_less_is_taken() {
        let near = |rate: Option<u64>, expected: f64| rate.is_some_and(|rate| (rate as f64 - expected).abs() < 1e4);
        let mut feed = Feed::with(Instant::now(), 8, 4000);
        assert!(near(feed.add_all(train(8, 5, 7)), 0.95 * 1.14e6));
        let mut feed = Feed::with(Instant::now(), 8, 4000);
        assert!(near(feed.add_all(train(8, 1, 2)), 0.95 * 4e6));
        let slow = [(1000, 0, 10), (1000, 10, 40), (1000, 20, 70), (1000, 30, 85)];
        assert_eq!(Feed::new().add_all(slow), Some(304_000), "0.95 of 320 kbit/s");
    }

    #[test]
    fn too_few_packets_or_bytes_show_nothing() {
        assert_eq!(Feed::new().add_all((0..3).map(|index| (2000, index * 10, i64::from(index) * 10))), None);
        let small = || (0..5).map(|index| (800, index * 10, i64::from(index) * 10));
        assert_eq!(Feed::with(Instant::now(), 5, 6000).add_all(small()), None);
        assert_eq!(Feed::with(Instant::now(), 5, 5000).add_all(small()), Some(640_000), "0.8 of them are enough");
    }

    #[test]
    fn arrivals_in_a_burst_show_nothing() {
        let fast = [(1000, 0, 15), (1000, 10, 30), (1000, 20, 35), (1000, 30, 40)];
        assert_eq!(Feed::new().add_all(fast), Some(800_000), "a little faster is well");
        let too_fast = [(1000, 0, 19), (1000, 10, 22), (1000, 20, 25), (1000, 40, 27)];
        assert_eq!(Feed::new().add_all(too_fast), None);
        assert_eq!(Feed::new().add_all(train(4, 10, 0)), None);
        assert_eq!(Feed::with(Instant::now(), 5, 2000).add_all(train(5, 10, 1)), None);
    }

    #[test]
    fn what_takes_more_than_a_second_is_no_probe() {
        assert_eq!(Feed::new().add_all(train(4, 334, 10)), None);
        assert_eq!(Feed::new().add_all(train(4, 10, 334)), None);
        assert!(Feed::new().add_all(train(4, 333, 333)).is_some());
    }

    #[test]
    fn the_last_sent_and_the_first_received_do_not_count() {
        let mut last = Feed::new();
        last.add_all(train(4, 10, 10));
        assert_eq!(last.add(0, (1500, 40, 40)), Some(800_000));
        let first = [(1500, 0, 10), (1000, 10, 20), (1000, 20, 30), (1000, 30, 40)];
        assert_eq!(Feed::new().add_all(first), Some(760_000), "933 kbit/s sent, 800 received");
    }

    /// Three bursts of four packets, 2 ms apart, into a path without limit: 16 Mbit/s, not 22.
    #[test]
    fn the_whole_last_burst_does_not_count() {
        let bursts = (0..12).map(|index| (1000, index / 4 * 2, i64::from(index / 4 * 2)));
        assert_eq!(Feed::new().add_all(bursts), Some(16_000_000));
    }

    #[test]
    fn the_order_of_the_packets_does_not_matter() {
        let mut packets: Vec<_> = train(6, 5, 7).collect();
        let expected = Feed::new().add_all(packets.iter().copied());
        packets.reverse();
        assert_eq!(Feed::new().add_all(packets.iter().copied()), expected);
        packets.swap(0, 3);
        packets.swap(2, 5);
        assert_eq!(Feed::new().add_all(packets), expected);
    }

    #[test]
    fn probes_are_measured_apart_from_each_other() {
        let mut feed = Feed::new();
        assert_eq!(feed.add_all([(1000, 0, 10), (1000, 10, 20), (1000, 20, 30), (1000, 40, 60)]), Some(456_000));
        let second = [(1000, 60, 70), (1000, 65, 77), (1000, 70, 84)];
        assert_eq!(second.map(|packet| feed.add(1, packet)), [None; 3]);
        assert_eq!(feed.add(0, (1000, 50, 60)), Some(640_000), "one more makes it better");
        assert_eq!(feed.add(1, (1000, 75, 90)), Some(1_140_000));
    }

    #[test]
    fn a_probe_is_forgotten_after_a_second() {
        let mut feed = Feed::new();
        feed.add_all(train(3, 10, 10));
        let late = [(1000, 30, 1021), (1000, 40, 1031), (1000, 50, 1041), (1000, 60, 1051)];
        assert_eq!(late.map(|packet| feed.add(0, packet)), [None, None, None, Some(800_000)], "begins anew");
        let mut feed = Feed::new();
        feed.add_all(train(3, 10, 10));
        assert!(feed.add(0, (1000, 30, 1000)).is_some());
    }

    #[test]
    fn the_oldest_of_too_many_gives_way() {
        let mut feed = Feed::new();
        for id in 0..=MAX_PROBES as u32 {
            train(3, 10, 10).for_each(|packet| assert_eq!(feed.add(id, packet), None));
        }
        assert_eq!(feed.add(1, (1000, 30, 30)), Some(800_000));
        assert_eq!(feed.add(0, (1000, 30, 30)), None);
    }

    #[test]
    fn lost_packets_and_those_of_others_do_not_count() {
        let start = Instant::now();
        let mut feed = Feed::with(start, 5, 5000);
        feed.add_all(train(3, 10, 10));
        let plan = ProbePlan {
            id: ProbeId::new(0),
            target: Bitrate::new(40_000),
            duration: Duration::from_secs(1),
            min_packets: 5,
            min_delta: 2 * MS,
        };
        let probe = SentProbe { plan, first: SeqNo::new(10), last: SeqNo::new(12) };
        let arrival = Some(FeedbackTime::new(120));
        let mut result =
            PacketResult { seq: SeqNo::new(13), sent: start + 30 * MS, size: DataSize::new(1000), arrival };
        assert_eq!(feed.estimator.add(&probe, &result), None, "another's");
        result = PacketResult { seq: SeqNo::new(12), arrival: None, ..result };
        assert_eq!(feed.estimator.add(&probe, &result), None, "lost");
        result.arrival = arrival;
        assert!(feed.estimator.add(&probe, &result).is_some());
    }

    #[test]
    fn the_last_rate_is_given_once() {
        let mut feed = Feed::new();
        assert_eq!(feed.estimator.take_last(), None);
        feed.add_all(train(4, 10, 10));
        assert_eq!(feed.estimator.take_last(), Some(Bitrate::new(800_000)));
        assert_eq!(feed.estimator.take_last(), None);
    }
}
