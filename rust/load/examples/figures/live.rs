//! Figures of a whole server: real sockets on loopback, its own thread, peers on another.

use std::fs;
use std::time::{Duration, Instant};

use sfu_core::config::SessionConfig;
use sfu_core::id::RoomId;
use sfu_load::PeerId;
use sfu_peer::{AudioSource, PeerConfig, VideoSource};

use crate::support::House;
use crate::{Figures, median};

/// Joins that are under way together.
const TOGETHER: usize = 20;
/// A keyframe is asked for at most every half second: nobody waits because one was asked for just before.
const KEYFRAME_PAUSE: Duration = Duration::from_millis(600);

pub(crate) fn packets(peers: usize, seconds: u64) -> Figures {
    let mut house = House::new();
    let room = house.create_room();
    let peers: Vec<PeerId> = (0..peers).map(|_| house.join(room, SessionConfig::default(), publish)).collect();
    wait_for_media(&mut house, &peers, (peers.len() - 1) * 2);
    house.run_for(Duration::from_secs(1));
    let (stats, cpu, at) = (house.stats(), shard_cpu(), Instant::now());
    house.run_for(Duration::from_secs(seconds));
    let (after, used, elapsed) =
        (house.stats(), shard_cpu().saturating_sub(cpu).as_nanos() as f64, at.elapsed().as_nanos() as f64);
    let packets = (after.packets_sent - stats.packets_sent) as f64;
    vec![
        ("peers", peers.len() as f64),
        ("packets_forwarded", packets),
        ("cpu_ns_per_packet", used / packets),
        ("core_percent", 100.0 * used / elapsed),
        ("kernel_drops", (after.dropped.kernel - stats.dropped.kernel) as f64),
    ]
}

pub(crate) fn joins(count: usize) -> Figures {
    let mut house = House::new();
    // Descriptions should wait for nobody here: the time is the server's and the peer's, not this loop's.
    house.patience = Duration::from_micros(100);
    let (mut audio, mut both) = (Vec::new(), Vec::new());
    for _ in 0..count {
        // Keyframes have a share of a stream's bitrate: a room of its own for each, who waits for nothing that others have used up.
        let (room, [publisher, other]) = watched_room(&mut house);
        house.run_for(KEYFRAME_PAUSE);
        let start = Instant::now();
        let viewer = house.join(room, SessionConfig::default(), watch);
        wait_for_media(&mut house, &[viewer], 1);
        audio.push(start.elapsed().as_secs_f64() * 1e3);
        wait_for_media(&mut house, &[viewer], 2);
        both.push(start.elapsed().as_secs_f64() * 1e3);
        leave(&mut house, &[publisher, other, viewer]);
    }
    let (room, people) = watched_room(&mut house);
    let start = Instant::now();
    let mut cpu = Duration::ZERO;
    let rounds = count.div_ceil(TOGETHER);
    for _ in 0..rounds {
        cpu += crowd(&mut house, room);
    }
    let elapsed = start.elapsed().as_secs_f64();
    leave(&mut house, &people);
    let joins = (rounds * TOGETHER) as f64;
    vec![
        ("joins", count as f64),
        ("first_packet_ms", median(&mut audio)),
        ("first_packets_of_both_ms", median(&mut both)),
        ("slowest_ms", *both.last().unwrap()),
        ("joins_per_second", joins / elapsed),
        ("server_cpu_ms_per_join", cpu.as_secs_f64() * 1e3 / joins),
    ]
}

/// With its publisher and somebody who sees and hears it.
fn watched_room(house: &mut House) -> (RoomId, [PeerId; 2]) {
    let room = house.create_room();
    let publisher = house.join(room, SessionConfig::default(), publish);
    let viewer = house.join(room, SessionConfig::default(), watch);
    wait_for_media(house, &[viewer], 2);
    (room, [publisher, viewer])
}

/// Many come, see and hear, and leave; the server's time on a processor for it.
fn crowd(house: &mut House, room: RoomId) -> Duration {
    let before = shard_cpu();
    let viewers: Vec<PeerId> = (0..TOGETHER).map(|_| house.join(room, SessionConfig::default(), watch)).collect();
    wait_for_media(house, &viewers, 1);
    let used = shard_cpu().saturating_sub(before);
    leave(house, &viewers);
    used
}

fn publish(config: &mut PeerConfig) {
    config.video.push(VideoSource::single(20));
    config.audio.push(AudioSource::default());
}

/// Offers one section, which connects it; the server offers the tracks.
fn watch(config: &mut PeerConfig) {
    config.channels = true;
}

fn wait_for_media(house: &mut House, peers: &[PeerId], streams: usize) {
    house.run_until("media", |house| {
        let mut received = peers.iter().map(|peer| house.swarm.peer(*peer).unwrap().received());
        received.all(|all| all.filter(|stream| stream.packets > 0).count() >= streams)
    });
}

fn leave(house: &mut House, peers: &[PeerId]) {
    let target = house.closed.len() + peers.len();
    for peer in peers {
        house.hang_up(*peer);
    }
    house.run_until("everybody is gone", |house| house.closed.len() == target);
    for peer in peers {
        house.swarm.remove(*peer);
    }
}

/// Time on a processor of the data plane's threads, by the kernel's count (`schedstat`, nanoseconds).
pub(crate) fn shard_cpu() -> Duration {
    let mut sum = 0;
    for task in fs::read_dir("/proc/self/task").unwrap() {
        let path = task.unwrap().path();
        if fs::read_to_string(path.join("comm")).is_ok_and(|name| name.starts_with("sfu-shard")) {
            let text = fs::read_to_string(path.join("schedstat")).unwrap();
            sum += text.split_ascii_whitespace().next().unwrap().parse::<u64>().unwrap();
        }
    }
    Duration::from_nanos(sum)
}
