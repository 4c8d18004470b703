//! A section that did not take the codec of its track, and takes it after a later offer, is told as subscribed.

use sfu_core::codec::CodecName;
use sfu_core::event::{Event, SubscriptionProblem};
use sfu_wire::Mid;

use crate::by_hand::{Hall, KEYFRAME, Packet, vp8};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
/// The first packet of a VP9 keyframe (RFC 9628 §4.2): inter-picture prediction is off, a frame begins and ends.
const VP9_KEYFRAME: &[u8] = &[0x0c, 0x80, 0x49, 0x83, 0x42];

/// VP8 and VP9.
fn both(mid: &str, direction: &str, lines: &[&str]) -> String {
    vp8(mid, direction, &[lines, &["rtpmap:98 VP9/90000", "fmtp:98 profile-id=0"]].concat())
        .replace("SAVPF 96 97", "SAVPF 96 97 98")
}

/// What the viewer was told of its subscription.
fn told(hall: &Hall) -> Vec<Result<Mid, SubscriptionProblem>> {
    let told = hall.events.iter().filter_map(|event| match event {
        Event::Subscribed { mid, .. } => Some(Ok(*mid)),
        Event::SubscriptionFailed { problem, .. } => Some(Err(problem.clone())),
        _ => None,
    });
    told.collect()
}

#[test]
fn the_same_section_with_the_codec_is_told_and_seen() {
    let mut hall = Hall::new();
    hall.join(&[both("v", "sendonly", &[MID])]);
    let send = |hall: &mut Hall, pt, seq, payload| {
        hall.send(0, &Packet { pt, ssrc: 11, seq, extensions: &[(4, b"v")], payload });
    };
    send(&mut hall, 96, 1, KEYFRAME);
    hall.join(&[vp8("w", "recvonly", &[])]);
    send(&mut hall, 96, 2, KEYFRAME);
    let mid = Mid::new("w").unwrap();
    assert_eq!(told(&hall), [Ok(mid)]);

    send(&mut hall, 98, 3, VP9_KEYFRAME);
    let unsupported = SubscriptionProblem::CodecUnsupported(CodecName::Vp9);
    assert_eq!(told(&hall), [Ok(mid), Err(unsupported.clone())]);
    let before = hall.clients[1].packets.len();
    // An offer that changes nothing tells nothing.
    hall.offer(1, &[vp8("w", "recvonly", &[])]).unwrap();
    assert_eq!(told(&hall).len(), 2);

    hall.offer(1, &[both("w", "recvonly", &[])]).unwrap();
    assert_eq!(told(&hall), [Ok(mid), Err(unsupported), Ok(mid)], "once more, of the same section");
    send(&mut hall, 98, 4, VP9_KEYFRAME);
    assert_eq!(hall.clients[1].packets.len(), before + 1);
    hall.offer(1, &[both("w", "recvonly", &[])]).unwrap();
    assert_eq!(told(&hall).len(), 3, "and only once");
}
