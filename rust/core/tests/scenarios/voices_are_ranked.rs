//! Who speaks is told to the room: from the clear audio levels, with hysteresis.

use sfu_core::event::Event;
use sfu_peer::AudioSource;

use crate::world::{World, seconds};

#[test]
fn the_loud_one_is_named_and_forgotten_when_silent() {
    let mut world = World::new();
    let quiet = world.join(|config| config.audio.push(AudioSource { level: 127, packet_len: 80 }));
    let loud = world.join(|config| config.audio.push(AudioSource { level: 20, packet_len: 80 }));
    world.run(seconds(3));
    let last = |world: &World| {
        let last = world.events.iter().rev().find_map(|event| match event {
            Event::SpeakersChanged(_, speakers) => Some(speakers.iter().map(|s| s.session).collect::<Vec<_>>()),
            _ => None,
        });
        last.unwrap_or_default()
    };
    assert_eq!(last(&world), [world.clients[loud].session]);
    world.clients[loud].peer.set_audio_level(0, 127);
    world.clients[quiet].peer.set_audio_level(0, 25);
    world.run(seconds(4));
    assert_eq!(last(&world), [world.clients[quiet].session]);
}
