//! Which frames of one run go out, by their dependency descriptors: what a frame refers to is known, so nothing is guessed.
//!
//! A frame goes out when it belongs to the subscriber's decode target and nothing that it refers to was left out; of frames that
//! have not come one must hope. Frames are named by their number; what was decided is remembered for as long as packets may
//! come late. Invariant: whatever goes out refers only to what went out or never came.

use std::sync::Arc;

use sfu_wire::SeqNo;
use sfu_wire::payload::dependency_descriptor::{DecodeTargets, Dti};

use super::dependency_descriptor::Dependency;
use super::facts::Layer;
use super::outcome::Outcome;
use super::packet::Packet;
use super::picture::picture_of;
use super::target::{Occasion, TargetTable};

/// So many frame numbers are remembered, a power of two: with three spatial layers 1.4 s at 60 fps. References reach back
/// twelve frames in L3T3.
const FRAMES: usize = 256;

/// More frames than this a picture does not have.
const MAX_SPATIAL: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Fate {
    /// No packet of it has come.
    #[default]
    Unknown,
    Forwarded,
    LeftOut,
    /// Left out when one behind it had gone out: it counts for none.
    LeftOutBehind,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    fate: Fate,
    target: u8,
    /// The lower half, which tells pictures apart.
    timestamp: u32,
    /// Frames that were left out before it.
    left_out: u32,
    /// A frame that went out refers to it.
    awaited: bool,
}

#[derive(Debug, Clone, Copy)]
struct Tail {
    seq: SeqNo,
    number: i64,
    left_out: bool,
    ended_frame: bool,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct ReferenceLog {
    /// By number; empty before the first run.
    entries: Vec<Entry>,
    first: i64,
    newest: i64,
    newest_timestamp: u64,
    /// Something of the picture with that timestamp went out.
    newest_sent: bool,
    newest_picture: Option<i64>,
    sequence: i64,
    targets: Option<Arc<TargetTable>>,
    active: DecodeTargets,
    target: u8,
    /// The receiver was told to expect less than everything since the sequence began.
    narrowed: bool,
    /// A frame on which the target rests cannot be decoded.
    broken: bool,
    left_out: u32,
    tail: Option<Tail>,
}

impl ReferenceLog {
    pub(crate) const fn new() -> Self {
        Self {
            entries: Vec::new(),
            first: 0,
            newest: 0,
            newest_timestamp: 0,
            newest_sent: false,
            newest_picture: None,
            sequence: i64::MIN,
            targets: None,
            active: DecodeTargets::NONE,
            target: 0,
            narrowed: false,
            broken: false,
            left_out: 0,
            tail: None,
        }
    }

    /// Begins a run with the sequence that `dependency` starts.
    pub(crate) fn start(&mut self, dependency: &Dependency, limit: Layer) {
        self.entries.clear();
        self.entries.resize(FRAMES, Entry::default());
        self.first = dependency.number;
        self.newest = dependency.number - 1;
        self.newest_timestamp = 0;
        self.newest_sent = false;
        self.newest_picture = None;
        self.left_out = 0;
        self.tail = None;
        self.begin_sequence(dependency, limit);
    }

    /// The layer that the subscriber has.
    pub(crate) fn layer(&self) -> Layer {
        self.targets.as_ref().map_or(Layer::default(), |targets| targets.layer(self.target))
    }

    /// Whether the subscriber cannot go on, or cannot have what is wanted, without a keyframe.
    pub(crate) fn needs_keyframe(&self, limit: Layer) -> bool {
        let out_of_reach = |targets: &Arc<TargetTable>| targets.needs_keyframe(self.target, limit, self.active);
        self.broken || self.targets.as_ref().is_some_and(out_of_reach)
    }

    /// Whether the frame is behind all that have come.
    pub(crate) const fn is_ahead(&self, number: i64) -> bool {
        number > self.newest
    }

    /// The fate of a packet, with nothing above `limit` wanted; `None` when it is too old to know.
    pub(crate) fn decide(&mut self, packet: &Packet<'_>, dependency: &Dependency, limit: Layer) -> Option<Outcome> {
        let number = dependency.number;
        let picture = picture_of(&packet.facts, self.newest_picture);
        if number > self.newest {
            self.advance_to(number);
            self.decide_new(dependency, packet.timestamp, limit);
            self.newest_picture = picture;
        } else if number < self.first || number + FRAMES as i64 <= self.newest {
            return None;
        } else if self.entry(number).fate == Fate::Unknown {
            self.decide_late(dependency, packet.timestamp as u32);
        }
        self.adopt(dependency);
        let entry = *self.entry(number);
        self.newest_sent |= entry.fate == Fate::Forwarded && packet.timestamp == self.newest_timestamp;
        let top = dependency.targets.layer(entry.target).spatial;
        Some(Outcome {
            forwarded: entry.fate == Fate::Forwarded,
            ends_picture: dependency.ends_frame && dependency.frame.spatial == top,
            picture,
            left_out_before: entry.left_out,
            active: self.declared(dependency, entry.target),
        })
    }

