//! One publisher of whole frames, many subscribers who only count, the server's thread on a processor of its own.

use std::time::{Duration, Instant};

use sfu_core::config::SessionConfig;
use sfu_load::PeerId;
use sfu_peer::{Encoding, Feedback, Pacing, PeerConfig, Receiving, VideoSource};
use sfu_runtime::RuntimeConfig;

use crate::Figures;
use crate::live::shard_cpu;
use crate::support::{self, House};

/// Subscribers that open and verify every packet.
const VERIFIERS: usize = 2;
/// Payload bytes of which the publisher makes datagrams of 1200 bytes: 12 of fixed header, 16 of extensions, 16 of tag.
const PAYLOAD: usize = 1156;

/// What is sent, and to how many.
pub(crate) struct Load {
    pub(crate) subscribers: usize,
    /// Packets a second; a multiple of `frame`.
    pub(crate) rate: usize,
    /// Packets of a frame, which leave the publisher as one burst.
    pub(crate) frame: usize,
    pub(crate) feedback: Feedback,
    pub(crate) seconds: u64,
    /// The processor on which the server's thread stays.
    pub(crate) core: usize,
}

/// Of all subscribers together.
#[derive(Clone, Copy, Default)]
struct Received {
    packets: u64,
    expected: u64,
    bytes: u64,
}

pub(crate) fn fanout(load: &Load) -> Figures {
    let mut house = House::with(&RuntimeConfig { pin: vec![load.core], ..support::settings() });
    let room = house.create_room();
    house.join(room, SessionConfig::default(), |config| config.video.push(video(load)));
    let viewers: Vec<PeerId> = (0..load.subscribers)
        .map(|number| {
            let verifies = number < VERIFIERS;
            house.join(room, SessionConfig::default(), |config| watch(config, verifies, load.feedback))
        })
        .collect();
    let (verifiers, counters) = viewers.split_at(VERIFIERS.min(viewers.len()));
    house.run_until("media", |house| {
        verifiers.iter().all(|peer| house.swarm.peer(*peer).unwrap().received().next().is_some())
            && counters.iter().all(|peer| house.swarm.peer(*peer).unwrap().tally().packets > 0)
    });
    // Keyframes that the last to come have asked for are over, and the server is warm.
    house.run_for(Duration::from_secs(2));
    let (stats, before, cpu, at) = (house.stats(), received(&house, counters), shard_cpu(), Instant::now());
    house.run_for(Duration::from_secs(load.seconds));
    let (after, got, used, elapsed) =
        (house.stats(), received(&house, counters), shard_cpu().saturating_sub(cpu), at.elapsed());
    let packets = (after.packets_sent - stats.packets_sent) as f64;
    let [came, expected, bytes] =
        [got.packets - before.packets, got.expected - before.expected, got.bytes - before.bytes].map(|n| n as f64);
    let ns = used.as_nanos() as f64 / packets;
    let mut figures = vec![
        ("ns_per_packet", ns),
        ("kpps_per_core", 1e6 / ns),
        ("loss", 1.0 - came / expected),
        ("packets_per_second", packets / elapsed.as_secs_f64()),
        ("bytes_per_packet", bytes / came),
        ("core_percent", 100.0 * used.as_secs_f64() / elapsed.as_secs_f64()),
        ("corrupt", verifiers.iter().map(|peer| corrupt(&house, *peer)).sum::<u64>() as f64),
        ("kernel_drops", house.swarm.kernel_drops().unwrap() as f64),
    ];
    figures.extend(shares_of_runs(&stats.runs, &after.runs));
    figures
}

/// Of all datagrams: how many percent left in messages of so many.
fn shares_of_runs(before: &[u64], after: &[u64]) -> Vec<(&'static str, f64)> {
    const BOUNDS: [(&str, usize, usize); 6] = [
        ("percent_in_runs_of_1", 1, 1),
        ("percent_in_runs_of_2_to_3", 2, 3),
        ("percent_in_runs_of_4_to_7", 4, 7),
        ("percent_in_runs_of_8", 8, 8),
        ("percent_in_runs_of_9_to_16", 9, 16),
        ("percent_in_runs_of_17_and_more", 17, usize::MAX),
    ];
    let datagrams = |first: usize, last: usize| {
        let runs = after.iter().zip(before).zip(1..).filter(|(_, len)| (first..=last).contains(len));
        runs.map(|((after, before), len)| (after - before) as f64 * len as f64).sum::<f64>()
    };
    let all = datagrams(1, usize::MAX);
    BOUNDS.map(|(name, first, last)| (name, 100.0 * datagrams(first, last) / all)).to_vec()
}

fn video(load: &Load) -> VideoSource {
    let encoding = Encoding { rid: None, width: 1280, height: 720, packets_per_frame: load.frame, packet_len: PAYLOAD };
    VideoSource {
        encodings: vec![encoding],
        frames_per_second: (load.rate / load.frame) as u32,
        temporal_layers: false,
        keyframe_delay: Duration::from_millis(50),
        pacing: Pacing::Burst,
    }
}

/// Offers one section, which connects it; the server offers the track.
fn watch(config: &mut PeerConfig, verifies: bool, feedback: Feedback) {
    config.channels = true;
    config.receiving = if verifies { Receiving::Verify } else { Receiving::Count(feedback) };
}

fn received(house: &House, counters: &[PeerId]) -> Received {
    counters.iter().fold(Received::default(), |sum, peer| {
        let tally = house.swarm.peer(*peer).unwrap().tally();
        Received {
            packets: sum.packets + tally.packets,
            expected: sum.expected + tally.expected,
            bytes: sum.bytes + tally.bytes,
        }
    })
}

/// Packets that do not prove themselves, or are gone for good.
fn corrupt(house: &House, verifier: PeerId) -> u64 {
    house.swarm.peer(verifier).unwrap().received().map(|stream| stream.corrupt + stream.misrouted + stream.lost).sum()
}
