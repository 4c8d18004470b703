//! What a room, a server and a newcomer may do.

use sfu_core::command::{Command, CommandError};
use sfu_core::config::{RoomConfig, SessionConfig};
use sfu_core::event::{CloseReason, Event};
use sfu_peer::AudioSource;

use crate::world::{World, config, seconds};

#[test]
fn a_full_room_takes_nobody_until_somebody_leaves() {
    let mut world = World::with(config(), RoomConfig { max_sessions: Some(2), ..RoomConfig::default() });
    let alice = world.join(|config| config.channels = true);
    world.join(|config| config.channels = true);
    let join = Command::Join(world.room, SessionConfig::default());
    assert_eq!(world.command(join.clone()).unwrap_err(), CommandError::RoomFull(2));
    world.command(Command::CloseSession(world.clients[alice].session)).unwrap();
    world.command(join).unwrap();
}

#[test]
fn a_closed_room_ends_its_sessions_and_takes_none() {
    let mut world = World::new();
    world.join(|config| config.audio.push(AudioSource::default()));
    world.join(|config| config.channels = true);
    world.run(seconds(2));
    world.command(Command::CloseRoom(world.room)).unwrap();
    let closed = world.events.iter().filter(|event| matches!(event, Event::SessionClosed(_, CloseReason::RoomClosed)));
    assert_eq!(closed.count(), 2);
    let stats = world.stats();
    assert_eq!((stats.rooms, stats.sessions, stats.tracks, stats.subscriptions), (0, 0, 0, 0));
    let join = Command::Join(world.room, SessionConfig::default());
    assert_eq!(world.command(join).unwrap_err(), CommandError::RoomClosed);
    assert_eq!(world.sfu.poll_timeout(), None);
}

#[test]
fn handshakes_under_way_are_bounded() {
    let mut world = World::with(sfu_core::config::SfuConfig { max_half_open: 3, ..config() }, RoomConfig::default());
    for _ in 0..8 {
        world.join(|config| config.channels = true);
    }
    // First contacts arrive together; those beyond the bound are dropped and come again when there is room.
    world.run(seconds(1));
    assert!(world.stats().dropped.half_open_limit > 0);
    world.run(seconds(10));
    for index in 0..8 {
        assert!(world.clients[index].peer.is_connected(), "client {index}");
    }
}
