//! Paths change under a call: another address, an ICE restart, silence, and a peer that never comes or never comes back.

use sfu_core::command::{Command, CommandError, Description, Reply, SdpType};
use sfu_core::config::{Offers, SessionConfig};
use sfu_core::event::{CloseReason, Event};
use sfu_core::id::SessionId;
use sfu_core::negotiation::NegotiationError;
use sfu_core::transport::{ConnectionState, TransportKind};
use sfu_peer::{AudioSource, PeerConfig, PeerStats, VideoSource};

use crate::world::{World, config, millis, seconds};

fn publish(config: &mut PeerConfig) {
    config.audio.push(AudioSource::default());
    config.video.push(VideoSource::single(20));
}

fn two() -> World {
    let mut world = World::new();
    world.join(publish);
    world.join(publish);
    world.run(seconds(3));
    world
}

/// Packets of audio that are under way to an address when it is left.
const UNDER_WAY: u64 = 5;

/// No video packet of the other is missing after so many moves, and media still flows.
fn assert_intact(world: &mut World, index: usize, moves: u64) {
    let packets = |world: &World| -> u64 { world.clients[index].peer.stats().streams.iter().map(|s| s.packets).sum() };
    let before = packets(world);
    world.run(seconds(2));
    assert!(packets(world) > before + 100, "media flows");
    for stream in world.clients[index].peer.stats().streams {
        // What was under way to an old address is lost: audio has no retransmission.
        let lost = if stream.video { 0 } else { stream.lost.min(moves * UNDER_WAY) };
        assert_eq!((stream.lost, stream.corrupt), (lost, 0), "{stream:?}");
    }
}

#[test]
fn a_new_address_is_followed_within_one_check() {
    let mut world = two();
    let address = World::address(77);
    let now = world.now;
    world.clients[1].peer.move_to(now, address);
    world.clients[1].address = address;
    let moved = world.run_until(seconds(3), |world| world.session_stats(1).transports[0].remote == Some(address));
    assert!(moved);
    assert!(world.now - now < millis(3000));
    assert_intact(&mut world, 0, 1);
    assert_intact(&mut world, 1, 1);
    assert_eq!(world.states(1), [ConnectionState::Connected]);
}

#[test]
fn a_return_is_followed_within_one_check_too() {
    let mut world = two();
    let (home, away) = (world.clients[1].address, World::address(77));
    for address in [away, home, away, home] {
        let now = world.now;
        // It checks at once from its new address, and not again for seconds.
        world.clients[1].peer.move_to(now, address);
        world.clients[1].address = address;
        let moved = world.run_until(millis(100), |world| world.session_stats(1).transports[0].remote == Some(address));
        assert!(moved, "{address}");
        world.run(seconds(8));
    }
    assert_intact(&mut world, 0, 4);
    assert_intact(&mut world, 1, 4);
    assert_eq!(world.states(1), [ConnectionState::Connected]);
}

#[test]
fn an_ice_restart_leaves_no_gap_in_the_media() {
    let mut world = two();
    let before = world.clients[1].peer.stats();
    world.clients[1].peer.restart_ice();
    world.offer(1);
    world.run(seconds(3));
    assert_no_gap(&before, &world.clients[1].peer.stats());
    assert_eq!(world.states(1), [ConnectionState::Connected]);
}

/// No packet of anybody's is missing, and so many came.
fn assert_no_gap(before: &PeerStats, after: &PeerStats) {
    for (before, after) in before.streams.iter().zip(&after.streams) {
        assert!(after.packets > before.packets + 40, "{after:?}");
        assert_eq!((after.missing, after.lost), (0, 0), "{after:?}");
        assert!(after.numbers[0].unwrap().is_complete(), "{after:?}");
    }
}

/// Three restarts by the server, and media goes on as before.
fn restarted_by_the_server(mut world: World, watching: usize, transport: TransportKind) {
    world.run(seconds(3));
    let before = world.clients[watching].peer.stats();
    let session = world.clients[watching].session;
    for _ in 0..3 {
        let checks = world.stats().checks;
        assert!(matches!(world.command(Command::OfferIceRestart(session, transport)), Ok(Reply::Done)));
        world.run(seconds(2));
        assert!(world.stats().checks > checks, "it checks with the new credentials");
    }
    assert_no_gap(&before, &world.clients[watching].peer.stats());
    assert_eq!(world.states(watching), [ConnectionState::Connected]);
}

#[test]
fn an_ice_restart_that_the_server_offers_leaves_no_gap_either() {
    let mut world = World::new();
    world.join(publish);
    let watching = world.join(|_| {});
    restarted_by_the_server(world, watching, TransportKind::Main);
}

#[test]
fn a_transport_that_only_the_server_offers_is_restarted_by_it() {
    let mut world = World::new();
    world.join(publish);
    world.run(seconds(1));
    let split = SessionConfig { offers: Offers::Split, ..SessionConfig::default() };
    let reply = world.command(Command::Join(world.room, split));
    let Ok(Reply::Session(session)) = reply else { panic!("{reply:?}") };
    let watching = world.add_client(session, TransportKind::Subscriber, |_| {});
    let first = world.events.iter().rev().find_map(|event| match event {
        Event::OfferReady(id, offer) if *id == session => Some(offer.clone()),
        _ => None,
    });
    world.answer(session, &first.expect("the server offers its transport without being asked"));
    restarted_by_the_server(world, watching, TransportKind::Subscriber);
}

