//! What a viewer's link carries decides which encoding of a camera it gets: down at once, up when a probe has shown that there is room.

use std::time::Duration;

use sfu_core::config::{Estimation, RoomConfig, SfuConfig};
use sfu_core::event::{Event, LayerReason};
use sfu_peer::{Encoding, StreamStats, VideoSource};
use sfu_sim::{Link, LinkConfig, Random};
use sfu_wire::{Bitrate, Rid};

use crate::world::{World, config, millis, seconds};

/// Moments of the cycles of reports and probes at which a link changes.
const SEEDS: u64 = 10;

/// 150, 500 and 1700 kbit/s at 30 frames a second.
fn camera() -> VideoSource {
    let encoding = |rid, width, packets_per_frame, packet_len| Encoding {
        rid: Rid::new(rid),
        width,
        height: width * 9 / 16,
        packets_per_frame,
        packet_len,
    };
    let encodings = vec![encoding("l", 320, 1, 610), encoding("m", 640, 2, 1030), encoding("h", 1280, 7, 1000)];
    VideoSource { encodings, frames_per_second: 30, ..VideoSource::simulcast() }
}

fn link(kbps: u64) -> LinkConfig {
    LinkConfig { delay: millis(50), rate: Some(Bitrate::from_kbps(kbps)), queue: millis(300), ..LinkConfig::default() }
}

/// Another encoding flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Switch {
    /// Milliseconds from when it was looked for.
    at: u64,
    decided: u64,
    to: Option<(u8, u8)>,
    reason: LayerReason,
}

/// A camera of three encodings, and a viewer behind a link.
struct Scene {
    world: World,
    viewer: usize,
}

impl Scene {
    /// The viewer joins now.
    fn new(kbps: u64, seed: u64) -> Self {
        Self::with(config(), kbps, seed)
    }

    fn with(config: SfuConfig, kbps: u64, seed: u64) -> Self {
        let mut world = World::with(config, RoomConfig::default());
        world.join(|config| config.video.push(camera()));
        world.run(seconds(3) + millis(seed * 37));
        let viewer = world.join(|_| {});
        world.clients[viewer].downlink = Some(Link::new(link(kbps), Random::new(seed)));
        Self { world, viewer }
    }

    fn set_link(&mut self, kbps: u64) {
        let downlink = self.world.clients[self.viewer].downlink.as_mut();
        downlink.expect("the viewer has a link").set_config(link(kbps));
    }

    fn stream(&self) -> StreamStats {
        self.world.clients[self.viewer].peer.stats().streams[0].clone()
    }

    fn estimate(&mut self) -> u64 {
        let stats = self.world.session_stats(self.viewer);
        stats.transports[0].estimate.map_or(0, |estimate| estimate.get() / 1000)
    }

    /// What changed within so long.
    fn switches(&mut self, time: Duration) -> Vec<Switch> {
        let (start, mut seen, mut switches) = (self.world.now, self.world.events.len(), Vec::new());
        while self.world.now < start + time {
            self.world.run(millis(5));
            let session = self.world.clients[self.viewer].session;
            for event in &self.world.events[seen..] {
                if let Event::LayerChanged { session: whose, from, to, reason, wait, .. } = event
                    && *whose == session
                    && (std::env::var("ALL").is_ok() || from.map(|layer| layer.spatial) != to.map(|layer| layer.spatial))
                {
                    let now = self.world.now - start;
                    let [at, decided] = [now, now.saturating_sub(*wait)].map(|time| time.as_millis() as u64);
                    switches.push(Switch { at, decided, to: to.map(|layer| (layer.spatial, layer.temporal)), reason: *reason });
                }
            }
            seen = self.world.events.len();
        }
        switches
    }
}

#[test]
fn trace() {
    for kbps in [100, 200, 300, 600, 700, 1000, 2500, 5000] {
        let mut scene = Scene::new(kbps, 0);
        let first = scene.switches(seconds(20));
        println!("START {kbps} {first:?} {}", scene.estimate());
        println!("   {:?}", scene.stream());
    }
    for seed in 0..5 {
        let mut scene = Scene::new(2_500, seed);
        println!("BEGIN {:?}", scene.switches(seconds(20)));
        scene.set_link(600);
        let down = scene.switches(seconds(10));
        println!("DOWN {down:?} {}", scene.estimate());
        scene.set_link(2_500);
        let up = scene.switches(seconds(20));
        println!("UP {up:?} {} {:?}", scene.estimate(), scene.stream());
    }
    for kbps in [520, 540, 560, 580, 600, 640, 1750, 1800, 1900] {
        let mut scene = Scene::new(kbps, 0);
        let counts: Vec<_> = (0..4).map(|_| scene.switches(seconds(60)).len()).collect();
        println!("BOUNDARY {kbps} {counts:?} {}", scene.estimate());
    }
    let _ = Estimation::Off;
}

#[test]
fn trace_call() {
    let publish = |config: &mut sfu_peer::PeerConfig| {
        config.audio.push(sfu_peer::AudioSource::default());
        config.video.push(VideoSource::single(20));
    };
    let mut world = World::new();
    let alice = world.join(publish);
    world.run(seconds(1));
    let bob = world.join(publish);
    for step in 0..40 {
        world.run(millis(50));
        let show = |stats: sfu_core::stats::SessionStats| {
            let layers: Vec<_> = stats.subscriptions.iter().map(|one| (one.layer, one.packets_sent)).collect();
            format!("{:?} {layers:?}", stats.transports[0].estimate)
        };
        println!("CALL {} {} | {}", step * 50, show(world.session_stats(alice)), show(world.session_stats(bob)));
    }
    for event in &world.events {
        if let Event::LayerChanged { .. } | Event::LayersChanged(..) = event { println!("CALL {event:?}"); }
    }
}
