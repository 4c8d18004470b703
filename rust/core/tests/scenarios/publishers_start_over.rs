//! A publisher starts over: its viewers go on with one keyframe, in unbroken numbers and without negotiation.

use sfu_core::command::Command;
use sfu_core::event::Event;
use sfu_wire::rtcp::{Rtcp, packets};
use sfu_wire::rtp::RtpPacket;

use crate::by_hand::{DELTA, Hall, KEYFRAME, Packet, vp8};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
const VP8: u8 = 96;
const VP9: u8 = 98;
/// VP9, non-flexible: a keyframe, and a frame that refers to others (RFC 9628 §4.2).
const VP9_KEYFRAME: &[u8] = &[0x0c, 0x00, 0, 0];
const VP9_DELTA: &[u8] = &[0x4c, 0x00, 0, 0];

/// A camera that answers each request with its next frame, 25 a second, and one who watches it.
struct Show {
    hall: Hall,
    heard: usize,
    events: usize,
    seen: usize,
    asked: usize,
}

impl Show {
    fn new() -> Self {
        let section = |mid, direction, lines: &[&str]| {
            vp8(mid, direction, &[lines, &["rtpmap:98 VP9/90000", "rtcp-fb:98 nack pli"]].concat())
                .replace("SAVPF 96 97", "SAVPF 96 97 98")
        };
        let mut hall = Hall::new();
        hall.join(&[section("v", "sendonly", &[MID])]);
        hall.send(0, &packet(VP8, 11, 100, KEYFRAME));
        hall.join(&[section("w", "recvonly", &[])]);
        let mut show = Self { hall, heard: 0, events: 0, seen: 0, asked: 0 };
        show.play(VP8, 11, 101..150);
        assert!(show.seen() > 40, "it flows");
        show.asked = 0;
        show.events = show.hall.events.len();
        show
    }

    /// Sends pictures, deltas unless a keyframe was asked for.
    fn play(&mut self, pt: u8, ssrc: u32, seqs: std::ops::Range<u16>) {
        for seq in seqs {
            self.hall.wait(40);
            let heard = self.hall.clients[0].reports[self.heard..].iter().flat_map(|report| packets(report));
            let asked = heard.filter(|packet| matches!(packet, Ok(Rtcp::Pli(_)))).count();
            self.heard = self.hall.clients[0].reports.len();
            self.asked += asked;
            let payload = match (pt, asked > 0) {
                (VP8, true) => KEYFRAME,
                (VP8, false) => DELTA,
                (_, true) => VP9_KEYFRAME,
                (_, false) => VP9_DELTA,
            };
            self.hall.send(0, &packet(pt, ssrc, seq, payload));
        }
    }

    /// Pictures that the viewer got since the last call: their numbers go on by one.
    fn seen(&mut self) -> usize {
        let numbers: Vec<u16> =
            self.hall.clients[1].packets.iter().map(|clear| RtpPacket::parse(clear).unwrap().header().seq).collect();
        assert!(numbers.windows(2).all(|pair| pair[1] == pair[0].wrapping_add(1)), "{numbers:?}");
        let new = numbers.len() - self.seen;
        self.seen = numbers.len();
        new
    }

    /// A second and more of pictures was seen again, after so many requests.
    fn goes_on(&mut self, requests: usize) {
        let seen = self.seen();
        assert!(seen >= 38, "{seen} of 50 pictures");
        assert_eq!(self.asked, requests);
        let negotiated = self.hall.events[self.events..].iter().filter(|event| {
            matches!(event, Event::OfferReady(..) | Event::SectionsNeeded { .. } | Event::SubscriptionFailed { .. })
        });
        assert_eq!(negotiated.count(), 0);
    }
}

fn packet(pt: u8, ssrc: u32, seq: u16, payload: &[u8]) -> Packet<'_> {
    Packet { pt, ssrc, seq, extensions: &[(4, b"v")], payload }
}

#[test]
fn under_a_new_ssrc() {
    let mut show = Show::new();
    show.play(VP8, 12, 20_000..20_050);
    show.goes_on(1);
}

#[test]
fn under_a_new_ssrc_while_packets_of_the_old_one_are_late() {
    let mut show = Show::new();
    show.play(VP8, 12, 20_000..20_020);
    // They were captured before the stream began anew.
    for seq in 150..153 {
        show.hall.send(0, &packet(VP8, 11, seq, DELTA));
        show.play(VP8, 12, 20_020 + (seq - 150) * 10..20_030 + (seq - 150) * 10);
    }
    show.goes_on(1);
}

#[test]
fn with_new_numbers() {
    let mut show = Show::new();
    show.play(VP8, 11, 15_000..15_050);
    show.goes_on(1);
}

#[test]
fn with_another_codec_and_back() {
    let mut show = Show::new();
    show.play(VP9, 11, 150..200);
    show.goes_on(1);
    show.play(VP8, 11, 200..250);
    show.goes_on(2);
}

#[test]
fn after_a_time_without_a_source() {
    let mut show = Show::new();
    show.hall.wait(30_000);
    // It goes on where it was: nothing is missing, and no keyframe is needed.
    show.play(VP8, 11, 150..200);
    show.goes_on(0);
}

#[test]
fn after_a_time_without_a_source_under_a_new_ssrc() {
    let mut show = Show::new();
    show.hall.wait(30_000);
    show.play(VP8, 12, 20_000..20_050);
    show.goes_on(1);
}

#[test]
fn after_it_was_muted() {
    let mut show = Show::new();
    let track = show.hall.published()[0];
    show.hall.command(Command::SetMuted(track, true)).unwrap();
    show.play(VP8, 11, 150..200);
    assert_eq!((show.seen(), show.asked), (0, 0));
    show.hall.command(Command::SetMuted(track, false)).unwrap();
    show.play(VP8, 11, 200..250);
    show.goes_on(1);
}

#[test]
fn under_an_ssrc_that_it_had_left_a_moment_ago() {
    let mut show = Show::new();
    show.play(VP8, 12, 20_000..20_020);
    assert!(show.seen() >= 15);
    // As if it had gone on all the time.
    show.play(VP8, 11, 170..220);
    show.goes_on(2);
}
