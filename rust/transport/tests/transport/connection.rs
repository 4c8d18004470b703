//! From the first check to the keys, media both ways, and the end.

use std::time::Duration;

use crate::support::{Net, path, rtcp_packet, rtp_packet};
use sfu_transport::{
    Certificate, Class, DropReason, Fingerprint, FingerprintAlgorithm, Incoming, SecuredEvent, SrtpProfile,
    TransportClose, TransportEvent, TransportState,
};
use sfu_wire::{SeqNo, Ssrc};

#[test]
fn a_check_and_a_handshake_connect() {
    let mut net = Net::new();
    assert_eq!(net.server.state(), TransportState::New);
    net.check(false);
    net.run_for(Duration::from_millis(100));
    assert_eq!(net.server.state(), TransportState::Connecting);
    assert_eq!(net.server_events, [TransportEvent::PathAdded(path(1000)), TransportEvent::PathChanged(path(1000))]);
    assert_eq!(net.stun_replies.len(), 1);
    net.start_dtls();
    net.run_for(Duration::from_millis(200));
    let profile = SrtpProfile::AeadAes128Gcm;
    assert_eq!(net.server_events[2..], [TransportEvent::Connected { profile }], "before any nomination");
    assert_eq!(net.client_events, [SecuredEvent::Connected(profile)]);
    assert_eq!(net.server.state(), TransportState::Connected);
}

#[test]
fn a_handshake_survives_loss() {
    let mut connected = 0;
    for seed in 0..20 {
        let mut net = Net::new();
        net.random = sfu_transport::Random::new([seed; 32]);
        net.check(true);
        net.run_for(Duration::from_millis(50));
        net.loss = 200;
        net.start_dtls();
        net.run_for(Duration::from_secs(40));
        let profiles = [net.server.profile(), net.client.profile()];
        connected += u32::from(profiles.iter().all(Option::is_some));
        // Who has no luck in seven flights is told in time.
        let gave_up = net.client_events.last();
        let is_clear = profiles[1].is_some() || matches!(gave_up, Some(SecuredEvent::Closed(_)));
        assert!(is_clear, "{gave_up:?}");
    }
    // When flights are sent again is the library's own randomness.
    assert!(connected >= 18, "{connected} of 20");
}

fn send_to_client(net: &mut Net, seq: u16) -> bool {
    let packet = rtp_packet(77, seq, b"media for the client");
    let sent =
        net.server.send_rtp(&mut net.egress, Class::Video, (Ssrc::new(77), SeqNo::new(seq.into())), 1200, |buffer| {
            buffer[..packet.len()].copy_from_slice(&packet);
            (packet.len(), 12)
        });
    net.post_server();
    sent
}

fn send_to_server(net: &mut Net, seq: u16) -> Vec<u8> {
    let clear = rtp_packet(5, seq, b"media for the server");
    let mut packet = clear.clone();
    packet.resize(clear.len() + 32, 0);
    let len = net.client.protect_rtp(&mut packet, (clear.len(), 12), Ssrc::new(5), SeqNo::new(seq.into())).unwrap();
    packet.truncate(len);
    net.send_to_server(net.client_path, packet.clone());
    packet
}

#[test]
fn media_and_reports_flow_both_ways() {
    let mut net = Net::connected();
    for seq in 0..10 {
        assert!(send_to_client(&mut net, seq));
        send_to_server(&mut net, seq);
    }
    assert!(net.server.send_rtcp(&mut net.egress, &rtcp_packet(77)));
    net.post_server();
    let mut report = rtcp_packet(5);
    report.resize(64, 0);
    let len = net.client.protect_rtcp(&mut report, 12).unwrap();
    net.send_to_server(net.client_path, report[..len].to_vec());
    net.run_for(Duration::from_millis(100));
    assert_eq!(net.rtp, (0..10).map(|seq| rtp_packet(5, seq, b"media for the server")).collect::<Vec<_>>());
    assert_eq!(net.client_rtp, (0..10).map(|seq| rtp_packet(77, seq, b"media for the client")).collect::<Vec<_>>());
    assert_eq!(net.rtcp, [rtcp_packet(5)]);
    assert_eq!(net.client_rtcp, [rtcp_packet(77)]);
    let counters = net.server.counters();
    assert_eq!((counters.packets_received, counters.packets_sent), (11, 11));
    assert_eq!(counters.bytes_sent, 10 * (32 + 16) + 12 + 16 + 4);
    assert_eq!(counters.drops.total(), 0);
}

#[test]
fn a_sequence_number_is_sealed_once() {
    let mut net = Net::connected();
    assert!(send_to_client(&mut net, 9));
    assert!(!send_to_client(&mut net, 9));
    assert_eq!(net.server.counters().packets_sent, 1);
}

#[test]
fn nothing_is_sent_before_there_are_keys() {
    let mut net = Net::new();
    assert!(!send_to_client(&mut net, 0));
    net.check(true);
    net.run_for(Duration::from_millis(50));
    assert!(!send_to_client(&mut net, 0));
    assert!(!net.server.send_rtcp(&mut net.egress, &rtcp_packet(77)));
    assert!(net.egress.is_empty());
}

#[test]
fn replays_and_forgeries_are_dropped_and_counted() {
    let mut net = Net::connected();
    let packet = send_to_server(&mut net, 0);
    net.send_to_server(path(1000), packet.clone());
    let mut forged = packet.clone();
    forged[3] = 1;
    net.send_to_server(path(1000), forged);
    net.send_to_server(path(2000), packet);
    net.run_for(Duration::from_millis(50));
    let drops = net.server.counters().drops;
    assert_eq!((drops.replayed, drops.authentication, drops.unknown_path, drops.total()), (1, 1, 1, 3));
    assert_eq!(net.rtp.len(), 1);
}

