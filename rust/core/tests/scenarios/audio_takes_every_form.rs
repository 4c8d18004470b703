//! RED and Opus on both sides: each listener gets what it takes, and who does not take RED hears what RED brought back.

use std::collections::BTreeMap;

use sfu_core::command::{Command, Reply};
use sfu_core::config::RoomConfig;
use sfu_core::event::Event;
use sfu_transport::Random;
use sfu_wire::payload::red::{RedBlock, RedPayload, write};
use sfu_wire::rtcp::{List, Nack, NackPair};
use sfu_wire::rtp::RtpPacket;
use sfu_wire::rtp::extension_value::TransportSeq;
use sfu_wire::{Pt, Ssrc};

use crate::by_hand::{Hall, Packet, opus};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
const TRANSPORT_CC: &str = "extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
/// Of the publisher.
const RED: u8 = 63;
const OPUS: u8 = 111;
/// Ticks between packets, as the tests' network numbers them.
const STEP: u16 = 3000;

/// A section that takes RED under `red` beside Opus under `opus`, each with retransmissions.
fn with_red(mid: &str, direction: &str, red: u8, opus: u8) -> String {
    format!(
        "m=audio 9 UDP/TLS/RTP/SAVPF {red} {opus} 112 113\r\nc=IN IP4 0.0.0.0\r\na=mid:{mid}\r\na={direction}\r\n\
         a=rtcp-mux\r\na={MID}\r\na=rtpmap:{red} red/48000/2\r\na=fmtp:{red} {opus}/{opus}\r\n\
         a=rtpmap:{opus} opus/48000/2\r\na=rtcp-fb:{red} nack\r\na=rtcp-fb:{opus} nack\r\na=rtpmap:112 rtx/48000\r\n\
         a=fmtp:112 apt={opus}\r\na=rtpmap:113 rtx/48000\r\na=fmtp:113 apt={red}\r\n"
    )
}

/// The Opus frame of the packet `seq` (0x78: 20 ms).
fn frame(seq: u16) -> Vec<u8> {
    let mut frame = vec![0x78; 20];
    frame[18..].copy_from_slice(&seq.to_be_bytes());
    frame
}

fn seq_of(frame: &[u8]) -> u16 {
    assert_eq!(frame.len(), 20, "a whole frame");
    u16::from_be_bytes([frame[18], frame[19]])
}

/// The frame of `seq` behind the two before it.
fn red_payload(seq: u16) -> Vec<u8> {
    let frames: Vec<Vec<u8>> = (0..3).map(|back| frame(seq - back)).collect();
    let block = |back: u16| RedBlock {
        pt: Pt::new(OPUS),
        timestamp_offset: back * STEP,
        primary: back == 0,
        data: &frames[usize::from(back)],
    };
    let mut buffer = vec![0; 200];
    let len = write(&[block(2), block(1), block(0)], &mut buffer).unwrap();
    buffer.truncate(len);
    buffer
}

fn send(hall: &mut Hall, pt: u8, seq: u16, payload: &[u8]) {
    hall.send(0, &Packet { pt, ssrc: 11, seq, extensions: &[(4, b"v")], payload });
}

/// Number, payload type and payload of everything that a client has received under one SSRC.
fn received(hall: &Hall, index: usize) -> Vec<(u16, u8, Vec<u8>)> {
    let packets = hall.clients[index].packets.iter().map(|bytes| RtpPacket::parse(bytes).unwrap());
    packets.map(|packet| (packet.header().seq, packet.header().pt.get(), packet.payload().to_vec())).collect()
}

fn ssrc(hall: &Hall, index: usize) -> Ssrc {
    RtpPacket::parse(&hall.clients[index].packets[0]).unwrap().header().ssrc
}

/// Who sends RED, who takes Opus alone, and who takes RED under other numbers.
fn hall() -> Hall {
    let mut hall = Hall::new();
    hall.join(&[with_red("v", "sendonly", RED, OPUS)]);
    send(&mut hall, RED, 10, &red_payload(10));
    hall.join(&[opus("w", "recvonly", &[MID])]);
    hall.join(&[with_red("x", "recvonly", 100, 101)]);
    hall
}

