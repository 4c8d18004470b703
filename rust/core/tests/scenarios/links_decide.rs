//! What a viewer's link carries decides which encoding of a camera it gets: down at once, up when a probe has shown that there is room.

use std::time::Duration;

use sfu_congestion::FixedRate;
use sfu_core::config::{Estimation, RoomConfig, SfuConfig};
use sfu_core::event::{Event, LayerReason};
use sfu_peer::{Encoding, StreamStats, VideoSource};
use sfu_sim::{Link, LinkConfig, Random};
use sfu_wire::{Bitrate, Rid};

use crate::world::{World, config, millis, relay_config, seconds};

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

/// Another layer flows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Switch {
    /// Milliseconds from when it was looked for.
    at: u64,
    decided: u64,
    /// Encoding and temporal layer.
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

    /// Datagrams that the link has dropped.
    fn lost(&self) -> u64 {
        self.world.clients[self.viewer].downlink.as_ref().map_or(0, Link::lost)
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
                if let Event::LayerChanged { session: whose, to, reason, wait, .. } = event
                    && *whose == session
                {
                    let now = self.world.now - start;
                    let [at, decided] = [now, now.saturating_sub(*wait)].map(|time| time.as_millis() as u64);
                    switches.push(Switch {
                        at,
                        decided,
                        to: to.map(|layer| (layer.spatial, layer.temporal)),
                        reason: *reason,
                    });
                }
            }
            seen = self.world.events.len();
        }
        switches
    }
}

const TOP: Option<(u8, u8)> = Some((2, 2));

#[test]
fn a_good_link_shows_the_highest_encoding_from_the_beginning() {
    for (kbps, seed) in (0..SEEDS).flat_map(|seed| [(2_500, seed), (5_000, seed)]) {
        let mut scene = Scene::new(kbps, seed);
        let switches = scene.switches(seconds(20));
        assert!(switches.iter().all(|switch| switch.to.is_some_and(|to| to.0 == 2)), "{kbps}, {seed}: {switches:?}");
        assert!(switches[0].at <= 1_000 && switches.last().unwrap().to == TOP, "{kbps}, {seed}: {switches:?}");
        let stream = scene.stream();
        assert_eq!((stream.lost, stream.frames.undecodable), (0, 0), "{kbps}, {seed}: {stream:?}");
    }
}

#[test]
fn a_narrow_link_gets_what_it_carries_within_a_second() {
    for (kbps, seed) in (0..SEEDS).flat_map(|seed| [(300, seed), (700, seed), (1_000, seed)]) {
        let mut scene = Scene::new(kbps, seed);
        let switches = scene.switches(seconds(1));
        assert!(switches.last().unwrap().to.is_some_and(|to| to.0 == 0), "{kbps}, {seed}: {switches:?}");
        scene.world.run(seconds(2));
        let before = scene.stream();
        scene.world.run(seconds(20));
        let after = scene.stream();
        assert!(after.frames.decoded > before.frames.decoded + 140, "{kbps}, {seed}: {after:?}");
        assert_eq!(after.lost, before.lost, "{kbps}, {seed}: {after:?}");
        let estimate = scene.estimate();
        assert!((kbps * 6 / 10..=kbps * 11 / 10).contains(&estimate), "{kbps}, {seed}: {estimate}");
    }
}

