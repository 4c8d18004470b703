//! A publisher's session hears which layers its viewers may come to need: less within five seconds, more at once. And the
//! application hears which layers there are.

use sfu_core::command::Command;
use sfu_core::event::{Event, LayerReason};
use sfu_core::id::{SubscriptionId, TrackId};
use sfu_core::layer::Layer;
use sfu_core::stream::LayerInfo;

use crate::world::{World, millis, seconds};

struct Scene {
    world: World,
    viewer: usize,
    track: TrackId,
    subscription: SubscriptionId,
}

impl Scene {
    fn new() -> Self {
        let (world, viewer, track, subscription) = World::watched(seconds(4));
        Self { world, viewer, track, subscription }
    }

    fn set(&mut self, spatial: Option<u8>) {
        let layer = spatial.map(|spatial| Layer { spatial, temporal: 7 });
        self.world.command(Command::SetLayer(self.subscription, layer)).unwrap();
    }

    /// The spatial layers that were told to be needed since the last call.
    fn told(&mut self) -> Vec<Vec<u8>> {
        let track = self.track;
        let told = self.world.events.iter().filter_map(|event| match event {
            Event::LayersWanted { track: of, layers, .. } if *of == track => {
                Some(layers.iter().map(|layer| layer.spatial).collect())
            }
            _ => None,
        });
        let told = told.collect();
        self.world.events.clear();
        told
    }

    fn layers(&self) -> Option<Vec<LayerInfo>> {
        self.world.events.iter().rev().find_map(|event| match event {
            Event::LayersChanged(track, layers) if *track == self.track => Some(layers.clone()),
            _ => None,
        })
    }
}

#[test]
fn less_is_told_within_five_seconds_and_more_at_once() {
    let mut scene = Scene::new();
    assert_eq!(scene.told(), [[0; 0]; 0], "everything is needed from the start");
    scene.set(Some(1));
    scene.world.run(seconds(2));
    assert_eq!(scene.told(), [[0; 0]; 0], "not yet");
    scene.world.run(seconds(3));
    assert_eq!(scene.told(), [[0, 1]]);
    scene.set(None);
    scene.world.run(millis(1));
    assert_eq!(scene.told(), [[0, 1, 2]]);
    scene.world.command(Command::SetPaused(scene.subscription, true)).unwrap();
    scene.world.run(seconds(5));
    assert_eq!(scene.told(), [[0; 0]], "nobody needs any");
    scene.world.command(Command::SetPaused(scene.subscription, false)).unwrap();
    scene.world.run(millis(1));
    assert_eq!(scene.told(), [[0, 1, 2]]);
    let viewer = scene.world.clients[scene.viewer].session;
    scene.world.command(Command::CloseSession(viewer)).unwrap();
    scene.world.run(seconds(5));
    assert_eq!(scene.told(), [[0; 0]]);
    scene.world.join(|_| {});
    scene.world.run(seconds(1));
    assert_eq!(scene.told(), [[0, 1, 2]]);
    scene.world.command(Command::SetMuted(scene.track, true)).unwrap();
    scene.world.run(seconds(5));
    assert_eq!(scene.told(), [[0; 0]], "a muted track goes to nobody");
}

#[test]
fn a_hurry_of_choices_is_told_at_most_in_part() {
    let mut scene = Scene::new();
    scene.told();
    for choice in 0..20 {
        scene.set(Some(choice % 3));
        scene.world.run(millis(500));
    }
    assert_eq!(scene.told(), [[0; 0]; 0], "the highest was needed again and again");
}

#[test]
fn the_layers_of_a_track_are_learnt_and_told_when_they_change() {
    let mut scene = Scene::new();
    let layers = scene.layers().unwrap();
    let names: Vec<(u8, u8, Option<String>)> =
        layers.iter().map(|l| (l.layer.spatial, l.layer.temporal, l.rid.map(|rid| rid.to_string()))).collect();
    let expected = ["l", "m", "h"]
        .iter()
        .zip(0..)
        .flat_map(|(rid, spatial)| (0..3).map(move |temporal| (spatial, temporal, Some((*rid).to_owned()))));
    assert_eq!(names, expected.collect::<Vec<_>>());
    assert!(layers.iter().all(|layer| layer.flowing && layer.size.is_some()), "{layers:?}");
    scene.world.events.clear();
    scene.world.run(seconds(20));
    let told = scene.world.events.iter().filter(|event| matches!(event, Event::LayersChanged(..))).count();
    assert!(told <= 4, "{told} times in 20 s");
    let layers = scene.layers().unwrap();
    for rates in
        layers.chunks(3).map(|layers| layers.iter().map(|layer| layer.frame_rate.millihertz()).collect::<Vec<_>>())
    {
        // 15 frames a second in L1T3: a quarter, a half, all.
        for (rate, expected) in rates.iter().zip([3750, 7500, 15_000_u32]) {
            assert!(rate.abs_diff(expected) <= expected / 5, "{rates:?}");
        }
    }
    assert!(
        layers.windows(2).all(|pair| pair[0].layer.temporal == 2 || pair[0].bitrate < pair[1].bitrate),
        "{layers:?}"
    );
}

#[test]
fn a_change_of_layer_tells_its_reason_and_how_long_it_took() {
    let mut scene = Scene::new();
    let changes = |scene: &mut Scene| {
        let changes = scene.world.events.iter().filter_map(|event| match event {
            Event::LayerChanged { to, reason, wait, keyframe_wait, .. } => {
                Some((to.map(|layer| layer.spatial), *reason, *wait, *keyframe_wait))
            }
            _ => None,
        });
        let changes: Vec<_> = changes.collect();
        scene.world.events.clear();
        changes
    };
    let first = changes(&mut scene)[0];
    assert_eq!(first.1, LayerReason::Started);
    assert!(first.2 >= first.3, "{first:?}");
    scene.set(Some(0));
    scene.world.run(seconds(2));
    let chosen = changes(&mut scene)[0];
    assert_eq!((chosen.0, chosen.1), (Some(0), LayerReason::Chosen));
    assert!(
        (millis(40)..millis(600)).contains(&chosen.2) && chosen.3 == chosen.2,
        "one round trip at least: {chosen:?}"
    );
    scene.world.command(Command::SetPaused(scene.subscription, true)).unwrap();
    let paused = changes(&mut scene)[0];
    assert_eq!((paused.0, paused.1, paused.2), (None, LayerReason::Paused, millis(0)));
}
