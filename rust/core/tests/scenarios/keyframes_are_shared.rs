//! However many viewers ask, a publisher is asked for one keyframe, not too often, and nobody waits long.

use std::time::Duration;

use sfu_core::command::{Command, Reply};
use sfu_wire::Ssrc;
use sfu_wire::rtcp::{Pli, Rtcp, packets};
use sfu_wire::rtp::RtpPacket;

use crate::by_hand::{DELTA, Hall, KEYFRAME, Packet, vp8};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";

/// A camera that answers each request with its next frame, 25 a second.
struct Stage {
    hall: Hall,
    seq: u16,
    /// When the publisher was asked, in milliseconds.
    asked: Vec<u64>,
    heard: usize,
}

impl Stage {
    fn new() -> Self {
        let mut hall = Hall::new();
        hall.join(&[vp8("v", "sendonly", &[MID])]);
        let mut stage = Self { hall, seq: 0, asked: Vec::new(), heard: 0 };
        stage.frame();
        stage
    }

    fn join(&mut self) -> usize {
        self.hall.join(&[vp8("w", "recvonly", &[])])
    }

    fn now(&self) -> u64 {
        (self.hall.now - self.hall.start).as_millis() as u64
    }

    fn pictures(&self, viewer: usize) -> usize {
        self.hall.clients[viewer].packets.len()
    }

    fn lose(&mut self, viewer: usize) {
        let media = RtpPacket::parse(&self.hall.clients[viewer].packets[0]).unwrap().header().ssrc;
        self.hall.report(viewer, &Pli { sender: Ssrc::new(9), media });
    }

    /// 40 ms, then a frame of 4 kB (800 kbit/s), a keyframe of ten times that if it was asked for.
    fn frame(&mut self) {
        self.hall.wait(40);
        let requests = self.hall.clients[0].reports[self.heard..].iter().flat_map(|report| packets(report));
        let asked = requests.filter(|packet| matches!(packet, Ok(Rtcp::Pli(_)))).count();
        self.heard = self.hall.clients[0].reports.len();
        self.asked.extend(std::iter::repeat_n(self.now(), asked));
        let first: &[u8] = if asked > 0 || self.seq == 0 { KEYFRAME } else { DELTA };
        let count = if first == KEYFRAME { 40 } else { 4 };
        for part in 0..count {
            let mut payload = if part == 0 { first.to_vec() } else { vec![0] };
            payload.resize(1000, 7);
            self.hall.send(0, &Packet { pt: 96, ssrc: 11, seq: self.seq, extensions: &[(4, b"v")], payload: &payload });
            self.seq += 1;
        }
    }
}

#[test]
fn a_viewer_that_asks_all_the_time_is_heard_every_two_seconds_and_the_others_at_once() {
    let mut stage = Stage::new();
    let (bad, good) = (stage.join(), stage.join());
    (0..50).for_each(|_| stage.frame());
    assert!(stage.pictures(bad) > 0 && stage.pictures(good) > 0);
    stage.asked.clear();
    let start = stage.now();
    let mut lost_at = None;
    for frame in 0..500 {
        stage.lose(bad);
        if frame == 262 {
            // 0.5 s after the bad one was heard.
            lost_at = Some(stage.now());
            stage.lose(good);
        }
        stage.frame();
    }
    let lost_at = lost_at.unwrap();
    let waited = stage.asked.iter().find(|asked| **asked > lost_at).map(|asked| asked - lost_at);
    assert!(waited.is_some_and(|waited| waited <= 540), "{waited:?} of {:?} from {start}", stage.asked);
    assert!((9..=12).contains(&stage.asked.len()), "20 s: {:?}", stage.asked);
    let of_the_bad: Vec<u64> = stage.asked.iter().copied().filter(|asked| asked.abs_diff(lost_at) > 540).collect();
    assert!(of_the_bad.windows(2).all(|pair| pair[1] - pair[0] >= 1960), "{of_the_bad:?}");
}

#[test]
fn viewers_who_join_in_a_rush_wait_for_the_same_keyframes() {
    let mut stage = Stage::new();
    (0..50).for_each(|_| stage.frame());
    stage.asked.clear();
    let mut waiting: Vec<(usize, u64)> = Vec::new();
    let mut waits = Vec::new();
    let frames = 5 * 25;
    for _ in 0..frames {
        let viewer = stage.join();
        waiting.push((viewer, stage.now()));
        stage.frame();
        let now = stage.now();
        waiting.retain(|(viewer, since)| {
            let sees = !stage.hall.clients[*viewer].packets.is_empty();
            waits.extend(sees.then_some(now - since));
            !sees
        });
        // What was seen needs no memory here.
        stage.hall.clients.iter_mut().skip(1).for_each(|client| client.packets.truncate(1));
    }
    assert!(waits.len() > 90, "{} of {frames} see something", waits.len());
    assert!(waits.iter().all(|wait| *wait <= 1120), "{waits:?}");
    assert!(stage.asked.windows(2).all(|pair| pair[1] - pair[0] >= 480), "{:?}", stage.asked);
    assert!(stage.asked.len() <= 11, "{:?}", stage.asked);
}

#[test]
fn an_order_of_the_application_stands_until_a_keyframe_comes() {
    let mut stage = Stage::new();
    (0..50).for_each(|_| stage.frame());
    stage.asked.clear();
    let track = stage.hall.published()[0];
    stage.hall.command(Command::RequestKeyframe(track)).unwrap();
    // The publisher does not listen for four seconds: nobody else wants one, and it is asked again.
    stage.hall.wait(4000);
    let reports = stage.hall.clients[0].reports[stage.heard..].iter().flat_map(|report| packets(report));
    assert_eq!(reports.filter(|packet| matches!(packet, Ok(Rtcp::Pli(_)))).count(), 3);
    stage.frame();
    stage.hall.wait(10_000);
    let reports = stage.hall.clients[0].reports[stage.heard..].iter().flat_map(|report| packets(report));
    assert_eq!(reports.filter(|packet| matches!(packet, Ok(Rtcp::Pli(_)))).count(), 0, "it has come");
    assert!(stage.hall.now - stage.hall.start > Duration::from_secs(15));
}

#[test]
fn a_keyframe_that_is_known_when_the_packet_before_it_has_come_counts() {
    let h264 = "H264/90000\r\na=fmtp:96 packetization-mode=1;profile-level-id=42e01f";
    let mut hall = Hall::new();
    hall.join(&[vp8("v", "sendonly", &[MID]).replace("VP8/90000", h264)]);
    let mut keyframes = |seq: u16, first: u8| {
        // One slice in a packet of its own (RFC 6184 §5.6): of an IDR picture, or of another.
        let payload = [&[first, 0x88][..], &[7; 900]].concat();
        hall.send(0, &Packet { pt: 96, ssrc: 11, seq, extensions: &[(4, b"v")], payload: &payload });
        let publisher = hall.clients[0].session;
        let Ok(Reply::SessionStats(stats)) = hall.command(Command::SessionStats(publisher)) else {
            panic!("statistics")
        };
        stats.tracks[0].encodings[0].keyframes
    };
    assert_eq!(keyframes(8, 0x61), 0);
    // Number 9 may carry parameter sets, or be of the picture before.
    assert_eq!(keyframes(10, 0x65), 0);
    assert_eq!(keyframes(9, 0x61), 1);
    assert_eq!(keyframes(11, 0x61), 1);
}