#[test]
fn a_restart_that_meets_an_offer_of_the_client_comes_again() {
    let mut world = two();
    let before = world.clients[1].peer.stats();
    let session = world.clients[1].session;
    world.clients[1].answers = false;
    assert!(matches!(world.command(Command::OfferIceRestart(session, TransportKind::Main)), Ok(Reply::Done)));
    world.run(millis(100));
    world.clients[1].answers = true;
    world.offer(1);
    world.run(seconds(3));
    let offered: Vec<String> = world.events.iter().filter_map(|event| ufrag_offered_to(session, event)).collect();
    let [.., before_it, lost, again] = &offered[..] else { panic!("{offered:?}") };
    assert!(before_it != lost && lost == again, "{offered:?}");
    assert_no_gap(&before, &world.clients[1].peer.stats());
    assert_eq!(world.states(1), [ConnectionState::Connected]);
}

fn ufrag_offered_to(session: SessionId, event: &Event) -> Option<String> {
    let Event::OfferReady(id, offer) = event else { return None };
    let line = offer.sdp.lines().find(|line| line.starts_with("a=ice-ufrag:"))?;
    (*id == session).then(|| line.to_owned())
}

#[test]
fn where_only_the_client_offers_the_server_restarts_nothing() {
    let mut world = World::new();
    let client = world.join_as(SessionConfig { offers: Offers::Client, ..SessionConfig::default() }, publish);
    let session = world.clients[client].session;
    let refused = world.command(Command::OfferIceRestart(session, TransportKind::Main));
    assert_eq!(refused.err(), Some(CommandError::Negotiation(NegotiationError::OnlyClientOffers)));
}

#[test]
fn silence_is_disconnected_then_closed_and_the_others_are_told() {
    let mut world = two();
    let died = world.now;
    world.clients[1].dead = true;
    assert!(world.run_until(seconds(15), |world| world.states(1).ends_with(&[ConnectionState::Disconnected])));
    assert!(world.now - died + seconds(4) >= config().consent_timeout);
    let gone = |world: &mut World| {
        world.events.iter().any(|event| matches!(event, Event::SessionClosed(_, CloseReason::Timeout)))
    };
    assert!(world.run_until(seconds(25), gone));
    world.word_gets_around();
    let stats = world.stats();
    assert_eq!((stats.sessions, stats.tracks, stats.subscriptions), (1, 2, 0));
}

#[test]
fn a_check_revives_what_was_disconnected_and_video_starts_with_a_keyframe() {
    let mut world = two();
    world.loss = 100;
    assert!(world.run_until(seconds(15), |world| world.states(1).ends_with(&[ConnectionState::Disconnected])));
    world.loss = 0;
    assert!(world.run_until(seconds(6), |world| world.states(1).ends_with(&[ConnectionState::Connected])));
    world.run(seconds(3));
    let packets: u64 = world.clients[1].peer.stats().streams.iter().map(|stream| stream.packets).sum();
    world.run(seconds(2));
    let after = world.clients[1].peer.stats();
    assert!(after.streams.iter().map(|stream| stream.packets).sum::<u64>() > packets + 100);
}

#[test]
fn who_negotiates_and_never_comes_is_closed_in_time() {
    let mut world = World::new();
    world.join(publish);
    world.clients[0].dead = true;
    world.run(config().connect_timeout + seconds(1));
    assert!(matches!(world.events.last(), Some(Event::SessionClosed(_, CloseReason::Timeout))), "{:?}", world.events);
    assert_eq!(world.stats().sessions, 0);
    assert_eq!(world.sfu.poll_timeout(), None, "nothing is left to be done");
}

#[test]
fn a_foreign_certificate_is_refused_by_name() {
    let mut world = World::new();
    let reply = world.command(Command::Join(world.room, SessionConfig::default()));
    let Ok(Reply::Session(session)) = reply else { panic!("{reply:?}") };
    let index = world.add_client(session, TransportKind::Main, |config| {
        publish(config);
        config.certificate = std::sync::Arc::new(sfu_transport::Certificate::generate().unwrap());
    });
    // The offer names another certificate than the one that the peer shows.
    let sdp = world.clients[index].peer.create_offer();
    let shown = world.clients[index].peer.create_offer();
    assert_eq!(sdp.lines().count(), shown.lines().count());
    let fingerprint = sdp.lines().find(|line| line.starts_with("a=fingerprint:")).unwrap().to_owned();
    let forged = sdp.replace(&fingerprint, &format!("a=fingerprint:{}", crate::world::certificate().fingerprint()));
    let description = Description { transport: TransportKind::Main, kind: SdpType::Offer, sdp: forged, id: None };
    let reply = world.command(Command::Receive(session, description));
    let Ok(Reply::Description(Some(answer))) = reply else { panic!("{reply:?}") };
    let now = world.now;
    world.clients[index].peer.receive_answer(now, &answer.sdp).unwrap();
    world.run(seconds(3));
    let refused =
        world.events.iter().any(|event| matches!(event, Event::SessionClosed(_, CloseReason::FingerprintMismatch)));
    assert!(refused, "{:?}", world.events);
}
