//! In a room with audio slots everybody has as many audio sections as slots, and hears the loudest of the others in them.

use sfu_core::command::{Command, Description, Reply, SdpType};
use sfu_core::config::{Offers, RoomConfig, SessionConfig};
use sfu_core::event::Event;
use sfu_core::id::TrackId;
use sfu_core::transport::TransportKind;
use sfu_peer::{AudioSource, PeerConfig, StreamStats};

use crate::crowd::Crowd;
use crate::world::{World, config, millis, seconds};

const SILENT: u8 = 127;

fn speaks(level: u8) -> impl FnOnce(&mut PeerConfig) {
    move |config| config.audio.push(AudioSource { level, ..AudioSource::default() })
}

/// `count` silent people in a room with so many slots.
fn room(slots: u8, count: usize) -> World {
    let mut world = World::with(config(), RoomConfig { audio_slots: Some(slots), ..RoomConfig::default() });
    for _ in 0..count {
        world.join(speaks(SILENT));
    }
    world.run(seconds(2));
    world
}

/// Who is in the slots of a client, as far as it was told.
fn heard(world: &World, index: usize) -> Vec<Option<TrackId>> {
    let client = world.clients[index].session;
    let mut slots = Vec::new();
    for event in &world.events {
        if let Event::AudioSlotChanged { session, slot, track, .. } = event
            && *session == client
        {
            slots.resize(slots.len().max(usize::from(*slot) + 1), None);
            slots[usize::from(*slot)] = *track;
        }
    }
    slots
}

fn voice(world: &World, index: usize) -> Option<TrackId> {
    world.tracks_of(index).first().copied()
}

fn streams(world: &World, index: usize) -> Vec<StreamStats> {
    world.clients[index].peer.stats().streams
}

fn changes(world: &World, index: usize) -> usize {
    let client = world.clients[index].session;
    let mine = |event: &&Event| matches!(event, Event::AudioSlotChanged { session, .. } if *session == client);
    world.events.iter().filter(mine).count()
}

#[test]
fn nobody_hears_silence_and_sections_do_not_grow_with_the_room() {
    let world = room(2, 12);
    for index in 0..12 {
        assert_eq!(heard(&world, index), [None, None]);
        assert_eq!(streams(&world, index).len(), 0);
    }
}

#[test]
fn the_loudest_are_heard_by_all_but_themselves_who_hear_the_next_one() {
    let mut world = room(2, 12);
    for (speaker, level) in [(3, 20), (4, 25), (5, 30)] {
        world.clients[speaker].peer.set_audio_level(0, level);
        world.run(millis(100));
    }
    world.run(seconds(2));
    let voices = [3, 4, 5].map(|index| voice(&world, index));
    for index in 0..12 {
        let expected = match index {
            3 => [voices[2], voices[1]],
            4 => [voices[0], voices[2]],
            _ => [voices[0], voices[1]],
        };
        assert_eq!(heard(&world, index), expected, "client {index}");
        let streams = streams(&world, index);
        assert_eq!(streams.len(), 2);
        assert!(streams.iter().all(|stream| stream.packets > 80 && stream.lost + stream.missing == 0), "{streams:?}");
        assert!(streams.iter().all(|stream| stream.corrupt + stream.duplicates == 0), "{streams:?}");
    }
}

#[test]
fn a_slot_that_changes_goes_on_without_a_gap_and_without_negotiation() {
    let mut world = room(1, 6);
    let offers = |world: &World| world.events.iter().filter(|event| matches!(event, Event::OfferReady(..))).count();
    let before = offers(&world);
    for turn in 0..20 {
        let speaker = 1 + turn % 4;
        world.clients[speaker].peer.set_audio_level(0, 25);
        world.run(millis(700));
        assert_eq!(heard(&world, 0), [voice(&world, speaker)]);
        world.clients[speaker].peer.set_audio_level(0, SILENT);
        world.run(millis(300));
    }
    let streams = streams(&world, 0);
    assert_eq!((streams.len(), offers(&world)), (1, before));
    let stream = &streams[0];
    assert!(stream.packets > 900 && stream.lost + stream.missing + stream.duplicates == 0, "{stream:?}");
    assert_eq!(changes(&world, 0), 1 + 20, "one for the section, one for each utterance");
}

