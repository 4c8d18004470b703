//! Tracks are announced with their first packet, end with their section, and leave sections that are used again.

use sfu_core::command::{Command, CommandError};
use sfu_core::config::SessionConfig;
use sfu_core::event::Event;
use sfu_peer::{AudioSource, PeerConfig, VideoSource};

use crate::world::{World, millis, seconds};

fn publish(config: &mut PeerConfig) {
    config.audio.push(AudioSource::default());
    config.video.push(VideoSource::single(20));
}

#[test]
fn a_track_that_stops_is_unpublished_and_its_section_is_reused() {
    let mut world = World::new();
    let alice = world.join(publish);
    let bob = world.join(|_| {});
    world.run(seconds(2));
    let sections = |world: &World| {
        let session = world.clients[bob].session;
        let last = world.events.iter().rev().find_map(|event| match event {
            Event::OfferReady(id, offer) if *id == session => Some(offer.sdp.matches("\r\nm=").count()),
            _ => None,
        });
        last.unwrap()
    };
    assert_eq!(sections(&world), 2);
    for _ in 0..5 {
        world.clients[alice].peer.set_video_sends(0, false);
        world.offer(alice);
        world.run(seconds(1));
        assert!(matches!(
            world
                .events
                .iter()
                .rev()
                .find(|event| matches!(event, Event::TrackUnpublished { .. } | Event::TrackPublished(_))),
            Some(Event::TrackUnpublished { .. })
        ));
        world.clients[alice].peer.set_video_sends(0, true);
        world.offer(alice);
        world.run(seconds(2));
    }
    assert_eq!(sections(&world), 2, "no section was added");
    let video = world.clients[bob].peer.stats().streams.into_iter().rfind(|stream| stream.video).unwrap();
    assert!(video.packets > 10 && video.lost == 0, "{video:?}");
    assert_eq!(world.stats().subscriptions, 2);
}

#[test]
fn without_auto_subscribe_one_asks_for_tracks_and_gives_them_back() {
    let mut world = World::new();
    let alice = world.join(publish);
    let bob = world.join_as(SessionConfig { auto_subscribe: false, ..SessionConfig::default() }, |_| {});
    world.run(seconds(2));
    assert_eq!(world.clients[bob].peer.stats().streams.len(), 0);
    let video = world.tracks_of(alice).into_iter().last().unwrap();
    let session = world.clients[bob].session;
    let subscribe = Command::Subscribe { session, track: video, max_layer: None };
    world.command(subscribe.clone()).unwrap();
    assert_eq!(world.command(subscribe.clone()).unwrap_err(), CommandError::AlreadySubscribed);
    world.run(seconds(2));
    let subscription = world.subscription(bob, video).unwrap();
    assert!(world.clients[bob].peer.stats().streams[0].packets > 10);
    world.command(Command::Unsubscribe(subscription)).unwrap();
    assert_eq!(world.command(Command::Unsubscribe(subscription)).unwrap_err(), CommandError::SubscriptionEnded);
    world.run(millis(200));
    let packets = world.clients[bob].peer.stats().streams[0].packets;
    world.run(seconds(1));
    assert_eq!(world.clients[bob].peer.stats().streams[0].packets, packets);
    let own = Command::Subscribe { session: world.clients[alice].session, track: video, max_layer: None };
    assert_eq!(world.command(own).unwrap_err(), CommandError::NotInRoom);
}

#[test]
fn who_may_not_publish_video_is_heard_only() {
    let mut world = World::new();
    let alice = world.join_as(SessionConfig { publish_video: false, ..SessionConfig::default() }, publish);
    world.run(seconds(2));
    assert_eq!(world.tracks_of(alice).len(), 1);
}

#[test]
fn a_track_muted_by_the_server_is_silent_for_everybody() {
    let mut world = World::new();
    let alice = world.join(publish);
    let bob = world.join(|_| {});
    world.run(seconds(2));
    for track in world.tracks_of(alice) {
        world.command(Command::SetMuted(track, true)).unwrap();
    }
    world.run(millis(200));
    let packets = |world: &World| -> u64 { world.clients[bob].peer.stats().streams.iter().map(|s| s.packets).sum() };
    let before = packets(&world);
    world.run(seconds(1));
    assert_eq!(packets(&world), before);
    for track in world.tracks_of(alice) {
        world.command(Command::SetMuted(track, false)).unwrap();
    }
    world.run(seconds(2));
    assert!(packets(&world) > before + 60);
    for stream in world.clients[bob].peer.stats().streams {
        assert_eq!((stream.missing, stream.lost), (0, 0), "muting is no loss: {stream:?}");
    }
}

#[test]
fn a_dump_holds_the_packets_as_they_came_and_ends() {
    let mut world = World::new();
    let alice = world.join(publish);
    world.run(seconds(2));
    let track = world.tracks_of(alice)[0];
    let dump = Command::Dump { track, duration: seconds(1), max_bytes: 1 << 20 };
    world.command(dump).unwrap();
    world.run(seconds(2));
    let mut bytes = Vec::new();
    let mut ended = false;
    for event in &world.events {
        if let Event::Dump { bytes: chunk, last, .. } = event {
            assert!(!ended);
            bytes.extend_from_slice(chunk);
            ended = *last;
        }
    }
    assert!(ended);
    let mut records = 0;
    let mut rest = &bytes[..];
    while let [length @ .., _] = rest.get(..5).unwrap_or_default() {
        let len = usize::from(u16::from_be_bytes([length[0], length[1]]));
        let packet = &rest[8..len];
        assert_eq!(packet[0] >> 6, 2, "RTP");
        rest = &rest[len..];
        records += 1;
    }
    assert!((45..=55).contains(&records), "{records} packets in a second");
}

#[test]
fn a_publisher_that_reloads_is_a_new_session_and_all_see_it() {
    let mut world = World::new();
    let alice = world.join(publish);
    let bob = world.join(publish);
    world.run(seconds(2));
    world.command(Command::CloseSession(world.clients[alice].session)).unwrap();
    world.clients[alice].dead = true;
    let again = world.join(publish);
    world.run(seconds(3));
    let streams = world.clients[bob].peer.stats().streams;
    let from_again: Vec<_> =
        streams.iter().filter(|s| s.source.is_some_and(|(who, _)| who == again as u32 + 1)).collect();
    assert_eq!(from_again.len(), 2);
    assert!(from_again.iter().all(|stream| stream.packets > 20 && stream.lost == 0), "{from_again:?}");
    assert_eq!(world.clients[again].peer.stats().streams.len(), 2);
}
