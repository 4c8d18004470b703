//! Checks, nominations, consent and ICE restarts.

use std::time::Duration;

use crate::support::{CONSENT_TIMEOUT, Net, PWD, UFRAG, path, rtp_packet, write};
use is::stun::{StunMessage, StunMessageBuilder};
use sfu_transport::ice::{hmac_sha1, transaction_id};
use sfu_transport::{Class, TransportEvent, TransportState, stun_local_ufrag};
use sfu_wire::{SeqNo, Ssrc};

/// Sends one packet and tells over which path it went.
fn probe(net: &mut Net, seq: u64) -> Option<u16> {
    let before = net.wire.len();
    let packet = rtp_packet(77, seq as u16, b"probe");
    net.server.send_rtp(&mut net.egress, Class::Video, (Ssrc::new(77), SeqNo::new(seq)), 100, |buffer| {
        buffer[..packet.len()].copy_from_slice(&packet);
        (packet.len(), 12)
    });
    net.post_server();
    net.run_for(Duration::from_millis(20));
    net.wire.get(before).map(|(path, _)| path.remote.port())
}

#[test]
fn a_check_is_answered_with_the_address_it_came_from() {
    let mut net = Net::new();
    net.check(false);
    net.run_for(Duration::from_millis(50));
    let reply = StunMessage::parse(&net.stun_replies[0]).unwrap();
    assert!(reply.is_successful_binding_response());
    assert!(reply.verify(PWD.as_bytes(), hmac_sha1));
    assert_eq!(reply.mapped_address(), Some(path(1000).remote));
    assert_eq!(reply.trans_id(), StunMessage::parse(&net.stun_replies[0]).unwrap().trans_id());
}

#[test]
fn over_ipv6_too() {
    let mut net = Net::new();
    net.client_path.local = "[2001:db8::1]:7882".parse().unwrap();
    net.client_path.remote = "[2001:db8::2]:4000".parse().unwrap();
    net.check(false);
    net.run_for(Duration::from_millis(50));
    let reply = StunMessage::parse(&net.stun_replies[0]).unwrap();
    assert_eq!(reply.mapped_address(), Some("[2001:db8::2]:4000".parse().unwrap()));
}

#[test]
fn the_demultiplexer_finds_our_fragment() {
    let mut net = Net::new();
    let check = net.binding_request(UFRAG, PWD, false);
    assert_eq!(stun_local_ufrag(&check), Some(UFRAG));
}

#[test]
fn a_peer_that_thinks_it_is_controlled_is_corrected() {
    let mut net = Net::new();
    let username = format!("{UFRAG}:client");
    let message = StunMessageBuilder::new().binding().request().username(&username).prio(1).ice_controlled(9);
    let datagram = write(&message.build(transaction_id([1; 12])), PWD);
    net.send_to_server(path(1000), datagram);
    net.run_for(Duration::from_millis(50));
    let reply = StunMessage::parse(&net.stun_replies[0]).unwrap();
    assert_eq!(reply.error_code().map(|(code, _)| code), Some(487));
    assert!(reply.verify(PWD.as_bytes(), hmac_sha1));
    assert_eq!(net.server.state(), TransportState::New, "that was no consent");
}

#[test]
fn a_check_with_another_password_is_dropped_without_an_answer() {
    let mut net = Net::new();
    net.check_with(UFRAG, "another password", true);
    net.check_with("another", PWD, true);
    let mut broken = net.binding_request(UFRAG, PWD, true);
    *broken.last_mut().unwrap() ^= 1;
    net.send_to_server(path(1000), broken);
    net.run_for(Duration::from_millis(50));
    let drops = net.server.counters().drops;
    assert_eq!((drops.authentication, drops.malformed), (2, 1));
    assert!(net.stun_replies.is_empty());
    assert_eq!(net.server.path(), None);
}

#[test]
fn the_path_moves_with_a_nomination_and_with_nothing_else() {
    let mut net = Net::connected();
    assert_eq!(probe(&mut net, 0), Some(1000));

    // Media from elsewhere: dropped, no move.
    let mut media = rtp_packet(5, 0, b"from elsewhere");
    let clear = media.len();
    media.resize(clear + 32, 0);
    let len = net.client.protect_rtp(&mut media, (clear, 12), Ssrc::new(5), SeqNo::new(0)).unwrap();
    net.send_to_server(path(2000), media[..len].to_vec());
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.server.counters().drops.unknown_path, 1);
    assert_eq!(probe(&mut net, 1), Some(1000));

    // A check alone makes the address known: media from it is taken, the path stays.
    net.client_path = path(2000);
    net.check(false);
    net.run_for(Duration::from_millis(50));
    net.send_to_server(path(2000), media[..len].to_vec());
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.rtp.len(), 1);
    assert_eq!(probe(&mut net, 2), Some(1000));

    // The nomination moves it at once.
    net.check(true);
    net.run_for(Duration::from_millis(15));
    assert_eq!(net.server_events.last(), Some(&TransportEvent::PathChanged(path(2000))));
    assert_eq!(probe(&mut net, 3), Some(2000));
}