    /// Whether all that is missing between the highest packet so far and this one belongs to frames that are left out; from then
    /// on they are, also when they come late.
    pub(crate) fn leave_out_gap(&mut self, dependency: &Dependency, outcome: &Outcome) -> bool {
        let Some(tail) = self.tail else { return false };
        let number = dependency.number;
        if tail.number == number {
            return !outcome.forwarded;
        }
        let rest_is_out = tail.left_out || tail.ended_frame;
        let start_is_out = dependency.starts_frame || !outcome.forwarded;
        // The target may have changed in between.
        let targets = [self.target, self.entry(tail.number).target];
        let skips = |target: u8| Self::skips(target, dependency, tail.number);
        let between_is_out = number == tail.number + 1 || targets.into_iter().all(skips);
        let is_out = number > tail.number && rest_is_out && start_is_out && between_is_out;
        if is_out {
            self.leave_out_unseen(tail.number, number.min(self.newest));
        }
        is_out
    }

    /// What has not come between two frames is left out, and counts for none.
    fn leave_out_unseen(&mut self, after: i64, end: i64) {
        let Entry { fate, target, left_out, .. } = *self.entry(after);
        let left_out = left_out + u32::from(fate == Fate::LeftOut);
        for number in (after + 1).max(self.oldest())..end {
            let entry = self.entry_mut(number);
            if entry.fate == Fate::Unknown {
                *entry = Entry { fate: Fate::LeftOutBehind, target, left_out, ..*entry };
            }
        }
    }

    /// The highest sequence number so far, padding left aside.
    pub(crate) fn highest(&self) -> Option<SeqNo> {
        self.tail.map(|tail| tail.seq)
    }

    /// A packet has the highest sequence number so far.
    pub(crate) fn advance(&mut self, seq: SeqNo, dependency: &Dependency, outcome: &Outcome) {
        let (number, ended_frame) = (dependency.number, dependency.ends_frame);
        self.tail = Some(Tail { seq, number, left_out: !outcome.forwarded, ended_frame });
    }

    fn begin_sequence(&mut self, dependency: &Dependency, limit: Layer) {
        self.sequence = dependency.sequence;
        self.targets = Some(dependency.targets.clone());
        self.target = dependency.targets.best(limit, dependency.active).unwrap_or(0);
        self.narrowed = false;
        self.broken = false;
    }

    /// The structure of a frame that was decided by the one before it has come: encoders repeat the same one with each keyframe,
    /// so packets that overtook it were understood.
    fn adopt(&mut self, dependency: &Dependency) {
        if dependency.sequence > self.sequence {
            let layer = self.layer();
            let same = (0..).take(dependency.targets.structure().decode_targets().len());
            let same = same.into_iter().find(|target| dependency.targets.layer(*target) == layer);
            self.begin_sequence(dependency, layer);
            self.target = same.unwrap_or(self.target);
        }
    }

    fn decide_new(&mut self, dependency: &Dependency, timestamp: u64, limit: Layer) {
        let frame = &dependency.frame;
        let decodable = self.references_went(dependency);
        let starts_picture = timestamp != self.newest_timestamp;
        self.newest_sent &= !starts_picture;
        self.active = dependency.active;
        if dependency.sequence == self.sequence {
            if self.broken && starts_picture {
                self.fall(&dependency.targets);
            }
            // What may still come must not be what a move rests on: it may have been left out until then.
            let certain = decodable && self.references_are(dependency, |fate| fate == Fate::Forwarded);
            let occasion = Occasion { dtis: frame.dtis, unsent: !self.newest_sent, decodable: certain };
            self.target = dependency.targets.choose(self.target, limit, dependency.active, &occasion);
        } else if dependency.sequence > self.sequence && starts_picture {
            self.begin_sequence(dependency, limit);
        }
        // Independent layers repeat the structure within a picture, which has one target.
        self.adopt(dependency);
        self.newest_timestamp = timestamp;
        let dti = frame.dtis.get(usize::from(self.target));
        let forwarded = dti != Dti::NotPresent && decodable;
        // The chain of a target is made of the frames that all others rest on: those that one may switch at.
        if dti == Dti::Switch {
            self.broken = !decodable;
        }
        let (target, left_out) = (self.target, self.left_out);
        let (fate, timestamp) = (Fate::of(forwarded), timestamp as u32);
        *self.entry_mut(dependency.number) = Entry { fate, target, timestamp, left_out, awaited: false };
        self.left_out += u32::from(!forwarded);
        if forwarded {
            self.await_references(dependency);
        }
    }

    /// The target cannot be decoded until a keyframe comes: a smaller one may.
    fn fall(&mut self, targets: &TargetTable) {
        if let Some(smaller) = targets.smaller(self.target) {
            self.target = smaller;
            self.broken = false;
        }
    }

