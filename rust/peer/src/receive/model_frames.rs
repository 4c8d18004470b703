//! Frames of models as a decoder would need them: each tells truly what it refers to.
//!
//! A frame is decoded as soon as it is whole and all that it refers to was decoded. When nothing is awaited any more that could
//! change it, it is undecodable, or torn. Invariant: `open` holds what is neither yet.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sfu_wire::SeqNo;

use super::layers::LayersShown;
use super::playback::Playback;
use super::stream::FrameStats;
use crate::model::ModelFrame;

/// Numbers and frames that are remembered. Higher: later packets still fit. Lower: less memory.
const REMEMBERED: usize = 1024;

/// An encoding, and the place of a frame in it.
type FrameId = (u8, u32);

/// What a packet says.
#[derive(Debug, Clone)]
pub(crate) struct ModelFacts {
    pub(crate) timestamp: u32,
    pub(crate) encoding: u8,
    pub(crate) frame: ModelFrame,
}

/// A frame that is not decoded.
#[derive(Debug)]
struct Open {
    facts: ModelFacts,
    /// A bit for each part that came.
    parts: u64,
    /// The highest number so far.
    last: SeqNo,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct ModelFrames {
    packets: BTreeMap<SeqNo, ModelFacts>,
    open: BTreeMap<FrameId, Open>,
    decoded: BTreeSet<FrameId>,
    /// The newest picture that was shown.
    shown: Option<u32>,
    /// Something could not be decoded, and no keyframe since.
    broken: bool,
    playback: Playback,
    layers: LayersShown,
}

impl ModelFrames {
    /// A packet came; `missing`: the lowest number that is still awaited.
    pub(crate) fn insert(
        &mut self,
        (at, seq): (Duration, SeqNo),
        facts: ModelFacts,
        missing: Option<SeqNo>,
        stats: &mut FrameStats,
    ) {
        self.compare(seq, &facts, stats);
        let id = (facts.encoding, facts.frame.index);
        if !self.decoded.contains(&id) {
            let open = self.open.entry(id).or_insert_with(|| Open { facts: facts.clone(), parts: 0, last: seq });
            open.parts |= 1 << (facts.frame.part & 63);
            open.last = open.last.max(seq);
        }
        self.packets.insert(seq, facts);
        if self.packets.len() > REMEMBERED {
            self.packets.pop_first();
        }
        self.settle(at, missing, stats);
    }

    /// Decodes what can be, and gives up what cannot.
    pub(crate) fn settle(&mut self, at: Duration, missing: Option<SeqNo>, stats: &mut FrameStats) {
        while let Some(id) = self.open.iter().find(|(_, open)| self.can_decode(open)).map(|(id, _)| *id) {
            if let Some(open) = self.open.remove(&id) {
                self.decode(at, id, &open, stats);
            }
        }
        let newest = self.packets.last_key_value().map_or(SeqNo::default(), |(seq, _)| *seq);
        let settled = |open: &Open| missing.is_none_or(|missing| missing > open.end());
        let Self { open, packets, broken, .. } = self;
        open.retain(|_, open| {
            if !settled(open) || !open.is_whole() && open.last >= newest {
                return true;
            }
            if open.is_whole() {
                stats.undecodable += 1;
            } else if open.came_in_a_row(packets) {
                stats.torn += 1;
            }
            stats.broken += u64::from(!*broken);
            *broken = true;
            false
        });
    }

    /// Whether a keyframe would help.
    pub(crate) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// The encoding of the newest packet.
    pub(crate) fn encoding(&self) -> Option<u8> {
        self.packets.last_key_value().map(|(_, facts)| facts.encoding)
    }

    fn can_decode(&self, open: &Open) -> bool {
        let encoding = open.facts.encoding;
        open.is_whole() && open.facts.frame.references.iter().all(|index| self.decoded.contains(&(encoding, *index)))
    }

    fn decode(&mut self, at: Duration, id: FrameId, open: &Open, stats: &mut FrameStats) {
        let ModelFacts { timestamp, encoding, ref frame } = open.facts;
        self.decoded.insert(id);
        if self.decoded.len() > REMEMBERED {
            self.forget(encoding);
        }
        if frame.references.is_empty() {
            self.broken = false;
            stats.keyframes += 1;
        }
        // A simulcast encoding has one spatial layer, and is one.
        stats.layer = self.layers.show(at, (encoding.max(frame.spatial), frame.temporal));
        stats.first.get_or_insert(at);
        stats.last = Some(at);
        if self.shown.is_none_or(|shown| timestamp.wrapping_sub(shown) as i32 > 0) {
            self.shown = Some(timestamp);
            stats.decoded += 1;
            stats.freezes += u64::from(self.playback.decoded(at, timestamp));
        }
    }

