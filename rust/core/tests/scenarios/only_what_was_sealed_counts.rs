//! A packet that could not be sealed was not sent: neither the counters nor the reports know of it.

use sfu_core::command::{Command, Reply};
use sfu_core::stats::SubscriptionStats;
use sfu_wire::rtcp::{Rtcp, packets};

use crate::by_hand::{Hall, Packet, opus};

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";

fn voice(seq: u16, payload: &[u8]) -> Packet<'_> {
    Packet { pt: 111, ssrc: 11, seq, extensions: &[(4, b"v")], payload }
}

fn subscription(hall: &mut Hall) -> SubscriptionStats {
    let viewer = hall.clients[1].session;
    let Ok(Reply::SessionStats(stats)) = hall.command(Command::SessionStats(viewer)) else { panic!("statistics") };
    stats.subscriptions[0].clone()
}

#[test]
fn a_repair_that_comes_too_late_to_be_sealed_is_not_counted() {
    let mut hall = Hall::new();
    hall.join(&[opus("v", "sendonly", &[MID])]);
    hall.send(0, &voice(1, &[1; 40]));
    hall.join(&[opus("w", "recvonly", &[])]);
    // 3 stays away; receivers and senders of SRTP look back 1024 packets.
    for seq in (2..1100).filter(|seq| *seq != 3) {
        hall.send(0, &voice(seq, &[1; 40]));
    }
    let (before, received) = (subscription(&mut hall), hall.clients[1].packets.len());
    let sent = hall.sfu.stats().packets_sent;
    assert_eq!((before.packets_sent, received), (1097, 1097));
    hall.send(0, &Packet { pt: 112, ssrc: 12, ..voice(1, &[&[0, 3][..], &[1; 40]].concat()) });
    let Ok(Reply::SessionStats(publisher)) = hall.command(Command::SessionStats(hall.clients[0].session)) else {
        panic!("statistics")
    };
    assert_eq!(publisher.tracks[0].encodings[0].packets_repaired, 1, "it came in");
    assert_eq!(hall.clients[1].packets.len(), received, "it did not go out");
    let after = subscription(&mut hall);
    assert_eq!((after.packets_sent, after.bytes_sent), (before.packets_sent, before.bytes_sent));
    assert_eq!(hall.sfu.stats().packets_sent, sent);

    hall.wait(1500);
    let counts = hall.clients[1].reports.iter().flat_map(|report| packets(report)).filter_map(|packet| {
        if let Rtcp::SenderReport(report) = packet.unwrap() {
            Some((report.packet_count, report.octet_count))
        } else {
            None
        }
    });
    assert_eq!(counts.last(), Some((1097, 1097 * 40)), "the sender report says the same");
    // One in reach is sealed and counted.
    hall.send(0, &voice(1102, &[1; 40]));
    hall.send(0, &voice(1101, &[1; 40]));
    assert_eq!(subscription(&mut hall).packets_sent, 1099);
}