    /// A frame whose number was kept for it: it goes out whenever it can be decoded and adds no spatial layer, also when its
    /// frame rate is not wanted, because otherwise its packets are gaps that the receiver asks for in vain.
    fn decide_late(&mut self, dependency: &Dependency, timestamp: u32) {
        let number = dependency.number;
        // A picture has one target: that of its other frames, if they came before.
        let later = (number + 1..=self.newest).map(|number| *self.entry(number));
        let came = later.take(MAX_SPATIAL).filter(|entry| entry.fate != Fate::Unknown);
        let same_picture = came.filter(|entry| entry.timestamp == timestamp).last();
        let oldest = self.oldest();
        let before = (oldest..number).rev().map(|number| *self.entry(number)).find(|entry| entry.fate != Fate::Unknown);
        let before = before.unwrap_or(Entry { target: self.target, ..Entry::default() });
        let target = same_picture.unwrap_or(before).target;
        let spatial = dependency.targets.layer(target).spatial;
        let of_target = dependency.frame.dtis.get(usize::from(target)) != Dti::NotPresent;
        let of_its_size = dependency.frame.spatial == spatial;
        let all_sent = || self.references_are(dependency, |fate| fate == Fate::Forwarded);
        let awaited = self.entry(number).awaited;
        let needed = of_target || awaited;
        let forwarded = if needed { self.references_went(dependency) } else { of_its_size && all_sent() };
        let left_out = before.left_out + u32::from(before.fate == Fate::LeftOut);
        let mut fate = Fate::of(forwarded);
        if fate == Fate::LeftOut {
            let later = number + 1..=self.newest;
            if later.clone().any(|number| self.entry(number).fate == Fate::Forwarded) {
                fate = Fate::LeftOutBehind;
            } else {
                later.for_each(|number| self.entry_mut(number).left_out += 1);
                self.left_out += 1;
            }
        }
        *self.entry_mut(number) = Entry { fate, target, timestamp, left_out, awaited };
        if forwarded {
            self.await_references(dependency);
        }
        // What went out in the hope of it cannot be decoded.
        let is_in_chain = dependency.frame.dtis.get(usize::from(target)) == Dti::Switch;
        self.broken |= awaited && !forwarded && is_in_chain;
    }

    /// A frame goes out: what it refers to and has not come must go out too.
    fn await_references(&mut self, dependency: &Dependency) {
        for diff in dependency.frame.frame_diffs.as_slice() {
            let number = dependency.number - i64::from(*diff);
            if number >= self.oldest() && number <= self.newest {
                self.entry_mut(number).awaited = true;
            }
        }
    }

    /// Whether nothing that the frame refers to was left out; what is before the run or too old to know was.
    fn references_went(&self, dependency: &Dependency) -> bool {
        self.references_are(dependency, |fate| !fate.is_out())
    }

    fn references_are(&self, dependency: &Dependency, fits: impl Fn(Fate) -> bool) -> bool {
        let oldest = self.oldest();
        dependency.frame.frame_diffs.as_slice().iter().all(|diff| {
            let number = dependency.number - i64::from(*diff);
            number >= oldest && number <= self.newest && fits(self.entry(number).fate)
        })
    }

    /// Whether no frame between `after` and this one belongs to a target: one of temporal layer 0 is its chain, and the
    /// chain says where its last frame was (§A.5).
    fn skips(target: u8, dependency: &Dependency, after: i64) -> bool {
        let target = dependency.targets.structure().decode_targets().get(usize::from(target));
        let chain = target.filter(|target| target.temporal == 0).and_then(|target| target.chain);
        let diff = chain.and_then(|chain| dependency.frame.chain_diffs.as_slice().get(usize::from(chain)).copied());
        diff.is_some_and(|diff| diff > 0 && dependency.number - i64::from(diff) <= after)
    }

    fn declared(&mut self, dependency: &Dependency, target: u8) -> Option<DecodeTargets> {
        let all = dependency.targets.structure().all_decode_targets();
        let possible = dependency.targets.nested(target).and(dependency.active);
        if dependency.sequence == self.sequence {
            self.narrowed |= possible != all;
        }
        (self.narrowed || possible != all).then_some(possible)
    }

    fn advance_to(&mut self, number: i64) {
        let from = (self.newest + 1).max(number + 1 - FRAMES as i64);
        for skipped in from..=number {
            *self.entry_mut(skipped) = Entry::default();
        }
        self.newest = number;
    }

    /// The first number that is known.
    fn oldest(&self) -> i64 {
        self.first.max(self.newest + 1 - FRAMES as i64)
    }

    fn entry(&self, number: i64) -> &Entry {
        &self.entries[number as usize % FRAMES]
    }

    fn entry_mut(&mut self, number: i64) -> &mut Entry {
        &mut self.entries[number as usize % FRAMES]
    }
}

impl Fate {
    const fn is_out(self) -> bool {
        matches!(self, Self::LeftOut | Self::LeftOutBehind)
    }

    const fn of(forwarded: bool) -> Self {
        if forwarded { Self::Forwarded } else { Self::LeftOut }
    }
}

#[cfg(test)]
mod tests;