#[test]
fn a_peer_that_comes_back_is_followed_within_one_check() {
    let mut net = Net::connected();
    for port in [2000, 1000, 2000] {
        net.client_path = path(port);
        net.check(true);
        net.run_for(Duration::from_millis(15));
        assert_eq!(net.server_events.last(), Some(&TransportEvent::PathChanged(path(port))));
    }
}

#[test]
fn a_check_that_comes_again_moves_nothing() {
    let mut net = Net::connected();
    net.client_path = path(2000);
    let check = net.binding_request(UFRAG, PWD, true);
    net.send_to_server(path(2000), check.clone());
    net.run_for(Duration::from_millis(50));
    net.client_path = path(1000);
    net.check(true);
    net.run_for(Duration::from_millis(50));
    assert_eq!(probe(&mut net, 0), Some(1000));
    let answers = net.stun_replies.len();
    for seq in 1..=5 {
        net.send_to_server(path(2000), check.clone());
        net.run_for(Duration::from_millis(50));
        assert_eq!(probe(&mut net, seq), Some(1000));
    }
    assert_eq!(net.stun_replies.len(), answers + 5, "it is answered: the first answer may have been lost");
}

#[test]
fn indications_keep_a_binding_open_and_are_no_consent() {
    let mut net = Net::connected();
    let (checks, last_check) = (net.server.counters().checks, net.server.last_check());
    let indication = StunMessageBuilder::new().binding().indication().build(transaction_id([1; 12]));
    let indication = write(&indication, PWD);
    for port in [1000, 2000, 1000] {
        net.send_to_server(path(port), indication.clone());
        net.run_for(Duration::from_millis(50));
    }
    let counters = net.server.counters();
    assert_eq!((counters.keep_alives, counters.checks, counters.drops.unknown_path), (2, checks, 1));
    assert_eq!(net.server.last_check(), last_check);
    assert!(net.server_events.is_empty());
    // An answer to a question that nobody asked is none.
    let reply = net.stun_replies[0].clone();
    net.send_to_server(path(1000), reply);
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.server.counters().drops.malformed, 1);
}

#[test]
fn consent_expires_and_is_revived_by_a_check() {
    let mut net = Net::connected();
    let deadline = net.server.last_check().unwrap() + CONSENT_TIMEOUT;
    net.run_to(|net| net.server.state() == TransportState::Disconnected);
    assert!(net.now >= deadline && net.now < deadline + Duration::from_millis(100));
    assert_eq!(net.server_events, [TransportEvent::Disconnected]);
    assert_eq!(probe(&mut net, 0), None, "media is held back");
    net.check(false);
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.server_events[1..], [TransportEvent::Reconnected]);
    assert_eq!(probe(&mut net, 0), Some(1000), "and flows again");
}

#[test]
fn a_live_peer_never_disconnects() {
    let mut net = Net::connected();
    for _ in 0..50 {
        net.check(false);
        net.run_for(Duration::from_millis(2500));
    }
    assert_eq!(net.server_events, []);
}

#[test]
fn an_ice_restart_makes_no_gap() {
    let mut net = Net::connected();
    net.server.restart_ice("second".into(), "the-second-password-of-it".into());
    assert_eq!(probe(&mut net, 0), Some(1000), "media flows while the restart is under way");
    net.check(true);
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.server_events, [], "the old credentials are answered");
    assert_eq!(net.server.counters().drops.total(), 0);

    net.client_path = path(3000);
    net.check_with("second", "the-second-password-of-it", true);
    net.run_for(Duration::from_millis(50));
    assert_eq!(
        net.server_events,
        [
            TransportEvent::PathAdded(path(3000)),
            TransportEvent::PathChanged(path(3000)),
            TransportEvent::UfragRetired(UFRAG.into()),
        ]
    );
    assert_eq!(probe(&mut net, 1), Some(3000));
    net.check(true);
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.server.counters().drops.authentication, 1, "the old credentials are over");
}

#[test]
fn a_second_restart_replaces_one_that_was_not_used() {
    let mut net = Net::connected();
    net.server.restart_ice("second".into(), "the-second-password-of-it".into());
    net.server.restart_ice("third".into(), "the-third-password-of-it".into());
    net.check(true);
    net.check_with("second", "the-second-password-of-it", true);
    net.check_with("third", "the-third-password-of-it", true);
    net.run_for(Duration::from_millis(50));
    assert_eq!(net.server.counters().drops.authentication, 1);
    assert_eq!(
        net.server_events,
        [TransportEvent::UfragRetired("second".into()), TransportEvent::UfragRetired(UFRAG.into())]
    );
}

#[test]
fn forgotten_paths_are_reported() {
    let mut net = Net::connected();
    for port in 1..=8 {
        net.client_path = path(port);
        net.check(false);
        net.run_for(Duration::from_millis(20));
    }
    assert_eq!(net.server.paths().count(), 8);
    assert!(net.server_events.contains(&TransportEvent::PathRemoved(path(1))));
    assert_eq!(net.server.path(), Some(path(1000)));
}
