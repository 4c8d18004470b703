//! Connecting, media, repair, channels, moving and leaving.

use std::time::Duration;

use sfu_peer::{AudioSource, PeerConfig, PeerEvent, StreamStats, VideoSource};
use sfu_transport::{ChannelEvent, ChannelParameters, SrtpProfile, TransportClose, TransportEvent};

use crate::relay::{Relay, peer_config};

fn publisher() -> PeerConfig {
    PeerConfig { audio: vec![AudioSource::default()], video: vec![VideoSource::single(20)], ..peer_config(1) }
}

fn viewer() -> PeerConfig {
    PeerConfig { receive_audio: 1, receive_video: 1, ..peer_config(2) }
}

/// The viewer is there first, so nothing of the publisher is lost.
fn connected(publisher: PeerConfig, viewer: PeerConfig) -> Relay {
    let mut relay = Relay::new(publisher, viewer);
    relay.viewer.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(1));
    relay.publisher.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(1));
    let connected = PeerEvent::Connected(SrtpProfile::AeadAes128Gcm);
    assert_eq!(relay.viewer.peer_events, std::slice::from_ref(&connected));
    assert_eq!(relay.publisher.peer_events, [connected]);
    relay
}

fn streams(relay: &Relay) -> (StreamStats, StreamStats) {
    let stats = relay.viewer.peer.stats();
    assert_eq!(stats.streams.len(), 2, "{stats:?}");
    assert_eq!((stats.unknown_packets, stats.dropped), (0, 0));
    let find = |video| stats.streams.iter().find(|s| s.video == video).unwrap().clone();
    (find(false), find(true))
}

#[test]
fn what_is_published_arrives_whole() {
    let mut relay = connected(publisher(), viewer());
    relay.run_for(Duration::from_secs(9));
    relay.publisher.peer.set_audio_sends(0, false);
    let (audio, video) = streams(&relay);
    assert_eq!((audio.source, video.source), (Some((1, 0)), Some((1, 0x8000))));
    assert!((490..=500).contains(&audio.packets), "{audio:?}");
    assert_eq!(video.frames.keyframes, 1);
    assert!((98..=101).contains(&video.frames.decoded), "{video:?}");
    for stream in [audio, video] {
        assert!(stream.numbers[0].unwrap().is_complete());
        assert_eq!(stream.numbers[0].unwrap().first, 0);
        let spoilt = [stream.duplicates, stream.corrupt, stream.misrouted, stream.lost, stream.nacks];
        assert_eq!(spoilt, [0; 5]);
        assert_eq!((stream.frames.torn, stream.frames.discontinuities, stream.frames.undecodable), (0, 0, 0));
        assert_eq!(stream.max_latency.as_millis(), 30, "two legs of 15 ms");
        assert!(stream.sender_reports >= 8);
    }
    let uplink = relay.publisher.peer.stats().uplink;
    assert!(uplink.feedbacks > 50, "{uplink:?}");
    let rtt = uplink.rtt.unwrap().as_millis();
    assert!((55..65).contains(&rtt), "two legs there and back: {rtt} ms");
}

#[test]
fn losses_are_repaired() {
    let mut relay = connected(publisher(), viewer());
    relay.loss = 50;
    relay.run_for(Duration::from_secs(30));
    relay.loss = 0;
    relay.run_for(Duration::from_secs(2));
    let (audio, video) = streams(&relay);
    for stream in [&audio, &video] {
        assert!(stream.repaired > 10, "{stream:?}");
        assert_eq!((stream.missing, stream.lost), (0, 0), "{stream:?}");
        assert!(stream.numbers[0].unwrap().is_complete());
    }
    assert_eq!((video.frames.undecodable, video.frames.torn, video.frames.discontinuities), (0, 0, 0));
    let uplink = relay.publisher.peer.stats().uplink;
    assert!(uplink.resent >= audio.repaired + video.repaired);
}

#[test]
fn audio_without_rtx_is_asked_for_by_nobody() {
    let without_rtx = |offer: String| {
        let unwanted = ["a=rtpmap:112 ", "a=fmtp:112 ", "a=rtcp-fb:111 nack"];
        let kept = offer.lines().filter(|line| !unwanted.iter().any(|start| line.starts_with(start)));
        kept.flat_map(|line| [line, "\r\n"]).collect::<String>().replace("SAVPF 111 112", "SAVPF 111")
    };
    let mut relay = Relay::new(publisher(), viewer());
    for leg in [&mut relay.viewer, &mut relay.publisher] {
        let offer = without_rtx(leg.peer.create_offer());
        leg.set_remote(relay.now);
        let answer = leg.mirror(&offer, "passive");
        leg.peer.receive_answer(relay.now, &answer).unwrap();
    }
    relay.run_for(Duration::from_secs(1));
    relay.loss = 50;
    relay.run_for(Duration::from_secs(10));
    let (audio, video) = streams(&relay);
    assert_eq!((audio.nacks, audio.repaired), (0, 0));
    assert!(audio.lost > 10 && video.repaired > 0, "{audio:?}");
    let offer = relay.publisher.peer.create_offer();
    assert_eq!(offer.matches("a=ssrc-group").count(), 1, "of the video: {offer}");
}

