//! Which frames of one run go out: every packet of a frame, however late, has the fate of its first.
//!
//! A run is what comes from one encoding between two switches; a frame is named by its timestamp (in SVC it is a picture with
//! all its spatial layers). What is decided here is remembered for as long as packets may come late.

use sfu_wire::SeqNo;

use super::facts::{Descriptor, FrameFacts, Layer};
use super::outcome::Outcome;
use super::packet::Packet;
use super::picture::{base_index, listed, picture_of};
use super::ring::Ring;
use super::spatial::{InterLayer, SpatialLayers};
use super::temporal::{Joined, References};

/// So many frames are remembered: one second at 60 fps, longer than a receiver waits for a retransmission.
const FRAMES: usize = 64;

/// What is decided on a frame, for each of its packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fate {
    /// The picture id without wraps, when the codec numbers its pictures.
    pub(crate) picture: Option<i64>,
    /// Pictures of this run that were left out before it; picture ids wrap sooner than this does.
    pub(crate) left_out_before: u32,
    /// Its spatial layers that go out.
    pub(crate) spatial: SpatialLayers,
    /// Its temporal layer goes out.
    pub(crate) forwarded: bool,
}

/// A frame, its fate and what follows from it for others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    timestamp: u64,
    pub(crate) fate: Fate,
    /// The temporal layers that the subscriber has after it.
    pub(crate) joined: Joined,
    left_out_after: u32,
    /// Spatial layers of which a packet was left out already, bit n for layer n.
    refused: u8,
    /// Its temporal layer.
    temporal: u8,
    /// It is a keyframe's picture.
    keyframe: bool,
    /// The highest spatial layer of it that came; of a keyframe any, until its marker tells.
    highest: u8,
    /// Its last packet went out, with the marker.
    ended: bool,
    /// What comes late of pictures between this timestamp and its own was counted as left out already.
    unseen_since: Option<u64>,
}

impl Fate {
    /// Whether the packet goes out that `facts` tell of.
    fn sends(&self, facts: &FrameFacts) -> bool {
        self.forwarded && self.spatial.contains(facts)
    }

    /// What it means for a packet of the frame.
    pub(crate) fn outcome(&self, packet: &Packet<'_>) -> Outcome {
        let facts = &packet.facts;
        Outcome {
            forwarded: self.sends(facts),
            // In SVC the picture ends for the subscriber with the highest spatial layer that goes out (RFC 9628 §4.1).
            ends_picture: matches!(facts.descriptor, Descriptor::Vp9(_))
                && facts.ends_frame
                && facts.spatial == self.spatial.top(),
            picture: self.picture,
            left_out_before: self.left_out_before,
            active: None,
        }
    }
}

impl Frame {
    /// Whether `packet` is of a later frame.
    pub(crate) const fn is_before(&self, packet: &Packet<'_>) -> bool {
        self.timestamp < packet.timestamp
    }

    fn note_layer(&mut self, packet: &Packet<'_>) {
        let spatial = packet.facts.spatial;
        self.highest = if packet.marker { spatial } else { self.highest.max(spatial) };
    }

    fn note_refusal(&mut self, facts: &FrameFacts) {
        if !self.fate.sends(facts) {
            self.refused |= spatial_bit(facts);
        }
    }
}

/// The packet with the highest number so far.
#[derive(Debug, Clone, Copy)]
struct Tail {
    seq: SeqNo,
    timestamp: u64,
    picture: Option<i64>,
    base_index: Option<u8>,
    spatial: u8,
    left_out: bool,
    /// Nothing that follows it in its picture goes out.
    rest_is_out: bool,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct FrameLog {
    frames: Ring<Frame>,
    newest: Option<Frame>,
    tail: Option<Tail>,
    first_picture: Option<i64>,
    inter_layer: InterLayer,
    /// The highest spatial layer that the stream is known to have.
    highest_spatial: u8,
}

impl FrameLog {
    pub(crate) const fn new() -> Self {
        Self {
            frames: Ring::new(FRAMES),
            newest: None,
            tail: None,
            first_picture: None,
            inter_layer: InterLayer::Unknown,
            highest_spatial: 0,
        }
    }

    /// Asks for the memory where the next frame will be remembered.
    pub(crate) fn prefetch(&self) {
        self.frames.prefetch();
    }

    /// Begins a run.
    pub(crate) fn clear(&mut self) {
        self.frames.clear();
        self.newest = None;
        self.tail = None;
        self.first_picture = None;
    }

    pub(crate) fn newest(&self) -> Option<&Frame> {
        self.newest.as_ref()
    }