/// The frames that a client has, each with the number that it came under, or would have as a packet of its own.
fn frames(hall: &Hall, index: usize) -> BTreeMap<u16, u16> {
    let mut frames = BTreeMap::new();
    for (seq, pt, payload) in received(hall, index) {
        if pt != 100 {
            assert_eq!(frames.insert(seq_of(&payload), seq), None, "twice");
            continue;
        }
        let red = RedPayload::parse(&payload).unwrap();
        for block in red.blocks() {
            assert_eq!(block.pt.get(), 101, "under the listener's own number");
            frames.insert(seq_of(block.data), seq - block.timestamp_offset / STEP);
        }
    }
    frames
}

#[test]
fn what_is_lost_on_the_way_in_is_heard_by_who_takes_opus_alone_and_by_who_takes_red() {
    let mut hall = hall();
    let mut random = Random::new([3; 32]);
    let lost: Vec<bool> = (0..3000).map(|seq| seq > 30 && random.below(100) < 20).collect();
    for seq in 11..3000 {
        if !lost[usize::from(seq)] {
            send(&mut hall, RED, seq, &red_payload(seq));
        }
    }
    for index in [1, 2] {
        let frames = frames(&hall, index);
        let of_all = 2989 - (11..3000).filter(|seq| frames.contains_key(seq)).count();
        let single = |seq: &usize| lost[*seq] && !lost[seq - 1] && !lost[seq + 1];
        let singles: Vec<usize> = (31..2999).filter(single).collect();
        let recovered = singles.iter().filter(|seq| frames.contains_key(&(**seq as u16))).count();
        println!("client {index}: {recovered} of {} single losses, {of_all} of 2989 missing", singles.len());
        assert!(singles.len() > 300 && recovered * 100 >= singles.len() * 90);
        assert!(of_all * 100 <= 2989, "{of_all} of 2989 are missing");
        let (first, number) = frames.first_key_value().unwrap();
        assert!(frames.iter().all(|(frame, under)| under - number == frame - first), "each under its own number");
    }
    assert!(received(&hall, 1).iter().all(|(_, pt, _)| *pt == OPUS));
    assert!(!hall.events.iter().any(|event| matches!(event, Event::SubscriptionFailed { .. })));
}

#[test]
fn what_comes_after_it_was_brought_back_is_sent_to_who_takes_red_alone() {
    let mut hall = hall();
    for seq in [11, 12, 14] {
        send(&mut hall, RED, seq, &red_payload(seq));
    }
    let before = [1, 2].map(|index| received(&hall, index).len());
    assert_eq!(before, [4, 3]);
    send(&mut hall, RED, 13, &red_payload(13));
    assert_eq!([1, 2].map(|index| received(&hall, index).len()), [4, 4]);
    frames(&hall, 1);
}

#[test]
fn what_is_not_sent_because_it_was_brought_back_takes_no_transport_wide_number() {
    let mut hall = Hall::new();
    hall.join(&[with_red("v", "sendonly", RED, OPUS)]);
    send(&mut hall, RED, 10, &red_payload(10));
    hall.join(&[opus("w", "recvonly", &[TRANSPORT_CC, "rtcp-fb:111 transport-cc"])]);
    for seq in [11, 12, 14, 13, 15] {
        send(&mut hall, RED, seq, &red_payload(seq));
    }
    let packets = hall.clients[1].packets.iter().map(|bytes| RtpPacket::parse(bytes).unwrap());
    let numbers: Vec<u16> = packets
        .map(|packet| {
            let value = packet.extension(5).unwrap();
            TransportSeq::parse(value).unwrap().0
        })
        .collect();
    assert_eq!(numbers.len(), 5);
    assert!(numbers.windows(2).all(|pair| pair[1] == pair[0] + 1), "no loss is seen that was none: {numbers:?}");
}

#[test]
fn what_is_sent_again_is_what_was_sent_whatever_its_form() {
    let mut hall = hall();
    for seq in [11, 12, 14, 15] {
        send(&mut hall, RED, seq, &red_payload(seq));
    }
    for (index, rtx) in [(1, 112), (2, 113)] {
        let media = ssrc(&hall, index);
        for (seq, _, payload) in received(&hall, index) {
            let pairs: Vec<NackPair> = NackPair::pack([seq]).collect();
            hall.report(index, &Nack { sender: Ssrc::new(9), media, pairs: List::from(&pairs[..]) });
            let (_, pt, again) = received(&hall, index).pop().unwrap();
            assert_eq!((pt, again), (rtx, [&seq.to_be_bytes()[..], &payload].concat()));
        }
    }
}

