//! What a viewer asks for again comes back byte for byte but for the fields of RTX (RFC 4588 §4), within bounds, and what it cannot
//! use any more does not come at all.

use sfu_core::command::{Command, Reply};
use sfu_core::layer::Layer;
use sfu_core::nack::Refusals;
use sfu_core::stats::SubscriptionStats;
use sfu_wire::Ssrc;
use sfu_wire::rtcp::{Nack, NackPair};
use sfu_wire::rtp::RtpPacket;

use crate::by_hand::{Hall, Packet, vp8};

const MID: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const ORIENTATION: &str = "urn:3gpp:video-orientation";

/// A VP8 payload with picture id, TL0PICIDX and temporal layer (RFC 7741 §4.2); `picture` 0 is a keyframe, odd ones are T1.
fn picture(picture: u8) -> Vec<u8> {
    let temporal = picture % 2;
    let mut payload = vec![0x90, 0xe0, picture, 40 + picture / 2, temporal << 6 | 0x20];
    payload.extend_from_slice(if picture == 0 { &[0, 0, 0, 0x9d, 1, 0x2a, 0x80, 2, 0xe0, 1] } else { &[1, 0, 0] });
    payload.extend((0..200).map(|byte| byte ^ picture));
    payload
}

fn send(hall: &mut Hall, number: u8) {
    let extensions: &[(u8, &[u8])] = &[(4, b"v"), (7, &[number % 4])];
    hall.send(0, &Packet { pt: 96, ssrc: 11, seq: 100 + u16::from(number), extensions, payload: &picture(number) });
}

/// A viewer of the lower temporal layer, who has its first keyframe.
fn viewer_of_the_base_layer() -> Hall {
    let mut hall = Hall::new();
    hall.join(&[vp8("v", "sendonly", &[&format!("extmap:4 {MID}"), &format!("extmap:7 {ORIENTATION}")])]);
    send(&mut hall, 0);
    hall.join(&[vp8("w", "recvonly", &[&format!("extmap:3 {MID}"), &format!("extmap:5 {ORIENTATION}")])]);
    let subscription = statistics(&mut hall).subscription;
    hall.command(Command::SetLayer(subscription, Some(Layer { spatial: 0, temporal: 0 }))).unwrap();
    hall.now += crate::world::millis(100);
    hall
}

fn statistics(hall: &mut Hall) -> SubscriptionStats {
    let viewer = hall.clients[1].session;
    let Ok(Reply::SessionStats(stats)) = hall.command(Command::SessionStats(viewer)) else { panic!("statistics") };
    stats.subscriptions[0].clone()
}

fn ask(hall: &mut Hall, seqs: &[u16]) {
    let media = Ssrc::new(RtpPacket::parse(&hall.clients[1].packets[0]).unwrap().header().ssrc.get());
    let pairs: Vec<NackPair> = NackPair::pack(seqs.iter().copied()).collect();
    hall.report(1, &Nack { sender: Ssrc::new(9), media, pairs: pairs.as_slice().into() });
}

/// The keyframe again, which the viewer can begin with, and the pictures after it.
fn flow(hall: &mut Hall, pictures: std::ops::Range<u8>) {
    hall.send(
        0,
        &Packet {
            pt: 96,
            ssrc: 11,
            seq: 100 + u16::from(pictures.start) - 1,
            extensions: &[(4, b"v")],
            payload: &picture(0),
        },
    );
    pictures.for_each(|number| send(hall, number));
}

#[test]
fn a_repair_is_the_packet_that_was_sent() {
    let mut hall = viewer_of_the_base_layer();
    flow(&mut hall, 2..12);
    let sent = hall.clients[1].packets.clone();
    assert_eq!(sent.len(), 6, "the keyframe and the pictures of the base layer");
    let seqs: Vec<u16> = sent.iter().map(|clear| RtpPacket::parse(clear).unwrap().header().seq).collect();
    assert!(seqs.windows(2).all(|pair| pair[1] == pair[0] + 1), "{seqs:?}");
    ask(&mut hall, &seqs);
    let repairs = hall.clients[1].packets[6..].to_vec();
    assert_eq!(repairs.len(), 6);
    for (sent, repair) in sent.iter().zip(&repairs) {
        let (sent, repair) = (RtpPacket::parse(sent).unwrap(), RtpPacket::parse(repair).unwrap());
        let (was, is) = (sent.header(), repair.header());
        assert_eq!((is.marker, is.timestamp, is.pt.get()), (was.marker, was.timestamp, 97));
        assert_ne!(is.ssrc, was.ssrc);
        let (original, payload) = repair.payload().split_at(2);
        assert_eq!(original, was.seq.to_be_bytes());
        assert_eq!(payload, sent.payload(), "picture ids and all");
        assert!(repair.extensions().iter().eq(sent.extensions().iter()), "its header extensions too");
    }
    let numbers: Vec<u16> = repairs.iter().map(|clear| RtpPacket::parse(clear).unwrap().header().seq).collect();
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "numbers of their own: {numbers:?}");
}

#[test]
fn three_times_a_round_trip_apart_and_nothing_that_is_of_no_use() {
    let mut hall = viewer_of_the_base_layer();
    flow(&mut hall, 2..6);
    let seq = RtpPacket::parse(hall.clients[1].packets.last().unwrap()).unwrap().header().seq;
    let before = hall.clients[1].packets.len();
    // No round trip is known: it is taken for 100 ms. The pictures are from one moment.
    for _ in 0..60 {
        ask(&mut hall, &[seq]);
        hall.wait(10);
    }
    assert_eq!(hall.clients[1].packets.len() - before, 3);
    let refused = statistics(&mut hall).resends_refused;
    assert_eq!((refused.too_soon, refused.too_often + refused.too_old), (16, 41), "{refused:?}");
    assert!(refused.too_old >= 14, "after 450 ms it would not be played: {refused:?}");

    flow(&mut hall, 7..9);
    ask(&mut hall, &[seq, seq.wrapping_add(1), seq.wrapping_add(9)]);
    let after = statistics(&mut hall).resends_refused;
    let expected = Refusals { superseded: refused.superseded + 1, unknown: refused.unknown + 1, ..refused };
    assert_eq!(after, expected, "a keyframe came after the first, the last was never sent");
    assert_eq!(statistics(&mut hall).packets_retransmitted, 4, "the keyframe itself");
}

#[test]
fn a_flood_of_requests_is_looked_up_in_part() {
    let mut hall = viewer_of_the_base_layer();
    flow(&mut hall, 2..6);
    let seq = RtpPacket::parse(hall.clients[1].packets.last().unwrap()).unwrap().header().seq;
    let asked: Vec<u16> = (0..1000).map(|back: u16| seq.wrapping_sub(back)).collect();
    for _ in 0..100 {
        asked.chunks(500).for_each(|seqs| {
            let mut seqs = seqs.to_vec();
            seqs.sort_unstable();
            ask(&mut hall, &seqs);
        });
    }
    let stats = statistics(&mut hall);
    assert_eq!((stats.nacks_received, stats.packets_retransmitted), (20_000, 3));
    assert!(stats.resends_refused.flood >= 150, "{:?}", stats.resends_refused);
}