    /// The fate of the frame of `packet`, with nothing above `limit` wanted; `None` when it is too old to know.
    #[inline]
    pub(crate) fn decide(&mut self, packet: &Packet<'_>, limit: Layer) -> Option<Fate> {
        if matches!(packet.facts.descriptor, Descriptor::Vp9(_)) {
            return self.decide_layer(packet, limit);
        }
        // Without spatial layers what follows in a frame says nothing new.
        match &self.newest {
            Some(newest) if packet.timestamp == newest.timestamp && !packet.facts.keyframe => Some(newest.fate),
            _ => self.decide_picture(packet, limit),
        }
    }

    fn decide_layer(&mut self, packet: &Packet<'_>, limit: Layer) -> Option<Fate> {
        self.learn(&packet.facts);
        let fate = self.decide_picture(packet, limit)?;
        if let Some(known) = self.at_mut(packet.timestamp) {
            known.note_layer(packet);
        }
        // An upper layer may refer to further pictures than the base layer, by which the picture was decided.
        let cap =
            if packet.facts.spatial == 0 { u8::MAX } else { self.highest_with_references(&packet.facts, fate.picture) };
        if cap >= packet.facts.spatial {
            return Some(fate);
        }
        let spatial = fate.spatial.capped(cap);
        if let Some(known) = self.at_mut(packet.timestamp) {
            known.fate.spatial = spatial;
        }
        Some(Fate { spatial, ..fate })
    }

    fn decide_picture(&mut self, packet: &Packet<'_>, limit: Layer) -> Option<Fate> {
        match self.newest.as_ref().map(|frame| frame.timestamp) {
            Some(newest) if packet.timestamp == newest => self.refine(packet, limit),
            Some(newest) if packet.timestamp < newest => self.decide_late(packet),
            _ => Some(self.decide_new(packet, limit)),
        }
    }

    /// Whether all that is missing between the highest packet so far and `packet`, the next one that came, belongs to what is
    /// left out; then how many pictures that is as a whole. Known from picture ids: what lies between two parts of a frame, or
    /// between the parts of two frames that follow each other, is theirs.
    pub(crate) fn left_out_in_gap(&self, packet: &Packet<'_>, fate: &Fate, limit: Layer) -> Option<u32> {
        let tail = self.tail?;
        let facts = &packet.facts;
        if tail.timestamp == packet.timestamp {
            let is_out = !fate.forwarded || (tail.left_out && fate.spatial.leaves_out(tail.spatial..=facts.spatial));
            return is_out.then_some(0);
        }
        let (before, picture) = (tail.picture?, fate.picture?);
        let starts_picture = facts.starts_frame && facts.spatial == 0;
        let start_is_out = starts_picture || !fate.forwarded || fate.spatial.leaves_out_before(facts);
        let between_is_out = picture == before + 1 || (limit.temporal == 0 && tail.precedes_no_base_but(facts));
        let is_out = picture > before && tail.rest_is_out && start_is_out && between_is_out;
        is_out.then(|| (picture - before - 1) as u32)
    }

    /// So many pictures before the newest frame, which is that of `packet`, are left out without having been seen.
    pub(crate) fn leave_out_unseen(&mut self, packet: &Packet<'_>, count: u32) -> Option<Fate> {
        let newest = self.newest.as_mut().filter(|newest| newest.timestamp == packet.timestamp)?;
        newest.fate.left_out_before = newest.fate.left_out_before.wrapping_add(count);
        newest.left_out_after = newest.left_out_after.wrapping_add(count);
        if count > 0 {
            newest.unseen_since = self.tail.map(|tail| tail.timestamp);
        }
        Some(newest.fate)
    }

    /// The highest number so far, padding left aside.
    pub(crate) fn highest(&self) -> Option<SeqNo> {
        self.tail.as_ref().map(|tail| tail.seq)
    }

    /// `packet` of the newest frame goes out with the marker.
    pub(crate) fn note_end(&mut self, packet: &Packet<'_>) {
        if let Some(newest) = self.newest.as_mut().filter(|newest| newest.timestamp == packet.timestamp) {
            newest.ended = true;
        }
    }

    /// `packet` has the highest number so far.
    pub(crate) fn advance(&mut self, packet: &Packet<'_>, fate: &Fate) {
        let facts = &packet.facts;
        self.tail = Some(Tail {
            seq: packet.seq,
            timestamp: packet.timestamp,
            picture: fate.picture,
            base_index: base_index(facts),
            spatial: facts.spatial,
            left_out: !fate.sends(facts),
            rest_is_out: packet.marker || !fate.forwarded || fate.spatial.leaves_out_after(facts),
        });
    }