#[test]
fn a_drop_is_decided_on_within_400_ms_and_a_rise_within_nine_seconds() {
    let (mut rises, mut dropped, mut passed) = (Vec::new(), 0, 0);
    for seed in 0..SEEDS {
        let mut scene = Scene::new(2_500, seed);
        scene.switches(seconds(20));
        scene.set_link(600);
        let down = scene.switches(seconds(5));
        assert!(down[0].decided <= 400 && down[0].reason == LayerReason::Bandwidth, "{seed}: {down:?}");
        let (before, lost) = (scene.stream(), scene.lost());
        scene.world.run(seconds(5));
        let after = scene.stream();
        dropped += scene.lost() - lost;
        passed += after.packets - before.packets;
        assert!(after.frames.decoded > before.frames.decoded + 20, "{seed}: {after:?}");
        scene.set_link(2_500);
        let up = scene.switches(seconds(20));
        let top = up.iter().find(|switch| switch.to == TOP);
        rises.push(top.unwrap_or_else(|| panic!("{seed}: {up:?}")).at);
    }
    println!("{dropped} of {passed} were lost from 5 s behind the drop on");
    rises.sort_unstable();
    println!("everything again after {rises:?} ms");
    assert!(rises.iter().all(|at| *at <= 9_000), "{rises:?}");
    // With two shards it lasts longer and more is lost (docs/congestion.md, "What is not good yet").
    if relay_config().shards == 1 {
        assert!(dropped * 100 <= passed, "{dropped} of {passed}");
        assert!(rises[rises.len() * 8 / 10] <= 6_000, "{rises:?}");
    }
}

/// Around what takes little less than the link: the highest encoding with its lowest frame rate (450 kbit/s), the middle one (515), the highest
/// (1750).
#[test]
fn near_a_layer_s_rate_the_encoding_changes_twice_a_minute_in_the_mean_at_most() {
    for kbps in [500, 520, 540, 560, 580, 600, 640, 1_700, 1_750, 1_800, 1_900] {
        let mut scene = Scene::new(kbps, kbps);
        let mut encoding = scene.switches(seconds(60)).last().map(|switch| switch.to.map(|to| to.0));
        let switches = scene.switches(seconds(180));
        let changes = switches.iter().filter(|switch| {
            let to = Some(switch.to.map(|to| to.0));
            std::mem::replace(&mut encoding, to) != to
        });
        assert!(changes.count() <= 6, "{kbps} kbit/s: {switches:?}");
    }
}

#[test]
fn a_bad_link_costs_nobody_else_anything() {
    let alone = Scene::new(5_000, 0);
    let mut scene = Scene::new(5_000, 0);
    let bad = scene.world.join(|_| {});
    scene.world.clients[bad].downlink = Some(Link::new(link(200), Random::new(9)));
    let numbers = [alone, scene].map(|mut scene| {
        scene.world.run(seconds(20));
        let stream = scene.stream();
        assert_eq!((stream.lost, stream.frames.undecodable, stream.frames.freezes), (0, 0, 0), "{stream:?}");
        stream.numbers[2]
    });
    assert_eq!(numbers[0], numbers[1]);
}

#[test]
fn a_viewer_that_moves_to_another_link_is_estimated_anew() {
    let mut scene = Scene::new(5_000, 0);
    scene.switches(seconds(10));
    let (now, address) = (scene.world.now, World::address(77));
    scene.world.clients[scene.viewer].peer.move_to(now, address);
    scene.world.clients[scene.viewer].address = address;
    scene.set_link(700);
    let down = scene.switches(seconds(5));
    assert!(down.last().unwrap().to < TOP, "{down:?}");
    let estimate = scene.estimate();
    assert!((400..=770).contains(&estimate), "{estimate}");
}

#[test]
fn an_estimator_of_the_embedder_decides_and_none_leaves_everything() {
    let flows = |estimation| {
        let mut scene = Scene::with(SfuConfig { estimation, ..config() }, 10_000, 0);
        let switches = scene.switches(seconds(10));
        switches.last().map(|switch| (switch.to, switch.reason == LayerReason::Bandwidth))
    };
    assert_eq!(
        flows(Estimation::Custom(|_| Box::new(FixedRate::new(Bitrate::from_kbps(700))))),
        Some((Some((1, 2)), true))
    );
    assert_eq!(flows(Estimation::Custom(|_| Box::new(FixedRate::new(Bitrate::from_kbps(30))))), Some((None, true)));
    assert_eq!(flows(Estimation::Off), Some((TOP, false)));
}
