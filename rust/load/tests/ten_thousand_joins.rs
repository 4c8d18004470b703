//! Ten thousand joins (more by `SFU_JOINS`: `make soak-joins`), two in a room and fifty at a time, each with a full call: when
//! they have gone, so has their memory. Alone in its file: it looks at the memory of the whole process.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "figures that are worth a look")]

mod support;

use std::fs;
use std::time::Instant;

use sfu_core::command::Command;
use sfu_core::config::SessionConfig;
use sfu_load::PeerId;
use sfu_peer::{AudioSource, PeerConfig, VideoSource};
use support::House;

/// At least three times [`WINDOW`].
const JOINS: u64 = 10_000;
/// The first joins fill caches and tables.
const WARM_UP: u64 = 2_000;
/// What the allocator keeps for a moment goes up and down; the lowest over so many joins is what is really held.
const WINDOW: u64 = 2_000;
const ROOMS: usize = 25;
/// Bytes that a join may leave behind.
const ALLOWED: u64 = 100;

#[test]
fn ten_thousand_joins_leave_no_memory_behind() {
    let joins = std::env::var("SFU_JOINS").map_or(JOINS, |joins| joins.parse().expect("a number"));
    let mut house = House::new();
    let start = Instant::now();
    let mut held = Vec::new();
    for joined in (0..joins).step_by(ROOMS * 2) {
        call(&mut house);
        held.push((joined, resident_bytes()));
    }
    let lowest = |from| {
        let window = held.iter().filter(|(joined, _)| (from..from + WINDOW).contains(joined));
        window.map(|(_, bytes)| *bytes).min().unwrap()
    };
    let (early, late) = (lowest(WARM_UP), lowest(joins - WINDOW));
    let each = late.saturating_sub(early) / (joins - WINDOW - WARM_UP);
    let kilobytes: Vec<_> = held.iter().step_by(held.len() / 10).map(|(_, bytes)| bytes / 1024).collect();
    println!("{joins} joins in {:.1} s: {each} bytes a join remain; kB: {kilobytes:?}", start.elapsed().as_secs_f64());
    assert!(each <= ALLOWED, "{early} bytes, then {late}");
    let stats = house.stats();
    assert_eq!([stats.rooms, stats.sessions, stats.tracks, stats.subscriptions, stats.channels], [0; 5]);
    assert_eq!(
        (house.tracks.len(), house.subscriptions.len()),
        (0, 0),
        "the house counts by events, and they ended all"
    );
}

/// Join, negotiate, connect, see and hear each other, leave.
fn call(house: &mut House) {
    house.closed.clear();
    let rooms = [(); ROOMS].map(|()| house.create_room());
    let peers: Vec<PeerId> =
        rooms.iter().flat_map(|room| [*room; 2]).map(|room| house.join(room, SessionConfig::default(), talk)).collect();
    house.run_until("everybody sees and hears the other", |house| {
        let mut received = peers.iter().map(|peer| house.swarm.peer(*peer).unwrap().received());
        received.all(|streams| streams.filter(|stream| stream.packets > 0).count() == 2)
    });
    for peer in &peers {
        house.hang_up(*peer);
    }
    house.run_until("all have left", |house| house.closed.len() == peers.len());
    for peer in peers {
        house.swarm.remove(peer);
    }
    for room in rooms {
        house.tell(Command::CloseRoom(room));
    }
}

fn talk(config: &mut PeerConfig) {
    config.audio.push(AudioSource::default());
    config.video.push(VideoSource::single(20));
    config.channels = true;
}

fn resident_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}
