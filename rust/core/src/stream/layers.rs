//! What is known of a track's layers, learnt from its stream: which there are, how large, how fast, and whether they flow.
//!
//! Each packet adds to the meter of its layer; once a second a balance is drawn. What is told of a layer is what a subscriber of
//! it gets: with everything below it inside its encoding. Invariant: a packet allocates nothing.

use std::fmt;
use std::time::{Duration, Instant};

use sfu_wire::{Bitrate, Rid};

use super::sizes::{SPATIAL, Sizes};
use crate::codec::CodecName;
use crate::layer::{Encodings, Layer, Packet};

/// Frames per second, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FrameRate(u32);

impl FrameRate {
    /// Of thousandths of a frame per second.
    pub const fn from_millihertz(millihertz: u32) -> Self {
        Self(millihertz)
    }

    /// Thousandths of a frame per second.
    pub const fn millihertz(self) -> u32 {
        self.0
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fps", f64::from(self.0) / 1000.0)
    }
}

/// A layer as a subscriber of it gets it: with everything below it that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerInfo {
    /// Which.
    pub layer: Layer,
    /// The simulcast encoding that it is part of.
    pub rid: Option<Rid>,
    /// Width and height in pixels, once the stream told.
    pub size: Option<(u16, u16)>,
    /// Over the last seconds that it flowed.
    pub frame_rate: FrameRate,
    /// Likewise, with all lower spatial and temporal layers of its encoding. Where pictures need not all of them (K-SVC: only
    /// keyframes refer to lower spatial layers) a subscriber gets less: it is an upper bound.
    pub bitrate: Bitrate,
    /// Whether it flows now.
    pub flowing: bool,
}

/// More layers than this are counted with the highest: nothing that browsers send has more.
const TEMPORAL: usize = 4;
/// What is measured is renewed when it has lasted so long …
const SHORTEST: Duration = Duration::from_secs(1);
/// … and brought so many frames, or lasted so long: a screen share may send a frame in five seconds.
const ENOUGH: u32 = 10;
const LONGEST: Duration = Duration::from_secs(5);
/// A temporal or spatial layer has stopped when the encoding brought so many frames without it. A stream of four temporal layers
/// brings one in eight.
const MISSED: u16 = 20;

/// One layer inside an encoding.
#[derive(Debug, Clone, Copy, Default)]
struct Meter {
    seen: bool,
    bytes: u32,
    frames: u32,
    newest: u64,
    /// Frames of the encoding since its last one.
    missed: u16,
    bitrate: u64,
    /// In thousandths.
    frame_rate: u32,
}

impl Meter {
    fn renew(&mut self, elapsed: Duration) {
        let (bytes, frames) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.frames));
        // What stopped keeps what it had.
        if frames == 0 {
            return;
        }
        let millis = (elapsed.as_millis() as u64).max(1);
        let (bitrate, frame_rate) = (u64::from(bytes) * 8000 / millis, (u64::from(frames) * 1_000_000 / millis) as u32);
        let first = self.frame_rate == 0;
        self.bitrate = if first { bitrate } else { u64::midpoint(self.bitrate, bitrate) };
        self.frame_rate = if first { frame_rate } else { u32::midpoint(self.frame_rate, frame_rate) };
    }
}

/// Learns the layers of one encoding, packet by packet.
#[derive(Debug, Clone, Default)]
pub struct LayerMeter {
    meters: [[Meter; TEMPORAL]; SPATIAL],
    sizes: Sizes,
    /// What is measured belongs to this run of this codec.
    run: Option<(u16, CodecName)>,
    newest: u64,
    frames: u32,
    since: Option<Instant>,
}

impl LayerMeter {
    /// A packet came; `keyframe`: it is the first of one.
    pub fn packet(&mut self, now: Instant, packet: &Packet<'_>, keyframe: bool) {
        let run = Some((packet.epoch, packet.codec));
        if self.run != run {
            *self = Self { run, ..Self::default() };
        }
        self.since.get_or_insert(now);
        if packet.timestamp > self.newest {
            self.newest = packet.timestamp;
            self.frames += 1;
            self.meters.iter_mut().flatten().for_each(|meter| meter.missed = meter.missed.saturating_add(1));
        }
        let spatial = usize::from(packet.facts.spatial).min(SPATIAL - 1);
        let temporal = usize::from(packet.facts.temporal).min(TEMPORAL - 1);
        let meter = &mut self.meters[spatial][temporal];
        meter.bytes = meter.bytes.saturating_add(packet.payload.len() as u32);
        if packet.timestamp > meter.newest || !meter.seen {
            meter.newest = packet.timestamp;
            meter.frames += 1;
        }
        (meter.seen, meter.missed) = (true, 0);
        self.sizes.learn(packet, keyframe);
    }