#[test]
fn the_answer_may_come_after_the_handshake() {
    let mut net = Net::without_remote();
    net.check(true);
    net.start_dtls();
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.server.state(), TransportState::Connecting, "nobody has said who the peer is");
    assert!(!send_to_client(&mut net, 0));
    send_to_server(&mut net, 0);
    net.run_for(Duration::from_millis(50));
    assert!(net.rtp.is_empty());
    net.tell_server();
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.server.state(), TransportState::Connected);
    send_to_server(&mut net, 1);
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.rtp.len(), 1);
}

#[test]
fn another_certificate_closes_with_its_reason() {
    for told_late in [false, true] {
        let mut net = Net::without_remote();
        let mut remote = Net::remote();
        remote.fingerprints = vec![Certificate::generate().unwrap().fingerprint().clone()];
        if !told_late {
            net.server.set_remote(net.now, remote.clone());
        }
        net.check(true);
        net.start_dtls();
        net.run_for(Duration::from_secs(1));
        if told_late {
            net.server.set_remote(net.now, remote);
            net.run_for(Duration::from_millis(1));
        }
        assert_eq!(net.server_events.last(), Some(&TransportEvent::Closed(TransportClose::FingerprintMismatch)));
        assert_eq!(net.server.state(), TransportState::Closed);
        assert!(!send_to_client(&mut net, 0));
        // The peer is told: sealed, where it has keys; in the clear before, which this client believes at its deadline only.
        net.run_for(Duration::from_secs(35));
        let told = match net.client_events.last() {
            Some(SecuredEvent::Closed(TransportClose::PeerClosed)) => told_late,
            Some(SecuredEvent::Closed(TransportClose::HandshakeFailed(why))) => {
                !told_late && why.ends_with("the peer sent alert 42")
            }
            _ => false,
        };
        assert!(told, "{:?}", net.client_events);
    }
}

#[test]
fn another_certificate_later_on_stops_the_media_at_once() {
    let mut net = Net::connected();
    let mut remote = Net::remote();
    remote.fingerprints = vec![Certificate::generate().unwrap().fingerprint().clone()];
    net.server.set_remote(net.now, remote);
    assert!(!send_to_client(&mut net, 0), "before anything else happens");
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.server_events.last(), Some(&TransportEvent::Closed(TransportClose::FingerprintMismatch)));
    assert_eq!(net.client_events.last(), Some(&SecuredEvent::Closed(TransportClose::PeerClosed)));
}

#[test]
fn one_matching_fingerprint_of_several_suffices() {
    let mut net = Net::without_remote();
    let mut remote = Net::remote();
    let other = Fingerprint::new(FingerprintAlgorithm::Sha512, &[0; 64]).unwrap();
    remote.fingerprints.insert(0, other);
    net.server.set_remote(net.now, remote);
    net.check(true);
    net.start_dtls();
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.server.state(), TransportState::Connected);
}

#[test]
fn forged_alerts_do_not_end_a_session() {
    let alert = vec![21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    let mut net = Net::new();
    net.check(true);
    net.send_to_server(path(1000), alert.clone());
    net.run_for(Duration::from_millis(15));
    net.start_dtls();
    for _ in 0..20 {
        net.send_to_server(path(1000), alert.clone());
        net.run_for(Duration::from_millis(5));
    }
    net.run_for(Duration::from_secs(1));
    assert_eq!(net.server.state(), TransportState::Connected);
    net.send_to_server(path(1000), alert);
    send_to_server(&mut net, 0);
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.rtp.len(), 1);
}

#[test]
fn the_peer_closes() {
    let mut net = Net::connected();
    net.client.close(net.now, Some(net.client_path), &mut net.egress);
    net.post_client();
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.server_events.last(), Some(&TransportEvent::Closed(TransportClose::PeerClosed)));
    assert!(!send_to_client(&mut net, 0));
    assert_eq!(net.server.poll_timeout(), None);
    let mut datagram = net.binding_request(crate::support::UFRAG, crate::support::PWD, true);
    let incoming = net.server.handle_datagram(net.now, path(1000), &mut datagram, &mut net.egress);
    assert_eq!(incoming, Incoming::Dropped(DropReason::UnknownPath), "nothing is answered any more");
}

#[test]
fn the_server_closes() {
    let mut net = Net::connected();
    net.server.close(net.now, &mut net.egress);
    net.post_server();
    assert_eq!(net.server_events, [TransportEvent::Closed(TransportClose::Requested)]);
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.client_events.last(), Some(&SecuredEvent::Closed(TransportClose::PeerClosed)));
}

#[test]
fn an_idle_connection_sleeps() {
    let mut net = Net::connected();
    net.run_for(Duration::from_millis(500));
    for _ in 0..4 {
        net.check(true);
        net.run_for(Duration::from_secs(2));
        let next = net.server.poll_timeout().unwrap();
        assert!(next > net.now + Duration::from_secs(1), "wakes in {:?}", next - net.now);
    }
}

#[test]
fn a_handshake_that_does_not_go_on_ends_with_a_reason() {
    let mut net = Net::new();
    net.check(true);
    net.start_dtls();
    // Only the ClientHello arrives.
    net.run_for(Duration::from_millis(15));
    net.loss = 1000;
    net.run_to(|net| net.server.state() == TransportState::Closed);
    assert!(matches!(net.server_events.last(), Some(TransportEvent::Closed(TransportClose::HandshakeFailed(_)))));
    assert!(net.now < net.start + Duration::from_secs(31));
}
