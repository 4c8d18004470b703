//! A track going to the application itself: a subscription whose sink is a bounded ring instead of a socket.
//!
//! The same [`Forwarder`] selects and numbers; what it lets through is put in order, joined to whole frames and kept until it is
//! taken. Invariant: what is given can be decoded, given everything before it: behind a hole, and behind a frame that found no
//! room, video goes on at a keyframe, or where a frame tells that it needs nothing that is missing.

mod assemble;
mod frame;
mod gate;
mod needs;
mod ring;
mod window;

use std::time::{Duration, Instant};

use sfu_wire::payload::{H264Facts, H265Facts};
use sfu_wire::{SeqNo, extend_timestamp};

use crate::codec::{CodecName, Kind};
use crate::forward::{Forwarder, Patch};
use crate::id::TrackId;
use crate::keyframe::{PictureLoss, Wish};
use crate::layer::{Dependencies, Layer, Packet};
pub use crate::stream::CaptureSource;
use crate::stream::TimestampMap;
use crate::track::Encoding;
use assemble::Assembler;
pub use frame::{Captured, EncodedFrame, TapFrames};
use gate::Gate;
use needs::{Needs, picture_number, referred_from};
use ring::Ring;
pub(crate) use window::patience;
use window::{About, Step, Window};

/// Behind a loss TL0PICIDX is believed for so long, in ticks of 1/90000 s: it wraps after 256 frames, so not within four seconds at
/// 60 frames per second.
const COUNTER_HOLDS: u64 = 4 * 90_000;

/// Why frames were not given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// Some were damaged on their way here.
    Damage,
    /// One found no room, and nothing has been taken since.
    NoRoom,
    /// Likewise, and there is room again.
    Resumed,
}

/// Whether its owner knows that frames wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Notice {
    /// Nothing to know.
    None,
    Due,
    Given,
}

/// What all taps of a track have in common.
#[derive(Debug)]
pub(crate) struct Source<'a> {
    pub(crate) clock: &'a TimestampMap,
    /// Spatial layers are encodings.
    pub(crate) simulcast: bool,
    /// How long a missing packet is waited for.
    pub(crate) patience: Duration,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Tap {
    pub(crate) track: TrackId,
    pub(crate) max_layer: Option<Layer>,
    pub(crate) forwarder: Forwarder,
    pub(crate) picture_loss: PictureLoss,
    kind: Kind,
    window: Window,
    assembler: Assembler,
    ring: Ring,
    gate: Gate,
    loss: Loss,
    notice: Notice,
    timestamp: u64,
    /// The number of the newest picture, where the codec numbers them.
    newest_picture: Option<i64>,
    /// The timestamp of the last frame that was given.
    given: u64,
    dropped: u64,
    damaged: u64,
    ended: bool,
}

impl Tap {
    pub(crate) fn new(track: TrackId, kind: Kind, max_layer: Option<Layer>, capacity: usize) -> Self {
        let mut forwarder = Forwarder::new(kind, SeqNo::new(0), 0);
        forwarder.set_max_layer(max_layer);
        Self {
            track,
            max_layer,
            forwarder,
            picture_loss: PictureLoss::default(),
            kind,
            window: Window::new(),
            assembler: Assembler::default(),
            ring: Ring::new(capacity),
            gate: Gate::new(),
            loss: Loss::Damage,
            notice: Notice::None,
            timestamp: 0,
            newest_picture: None,
            given: 0,
            dropped: 0,
            damaged: 0,
            ended: false,
        }
    }

    /// Takes a packet of its track, captured at this time.
    pub(crate) fn feed(&mut self, now: Instant, packet: &Packet<'_>, captured: Option<Captured>, source: &Source<'_>) {
        if let Some(patch) = self.forwarder.forward(now, packet, source.clock) {
            // Told by each frame.
            self.forwarder.take_layer_change();
            if self.forwarder.switched() {
                self.window.start(patch.seq);
                self.newest_picture = None;
            }
            let about = self.about(packet, &patch, captured, source.simulcast);
            self.window.insert(now, patch.seq, about, packet.payload);
        } else if let Some(seq) = self.forwarder.take_gap() {
            self.window.skip(now, seq);
        } else {
            return;
        }
        while let Some(step) = self.window.step(now, source.patience) {
            match step {
                Step::Picture(first, last) => self.picture(now, first, last),
                Step::Hole(victim) => {
                    let victim = victim.and_then(|seq| self.window.about(seq));
                    self.hole(victim.map_or(0, |victim| victim.referred_from));
                }
            }
        }
    }

    /// Everything that waits; whether a keyframe may have to be asked for now that there is room.
    pub(crate) fn take(&mut self, now: Instant) -> (TapFrames, bool) {
        self.notice = Notice::None;
        let frames = self.ring.take();
        let resumes = self.loss == Loss::NoRoom && !self.ended;
        if resumes {
            self.loss = Loss::Resumed;
            self.ask(now);
        }
        (TapFrames { frames, dropped: self.dropped, damaged: self.damaged, ended: self.ended }, resumes)
    }

    /// Its track is gone.
    pub(crate) fn end(&mut self) {
        self.ended = true;
        self.note();
    }