    /// A description of the stream says how large the pictures of a spatial layer are.
    pub fn set_size(&mut self, spatial: u8, size: (u16, u16)) {
        self.sizes.set(spatial, size);
    }

    /// The highest layers that were seen.
    pub fn top(&self) -> Layer {
        let seen = |meter: &Meter| meter.seen;
        let spatial = self.meters.iter().rposition(|meters| meters.iter().any(seen)).unwrap_or(0);
        let temporal = self.meters.iter().filter_map(|meters| meters.iter().rposition(seen)).max().unwrap_or(0);
        Layer { spatial: spatial as u8, temporal: temporal as u8 }
    }

    /// Draws a balance when there is enough to draw it from.
    fn renew(&mut self, now: Instant) {
        let Some(since) = self.since else { return };
        let elapsed = now.saturating_duration_since(since);
        if elapsed >= SHORTEST && (self.frames >= ENOUGH || elapsed >= LONGEST) {
            self.meters.iter_mut().flatten().for_each(|meter| meter.renew(elapsed));
            (self.frames, self.since) = (0, Some(now));
        }
    }

    /// The layers of an SVC stream, or the temporal ones of a simulcast encoding, which stands at `place` then.
    fn list(&self, rid: Option<Rid>, place: Option<u8>, flowing: bool, layers: &mut Vec<LayerInfo>) {
        let top = self.top();
        let spatials = if place.is_some() { top.spatial..=top.spatial } else { 0..=top.spatial };
        for spatial in spatials {
            let own = &self.meters[usize::from(spatial)];
            for temporal in (0..).zip(own).filter(|(_, meter)| meter.seen).map(|(temporal, _)| temporal) {
                let with_lower = self.meters.iter().take(usize::from(spatial) + 1);
                let bitrate = with_lower.flat_map(|meters| meters.iter().take(temporal + 1)).map(|meter| meter.bitrate);
                let frame_rate = own.iter().take(temporal + 1).map(|meter| meter.frame_rate).sum();
                layers.push(LayerInfo {
                    layer: Layer { spatial: place.unwrap_or(spatial), temporal: temporal as u8 },
                    rid,
                    size: self.sizes.get(usize::from(spatial)),
                    frame_rate: FrameRate::from_millihertz(frame_rate),
                    bitrate: Bitrate::new(bitrate.sum()),
                    flowing: flowing && own[temporal].missed < MISSED,
                });
            }
        }
    }
}

/// Lasting changes are told as they are seen, other numbers after so long.
const RETELL: Duration = Duration::from_secs(5);

/// What was told of a track's layers last.
#[derive(Debug, Clone, Default)]
pub struct ToldLayers {
    layers: Vec<LayerInfo>,
    at: Option<Instant>,
}

impl ToldLayers {
    /// Draws a balance of all `encodings`, by rising quality with their rids; `Some`: it is worth telling. For once a second.
    pub fn update<'a>(
        &mut self,
        now: Instant,
        encodings: impl ExactSizeIterator<Item = (Option<Rid>, &'a mut LayerMeter)>,
        flowing: Encodings,
    ) -> Option<&[LayerInfo]> {
        let simulcast = encodings.len() > 1;
        let mut layers = Vec::new();
        for (place, (rid, meter)) in (0..).zip(encodings) {
            meter.renew(now);
            meter.list(rid, simulcast.then_some(place), flowing.contains(place), &mut layers);
        }
        let lasting = |layer: &LayerInfo| (layer.layer, layer.rid, layer.size, layer.flowing);
        let same = layers.iter().map(lasting).eq(self.layers.iter().map(lasting));
        if same && (layers == self.layers || self.at.is_some_and(|at| now < at + RETELL)) {
            return None;
        }
        (self.layers, self.at) = (layers, Some(now));
        Some(&self.layers)
    }
}