    fn learn(&mut self, facts: &FrameFacts) {
        self.inter_layer = self.inter_layer.learn(facts);
        let structure = match &facts.descriptor {
            Descriptor::Vp9(descriptor) if facts.keyframe => descriptor.structure,
            _ => None,
        };
        self.highest_spatial = match structure {
            Some(structure) => structure.spatial_layers.saturating_sub(1),
            None => self.highest_spatial.max(facts.spatial),
        };
    }

    fn decide_new(&mut self, packet: &Packet<'_>, limit: Layer) -> Fate {
        let facts = &packet.facts;
        let (joined, spatial, left_out) = match &self.newest {
            Some(newest) => (newest.joined, newest.fate.spatial, newest.left_out_after),
            None => (Joined::default(), SpatialLayers::all(), 0),
        };
        let picture = self.picture(facts);
        if self.newest.is_none() {
            self.first_picture = picture;
        }
        // Only VP9's descriptor tells of references and spatial layers.
        let (references, spatial) = match facts.descriptor {
            Descriptor::Vp9(_) => {
                let spatial = spatial.next(facts, limit.spatial, self.inter_layer, self.highest_spatial);
                (self.references(facts, picture), spatial.capped(self.highest_with_references(facts, picture)))
            }
            Descriptor::Vp8(_) | Descriptor::Opaque => (None, spatial),
        };
        let (forwarded, joined) = joined.admit(limit.temporal, facts, references);
        let fate = Fate { picture, left_out_before: left_out, spatial, forwarded };
        let keyframe = !refers_back(facts);
        let mut frame = Frame {
            timestamp: packet.timestamp,
            fate,
            joined,
            left_out_after: left_out.wrapping_add(u32::from(!forwarded)),
            refused: 0,
            temporal: facts.temporal,
            keyframe,
            highest: if keyframe { u8::MAX } else { 0 },
            ended: false,
            unseen_since: None,
        };
        frame.note_refusal(facts);
        if let Some(previous) = &self.newest {
            self.frames.push(*previous);
        }
        self.newest = Some(frame);
        fate
    }

    /// A later packet of the newest frame may be what joins layers: a keyframe's first packet that was overtaken, or a
    /// spatial layer that starts over.
    fn refine(&mut self, packet: &Packet<'_>, limit: Layer) -> Option<Fate> {
        let facts = &packet.facts;
        let newest = self.newest.as_mut()?;
        if facts.keyframe && newest.fate.forwarded {
            (_, newest.joined) = newest.joined.admit(limit.temporal, facts, None);
        } else if starts_over(facts)
            && facts.spatial == newest.fate.spatial.top().saturating_add(1)
            && facts.spatial <= limit.spatial
            && newest.refused & spatial_bit(facts) == 0
            // A picture has one end.
            && !newest.ended
        {
            newest.fate.spatial = newest.fate.spatial.joined_by(facts.spatial);
        }
        newest.note_refusal(facts);
        Some(newest.fate)
    }

    fn decide_late(&mut self, packet: &Packet<'_>) -> Option<Fate> {
        let facts = &packet.facts;
        if let Some(frame) = self.frames.iter().find(|frame| frame.timestamp == packet.timestamp) {
            return Some(frame.fate);
        }
        let before = self.frames.iter().filter(|frame| frame.timestamp < packet.timestamp);
        let before = before.max_by_key(|frame| frame.timestamp).copied();
        let before = match (before, facts.descriptor) {
            (Some(before), _) => before,
            // Without layers nothing hangs on what came before; and with B-frames timestamps are not in order.
            (None, Descriptor::Opaque) => self.newest?,
            (None, _) => return None,
        };
        let picture = self.picture(facts);
        let spatial = before.fate.spatial.late(facts, self.inter_layer);
        let fate = Fate {
            picture,
            left_out_before: before.left_out_after,
            spatial: spatial.capped(self.highest_with_references(facts, picture)),
            forwarded: before.joined.admits_late(facts, self.references(facts, picture)),
        };
        let counted = !fate.forwarded && self.count_late(packet.timestamp);
        let keyframe = !refers_back(facts);
        self.frames.push(Frame {
            timestamp: packet.timestamp,
            fate,
            left_out_after: fate.left_out_before.wrapping_add(u32::from(counted)),
            temporal: facts.temporal,
            keyframe,
            highest: if keyframe { u8::MAX } else { 0 },
            ended: false,
            unseen_since: None,
            ..before
        });
        Some(fate)
    }

