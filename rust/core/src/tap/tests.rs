//! What is given can be decoded, in whatever order and however incomplete packets come.

use std::time::{Duration, Instant};

use sfu_wire::SeqNo;

use super::*;
use crate::layer::{Dependencies, packet_facts};

/// A VP8 keyframe's and another frame's first packet, and what follows in either (RFC 7741 §4.2).
const KEY: &[u8] = &[0x10, 0x00, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1];
const DELTA: &[u8] = &[0x10, 0x01, 7, 7];
const REST: &[u8] = &[0x00, 9, 9];

struct Scene {
    start: Instant,
    tap: Tap,
    clock: TimestampMap,
    newest: u64,
}

impl Scene {
    fn new(capacity: usize) -> Self {
        let start = Instant::now();
        let mut tap = Tap::new(TrackId::new(1), Kind::Video, None, capacity);
        tap.forwarder.set_muted(false);
        Self { start, tap, clock: TimestampMap::new(Kind::Video), newest: 0 }
    }

    /// Frame `number` has two packets, 2 × number and the one behind, and is sent 33 ms behind the one before.
    fn packet(&mut self, at: u64, seq: u64) {
        let (number, last) = (seq / 2, seq % 2 == 1);
        let payload = if last {
            REST
        } else if number % 10 == 0 {
            KEY
        } else {
            DELTA
        };
        let now = self.start + Duration::from_millis(at);
        self.newest = self.newest.max(seq);
        let timestamp = 90_000 + number * 3000;
        self.clock.arrived(now, 0, timestamp);
        let packet = Packet {
            encoding: 0,
            epoch: 0,
            seq: SeqNo::new(100 + seq),
            newest: SeqNo::new(100 + self.newest),
            timestamp,
            marker: last,
            codec: CodecName::Vp8,
            payload,
            facts: packet_facts(CodecName::Vp8, payload, last, Dependencies::None),
            dependencies: Dependencies::None,
            arrival: now,
        };
        let source = Source { clock: &self.clock, simulcast: false, patience: Duration::from_millis(500) };
        self.tap.feed(now, &packet, None, &source);
    }

    /// What waits: frame numbers, negative for keyframes, and (dropped, damaged).
    fn take(&mut self, at: u64) -> (Vec<i64>, u64, u64) {
        let (taken, _) = self.tap.take(self.start + Duration::from_millis(at));
        let number = |frame: &EncodedFrame| {
            let number = (frame.timestamp / 3000) as i64;
            assert_eq!(
                frame.data[1..],
                if frame.keyframe { [&KEY[2..], &REST[1..]] } else { [&DELTA[2..], &REST[1..]] }.concat()
            );
            if frame.keyframe { -number } else { number }
        };
        (taken.frames.iter().map(number).collect(), taken.dropped, taken.damaged)
    }
}

#[test]
fn frames_are_whole_and_in_order() {
    let mut scene = Scene::new(64);
    for seq in [0, 1, 2, 5, 4, 3, 6] {
        scene.packet(seq, seq);
    }
    assert!(scene.tap.take_notice() && !scene.tap.take_notice(), "told once");
    assert_eq!(scene.take(10), (vec![0, 1, 2], 0, 0), "of the fourth an end is missing");
    scene.packet(7, 7);
    assert!(scene.tap.take_notice());
    assert_eq!(scene.take(10), (vec![3], 0, 0));
}

#[test]
fn a_late_packet_is_waited_for_and_given_up() {
    let mut scene = Scene::new(64);
    for seq in [0, 1, 3, 4, 5] {
        scene.packet(10, seq);
    }
    assert_eq!(scene.take(10).0, [0]);
    scene.packet(400, 2);
    assert_eq!(scene.take(400), (vec![1, 2], 0, 0), "sent again in time");
    for seq in [6, 8, 9, 10, 11] {
        scene.packet(500, seq);
    }
    assert_eq!(scene.take(500).0, []);
    scene.packet(999, 12);
    assert_eq!(scene.take(999), (vec![], 0, 0));
    scene.packet(1000, 13);
    let (frames, dropped, damaged) = scene.take(1000);
    assert!(frames.is_empty() && dropped == 0 && damaged > 0);
    assert_eq!(scene.tap.forwarder.wants_keyframe(), Some(0));
    for seq in 14..24 {
        scene.packet(1000 + seq, seq);
    }
    assert_eq!(scene.take(1100).0, [-10, 11], "it goes on at a keyframe");
    assert_eq!(scene.tap.forwarder.wants_keyframe(), None);
}

#[test]
fn what_finds_no_room_is_dropped_until_a_keyframe() {
    let mut scene = Scene::new(3);
    for seq in 0..12 {
        scene.packet(seq, seq);
    }
    assert_eq!(scene.tap.forwarder.wants_keyframe(), None, "nobody takes: a keyframe would not help");
    assert_eq!(scene.take(12), (vec![0, 1, 2], 3, 0));
    assert_eq!(scene.tap.forwarder.wants_keyframe(), Some(0), "there is room again");
    for seq in 12..24 {
        scene.packet(seq, seq);
    }
    assert_eq!(scene.take(24), (vec![-10, 11], 7, 0));
}

#[test]
fn what_waits_can_be_taken_after_the_end() {
    let mut scene = Scene::new(3);
    scene.packet(0, 0);
    scene.packet(0, 1);
    scene.tap.end();
    assert!(scene.tap.take_notice());
    let (taken, resumes) = scene.tap.take(scene.start);
    assert!(taken.ended && taken.frames.len() == 1 && !resumes);
}

#[test]
fn losing_more_than_the_window_holds_ends_in_a_hole() {
    let mut scene = Scene::new(64);
    scene.packet(0, 0);
    for seq in [5000, 5001] {
        scene.packet(1, seq);
    }
    // Frame 2500 is a keyframe.
    let (taken, _) = scene.tap.take(scene.start);
    assert_eq!((taken.frames.len(), taken.damaged), (1, 1));
    assert!(taken.frames[0].keyframe);
}
