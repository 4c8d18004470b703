//! A room of thirty: everybody publishes and receives everybody else over a lossy network; after retransmission no packet of
//! audio or video is missing, and when they have left nothing remains. Alone in its file: it counts threads and descriptors of
//! the process.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "figures that are worth a look")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

use sfu_core::config::{Estimation, SessionConfig};
use sfu_core::stats::SfuStats;
use sfu_load::{Loss, PeerId};
use sfu_peer::{AudioSource, PeerStats, StreamStats, VideoSource};
use sfu_runtime::{CoreSettings, RuntimeConfig};
use support::House;
use support::schedule::{Schedule, Share};

const PEERS: usize = 30;
const STREAMS: usize = (PEERS - 1) * 2;
const LOSS: Loss = Loss::both_ways(0.01);
const LOSSY: Duration = Duration::from_secs(20);
/// More than once only when the machine did not let it run.
const ATTEMPTS: u32 = 3;

#[test]
fn thirty_peers_lose_nothing_and_leave_nothing_behind() {
    let _share = Share::take();
    // With what the ways carry estimated, some streams of thirty peers on a busy machine are thinned, and are not whole for that reason.
    let settings = support::settings();
    let core = CoreSettings { estimation: Estimation::Off, ..settings.core.clone() };
    let mut house = House::with(&RuntimeConfig { core, ..settings });
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
        let run = run_with_loss(&mut house, &peers);
        let after = Everybody::take(&mut house, &peers);
        after.print(&Drops::take(&mut house));
        let faulty = after.faulty_since(&before);
        if faulty.is_empty() {
            break;
        }
        assert!(
            run.is_starved() && attempt < ATTEMPTS,
            "{run:?}, {} streams are not whole: {:?}",
            faulty.len(),
            faulty[0]
        );
        println!("{run:?}, {} streams are not whole: once more", faulty.len());
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

/// Loses packets of streams that flow already and stops a second before the end: the packet behind a lost one tells that it is
/// lost, and the last repair takes its round trips.
fn run_with_loss(house: &mut House, peers: &[PeerId]) -> Run {
    let start = Measure::take(house);
    house.swarm.set_loss(LOSS);
    let lossy = house.run_for(LOSSY);
    house.swarm.set_loss(Loss::default());
    let after = house.run_for(Duration::from_secs(1));
    let run = Measure::take(house).since(&start, lossy.max(after));
    // What the kernel dropped just now. What is given up is not missing any more.
    house.run_until("nobody waits for a repair", |house| {
        let mut streams = peers.iter().flat_map(|peer| house.swarm.peer(*peer).unwrap().received());
        streams.all(|stream| stream.missing == 0)
    });
    run
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

/// The work of the two threads so far.
struct Measure {
    at: Instant,
    stats: SfuStats,
    server: Schedule,
    peers: Schedule,
}

impl Measure {
    fn take(house: &mut House) -> Self {
        let (server, peers) = (Schedule::of_server(), Schedule::of_this_thread());
        Self { stats: house.stats(), server, peers, at: Instant::now() }
    }

    fn since(&self, before: &Self, longest_pause: Duration) -> Run {
        let packets = self.stats.packets_sent - before.stats.packets_sent;
        let received = self.stats.packets_received - before.stats.packets_received;
        let elapsed = self.at - before.at;
        let (server, peers) = (self.server.since(before.server), self.peers.since(before.peers));
        println!(
            "server: {packets} packets out, {received} in, in {:.1} s; {} ns of CPU per forwarded packet ({:.0} % of a core), \
             dropped {:?}",
            elapsed.as_secs_f64(),
            server.ran.as_nanos() as u64 / packets.max(1),
            100.0 * server.ran.as_secs_f64() / elapsed.as_secs_f64(),
            self.stats.dropped,
        );
        let waited = server.waited.max(peers.waited);
        Run { waited: waited.as_secs_f64() / elapsed.as_secs_f64(), longest_pause }
    }
}

/// How the machine let a run run.
#[derive(Debug)]
struct Run {
    /// The share of its time for which either thread stood in line for a processor.
    waited: f64,
    longest_pause: Duration,
}

impl Run {
    /// Repair takes its round trips, and what would come half a second late is not sent again: on such a machine a packet that
    /// is missing says nothing about the server.
    fn is_starved(&self) -> bool {
        self.waited > 0.25 || self.longest_pause > Duration::from_millis(300)
    }
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
}

/// What must not happen to a stream.
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
        for (video, name) in [(true, "video"), (false, "audio")] {
            let sum = |of: fn(&StreamStats) -> u64| self.streams(video).map(|(_, stream)| of(stream)).sum::<u64>();
            let latency = self.streams(video).map(|(_, stream)| stream.max_latency).max().unwrap();
            println!(
                "received: {} packets of {name} ({} repaired, {} asked for, {} needless, {} lost), latest after {} ms",
                sum(|s| s.packets),
                sum(|s| s.repaired),
                sum(|s| s.nacks),
                sum(|s| s.needless_repairs),
                sum(|s| s.lost),
                latency.as_millis(),
            );
        }
        println!(
            "the kernel dropped {} before the peers, {} before the server",
            drops.peers, drops.server.dropped.kernel
        );
    }

    /// Streams of which not every packet since `before` has arrived, intact and in place.
    fn faulty_since(&self, before: &Self) -> Vec<(PeerId, StreamStats)> {
        let mut faulty = Vec::new();
        for (video, per_second) in [(true, 15), (false, 40)] {
            let mut count = 0;
            for ((id, stream), (_, earlier)) in self.streams(video).zip(before.streams(video)) {
                assert_eq!(stream.ssrc, earlier.ssrc);
                if Fault::all(stream) != Fault::all(earlier) {
                    faulty.push((id, stream.clone()));
                }
                let received = stream.numbers[0].unwrap().count - earlier.numbers[0].unwrap().count;
                // Of 20 and 50 a second; a little less when a pause made the schedule start anew.
                assert!(received > per_second * LOSSY.as_secs(), "{id:?}: {stream:?}");
                count += 1;
            }
            assert_eq!(count, PEERS * (PEERS - 1));
        }
        for (id, stats) in &self.0 {
            assert_eq!((stats.unknown_packets, stats.dropped), (0, 0), "{id:?}");
        }
        faulty
    }
}
