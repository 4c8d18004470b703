//! A room of thirty: everybody publishes and receives everybody else over a lossy network; after retransmission no packet is
//! missing, and when they have left nothing remains. Alone in its file: it counts threads and descriptors of the process.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "figures that are worth a look")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use sfu_core::config::SessionConfig;
use sfu_core::stats::SfuStats;
use sfu_load::{Loss, PeerId};
use sfu_peer::{AudioSource, PeerStats, StreamStats, VideoSource};
use support::House;

const PEERS: usize = 30;
const STREAMS: usize = (PEERS - 1) * 2;
const LOSS: Loss = Loss::both_ways(0.01);
const LOSSY: Duration = Duration::from_secs(20);
/// Repair takes its round trips and servers remember packets for about a second.
const LONGEST_PAUSE: Duration = Duration::from_millis(300);
const ATTEMPTS: u32 = 3;
/// Opus in the peers' offers.
const OPUS: u8 = 111;

#[test]
fn thirty_peers_lose_nothing_and_leave_nothing_behind() {
    let mut house = House::new();
    let room = house.create_room();
    let before = Census::take(&mut house);

    let peers: Vec<PeerId> = (0..PEERS).map(|_| house.join(room, SessionConfig::default(), publish)).collect();
    let joined = house.run_until("everybody sees and hears everybody", |house| {
        peers.iter().all(|peer| house.swarm.peer(*peer).unwrap().received().count() == STREAMS)
    });
    house.run_until("pictures", |house| {
        let mut streams = peers.iter().flat_map(|peer| house.swarm.peer(*peer).unwrap().received());
        streams.all(|stream| stream.packets > 0 && (!stream.video || stream.frames.decoded > 0))
    });
    println!("{PEERS} peers, {} streams: after {} ms", PEERS * STREAMS, joined.as_millis());

    for attempt in 1.. {
        let before = Everybody::take(&mut house, &peers);
        let pause = run_with_loss(&mut house);
        let after = Everybody::take(&mut house, &peers);
        let drops = Drops::take(&mut house);
        after.print(&drops);
        // A machine that stops one side for so long makes repair come too late: that says nothing about the server.
        if pause > LONGEST_PAUSE && attempt < ATTEMPTS && after.lost() > before.lost() {
            println!("a pause of {} ms and {} packets lost: once more", pause.as_millis(), after.lost());
            continue;
        }
        after.assert_video_is_complete(&before);
        after.assert_audio_is_accounted_for(&house, &drops);
        break;
    }

    for peer in &peers {
        house.hang_up(*peer);
    }
    house.run_until("everybody is gone", |house| house.closed.len() == PEERS);
    for peer in peers {
        house.swarm.remove(peer);
    }
    let end = Instant::now() + Duration::from_secs(10);
    while Census::take(&mut house) != before && Instant::now() < end {
        house.turn();
    }
    assert_eq!(Census::take(&mut house), before);
}

/// The longest pause of either side.
fn run_with_loss(house: &mut House) -> Duration {
    let start = Measure::take(house);
    house.swarm.set_loss(LOSS);
    let pause = house.run_and_watch(LOSSY);
    house.swarm.set_loss(Loss::default());
    Measure::take(house).print_since(&start);
    // The packet behind a lost one tells that it is lost, and the last repair takes its round trips.
    pause.max(house.run_and_watch(Duration::from_secs(1)))
}

fn publish(config: &mut sfu_peer::PeerConfig) {
    config.video.push(VideoSource::single(20));
    config.audio.push(AudioSource::default());
}

/// What must be as it was when all have left.
#[derive(Debug, PartialEq, Eq)]
struct Census {
    live: [u64; 5],
    threads: usize,
    descriptors: usize,
}

impl Census {
    fn take(house: &mut House) -> Self {
        let SfuStats { rooms, sessions, tracks, subscriptions, channels, .. } = house.stats();
        let entries = |directory| fs::read_dir(directory).unwrap().count();
        Self {
            live: [rooms, sessions, tracks, subscriptions, channels],
            threads: entries("/proc/self/task"),
            descriptors: entries("/proc/self/fd"),
        }
    }
}

/// The server's work so far.
struct Measure {
    at: Instant,
    stats: SfuStats,
    cpu: Duration,
}

impl Measure {
    fn take(house: &mut House) -> Self {
        Self { stats: house.stats(), cpu: shard_cpu(), at: Instant::now() }
    }

    fn print_since(&self, before: &Self) {
        let packets = self.stats.packets_sent - before.stats.packets_sent;
        let received = self.stats.packets_received - before.stats.packets_received;
        let (cpu, elapsed) = (self.cpu.saturating_sub(before.cpu), self.at - before.at);
        println!(
            "server: {packets} packets out, {received} in, in {:.1} s; {} ns of CPU per forwarded packet ({:.0} % of a core), \
             dropped {:?}",
            elapsed.as_secs_f64(),
            cpu.as_nanos() as u64 / packets.max(1),
            100.0 * cpu.as_secs_f64() / elapsed.as_secs_f64(),
            self.stats.dropped,
        );
    }
}

/// Time on a processor of the data plane's threads, by the kernel's count (`schedstat`, nanoseconds).
fn shard_cpu() -> Duration {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        if fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("sfu-shard")) {
            let text = fs::read_to_string(path.join("schedstat")).unwrap();
            sum += text.split_ascii_whitespace().next().unwrap().parse::<u64>().unwrap();
        }
    }
    assert!(sum > 0, "a shard's thread by its name");
    Duration::from_nanos(sum)
}

