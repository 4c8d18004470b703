//! A publisher that leaves a viewer's codecs and comes back to them is seen again, without negotiation.

use sfu_core::event::{Event, SubscriptionProblem};

use crate::by_hand::{Hall, KEYFRAME, Packet, vp8};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";

/// VP8 under 96 and H.264 under 98.
fn both(mid: &str) -> String {
    let section = vp8(mid, "sendonly", &[MID, "rtpmap:98 H264/90000", "fmtp:98 packetization-mode=1"]);
    section.replacen("96 97\r\n", "96 97 98\r\n", 1)
}

fn told(hall: &Hall) -> Vec<&'static str> {
    let told = hall.events.iter().filter_map(|event| match event {
        Event::Subscribed { .. } => Some("subscribed"),
        Event::SubscriptionFailed { problem: SubscriptionProblem::CodecUnsupported(_), .. } => Some("failed"),
        _ => None,
    });
    told.collect()
}

#[test]
fn the_viewer_is_told_that_it_can_be_seen_again() {
    let mut hall = Hall::new();
    hall.join(&[both("v")]);
    let send = |hall: &mut Hall, pt, seq, payload| {
        hall.send(0, &Packet { pt, ssrc: 11, seq, extensions: &[(4, b"v")], payload });
    };
    send(&mut hall, 96, 1, KEYFRAME);
    hall.join(&[vp8("w", "recvonly", &[MID])]);
    send(&mut hall, 96, 2, KEYFRAME);
    assert_eq!(told(&hall), ["subscribed"]);
    send(&mut hall, 98, 3, &[0x65, 1, 2, 3]);
    assert_eq!(told(&hall), ["subscribed", "failed"]);
    let before = hall.clients[1].packets.len();
    send(&mut hall, 96, 4, KEYFRAME);
    hall.wait(1500);
    assert_eq!(told(&hall), ["subscribed", "failed", "subscribed"]);
    assert_eq!(hall.clients[1].packets.len(), before + 1, "and sees it");
    // Back and forth with every packet: at most one pair in a second.
    for seq in 5..200 {
        send(&mut hall, if seq % 2 == 0 { 96 } else { 98 }, seq, KEYFRAME);
    }
    hall.wait(1500);
    assert!(told(&hall).len() <= 5, "{:?}", told(&hall));
}