#[test]
fn what_was_read_together_with_the_packet_that_moves_a_slot_is_not_lost() {
    let mut crowd = Crowd::new(config(), 3, 1);
    let mut heard = Vec::new();
    for turn in 0..60 {
        crowd.wait(20);
        let louder = if turn < 10 { SILENT } else { 5 };
        let of_turn = crowd.send_together(&[(1, 29), (2, louder)], &[0]);
        heard.push(of_turn.into_iter().map(|one| one.speaker).collect::<Vec<_>>());
    }
    heard.dedup();
    assert_eq!(heard, [vec![1], vec![1, 2], vec![2]], "both once, and never neither");
}

#[test]
fn who_is_subscribed_to_is_not_heard_twice() {
    let mut world = room(2, 6);
    for (speaker, level) in [(3, 20), (4, 25), (5, 30)] {
        world.clients[speaker].peer.set_audio_level(0, level);
        world.run(millis(100));
    }
    let [first, second, third] = [3, 4, 5].map(|index| voice(&world, index));
    let session = world.clients[0].session;
    world.command(Command::Subscribe { session, track: first.unwrap(), max_layer: None }).unwrap();
    world.run(seconds(1));
    assert_eq!(heard(&world, 0), [third, second]);
    assert_eq!(streams(&world, 0).len(), 3);
    let subscription = world.subscription(0, first.unwrap()).unwrap();
    world.command(Command::Unsubscribe(subscription)).unwrap();
    world.run(seconds(1));
    assert_eq!(heard(&world, 0), [first, second]);
}

#[test]
fn who_leaves_gives_the_slot_to_the_next_and_leaves_nothing_behind() {
    let mut world = room(1, 5);
    let subscriptions = world.stats().subscriptions;
    world.clients[1].peer.set_audio_level(0, 20);
    world.run(millis(200));
    world.clients[2].peer.set_audio_level(0, 30);
    world.run(millis(200));
    assert_eq!(heard(&world, 0), [voice(&world, 1)]);
    let leaves = world.clients[1].session;
    world.command(Command::CloseSession(leaves)).unwrap();
    world.clients[1].dead = true;
    assert_eq!(heard(&world, 0), [None]);
    world.run(millis(100));
    assert_eq!(heard(&world, 0), [voice(&world, 2)]);
    assert_eq!(world.stats().subscriptions, subscriptions - 1);
    for index in [0, 2, 3, 4] {
        let session = world.clients[index].session;
        world.command(Command::CloseSession(session)).unwrap();
    }
    assert_eq!(world.stats().subscriptions, 0);
}

#[test]
fn who_chooses_by_hand_has_no_slots() {
    let mut world = room(2, 3);
    let settings = SessionConfig { auto_subscribe: false, ..SessionConfig::default() };
    let chooser = world.join_as(settings, |_| {});
    world.clients[1].peer.set_audio_level(0, 20);
    world.run(seconds(1));
    assert_eq!((heard(&world, chooser).len(), streams(&world, chooser).len()), (0, 0));
}

#[test]
fn a_client_that_rejects_a_slot_hears_the_others_and_nothing_has_failed() {
    let mut world = room(2, 3);
    let settings = SessionConfig { offers: Offers::Either, ..SessionConfig::default() };
    let Ok(Reply::Session(session)) = world.command(Command::Join(world.room, settings)) else { panic!("it joins") };
    let offer = world.events.iter().rev().find_map(|event| match event {
        Event::OfferReady(to, offer) if *to == session => Some(offer.clone()),
        _ => None,
    });
    let offer = offer.expect("the slots are offered");
    let viewer = world.add_client(session, TransportKind::Main, |_| {});
    let now = world.now;
    let answer = world.clients[viewer].peer.receive_offer(now, &offer.sdp).unwrap();
    let second = answer.match_indices("m=audio 9 ").nth(1).expect("two sections").0;
    let sdp = format!("{}{}", &answer[..second], answer[second..].replacen("m=audio 9 ", "m=audio 0 ", 1));
    world.command(Command::Receive(session, Description { kind: SdpType::Answer, sdp, ..offer })).unwrap();
    world.run(seconds(1));
    for speaker in [0, 1] {
        world.clients[speaker].peer.set_audio_level(0, 20);
        world.run(seconds(1));
    }
    assert_eq!(heard(&world, viewer), [voice(&world, 0)], "the second slot is not there");
    assert_eq!(streams(&world, viewer).len(), 1);
    assert_eq!(heard(&world, 2), [voice(&world, 0), voice(&world, 1)], "others have both");
    assert!(!world.events.iter().any(|event| matches!(event, Event::SubscriptionFailed { .. })));
}
