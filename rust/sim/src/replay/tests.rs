//! Schedules, extension lists, and a stream by hand through it all.

use std::time::{Duration, Instant};

use sfu_core::layer::Layer;
use sfu_wire::rtp::{ExtensionForms, RtpHeader, RtpPacket, write_header};
use sfu_wire::{Pt, Ssrc};

use super::*;
use crate::capture::{Capture, write_rtpdump};

#[test]
fn a_schedule_has_comments_and_any_order() {
    let schedule = Schedule::parse("\u{feff}# begin\n\n2.5 1 2 # then\n0\t2 0\r\n1e0,0,1\n").unwrap();
    let steps: Vec<_> =
        schedule.steps.iter().map(|step| (step.at.as_millis(), step.target.spatial, step.target.temporal)).collect();
    assert_eq!(steps, [(0, 2, 0), (1000, 0, 1), (2500, 1, 2)]);
    assert_eq!(Schedule::parse("# nothing\n"), Ok(Schedule::default()));
}

#[test]
fn what_is_no_schedule_names_its_line() {
    for (text, problem) in [
        ("0 1", "2 words"),
        ("0 1 2 3", "4 words"),
        ("x 1 2", "no time"),
        ("-1 1 2", "no time"),
        ("inf 1 2", "no time"),
        ("0 1 -2", "no layer"),
        ("0 300 2", "no layer"),
    ] {
        let error = Schedule::parse(&format!("# one\n{text}")).unwrap_err();
        assert_eq!(error.line, 2);
        assert!(error.to_string().contains(problem), "{error}");
    }
}

#[test]
fn extensions_are_read_as_sdp_has_them() {
    let mid = "urn:ietf:params:rtp-hdrext:sdes:mid";
    assert_eq!(extension(&format!(" 4={mid} ")), Ok((4, mid.to_owned())));
    assert_eq!(extension(&format!("4/sendonly={mid}")), Ok((4, mid.to_owned())));
    assert_eq!(extension("255=dd"), Ok((255, String::from("dd"))));
    assert_eq!(extension("4"), Err(ExtensionError::Shape(String::from("4"))));
    for id in ["0", "256", "-1", "x", ""] {
        assert_eq!(extension(&format!("{id}={mid}")), Err(ExtensionError::Id(id.to_owned())));
    }
    assert_eq!(extensions::known("RID"), Some(sfu_wire::Extension::Rid));
    assert_eq!(extensions::known(mid), Some(sfu_wire::Extension::Mid));
    assert_eq!(extensions::known("urn:unknown"), None);
}

/// 30 VP8 frames a second of one packet each, a keyframe in every 30; two encodings that are told apart by SSRC and size.
fn simulcast() -> Vec<u8> {
    let mut packets = Vec::new();
    for frame in 0..90_u16 {
        for (ssrc, size) in [(9_u32, 300), (5, 100)] {
            let timestamp = (u32::MAX - 100_000).wrapping_add(u32::from(frame) * 3000 + ssrc * 1000);
            let seq = 65_500_u16.wrapping_add(frame);
            let header = RtpHeader { marker: true, pt: Pt::new(35), seq, timestamp, ssrc: Ssrc::new(ssrc) };
            let mut bytes = vec![0; 64];
            let len = write_header(&mut bytes, &header, &[], &[], ExtensionForms::Mixed).unwrap().len();
            bytes.truncate(len);
            // RFC 7741 §4.2, §4.3: a picture id of 15 bits, a payload header, a keyframe's start code and size.
            bytes.extend([0x90, 0x80, 0x80 | (frame >> 8) as u8, frame as u8, u8::from(frame % 30 != 0), 0, 0]);
            bytes.extend([0x9d, 1, 0x2a, ssrc as u8, 0, ssrc as u8, 0]);
            bytes.resize(len + size, frame as u8);
            packets.push((Duration::from_millis(u64::from(frame) * 1000 / 30), bytes));
        }
    }
    write_rtpdump(packets.iter().map(|(at, bytes)| (*at, false, bytes.as_slice())))
}

fn run(schedule: &str, change: impl FnOnce(&mut ReplayConfig)) -> Replayed {
    let mut config = ReplayConfig {
        codec: String::from("vp8"),
        extensions: Vec::new(),
        schedule: Schedule::parse(schedule).unwrap(),
        loss: 0.0,
        reorder: 0,
        seed: 1,
        rtcp: false,
    };
    change(&mut config);
    replay(Instant::now(), &config, &Capture::parse(&simulcast()).unwrap()).unwrap()
}

fn sizes(out: &[u8]) -> Vec<usize> {
    let capture = Capture::parse(out).unwrap();
    capture.records.iter().map(|record| RtpPacket::parse(&record.bytes).unwrap().payload().len()).collect()
}

#[test]
fn a_switch_waits_for_the_next_keyframe_of_the_capture() {
    let Replayed { out, report } = run("0 1 0\n1.5 0 0", |_| {});
    assert_eq!(report.anomalies, [""; 0]);
    // Up to 2 s the upper encoding, then the lower one's keyframe, which comes just behind the upper one's.
    assert_eq!(sizes(&out), [vec![300; 61], vec![100; 30]].concat());
    assert_eq!((report.frames, report.frames_forwarded, report.frames_dropped), (180, 91, 89));
    assert_eq!(report.payload_type, 35);
    let switch = report.switches.last().unwrap();
    assert_eq!(switch.to.map(|layer| layer.spatial), Some(0));
    assert_eq!(switch.target, Some(Layer { spatial: 0, temporal: 0 }));
    assert!((495..=505).contains(&switch.wait.as_millis()), "{switch:?}");
    assert_eq!(report.encodings.iter().map(|one| one.ssrcs.clone()).collect::<Vec<_>>(), [[5], [9]]);
    assert_eq!(report.encodings.iter().map(|one| one.keyframes).collect::<Vec<_>>(), [3, 3]);
    assert!(report.keyframe_requests > 0);
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let damaged = |seed| {
        run("0 1 0\n0.7 0 0\n1.2 1 0", |config| {
            (config.loss, config.reorder, config.seed) = (0.1, 5, seed);
        })
    };
    let (first, again, other) = (damaged(3), damaged(3), damaged(4));
    assert_eq!(first, again);
    assert_ne!(first.out, other.out);
    assert!((5..=40).contains(&first.report.packets_lost), "{}", first.report.packets_lost);
    assert_eq!(first.report.packets_sent, 180);
}

#[test]
fn rtcp_is_written_when_it_is_wanted() {
    let with = Capture::parse(&run("0 1 0", |config| config.rtcp = true).out).unwrap();
    let without = Capture::parse(&run("0 1 0", |_| {}).out).unwrap();
    assert!(with.records.iter().any(|record| record.rtcp == Some(true)));
    assert!(without.records.iter().all(|record| record.rtcp.is_none()));
}

#[test]
fn codecs_go_by_their_names() {
    for name in ["VP8", "vp9", "Av1", "h.264", "HEVC", "H265"] {
        assert!(publisher::Codec::of(name).is_ok(), "{name}");
    }
    assert_eq!(publisher::Codec::of("opus"), Err(ReplayError::Codec(String::from("opus"))));
}