    /// Of this encoding the oldest; of others, which are not received any more, all.
    fn forget(&mut self, encoding: u8) {
        self.decoded.retain(|(of, _)| *of == encoding);
        while self.decoded.len() > REMEMBERED {
            self.decoded.pop_first();
        }
    }

    /// Two packets in a row: time does not go back, and another encoding begins with a keyframe.
    fn compare(&mut self, seq: SeqNo, facts: &ModelFacts, stats: &mut FrameStats) {
        let before = seq.get().checked_sub(1).and_then(|before| self.packets.get(&SeqNo::new(before)));
        let pairs = [before.map(|before| (before, facts)), self.packets.get(&seq.next()).map(|next| (facts, next))];
        for (one, next) in pairs.into_iter().flatten() {
            stats.discontinuities += u64::from((next.timestamp.wrapping_sub(one.timestamp) as i32) < 0);
            let begins = next.frame.part == 0 && next.frame.references.is_empty();
            stats.bad_switches += u64::from(one.encoding != next.encoding && !begins);
        }
    }
}

impl Open {
    fn is_whole(&self) -> bool {
        self.parts.count_ones() == u32::from(self.facts.frame.parts)
    }

    /// The highest number that may be its own.
    fn end(&self) -> SeqNo {
        if self.is_whole() { self.last } else { self.last.next() }
    }

    /// The packets beside it came: a part that is missing was not lost.
    fn came_in_a_row(&self, packets: &BTreeMap<SeqNo, ModelFacts>) -> bool {
        let begins_late = self.parts & 1 == 0;
        let first = SeqNo::new(self.last.get().saturating_sub(u64::from(self.parts.count_ones() - 1)));
        let before = first.get().checked_sub(1).is_some_and(|before| packets.contains_key(&SeqNo::new(before)));
        packets.contains_key(&self.last.next()) && (!begins_late || before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Number, frame, part of parts, references.
    type Sent = (u64, u32, (u8, u8), &'static [u32]);

    /// All of encoding 0; `missing` is awaited until the last of them.
    fn play(packets: &[Sent], missing: Option<u64>) -> (FrameStats, bool) {
        let (mut frames, mut stats) = (ModelFrames::default(), FrameStats::default());
        for (place, (seq, index, (part, parts), references)) in packets.iter().enumerate() {
            let frame = ModelFrame {
                index: *index,
                part: *part,
                parts: *parts,
                references: references.to_vec(),
                ..ModelFrame::default()
            };
            let facts = ModelFacts { timestamp: index * 3000, encoding: 0, frame };
            let missing = missing.filter(|_| place + 1 < packets.len()).map(SeqNo::new);
            frames.insert((Duration::from_secs(1), SeqNo::new(*seq)), facts, missing, &mut stats);
        }
        (stats, frames.is_broken())
    }

    #[test]
    fn what_refers_to_nothing_that_was_left_out_is_decoded() {
        let (stats, broken) = play(&[(1, 0, (0, 1), &[]), (2, 2, (0, 2), &[0]), (3, 2, (1, 2), &[0])], None);
        assert_eq!((stats.decoded, stats.keyframes, stats.undecodable, stats.torn, broken), (2, 1, 0, 0, false));
    }

    #[test]
    fn what_refers_to_a_frame_that_never_comes_is_undecodable() {
        let packets: &[Sent] = &[(1, 0, (0, 1), &[]), (2, 2, (0, 1), &[1])];
        let (stats, broken) = play(packets, None);
        assert_eq!((stats.decoded, stats.undecodable, stats.broken, broken), (1, 1, 1, true));
    }

    #[test]
    fn a_frame_waits_for_what_is_still_awaited() {
        let packets: &[Sent] = &[(1, 0, (0, 1), &[]), (3, 2, (0, 1), &[1]), (2, 1, (0, 1), &[0])];
        let (stats, broken) = play(packets, Some(2));
        assert_eq!((stats.undecodable, stats.torn, stats.broken, broken), (0, 0, 0, false));
    }

    #[test]
    fn a_frame_whose_end_comes_late_is_no_torn_one() {
        let packets: &[Sent] = &[(1, 0, (0, 1), &[]), (2, 1, (0, 2), &[0]), (4, 2, (0, 1), &[1]), (3, 1, (1, 2), &[0])];
        let (stats, broken) = play(packets, Some(3));
        assert_eq!((stats.decoded, stats.undecodable, stats.torn, stats.broken, broken), (3, 0, 0, 0, false));
    }

    #[test]
    fn a_part_that_is_left_out_of_a_row_is_the_senders_fault() {
        let packets: &[Sent] = &[(1, 0, (0, 1), &[]), (2, 1, (0, 2), &[0]), (3, 2, (0, 1), &[0])];
        assert_eq!(play(packets, None).0.torn, 1);
    }
}
