//! Three simulcast encodings: the highest flows by itself, `SetLayer` and pausing change that, and numbers stay continuous.

use sfu_core::command::Command;
use sfu_core::event::Event;
use sfu_core::id::SubscriptionId;
use sfu_core::layer::Layer;
use sfu_peer::StreamStats;

use crate::world::{World, millis, seconds};

struct Scene {
    world: World,
    viewer: usize,
    subscription: SubscriptionId,
}

impl Scene {
    fn new() -> Self {
        let (world, viewer, _, subscription) = World::watched(seconds(3));
        Self { world, viewer, subscription }
    }

    fn stream(&self) -> StreamStats {
        self.world.clients[self.viewer].peer.stats().streams[0].clone()
    }

    fn set(&mut self, layer: Option<Layer>) {
        self.world.command(Command::SetLayer(self.subscription, layer)).unwrap();
    }

    /// Which encoding flows after a while, and that nothing was lost or undecodable on the way.
    fn settled(&mut self) -> Option<u8> {
        self.world.run(seconds(2));
        let stream = self.stream();
        assert_eq!((stream.lost, stream.missing, stream.corrupt), (0, 0, 0), "{stream:?}");
        assert_eq!(stream.frames.undecodable, 0, "{stream:?}");
        stream.encoding
    }
}

#[test]
fn the_highest_flows_by_itself_and_a_choice_switches_both_ways() {
    let mut scene = Scene::new();
    assert_eq!(scene.settled(), Some(2));
    for (spatial, expected) in [(0, 0), (1, 1), (2, 2), (0, 0)] {
        scene.set(Some(Layer { spatial, temporal: 7 }));
        assert_eq!(scene.settled(), Some(expected));
    }
    scene.set(None);
    assert_eq!(scene.settled(), Some(2));
    let spatial: Vec<_> = scene
        .world
        .events
        .iter()
        .filter_map(|event| match event {
            Event::LayerChanged { to: Some(layer), .. } => Some(layer.spatial),
            _ => None,
        })
        .collect();
    assert!(spatial.windows(2).any(|pair| pair == [2, 0]) && spatial.ends_with(&[2]), "{spatial:?}");
}

#[test]
fn switching_back_and_forth_in_a_hurry_ends_where_it_should() {
    let mut scene = Scene::new();
    for round in 0..40 {
        scene.set(Some(Layer { spatial: round % 3, temporal: 7 }));
        scene.world.run(millis(70));
    }
    scene.set(Some(Layer { spatial: 1, temporal: 7 }));
    assert_eq!(scene.settled(), Some(1));
}

#[test]
fn a_lower_temporal_layer_halves_the_frames_and_is_decodable() {
    let mut scene = Scene::new();
    scene.set(Some(Layer { spatial: 2, temporal: 0 }));
    scene.settled();
    let before = scene.stream().frames.decoded;
    scene.world.run(seconds(4));
    let frames = scene.stream().frames.decoded - before;
    // 15 frames a second in L1T3: every fourth is in the base layer.
    assert!((13..=17).contains(&frames), "{frames} frames in 4 s");
    scene.set(Some(Layer { spatial: 2, temporal: 2 }));
    scene.settled();
    let before = scene.stream().frames.decoded;
    scene.world.run(seconds(4));
    let frames = scene.stream().frames.decoded - before;
    assert!((57..=62).contains(&frames), "{frames} frames in 4 s");
}

#[test]
fn an_encoding_that_ends_is_fallen_back_from_and_returned_to() {
    let mut scene = Scene::new();
    assert_eq!(scene.settled(), Some(2));
    scene.world.clients[0].peer.set_encoding_active(0, 2, false);
    scene.world.run(seconds(3));
    assert_eq!(scene.settled(), Some(1));
    scene.world.clients[0].peer.set_encoding_active(0, 2, true);
    scene.world.run(seconds(3));
    assert_eq!(scene.settled(), Some(2));
}

#[test]
fn a_pause_is_silence_and_its_end_a_keyframe() {
    let mut scene = Scene::new();
    scene.world.command(Command::SetPaused(scene.subscription, true)).unwrap();
    scene.world.run(millis(100));
    let before = scene.stream().packets;
    scene.world.run(seconds(2));
    assert_eq!(scene.stream().packets, before);
    scene.world.command(Command::SetPaused(scene.subscription, false)).unwrap();
    assert_eq!(scene.settled(), Some(2));
    assert!(scene.stream().packets > before + 50);
}

#[test]
fn viewers_who_want_a_keyframe_at_once_cause_one_request() {
    let mut scene = Scene::new();
    let before = scene.world.clients[0].peer.stats().uplink.keyframe_requests;
    for _ in 0..20 {
        scene.world.join(|_| {});
    }
    scene.world.run(seconds(4));
    let requests = scene.world.clients[0].peer.stats().uplink.keyframe_requests - before;
    assert!(requests <= 6, "{requests} requests for 20 viewers in 4 s");
    for client in &scene.world.clients[2..] {
        let encodings: Vec<_> = client.peer.stats().streams.iter().map(|stream| stream.encoding).collect();
        assert_eq!(encodings, [Some(2)], "client {}", client.address);
    }
}
