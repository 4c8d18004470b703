//! Reports of one peer wait for media to it, those of many peers for each other.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use sfu_core::command::Command;
use sfu_core::event::Event;
use sfu_transport::Egress;

use crate::by_hand::{Hall, Packet, opus};
use crate::world::millis;

const INTERVAL: Duration = Duration::from_secs(1);
/// Times are shared with others, and this world has steps of 10 ms.
const LATEST: Duration = Duration::from_millis(1035);

/// When reports came to a viewer who gets a packet at intervals: beside one of them, or by themselves.
struct Came {
    beside: Vec<Instant>,
    alone: Vec<Instant>,
}

impl Came {
    /// For ten seconds.
    fn with_a_packet_every(ms: u64) -> Self {
        let mut hall = Hall::new();
        let publisher = hall.join(&[opus("v", "sendonly", &["extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"])]);
        let speak = |hall: &mut Hall, seq: u16| {
            let packet = Packet { pt: 111, ssrc: 11, seq, extensions: &[(4, b"v")], payload: &[1; 40] };
            hall.send_at(publisher, u32::from(seq) * ms as u32 * 48, &packet);
        };
        speak(&mut hall, 1);
        let viewer = hall.join(&[opus("w", "recvonly", &[])]);
        speak(&mut hall, 2);
        let mut came = Self { beside: Vec::new(), alone: Vec::new() };
        for seq in 3..3 + (10_000 / ms) as u16 {
            for _ in 0..ms / 10 {
                hall.clients[viewer].reports.clear();
                hall.wait(10);
                came.alone.extend(hall.clients[viewer].reports.drain(..).map(|_| hall.now));
            }
            speak(&mut hall, seq);
            came.beside.extend(hall.clients[viewer].reports.drain(..).map(|_| hall.now));
        }
        came
    }

    /// From one to the next, behind the first second.
    fn distances(&self) -> Vec<Duration> {
        let all: BTreeSet<&Instant> = self.beside.iter().chain(&self.alone).collect();
        all.iter().zip(all.iter().skip(1)).skip(1).map(|(one, next)| **next - **one).collect()
    }
}

#[test]
fn they_go_beside_the_last_media_before_their_time() {
    for ms in [20, 100, 240, 400, 1000] {
        let came = Came::with_a_packet_every(ms);
        assert!(came.alone.len() <= 1, "a packet every {ms} ms: {:?}", came.alone);
        let (distances, gap) = (came.distances(), millis(ms));
        let earliest = gap.max(INTERVAL.saturating_sub(gap));
        assert!(distances.iter().all(|one| (earliest..=LATEST).contains(one)), "{ms} ms: {distances:?}");
        assert!(distances.len() >= 7, "{ms} ms: {distances:?}");
    }
}

#[test]
fn where_media_is_rare_they_go_at_their_time_as_well() {
    let came = Came::with_a_packet_every(1500);
    assert!(came.alone.len() >= 4 && came.beside.len() >= 4, "{:?}", came.distances());
    assert!(came.distances().iter().all(|one| *one <= LATEST), "{:?}", came.distances());
}

#[test]
fn who_has_paused_is_not_reported_to_with_every_packet() {
    let mut hall = Hall::new();
    let section = |direction| opus("v", direction, &["extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"]);
    let publisher = hall.join(&[section("sendonly")]);
    let packet = |ssrc, seq| Packet { pt: 111, ssrc, seq, extensions: &[(4, b"v")], payload: &[1; 40] };
    hall.send(publisher, &packet(11, 1));
    // It speaks as well, so that there is something to tell it.
    let viewer = hall.join(&[section("sendonly"), opus("w", "recvonly", &[])]);
    hall.send(publisher, &packet(11, 2));
    let subscribed = hall.events.iter().find_map(|event| match event {
        Event::Subscribed { subscription, .. } => Some(*subscription),
        _ => None,
    });
    hall.command(Command::SetPaused(subscribed.expect("it is subscribed"), true)).expect("it can pause");
    hall.clients[viewer].reports.clear();
    let before = hall.clients[viewer].packets.len();
    for seq in 3..203 {
        hall.wait(20);
        hall.send(publisher, &packet(11, seq));
        hall.send(viewer, &packet(12, seq));
    }
    assert_eq!(hall.clients[viewer].packets.len(), before);
    let reports = hall.clients[viewer].reports.len();
    assert!((3..=4).contains(&reports), "{reports} reports in four seconds");
}

#[test]
fn peers_who_come_at_different_times_are_reported_to_at_the_same_ones() {
    const PEERS: usize = 60;
    let mut hall = Hall::new();
    for _ in 0..PEERS {
        hall.join(&[opus("v", "sendonly", &[])]);
        hall.now += millis(7);
    }
    let (start, mut wakes) = (hall.now, 0);
    while let Some(due) = hall.sfu.poll_timeout().filter(|due| *due < start + 3 * INTERVAL) {
        hall.now = hall.now.max(due);
        hall.sfu.handle_timeout(hall.now, &mut Egress::new());
        wakes += 1;
    }
    assert!(wakes <= 3 * 40 + PEERS, "{wakes} wakes in three seconds, after one of each that joined");
    assert!(wakes >= 3, "{wakes}");
}
