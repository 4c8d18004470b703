//! A shard with its sockets: once it is warm a packet costs no allocation and no futex(2), whoever asks for repairs and
//! reports what. Alone in its file: it counts what the whole process allocates.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs, reason = "a test")]
#![allow(unsafe_code, reason = "the allocator that counts")]

#[path = "support/counting.rs"]
mod counting;
#[path = "../../load/tests/support/mod.rs"]
mod support;

use std::env;
use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::process::{Command, Stdio};
use std::time::Duration;

use counting::{allocations, allocations_of_all};
use sfu_core::config::SessionConfig;
use sfu_load::PeerId;
use sfu_peer::{AudioSource, Encoding, Feedback, PeerConfig, Receiving, VideoSource};
use support::House;

const VIEWERS: usize = 50;
/// Of them open every packet, and ask for one in fifty again.
const ASKING: usize = 5;
/// A second and a half of packets is remembered, and how many repairs and reports wait at once differs.
const WARM_UP: Duration = Duration::from_secs(6);
/// A thread that was kept from its processor for longer than ever before finds more to read at once, and its buffers grow: then the
/// warm-up is not over yet, and another window is counted. What allocates by the packet does so in each.
const WINDOWS: usize = 4;
/// Packets that leave while the calls of the kernel are counted: a million by `SFU_PACKETS=1000000`.
const PACKETS: u64 = 20_000;

#[test]
fn a_warm_shard_neither_allocates_nor_waits_for_a_lock() {
    let mut house = House::new();
    let room = house.create_room();
    house.join(room, SessionConfig::default(), publish);
    let viewers: Vec<PeerId> = (0..VIEWERS)
        .map(|number| house.join(room, SessionConfig::default(), |config| watch(config, number < ASKING)))
        .collect();
    house.run_until("media", |house| {
        let (asking, counting) = viewers.split_at(ASKING);
        asking.iter().all(|peer| house.swarm.peer(*peer).unwrap().received().count() == 2)
            && counting.iter().all(|peer| house.swarm.peer(*peer).unwrap().tally().packets > 0)
    });
    house.run_for(WARM_UP);
    let counts: Vec<u64> =
        (0..WINDOWS).map(|_| allocations_of_window(&mut house)).take_while(|count| *count > 0).collect();
    assert!(counts.len() < WINDOWS, "allocations in each of {WINDOWS} windows: {counts:?}");

    match calls_of(&mut house, &viewers[ASKING..]) {
        Ok((calls, came)) => {
            println!("{came} packets:\n{calls}");
            assert!(count(&calls, "sendmmsg") > 0, "{calls}");
            assert_eq!(count(&calls, "futex"), 0, "{calls}");
            // What the application is told wakes it: an eventfd is written.
            assert!(count(&calls, "write") < came / 1000, "{calls}");
        }
        // Where nothing may be missing (`CI`) strace is installed; that it may watch a thread is for the machine to allow (ptrace(2)).
        Err(Uncounted::NoStrace(why)) => {
            let at_a_desk = env::var("CI").map_or(true, |ci| ["", "0", "false", "no"].contains(&ci.as_str()));
            assert!(at_a_desk, "calls of the kernel are not counted: {why}");
            println!("SKIPPED: calls of the kernel are not counted: {why}");
        }
        Err(Uncounted::Refused(why)) => println!("SKIPPED: calls of the kernel are not counted: {why}"),
    }
}

/// Allocations of all threads but this one in three seconds of media.
fn allocations_of_window(house: &mut House) -> u64 {
    let before = house.stats();
    // From the answer to this question on nobody asks the shard for anything.
    let (all, mine) = (allocations_of_all(), allocations());
    house.run_for(Duration::from_secs(3));
    let allocated = (allocations_of_all() - all) - (allocations() - mine);
    let sent = house.stats().packets_sent - before.packets_sent;
    println!("{allocated} allocations, {sent} packets");
    assert!(sent > 10_000, "{sent} packets");
    allocated
}

fn publish(config: &mut PeerConfig) {
    let encoding = Encoding { rid: None, width: 1280, height: 720, packets_per_frame: 4, packet_len: 1000 };
    config.video.push(VideoSource { encodings: vec![encoding], ..VideoSource::single(25) });
    config.audio.push(AudioSource::default());
}

fn watch(config: &mut PeerConfig, asks: bool) {
    config.channels = true;
    if asks {
        config.ask_again = 0.02;
    } else {
        config.receiving = Receiving::Count(Feedback::TransportWide);
    }
}

/// Why calls of the kernel are not counted.
enum Uncounted {
    /// It does not run.
    NoStrace(io::Error),
    /// What strace says when it may not watch the thread.
    Refused(String),
}

/// What strace(1) counts of the shard's thread while [`PACKETS`] come to these viewers, and how many did. Nobody asks the
/// shard for anything meanwhile: an answer may have to wait for the reader of the last one.
fn calls_of(house: &mut House, viewers: &[PeerId]) -> Result<(String, u64), Uncounted> {
    let wanted = env::var("SFU_PACKETS").map_or(PACKETS, |packets| packets.parse().expect("a number"));
    let received =
        |house: &House| viewers.iter().map(|peer| house.swarm.peer(*peer).unwrap().tally().packets).sum::<u64>();
    let shard = fs::read_dir("/proc/self/task").unwrap().map(|task| task.unwrap().path());
    let shard = shard.into_iter().find(|task| fs::read_to_string(task.join("comm")).unwrap().starts_with("sfu-shard"));
    let shard = shard.expect("a shard's thread by its name");
    let mut strace = Command::new("strace")
        .args(["-c", "-p", shard.file_name().unwrap().to_str().unwrap()])
        .stderr(Stdio::piped())
        .spawn()
        .map_err(Uncounted::NoStrace)?;
    let mut said = BufReader::new(strace.stderr.take().unwrap());
    let mut first = String::new();
    said.read_line(&mut first).unwrap();
    if !first.contains("attached") {
        let _ = strace.wait();
        return Err(Uncounted::Refused(first));
    }
    let before = received(house);
    let mut came = 0;
    while came < wanted {
        let goal = before + came + PACKETS;
        house.run_until("packets", |house| received(house) >= goal);
        came = received(house) - before;
    }
    let _ = Command::new("kill").args(["-INT", &strace.id().to_string()]).status();
    let mut calls = String::new();
    said.read_to_string(&mut calls).unwrap();
    strace.wait().unwrap();
    Ok((calls, came))
}

/// The fourth column of the line that ends with the name of a call.
fn count(calls: &str, name: &str) -> u64 {
    let line = calls.lines().find(|line| line.split_ascii_whitespace().next_back() == Some(name));
    line.map_or(0, |line| line.split_ascii_whitespace().nth(3).unwrap().parse().unwrap())
}
