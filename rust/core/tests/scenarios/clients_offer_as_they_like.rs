//! One transport on which both offer, one on which only the client does, or two: the same room.

use sfu_core::command::{Command, CommandError, Description, Reply, SdpType};
use sfu_core::config::{Offers, SessionConfig};
use sfu_core::event::Event;
use sfu_core::transport::TransportKind;
use sfu_peer::{AudioSource, PeerConfig, VideoSource};

use crate::world::{World, seconds};

fn publish(config: &mut PeerConfig) {
    config.audio.push(AudioSource::default());
    config.video.push(VideoSource::single(20));
}

fn assert_receives(world: &World, index: usize, streams: usize) {
    let stats = world.clients[index].peer.stats();
    assert_eq!(stats.streams.len(), streams, "{stats:?}");
    assert!(stats.streams.iter().all(|stream| stream.packets > 30 && stream.lost == 0), "{stats:?}");
}

fn sections_needed(world: &World) -> Vec<(u32, u32)> {
    let needed = world.events.iter().filter_map(|event| match event {
        Event::SectionsNeeded { audio, video, .. } => Some((*audio, *video)),
        _ => None,
    });
    needed.collect()
}

#[test]
fn only_the_client_offers_and_is_told_what_it_lacks() {
    let mut world = World::new();
    world.join(publish);
    world.join(publish);
    world.run(seconds(2));
    let config = SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
    let viewer = world.join_as(config, |config| {
        config.receive_audio = 1;
        config.receive_video = 1;
    });
    world.run(seconds(3));
    assert_receives(&world, viewer, 2);
    assert_eq!(sections_needed(&world).last(), Some(&(1, 1)));
    let offers = world
        .events
        .iter()
        .filter(|event| matches!(event, Event::OfferReady(session, _) if *session == world.clients[viewer].session));
    assert_eq!(offers.count(), 0, "the server never offers there");
}

#[test]
fn a_client_with_two_transports_publishes_on_one_and_receives_on_the_other() {
    let mut world = World::new();
    world.join(publish);
    world.run(seconds(2));
    let reply =
        world.command(Command::Join(world.room, SessionConfig { offers: Offers::Split, ..SessionConfig::default() }));
    let Ok(Reply::Session(session)) = reply else { panic!("{reply:?}") };
    let publisher = world.add_client(session, TransportKind::Publisher, publish);
    let offer = world.events.iter().rev().find_map(|event| match event {
        Event::OfferReady(id, offer) if *id == session => Some(offer.clone()),
        _ => None,
    });
    let offer = offer.expect("the server offers its transport without being asked");
    assert_eq!(offer.transport, TransportKind::Subscriber);
    let subscriber = world.add_client(session, TransportKind::Subscriber, |_| {});
    let now = world.now;
    let sdp = world.clients[subscriber].peer.receive_offer(now, &offer.sdp).unwrap();
    let answer = Description { kind: SdpType::Answer, sdp, ..offer };
    world.command(Command::Receive(session, answer)).unwrap();
    world.offer(publisher);
    world.run(seconds(4));
    assert_receives(&world, subscriber, 2);
    assert_receives(&world, 0, 2);
    assert_eq!(world.clients[publisher].peer.stats().streams.len(), 0);
}

#[test]
fn a_wrong_description_names_its_line_and_the_next_one_works() {
    let mut world = World::new();
    let reply = world.command(Command::Join(world.room, SessionConfig::default()));
    let Ok(Reply::Session(session)) = reply else { panic!("{reply:?}") };
    let index = world.add_client(session, TransportKind::Main, publish);
    let sdp = world.clients[index].peer.create_offer();
    let broken: String =
        sdp.lines().filter(|line| !line.starts_with("a=fingerprint")).flat_map(|line| [line, "\r\n"]).collect();
    let description = Description { transport: TransportKind::Main, kind: SdpType::Offer, sdp: broken, id: None };
    let error = world.command(Command::Receive(session, description)).unwrap_err();
    assert!(matches!(error, CommandError::Negotiation(_)));
    assert!(error.to_string().contains("a=fingerprint"), "{error}");
    world.offer(index);
    world.run(seconds(3));
    assert_eq!(world.tracks_of(index).len(), 2);
}

#[test]
fn in_a_glare_the_clients_offer_wins_and_the_servers_comes_again() {
    let mut world = World::new();
    let alice = world.join(publish);
    world.run(seconds(2));
    // Alice does not answer the offer that Bob's tracks cause; she makes one of her own instead.
    world.clients[alice].answers = false;
    let bob = world.join(publish);
    world.run(seconds(1));
    let offers = |world: &World| {
        let session = world.clients[alice].session;
        world.events.iter().filter(|event| matches!(event, Event::OfferReady(id, _) if *id == session)).count()
    };
    assert_eq!(offers(&world), 1);
    world.clients[alice].answers = true;
    world.clients[alice].peer.add_audio(AudioSource::default());
    world.offer(alice);
    assert!(offers(&world) > 1, "it comes again");
    world.run(seconds(3));
    assert_receives(&world, alice, 2);
    assert_receives(&world, bob, 3);
}

#[test]
fn a_transport_that_a_session_has_not_is_named() {
    let mut world = World::new();
    let alice = world.join(publish);
    let description =
        Description { transport: TransportKind::Subscriber, kind: SdpType::Offer, sdp: String::new(), id: None };
    let session = world.clients[alice].session;
    let error = world.command(Command::Receive(session, description)).unwrap_err();
    assert_eq!(error, CommandError::NoSuchTransport(TransportKind::Subscriber));
}