    /// A picture is left out that came late: it counts, unless one behind it went out.
    fn count_late(&mut self, timestamp: u64) -> bool {
        let later = || self.newest.iter().chain(self.frames.iter()).filter(|frame| frame.timestamp > timestamp);
        let was_counted = |frame: &Frame| frame.unseen_since.is_some_and(|since| since < timestamp);
        if later().any(|frame| frame.fate.forwarded || was_counted(frame)) {
            return false;
        }
        let later = self.newest.iter_mut().chain(self.frames.iter_mut());
        for frame in later.filter(|frame| frame.timestamp > timestamp) {
            frame.fate.left_out_before = frame.fate.left_out_before.wrapping_add(1);
            frame.left_out_after = frame.left_out_after.wrapping_add(1);
        }
        true
    }

    /// What became of the pictures that a frame lists as its references; `None` when it lists none (RFC 9628 §4.2, `P_DIFF`).
    fn references(&self, facts: &FrameFacts, picture: Option<i64>) -> Option<References> {
        let (Descriptor::Vp9(descriptor), Some(picture)) = (&facts.descriptor, picture) else { return None };
        if !descriptor.flexible || !descriptor.inter_picture {
            return None;
        }
        let fate = |reference: i64| match self.known(reference) {
            Some(frame) if frame.fate.forwarded => References::Sent,
            None if self.first_picture.is_none_or(|first| first <= reference) => References::Missing,
            Some(_) | None => References::Broken,
        };
        let fates = || listed(descriptor).map(|diff| fate(picture - i64::from(diff)));
        let worst = [References::Broken, References::Missing];
        Some(worst.into_iter().find(|worst| fates().any(|fate| fate == *worst)).unwrap_or(References::Sent))
    }

    /// The highest spatial layer whose references went out too; the layers of a picture refer to the same ones.
    fn highest_with_references(&self, facts: &FrameFacts, picture: Option<i64>) -> u8 {
        let (Descriptor::Vp9(descriptor), Some(picture)) = (&facts.descriptor, picture) else { return u8::MAX };
        if !descriptor.flexible || !descriptor.inter_picture {
            return u8::MAX;
        }
        let known = listed(descriptor).filter_map(|diff| self.known(picture - i64::from(diff)));
        let below = facts.spatial.saturating_sub(1);
        known.map(|frame| if frame.fate.forwarded { self.usable(frame) } else { below }).min().unwrap_or(u8::MAX)
    }

    /// The highest spatial layer that went out of a picture. Where it lacks a layer, what would refer to that refers to the one
    /// before it in its place; and until a layer has come, the picture may lack it.
    fn usable(&self, frame: &Frame) -> u8 {
        let top = frame.fate.spatial.top();
        if frame.highest >= top {
            return top;
        }
        let in_its_place = |other: &Frame| other.keyframe || other.temporal == frame.temporal;
        let stands_in =
            |other: &&Frame| other.timestamp < frame.timestamp && in_its_place(other) && other.highest > frame.highest;
        let before = self.frames.iter().filter(stands_in).max_by_key(|other| other.timestamp);
        before
            .filter(|other| other.fate.forwarded)
            .map_or(frame.highest, |other| other.fate.spatial.top().clamp(frame.highest, top))
    }

    fn at_mut(&mut self, timestamp: u64) -> Option<&mut Frame> {
        let mut known = self.newest.iter_mut().chain(self.frames.iter_mut());
        known.find(|known| known.timestamp == timestamp)
    }

    fn known(&self, picture: i64) -> Option<&Frame> {
        self.newest.iter().chain(self.frames.iter()).find(|frame| frame.fate.picture == Some(picture))
    }

    fn picture(&self, facts: &FrameFacts) -> Option<i64> {
        picture_of(facts, self.newest.as_ref().and_then(|frame| frame.fate.picture))
    }
}

impl Tail {
    /// Whether no picture of temporal layer 0 lies between the tail and the frame of `facts`: TL0PICIDX counts them.
    fn precedes_no_base_but(&self, facts: &FrameFacts) -> bool {
        let (Some(before), Some(index)) = (self.base_index, base_index(facts)) else { return false };
        index.wrapping_sub(before) == u8::from(facts.temporal == 0)
    }
}

const fn spatial_bit(facts: &FrameFacts) -> u8 {
    1 << (facts.spatial & 7)
}

/// Whether the frame refers to pictures before it.
const fn refers_back(facts: &FrameFacts) -> bool {
    match &facts.descriptor {
        Descriptor::Vp9(descriptor) => descriptor.inter_picture,
        _ => !facts.keyframe,
    }
}

/// A spatial layer's frame that refers to nothing but the layer below.
const fn starts_over(facts: &FrameFacts) -> bool {
    match &facts.descriptor {
        Descriptor::Vp9(descriptor) => descriptor.starts_frame && !descriptor.inter_picture,
        _ => false,
    }
}

#[cfg(test)]
mod tests;