/// What nobody dropped on purpose, by the kernel's and the server's count.
struct Drops {
    peers: u64,
    server: SfuStats,
}

impl Drops {
    fn take(house: &mut House) -> Self {
        Self { peers: house.swarm.kernel_drops().unwrap(), server: house.stats() }
    }

    /// Audio packets that these may cost at most: one on its way in is missed by all subscribers.
    fn most(&self) -> u64 {
        self.peers + self.server.dropped.kernel * (PEERS as u64 - 1)
    }
}

/// What must not happen to a video.
#[derive(Debug, PartialEq, Eq)]
struct Fault {
    /// Between the first and the last of the publisher's packets, by their own numbers.
    absent: u64,
    lost: u64,
    corrupt: u64,
    misrouted: u64,
    frames: [u64; 5],
}

impl Fault {
    fn all(stream: &StreamStats) -> Self {
        let numbers = stream.numbers[0].unwrap();
        let frames = &stream.frames;
        Self {
            absent: u64::from(numbers.last - numbers.first) + 1 - numbers.count,
            lost: stream.lost,
            corrupt: stream.corrupt,
            misrouted: stream.misrouted,
            frames: [frames.undecodable, frames.torn, frames.discontinuities, frames.bad_switches, frames.broken],
        }
    }
}

/// Every peer's statistics.
struct Everybody(BTreeMap<PeerId, PeerStats>);

impl Everybody {
    fn take(house: &mut House, peers: &[PeerId]) -> Self {
        Self(peers.iter().map(|id| (*id, house.swarm.peer(*id).unwrap().stats())).collect())
    }

    fn streams(&self, video: bool) -> impl Iterator<Item = (PeerId, &StreamStats)> {
        let all = self.0.iter().flat_map(|(id, stats)| stats.streams.iter().map(|stream| (*id, stream)));
        all.filter(move |(_, stream)| stream.video == video)
    }

    fn print(&self, drops: &Drops) {
        let sum = |video, of: fn(&StreamStats) -> u64| self.streams(video).map(|(_, stream)| of(stream)).sum::<u64>();
        let latency = self.streams(true).map(|(_, stream)| stream.max_latency).max().unwrap();
        println!(
            "received: {} video packets ({} repaired, {} asked for, {} needless), {} audio packets; latest after {} ms; \
             the kernel dropped {} before the peers, {} before the server",
            sum(true, |s| s.packets),
            sum(true, |s| s.repaired),
            sum(true, |s| s.nacks),
            sum(true, |s| s.needless_repairs),
            sum(false, |s| s.packets),
            latency.as_millis(),
            drops.peers,
            drops.server.dropped.kernel,
        );
    }

    /// Video packets that were given up.
    fn lost(&self) -> u64 {
        self.streams(true).map(|(_, stream)| stream.lost).sum()
    }

    /// Every packet of every video since `before`, intact and in place.
    fn assert_video_is_complete(&self, before: &Self) {
        let mut count = 0;
        for ((id, stream), (_, earlier)) in self.streams(true).zip(before.streams(true)) {
            assert_eq!(stream.ssrc, earlier.ssrc);
            assert_eq!(Fault::all(stream), Fault::all(earlier), "{id:?}: {stream:?}");
            assert_eq!(stream.missing, 0, "{id:?}: {stream:?}");
            let received = stream.numbers[0].unwrap().count - earlier.numbers[0].unwrap().count;
            // A little less than 20 a second when a pause made the schedule start anew.
            assert!(received > 15 * LOSSY.as_secs(), "{id:?}: {stream:?}");
            count += 1;
        }
        assert_eq!(count, PEERS * (PEERS - 1));
        for (id, stats) in &self.0 {
            assert_eq!((stats.unknown_packets, stats.dropped), (0, 0), "{id:?}");
        }
    }

    /// Audio is not retransmitted: what is missing is what was lost on purpose, on the publisher's way up or on the
    /// subscriber's way down, and not a packet more.
    fn assert_audio_is_accounted_for(&self, house: &House, drops: &Drops) {
        let lost_up: Vec<u64> = self
            .0
            .keys()
            .map(|id| house.swarm.dropped_up(*id).filter(|(_, d)| d.pt.get() == OPUS).map(|(_, d)| d.packets).sum())
            .collect();
        let (mut count, mut unaccounted) = (0, 0);
        for (id, stream) in self.streams(false) {
            let numbers = stream.numbers[0].unwrap();
            let missing = u64::from(numbers.last - numbers.first) + 1 - numbers.count;
            let (publisher, _) = stream.source.unwrap();
            let down = house.swarm.dropped_down(id).find(|(ssrc, _)| *ssrc == stream.ssrc);
            let known = lost_up[publisher as usize] + down.map_or(0, |(_, dropped)| dropped.packets);
            assert!(missing >= known, "{id:?}: {missing} missing, {known} lost: {stream:?}");
            assert_eq!((stream.corrupt, stream.misrouted), (0, 0), "{id:?}: {stream:?}");
            assert!(numbers.last - numbers.first > 40 * LOSSY.as_secs() as u32, "{id:?}: {stream:?}");
            unaccounted += missing - known;
            count += 1;
        }
        assert_eq!(count, PEERS * (PEERS - 1));
        assert!(unaccounted <= drops.most(), "{unaccounted} audio packets are missing for no reason");
    }
}
