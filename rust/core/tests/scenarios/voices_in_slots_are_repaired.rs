//! A slot whose voice changes goes on in numbers and time, and what it carried before is still sent again.

use sfu_core::command::Command;
use sfu_core::config::RoomConfig;
use sfu_wire::Ssrc;
use sfu_wire::rtcp::{List, Nack, NackPair};
use sfu_wire::rtp::RtpPacket;

use crate::by_hand::{Hall, Packet, opus};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
const LISTENER: usize = 0;
/// Ticks of 20 ms.
const STEP: u32 = 960;

/// What one packet was received as: number, time, marker and payload.
type Received = (u16, u32, bool, Vec<u8>);

fn received(hall: &Hall) -> Vec<Received> {
    let packets = hall.clients[LISTENER].packets.iter().map(|bytes| RtpPacket::parse(bytes).unwrap());
    packets
        .map(|packet| {
            let header = packet.header();
            (header.seq, header.timestamp, header.marker, packet.payload().to_vec())
        })
        .collect()
}

/// Who listens in one slot, and three who can speak.
fn hall() -> Hall {
    let mut hall = Hall::with(RoomConfig { audio_slots: Some(1), ..RoomConfig::default() });
    hall.join(&[opus("s", "recvonly", &[MID])]);
    (0..3).for_each(|_| _ = hall.join(&[opus("v", "sendonly", &[MID])]));
    hall
}

/// A client speaks for five packets, 20 ms apart; its clock begins where nobody else's does.
fn speak(hall: &mut Hall, client: usize, first: u16) {
    for seq in first..first + 5 {
        let payload = [client as u8; 40].map(|byte| byte ^ (seq as u8) << 4);
        let packet = Packet { pt: 111, ssrc: 10 + client as u32, seq, extensions: &[(4, b"v")], payload: &payload };
        let timestamp = ((client as u32) << 28) + u32::from(seq) * STEP;
        hall.send_at(client, timestamp, &packet);
        hall.wait(20);
    }
}

/// Asks for one number again; what comes of it behind its own number.
fn ask(hall: &mut Hall, seq: u16) -> Option<Vec<u8>> {
    let before = hall.clients[LISTENER].packets.len();
    let media = RtpPacket::parse(&hall.clients[LISTENER].packets[0]).unwrap().header().ssrc;
    let pairs: Vec<NackPair> = NackPair::pack([seq]).collect();
    hall.report(LISTENER, &Nack { sender: Ssrc::new(9), media, pairs: List::from(&pairs[..]) });
    let again = hall.clients[LISTENER].packets.get(before)?;
    let again = RtpPacket::parse(again).unwrap();
    assert_eq!(again.header().pt.get(), 112);
    let (number, payload) = again.payload().split_at(2);
    assert_eq!(number, seq.to_be_bytes());
    Some(payload.to_vec())
}

#[test]
fn what_was_sent_before_the_voice_changed_is_sent_again() {
    let mut hall = hall();
    for client in 1..=3 {
        hall.wait(150);
        speak(&mut hall, client, 100 * client as u16);
    }
    let sent = received(&hall);
    assert_eq!(sent.len(), 15);
    // The first voice began more than half a second ago.
    for (seq, _, _, payload) in &sent[5..] {
        assert_eq!(ask(&mut hall, *seq).as_ref(), Some(payload));
    }
    assert_eq!(ask(&mut hall, sent[0].0), None, "it would not be played");
}

#[test]
fn another_voice_goes_on_in_numbers_and_time_and_marks_its_beginning() {
    let mut hall = hall();
    for client in 1..=3 {
        speak(&mut hall, client, 100 * client as u16);
        hall.wait(200);
    }
    let sent = received(&hall);
    for (index, pair) in sent.windows(2).enumerate() {
        let ((seq, timestamp, ..), (next, later, marker, _)) = (&pair[0], &pair[1]);
        let changes = (index + 1) % 5 == 0;
        assert_eq!((next.wrapping_sub(*seq), *marker), (1, changes));
        // 20 ms to the end of the last packet, and 200 of silence.
        assert_eq!(later.wrapping_sub(*timestamp), if changes { STEP * 11 } else { STEP });
    }
}

#[test]
fn a_voice_that_has_left_is_not_sent_again_and_harms_nobody() {
    let mut hall = hall();
    speak(&mut hall, 1, 100);
    let leaves = hall.clients[1].session;
    hall.command(Command::CloseSession(leaves)).unwrap();
    speak(&mut hall, 2, 200);
    let sent = received(&hall);
    assert_eq!(sent.len(), 10);
    assert_eq!(ask(&mut hall, sent[4].0), None);
    assert_eq!(ask(&mut hall, sent[5].0).as_ref(), Some(&sent[5].3));
}
