//! What one peer is told at one time is one compound, or as few as it fits.

use sfu_wire::rtcp::{Rtcp, packets};

use crate::by_hand::{Hall, Packet, opus};

const SPEAKERS: usize = 30;

#[test]
fn a_listener_to_thirty_gets_its_reports_of_a_second_in_two_datagrams() {
    let mut hall = Hall::new();
    for _ in 0..SPEAKERS {
        hall.join(&[opus("v", "sendonly", &["extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"])]);
    }
    speak(&mut hall, 1);
    // It speaks as well, so that it is told both ways.
    let heard = (0..SPEAKERS).map(|number| opus(&format!("w{number}"), "recvonly", &[]));
    let own = opus("v", "sendonly", &["extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid"]);
    let listener = hall.join(&[own].into_iter().chain(heard).collect::<Vec<_>>());
    for seq in 2..150 {
        speak(&mut hall, seq);
        hall.wait(20);
        if seq == 10 {
            // Of the first packet of each voice it is told at once.
            hall.clients[listener].reports.clear();
        }
    }
    let reports: Vec<_> = hall.clients[listener].reports.iter().map(|report| kinds(report)).collect();
    let full = reports.iter().find(|kinds| kinds.len() > 2 * SPEAKERS / 2).expect("a compound that is full");
    assert!(full.starts_with(&["RR", "SDES", "SR", "SDES", "SR"]), "{full:?} (RFC 3550 §6.1)");
    let sent = reports.iter().flatten().filter(|kind| **kind == "SR").count();
    assert!(sent >= SPEAKERS && sent.is_multiple_of(SPEAKERS), "{sent} sender reports");
    assert_eq!(reports.len(), 2 * sent / SPEAKERS, "{reports:?}");
}

/// Everybody sends a packet.
fn speak(hall: &mut Hall, seq: u16) {
    for index in 0..hall.clients.len() {
        let (ssrc, payload) = (11 + index as u32, [1; 40]);
        hall.send(index, &Packet { pt: 111, ssrc, seq, extensions: &[(4, b"v")], payload: &payload });
    }
}

fn kinds(report: &[u8]) -> Vec<&'static str> {
    let kinds = packets(report).map(|packet| match packet.expect("well-formed") {
        Rtcp::SenderReport(_) => "SR",
        Rtcp::ReceiverReport(_) => "RR",
        Rtcp::Sdes(_) => "SDES",
        _ => "other",
    });
    kinds.collect()
}