#[test]
fn an_outage_is_ended_by_a_keyframe() {
    let mut relay = connected(publisher(), viewer());
    relay.loss = 1000;
    relay.run_for(Duration::from_secs(4));
    relay.loss = 0;
    relay.run_for(Duration::from_secs(10));
    let (_, video) = streams(&relay);
    assert!(video.keyframe_requests > 0 || video.lost == 0, "{video:?}");
    let decoded = video.frames.decoded;
    relay.run_for(Duration::from_secs(2));
    let (_, video) = streams(&relay);
    assert!(video.frames.decoded >= decoded + 19, "the picture moves again: {video:?}");
}

#[test]
fn a_viewer_that_comes_late_asks_for_a_keyframe() {
    let mut relay = Relay::new(publisher(), viewer());
    relay.publisher.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(3));
    relay.viewer.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(3));
    let (_, video) = streams(&relay);
    assert!(video.keyframe_requests >= 1);
    assert_eq!(video.frames.keyframes, 1);
    assert!(video.frames.decoded > 20, "{video:?}");
    assert_eq!(relay.publisher.peer.stats().uplink.keyframes, 2);
}

#[test]
fn the_server_may_offer() {
    let mut relay = Relay::new(publisher(), peer_config(2));
    let offer = relay.publisher.peer.create_offer();
    relay.viewer.set_remote(relay.now);
    // What the publisher sends the server offers on.
    let offered = relay.viewer.mirror(&offer.replace("a=sendonly", "a=recvonly"), "actpass");
    let answer = relay.viewer.peer.receive_offer(relay.now, &offered).unwrap();
    assert_eq!(answer.matches("a=recvonly").count(), 2, "{answer}");
    assert!(answer.contains("a=setup:active"));
    relay.run_for(Duration::from_secs(1));
    relay.publisher.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(3));
    let (audio, video) = streams(&relay);
    assert!(audio.numbers[0].unwrap().is_complete() && video.numbers[0].unwrap().is_complete());
    assert!(video.frames.decoded > 25);
}

#[test]
fn simulcast_sends_every_encoding_under_its_rid() {
    let simulcast = PeerConfig { video: vec![VideoSource::simulcast()], ..peer_config(1) };
    let mut relay = Relay::new(simulcast, peer_config(2));
    let offer = relay.publisher.peer.create_offer();
    assert!(offer.contains("a=simulcast:send l;m;h\r\n"));
    assert!(!offer.contains("a=ssrc"));
    relay.publisher.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(4));
    relay.publisher.peer.set_encoding_active(0, 2, false);
    let before = relay.publisher.peer.stats().uplink;
    assert!((8 * 15 * 2..8 * 15 * 4 + 40).contains(&before.packets), "{before:?}");
    assert_eq!(before.keyframes, 3);
    relay.run_for(Duration::from_secs(2));
    let after = relay.publisher.peer.stats().uplink;
    assert!((85..=95).contains(&(after.packets - before.packets)), "3 packets a frame are left: {after:?}");
}

#[test]
fn messages_are_echoed() {
    let config = PeerConfig { channels: true, echo: true, ..peer_config(1) };
    let mut relay = Relay::new(config, peer_config(2));
    relay.publisher.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(1));
    let transport = &mut relay.publisher.transport;
    let stream = transport.open_channel(relay.now, ChannelParameters::default()).unwrap();
    let payload: Vec<u8> = (0..200_000_u32).map(|n| n as u8).collect();
    assert_eq!(transport.send_message(relay.now, stream, true, payload.clone()), Ok(true));
    relay.run_for(Duration::from_secs(5));
    let echoed = TransportEvent::Channel(ChannelEvent::Message { stream, binary: true, payload });
    assert!(relay.publisher.server_events.contains(&echoed));
}

#[test]
fn a_move_is_followed_and_a_restart_makes_no_gap() {
    let mut relay = connected(publisher(), viewer());
    relay.publisher.peer.move_to(relay.now, ([198, 51, 100, 77], 5000).into());
    relay.run_for(Duration::from_secs(3));
    assert_eq!(relay.publisher.transport.path().unwrap().remote.port(), 5000);
    relay.publisher.peer.restart_ice();
    relay.publisher.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(5));
    let (audio, video) = streams(&relay);
    assert!(audio.numbers[0].unwrap().is_complete() && video.numbers[0].unwrap().is_complete());
    assert!(video.frames.decoded > 85, "{video:?}");
    assert_eq!(relay.publisher.transport.counters().drops.total(), 0);
}

#[test]
fn leaving_is_seen_at_once() {
    let mut relay = connected(publisher(), viewer());
    relay.close_publisher();
    relay.run_for(Duration::from_millis(100));
    let closed = TransportEvent::Closed(TransportClose::PeerClosed);
    assert_eq!(relay.publisher.server_events.last(), Some(&closed));
    let packets = relay.publisher.peer.stats().uplink.packets;
    relay.run_for(Duration::from_secs(1));
    assert_eq!(relay.publisher.peer.stats().uplink.packets, packets);
}

#[test]
fn the_same_seed_gives_the_same_call() {
    let run = || {
        let mut relay = connected(publisher(), viewer());
        relay.loss = 30;
        relay.run_for(Duration::from_secs(5));
        relay.viewer.peer.stats()
    };
    assert_eq!(run(), run());
}
