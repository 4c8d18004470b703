//! Data channels: opened from either side, messages of every size, closed from either side, bounded when nobody reads.

use sfu_core::command::{ChannelConfig, Command, CommandError, Reply};
use sfu_core::event::Event;
use sfu_core::id::ChannelId;
use sfu_peer::PeerEvent;
use sfu_transport::{ChannelEvent, ChannelParameters};

use crate::world::{World, seconds};

fn echoing() -> World {
    let mut world = World::new();
    world.join(|config| {
        config.channels = true;
        config.echo = true;
    });
    world.run(seconds(1));
    world
}

fn open(world: &mut World, config: ChannelConfig) -> ChannelId {
    let session = world.clients[0].session;
    match world.command(Command::OpenChannel(session, config)) {
        Ok(Reply::Channel(channel)) => channel,
        other => panic!("{other:?}"),
    }
}

fn messages(world: &World) -> Vec<(bool, Vec<u8>)> {
    let messages = world.events.iter().filter_map(|event| match event {
        Event::ChannelMessage { binary, payload, .. } => Some((*binary, payload.clone())),
        _ => None,
    });
    messages.collect()
}

#[test]
fn messages_of_every_kind_come_back() {
    let mut world = echoing();
    for (ordered, max_retransmits) in [(true, None), (false, None), (true, Some(3)), (false, Some(0))] {
        world.events.clear();
        let channel = open(
            &mut world,
            ChannelConfig { label: "echo".into(), ordered, max_retransmits, ..ChannelConfig::default() },
        );
        world.run(seconds(1));
        let sent: Vec<(bool, Vec<u8>)> =
            vec![(false, b"text".to_vec()), (true, vec![]), (false, vec![]), (true, vec![7; 256 * 1024])];
        for (binary, payload) in &sent {
            let command = Command::SendMessage { channel, binary: *binary, payload: payload.clone() };
            assert!(matches!(world.command(command), Ok(Reply::Sent(true))));
            world.run(seconds(2));
        }
        assert_eq!(messages(&world), sent);
        world.command(Command::CloseChannel(channel)).unwrap();
        world.run(seconds(1));
        assert!(world.events.contains(&Event::ChannelClosed(channel)));
        assert!(
            world.clients[0].events.iter().any(|event| matches!(event, PeerEvent::Channel(ChannelEvent::Closed(_))))
        );
        let late = Command::SendMessage { channel, binary: true, payload: vec![1] };
        assert_eq!(world.command(late).unwrap_err(), CommandError::ChannelClosed);
    }
    assert_eq!(world.stats().channels, 0);
}

#[test]
fn the_peer_opens_and_closes_too() {
    let mut world = echoing();
    let now = world.now;
    let parameters = ChannelParameters { label: "chat".into(), ..ChannelParameters::default() };
    let stream = world.clients[0].peer.open_channel(now, parameters).unwrap();
    world.run(seconds(1));
    let opened = world.events.iter().find_map(|event| match event {
        Event::ChannelOpened { channel, label, by_peer: true, .. } if label == "chat" => Some(*channel),
        _ => None,
    });
    let channel = opened.expect("it is announced");
    let now = world.now;
    world.clients[0].peer.close_channel(now, stream).unwrap();
    world.run(seconds(1));
    assert!(world.events.contains(&Event::ChannelClosed(channel)));
}

#[test]
fn a_message_that_is_too_large_is_refused() {
    let mut world = echoing();
    let channel = open(&mut world, ChannelConfig { label: "x".into(), ..ChannelConfig::default() });
    let command = Command::SendMessage { channel, binary: true, payload: vec![0; 256 * 1024 + 1] };
    assert_eq!(world.command(command).unwrap_err(), CommandError::MessageTooLarge(256 * 1024 + 1));
}

#[test]
fn a_peer_that_does_not_read_makes_the_sender_wait() {
    let mut world = echoing();
    let channel = open(&mut world, ChannelConfig { label: "x".into(), ordered: true, ..ChannelConfig::default() });
    world.run(seconds(1));
    world.loss = 100;
    let mut taken = 0;
    while matches!(
        world.command(Command::SendMessage { channel, binary: true, payload: vec![0; 64 * 1024] }),
        Ok(Reply::Sent(true))
    ) {
        taken += 1;
        assert!(taken < 1000, "the buffer is bounded");
    }
    assert!(taken >= 8);
    world.loss = 0;
    let writable = world.run_until(seconds(20), |world| world.events.contains(&Event::ChannelWritable(channel)));
    assert!(writable);
}