    /// Whether its owner is to be told that something waits: once until it is taken.
    pub(crate) fn take_notice(&mut self) -> bool {
        let due = self.notice == Notice::Due;
        if due {
            self.notice = Notice::Given;
        }
        due
    }

    /// The encoding of which it needs a keyframe, and how much.
    pub(crate) fn keyframe_wish(&mut self, now: Instant, encodings: &[Encoding]) -> Option<(usize, Wish)> {
        let current = self.forwarder.encoding();
        let keyframe = current.and_then(|current| encodings.get(usize::from(current))?.keyframes.last_arrived());
        if self.picture_loss.poll(now, keyframe) {
            self.forwarder.picture_lost();
        }
        let wanted = self.forwarder.wants_keyframe()?;
        let wish = if current == Some(wanted) { self.picture_loss.wish() } else { Wish::First };
        Some((usize::from(wanted), wish))
    }

    fn about(&mut self, packet: &Packet<'_>, patch: &Patch, captured: Option<Captured>, simulcast: bool) -> About {
        let facts = &packet.facts;
        let timestamp = extend_timestamp(self.timestamp, patch.timestamp);
        self.timestamp = self.timestamp.max(timestamp);
        let picture = picture_number(packet, self.newest_picture);
        self.newest_picture = self.newest_picture.max(picture);
        let is_audio = self.kind == Kind::Audio;
        About {
            codec: packet.codec,
            timestamp,
            captured,
            layer: Layer { spatial: if simulcast { packet.encoding } else { facts.spatial }, temporal: facts.temporal },
            keyframe: facts.keyframe || is_audio || is_of_keyframe(packet),
            starts_frame: facts.starts_frame,
            needs: Needs::of(packet, picture),
            referred_from: referred_from(packet),
            opens: is_audio || opens_picture(packet),
            ends: is_audio || patch.marker,
        }
    }

    fn picture(&mut self, now: Instant, first: SeqNo, last: SeqNo) {
        let packets = || (first.get()..=last.get()).filter_map(|seq| self.window.about(SeqNo::new(seq)));
        let (Some(begin), Some(end)) = (packets().next().copied(), packets().next_back().copied()) else { return };
        let Some(data) = self.assembler.assemble(begin.codec, self.window.payloads(first, last)) else {
            self.hole(begin.referred_from);
            return;
        };
        if data.is_empty() {
            return;
        }
        let keyframe = packets().any(|about| about.keyframe);
        if begin.timestamp > self.given + COUNTER_HOLDS {
            self.gate.lapse();
        }
        let frames = packets().enumerate().filter(|(place, about)| *place == 0 || about.starts_frame);
        let needs = frames.map(|(_, about)| about.needs);
        if self.kind == Kind::Video && !self.gate.admit(keyframe, needs) {
            match self.loss {
                Loss::Damage => self.damaged += 1,
                Loss::NoRoom | Loss::Resumed => self.dropped += 1,
            }
            // While nobody takes, a keyframe would be in vain.
            if self.loss != Loss::NoRoom && self.gate.needs_keyframe(begin.needs) {
                self.ask(now);
            }
            return;
        }
        self.given = begin.timestamp;
        let codec = if begin.codec == CodecName::Red { CodecName::Opus } else { begin.codec };
        let layer = Layer { spatial: end.layer.spatial, temporal: begin.layer.temporal };
        let About { timestamp, captured, .. } = begin;
        if self.ring.push(EncodedFrame { codec, timestamp, captured, keyframe, layer, data }) {
            self.note();
        } else {
            self.dropped += 1;
            self.gate.close();
            self.loss = Loss::NoRoom;
        }
    }

    /// Packets were given up of frames to which those from this temporal layer on may refer; what needs them shows when it comes.
    fn hole(&mut self, referred_from: u8) {
        self.damaged += 1;
        self.gate.lose(referred_from);
        if self.loss == Loss::Resumed {
            self.loss = Loss::Damage;
        }
    }

    fn ask(&mut self, now: Instant) {
        if self.kind == Kind::Video && self.picture_loss.request(now) {
            self.forwarder.picture_lost();
        }
    }

    fn note(&mut self) {
        if self.notice == Notice::None {
            self.notice = Notice::Due;
        }
    }
}

/// Whether a picture surely starts with this packet.
fn opens_picture(packet: &Packet<'_>) -> bool {
    // Each slice of an IDR picture counts as the start of a keyframe; only the first is the start of the picture.
    match packet.codec {
        CodecName::H264 => {
            let facts = H264Facts::of(packet.payload);
            facts.sps || facts.starts_picture
        }
        CodecName::H265 => H265Facts::parse(packet.payload).is_ok_and(|facts| facts.vps || facts.starts_picture),
        _ => packet.facts.keyframe || packet.facts.starts_frame && packet.facts.spatial == 0,
    }
}

/// Whether its picture is a keyframe, for the codecs whose keyframes may begin with a packet that does not tell: of whole pictures
/// it does not matter which packet it was.
fn is_of_keyframe(packet: &Packet<'_>) -> bool {
    match (packet.dependencies, packet.codec) {
        (Dependencies::None, CodecName::H264) => H264Facts::of(packet.payload).idr,
        (Dependencies::None, CodecName::H265) => H265Facts::parse(packet.payload).is_ok_and(|facts| facts.irap),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
