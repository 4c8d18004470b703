//! What is known of a track's layers, learnt from its stream: which there are, how large, how fast, and whether they flow.
//!
//! Each packet adds to the meter of its layer; once a second a balance is drawn. What is told of a layer is what a subscriber of
//! it gets: with everything below it inside its encoding. Invariant: a packet allocates nothing.

use std::fmt;
use std::time::{Duration, Instant};

use sfu_wire::rtp::video_layers::{LayerAllocation, LayerPicture};
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
    figures: Figures,
    bitrate: u64,
    /// In thousandths.
    frame_rate: u32,
}

/// Where a layer's bitrate and frame rate are from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Figures {
    #[default]
    None,
    /// The publisher said that it sends the layer.
    Announced,
    Measured,
}

impl Meter {
    fn is_known(&self) -> bool {
        self.seen || self.figures != Figures::None
    }

    fn renew(&mut self, elapsed: Duration) {
        let (bytes, frames) = (std::mem::take(&mut self.bytes), std::mem::take(&mut self.frames));
        // What stopped keeps what it had.
        if frames == 0 {
            return;
        }
        let millis = (elapsed.as_millis() as u64).max(1);
        let (bitrate, frame_rate) = (u64::from(bytes) * 8000 / millis, (u64::from(frames) * 1_000_000 / millis) as u32);
        let first = std::mem::replace(&mut self.figures, Figures::Measured) != Figures::Measured;
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
        if self.run.is_some() && self.run != run {
            *self = Self::default();
        }
        self.run = run;
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

    /// The publisher says which spatial layers of this encoding it sends. What it leaves out has stopped, until a packet of it
    /// comes; its word is taken for what has not been measured.
    pub fn allocated<'a>(&mut self, layers: impl Iterator<Item = &'a LayerAllocation>) {
        let mut sent = [[false; TEMPORAL]; SPATIAL];
        for layer in layers.filter(|layer| usize::from(layer.spatial) < SPATIAL) {
            if let Some(LayerPicture { width, height, .. }) = layer.picture {
                let [width, height] = [width, height].map(|pixels| u16::try_from(pixels).unwrap_or(u16::MAX));
                self.sizes.set(layer.spatial, (width, height));
            }
            let sent = sent[usize::from(layer.spatial)].iter_mut().enumerate();
            for (temporal, sent) in sent.take(usize::from(layer.temporal_layers)) {
                *sent = true;
                self.announce(layer, temporal);
            }
        }
        for (meter, sent) in self.meters.iter_mut().flatten().zip(sent.into_iter().flatten()) {
            if !sent || !meter.seen {
                meter.missed = MISSED;
            }
        }
    }

