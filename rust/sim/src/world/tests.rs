//! A publisher and viewers by hand: packets arrive, and the same scenario has the same bytes.

use std::time::{Duration, Instant};

use sfu_core::codec::Kind;
use sfu_core::config::{Offers, SessionConfig};
use sfu_core::event::Event;
use sfu_wire::rtp::{ExtensionForms, RtpHeader, RtpPacket, write_header};
use sfu_wire::{Extension, Pt, Ssrc};

use super::{World, WorldConfig};
use crate::link::{LinkConfig, Loss};
use crate::sdp::{self, Direction, Format, Section};

fn section(direction: Direction) -> Section {
    Section {
        mid: String::from("0"),
        kind: Kind::Video,
        direction,
        formats: vec![Format { pt: 96, rtx: Some(97), map: String::from("VP8/90000"), fmtp: String::new() }],
        extensions: sdp::extensions(&[Extension::Mid, Extension::TransportCc]),
        rids: Vec::new(),
        ssrcs: vec![(Ssrc::new(1), Some(Ssrc::new(2)))],
    }
}

fn packet(seq: u16) -> Vec<u8> {
    let header = RtpHeader { marker: true, pt: Pt::new(96), seq, timestamp: u32::from(seq) * 3000, ssrc: Ssrc::new(1) };
    let mut bytes = vec![0; 100];
    let len = write_header(&mut bytes, &header, &[], &[], ExtensionForms::Mixed).unwrap().len();
    bytes.truncate(len);
    // A VP8 keyframe of one packet (RFC 7741 §4.3).
    bytes.extend([0x10, 0x00, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1]);
    bytes
}

/// What a viewer got of 100 packets and all that the SFU sent.
fn scenario(seed: u64) -> (Vec<u16>, Vec<Vec<u8>>) {
    let link = LinkConfig {
        jitter: Duration::from_millis(20),
        loss: Loss::Uniform(0.1),
        ..LinkConfig::delayed(Duration::from_millis(30))
    };
    let mut world = World::new(WorldConfig { uplink: link, downlink: link, ..WorldConfig::new(seed, Instant::now()) });
    world.listen();
    let config = || SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
    let publisher = world.join(config()).unwrap();
    world.offer(publisher, &sdp::offer(&[section(Direction::SendOnly)])).unwrap();
    let mut viewer = None;
    let mut got = Vec::new();
    for seq in 0..100 {
        assert!(world.send_rtp(publisher, &packet(65_500_u16.wrapping_add(seq))));
        let until = world.now() + Duration::from_millis(33);
        while let Some(arrived) = world.next(until) {
            if !arrived.rtcp && Some(arrived.to) == viewer {
                got.push(RtpPacket::parse(&arrived.packet).unwrap().header().seq);
            }
            world.recycle(arrived.packet);
        }
        while let Some(event) = world.poll_event() {
            if matches!(event, Event::TrackPublished(_)) {
                let joined = world.join(config()).unwrap();
                let answer = world.offer(joined, &sdp::offer(&[section(Direction::RecvOnly)])).unwrap();
                assert!(sdp::senders(&answer)[0].ssrc.is_some(), "{answer}");
                viewer = Some(joined);
            }
        }
    }
    assert_eq!(world.unopened(), 0);
    (got, world.heard().to_vec())
}

#[test]
fn packets_arrive_and_open() {
    let (got, _) = scenario(1);
    assert!((60..100).contains(&got.len()), "{got:?}");
}

#[test]
fn the_same_scenario_has_the_same_bytes_and_another_seed_has_others() {
    let (first, again, other) = (scenario(5), scenario(5), scenario(6));
    assert!(first.1.len() > 30);
    assert_eq!(first, again);
    assert_ne!(first.1, other.1);
}