#[test]
fn a_run_begins_without_what_was_before_it() {
    let mut hall = hall();
    for seq in [11, 12, 13] {
        send(&mut hall, RED, seq, &red_payload(seq));
    }
    let received = received(&hall, 2);
    let payloads = received.iter().map(|(_, _, payload)| payload);
    let counts: Vec<usize> = payloads.map(|payload| RedPayload::parse(payload).unwrap().blocks().count()).collect();
    assert_eq!(counts, [1, 2, 3]);
}

#[test]
fn opus_goes_as_red_where_the_room_asks_for_it() {
    let mut hall = Hall::with(RoomConfig { red: 2, ..RoomConfig::default() });
    hall.join(&[opus("v", "sendonly", &[MID])]);
    send(&mut hall, OPUS, 10, &frame(10));
    hall.join(&[opus("w", "recvonly", &[MID])]);
    hall.join(&[with_red("x", "recvonly", 100, 101)]);
    for seq in [11, 12, 13, 15, 14, 16] {
        send(&mut hall, OPUS, seq, &frame(seq));
    }
    assert!(received(&hall, 1).iter().all(|(_, pt, payload)| *pt == OPUS && payload.len() == 20));
    let sent = received(&hall, 2);
    let blocks: Vec<Vec<u16>> = sent
        .iter()
        .map(|(_, _, payload)| RedPayload::parse(payload).unwrap().blocks().map(|block| seq_of(block.data)).collect())
        .collect();
    let expected: [&[u16]; 6] = [&[11], &[11, 12], &[11, 12, 13], &[13, 15], &[12, 13, 14], &[14, 15, 16]];
    assert_eq!(blocks, expected);
    frames(&hall, 2);
    // The packet 14 has come since: what goes again is what went.
    let pairs: Vec<NackPair> = NackPair::pack([sent[3].0]).collect();
    let media = ssrc(&hall, 2);
    hall.report(2, &Nack { sender: Ssrc::new(9), media, pairs: List::from(&pairs[..]) });
    let (_, pt, again) = received(&hall, 2).pop().unwrap();
    assert_eq!((pt, &again[2..]), (113, &sent[3].2[..]));
}

#[test]
fn a_publisher_may_change_between_opus_and_red_with_every_packet() {
    let mut hall = hall();
    for seq in 11..60 {
        if seq % 2 == 0 {
            send(&mut hall, RED, seq, &red_payload(seq));
        } else if seq % 3 != 0 {
            send(&mut hall, OPUS, seq, &frame(seq));
        }
    }
    let frames = frames(&hall, 1);
    assert_eq!(frames.keys().copied().collect::<Vec<_>>(), (11..60).collect::<Vec<u16>>());
    let (first, number) = frames.first_key_value().unwrap();
    assert!(frames.iter().all(|(frame, under)| under - number == frame - first));
    assert!(!hall.events.iter().any(|event| matches!(event, Event::SubscriptionFailed { .. })));
}

#[test]
fn a_tap_has_every_frame_that_red_brings_back() {
    let mut hall = hall();
    let track = hall.published()[0];
    let Ok(Reply::Tap(tap)) = hall.command(Command::Tap { track, max_layer: None, capacity: 4000 }) else {
        panic!("it is tapped")
    };
    // Of five in a row two are lost, and one of these comes late after all.
    for seq in (11..1000).filter(|seq| !matches!(seq % 5, 2 | 3)) {
        send(&mut hall, RED, seq, &red_payload(seq));
        if seq % 5 == 4 {
            send(&mut hall, RED, seq - 1, &red_payload(seq - 1));
        }
    }
    let Ok(Reply::Frames(taken)) = hall.command(Command::TakeFrames(tap)) else { panic!("it lives") };
    let taken: Vec<u16> = taken.frames.iter().map(|frame| seq_of(&frame.data)).collect();
    assert_eq!(taken, (11..1000).collect::<Vec<u16>>());
}