    fn announce(&mut self, layer: &LayerAllocation, temporal: usize) {
        let spatial = usize::from(layer.spatial);
        let with_lower = self.meters.iter().take(spatial + 1).flat_map(|meters| meters.iter().take(temporal + 1));
        let with_lower: u64 = with_lower.map(|meter| meter.bitrate).sum();
        let meter = &mut self.meters[spatial][temporal];
        if meter.figures != Figures::Measured {
            let lower = with_lower - meter.bitrate;
            meter.figures = Figures::Announced;
            meter.bitrate = layer.bitrates[temporal].get().saturating_sub(lower);
            meter.frame_rate = layer.picture.map_or(0, |picture| own_frame_rate(picture.frame_rate, layer, temporal));
        }
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
        let known = self.meters.iter().rposition(|meters| meters.iter().any(Meter::is_known)).unwrap_or(0) as u8;
        let spatials = if place.is_some() { known..=known } else { 0..=known };
        for spatial in spatials {
            let own = &self.meters[usize::from(spatial)];
            for temporal in (0..).zip(own).filter(|(_, meter)| meter.is_known()).map(|(temporal, _)| temporal) {
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

/// Of a temporal layer alone, in thousandths, when each doubles the rate of those below it; `frame_rate` is that of all together.
fn own_frame_rate(frame_rate: u8, layer: &LayerAllocation, temporal: usize) -> u32 {
    let above = usize::from(layer.temporal_layers) - 1 - temporal;
    let with_lower = (u32::from(frame_rate) * 1000) >> above;
    if temporal == 0 { with_lower } else { with_lower / 2 }
}

/// Lasting changes are told as they are seen, other numbers after so long.
const RETELL: Duration = Duration::from_secs(5);

/// What was told of a track's layers last.
#[derive(Debug, Clone, Default)]
pub struct ToldLayers {
    layers: Vec<LayerInfo>,
    /// The balance that is drawn.
    drawn: Vec<LayerInfo>,
    at: Option<Instant>,
}

impl ToldLayers {
    /// What was told last.
    pub(crate) fn layers(&self) -> &[LayerInfo] {
        &self.layers
    }

    /// Draws a balance of all `encodings`, by rising quality with their rids; `Some`: it is worth telling. For once a second.
    pub fn update<'a>(
        &mut self,
        now: Instant,
        encodings: impl ExactSizeIterator<Item = (Option<Rid>, &'a mut LayerMeter)>,
        flowing: Encodings,
    ) -> Option<&[LayerInfo]> {
        let simulcast = encodings.len() > 1;
        self.drawn.clear();
        for (place, (rid, meter)) in (0..).zip(encodings) {
            meter.renew(now);
            meter.list(rid, simulcast.then_some(place), flowing.contains(place), &mut self.drawn);
        }
        let lasting = |layer: &LayerInfo| (layer.layer, layer.rid, layer.size, layer.flowing);
        let same = self.drawn.iter().map(lasting).eq(self.layers.iter().map(lasting));
        if same && (self.drawn == self.layers || self.at.is_some_and(|at| now < at + RETELL)) {
            return None;
        }
        std::mem::swap(&mut self.layers, &mut self.drawn);
        self.at = Some(now);
        Some(&self.layers)
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::SeqNo;

    use super::*;
    use crate::layer::{Dependencies, FrameFacts, frame_facts};

    /// Layer, kilobits and frames per second, whether it flows.
    type Told = Vec<((u8, u8), u64, u32, bool)>;

    struct Stream {
        now: Instant,
        meter: LayerMeter,
        count: u64,
    }

    impl Stream {
        fn new() -> Self {
            Self { now: Instant::now(), meter: LayerMeter::default(), count: 0 }
        }

        /// Thirty frames of 2000 bytes in 1.2 seconds, in turns of the given layers.
        fn frames(&mut self, layers: &[(u8, u8)]) {
            for (spatial, temporal) in layers.iter().cycle().take(30) {
                self.count += 1;
                self.now += Duration::from_millis(40);
                let facts = frame_facts(CodecName::Vp9, &[0; 2000], true);
                let packet = Packet {
                    encoding: 0,
                    epoch: 0,
                    seq: SeqNo::new(self.count),
                    newest: SeqNo::new(self.count),
                    timestamp: self.count * 3000,
                    marker: true,
                    codec: CodecName::Vp9,
                    payload: &[0; 2000],
                    facts: FrameFacts { spatial: *spatial, temporal: *temporal, ..facts },
                    dependencies: Dependencies::None,
                    arrival: self.now,
                };
                self.meter.packet(self.now, &packet, false);
            }
        }

        fn told(&mut self) -> Told {
            let mut told = ToldLayers::default();
            let encodings = [(None, &mut self.meter)].into_iter();
            let layers = told.update(self.now, encodings, (0..1).collect::<Encodings>()).unwrap_or_default();
            let place = |layer: Layer| (layer.spatial, layer.temporal);
            let facts = |info: &LayerInfo| {
                (place(info.layer), info.bitrate.get() / 1000, info.frame_rate.millihertz() / 1000, info.flowing)
            };
            layers.iter().map(facts).collect()
        }
    }

    fn allocation(spatial: u8, kbps: [u64; 4]) -> LayerAllocation {
        let picture = Some(LayerPicture { width: 320 << spatial, height: 180 << spatial, frame_rate: 30 });
        let bitrates = kbps.map(|kbps| Bitrate::new(kbps * 1000));
        LayerAllocation { stream: 0, spatial, temporal_layers: 2, bitrates, picture }
    }

    #[test]
    fn what_the_publisher_says_stands_until_it_is_measured() {
        let mut stream = Stream::new();
        let both = [allocation(0, [100, 150, 0, 0]), allocation(1, [300, 500, 0, 0])];
        stream.meter.allocated(both.iter());
        let announced = [((0, 0), 100, 15), ((0, 1), 150, 30), ((1, 0), 300, 15), ((1, 1), 500, 30)];
        assert_eq!(stream.told(), announced.map(|(layer, kbps, fps)| (layer, kbps, fps, false)), "none has come");
        assert_eq!(stream.meter.top(), Layer::default(), "nor been seen");

        stream.frames(&[(0, 0), (0, 1)]);
        let told = stream.told();
        // 30 000 bytes of each in 1.16 s; what was said of layer 1 stands.
        assert_eq!(told[..2], [((0, 0), 206, 12, true), ((0, 1), 413, 25, true)]);
        assert!(told.iter().skip(2).all(|(_, _, _, flowing)| !flowing));
        stream.meter.allocated(both.iter());
        assert_eq!(stream.told()[..2], told[..2], "what is measured counts more");
    }

    #[test]
    fn what_the_publisher_leaves_out_has_stopped_until_it_comes() {
        let mut stream = Stream::new();
        stream.frames(&[(0, 0), (1, 0)]);
        let flowing = |stream: &mut Stream| stream.told().iter().map(|(_, _, _, flows)| *flows).collect::<Vec<_>>();
        assert_eq!(flowing(&mut stream), [true, true]);
        stream.meter.allocated([allocation(0, [100; 4])].iter());
        assert_eq!(flowing(&mut stream), [true, false, false], "its second temporal layer is announced");
        stream.frames(&[(1, 0)]);
        assert!(flowing(&mut stream)[2]);
    }
}
