//! Puts frames together in the order of their numbers, and counts them as they would be shown.
//!
//! A frame is what lies between two markers under one timestamp. It is decoded when all before it were, or when it begins a
//! keyframe.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Pauses of so many frames are the usual (W3C webrtc-stats: the last 30).
const USUAL: usize = 30;
/// On top of the usual, a pause is a freeze.
const FREEZE: Duration = Duration::from_millis(150);

#[derive(Debug, Clone, Copy)]
struct Packet {
    timestamp: u32,
    marker: bool,
    starts_keyframe: bool,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// What is not decoded yet.
    packets: BTreeMap<u64, Packet>,
    /// The number that the next frame begins with, once a keyframe was decoded; `None`: a keyframe is needed.
    next: Option<u64>,
    decoded: u64,
    lost: u64,
    freezes: u64,
    first: Option<Instant>,
    last: Option<Instant>,
    pauses: Vec<Duration>,
}

impl Frames {
    pub(super) fn add(&mut self, at: Instant, seq: u64, (timestamp, marker, starts_keyframe): (u32, bool, bool)) {
        if self.next.is_some_and(|next| seq < next) {
            return;
        }
        self.packets.insert(seq, Packet { timestamp, marker, starts_keyframe });
        self.decode(at);
    }

    /// Numbers below `oldest` do not come any more: what hangs on them is lost.
    pub(super) fn give_up(&mut self, oldest: Option<u64>) {
        let Some(next) = self.next else { return };
        // The hole in front is not waited for: only a keyframe behind it helps.
        let hole = !self.packets.contains_key(&next) && !self.packets.is_empty();
        if hole && oldest.is_none_or(|oldest| oldest > next) {
            self.next = None;
        }
    }

    /// Nothing can be decoded as things are.
    pub(super) fn is_stuck(&self) -> bool {
        self.next.is_none_or(|next| !self.packets.is_empty() && !self.packets.contains_key(&next))
    }

    /// The last time that something could.
    pub(super) fn waiting_since(&self) -> Option<Instant> {
        self.last
    }

    /// Decoded and lost frames, freezes, and when the first was decoded.
    pub(super) const fn counts(&self) -> (u64, u64, u64, Option<Instant>) {
        (self.decoded, self.lost, self.freezes, self.first)
    }

    fn decode(&mut self, at: Instant) {
        loop {
            let begins = self.next.filter(|next| self.end_of_frame(*next).is_some()).or_else(|| self.whole_keyframe());
            let Some((begins, end)) = begins.and_then(|begins| Some((begins, self.end_of_frame(begins)?))) else {
                return;
            };
            // Frames that were skipped for a keyframe.
            let skipped: Vec<u32> = self.packets.range(..begins).map(|(_, packet)| packet.timestamp).collect();
            self.lost += skipped.chunk_by(|a, b| a == b).count() as u64;
            self.packets = self.packets.split_off(&(end + 1));
            self.next = Some(end + 1);
            self.shown(at);
        }
    }

    /// The last packet of the frame that begins with this number, when all of it is there.
    fn end_of_frame(&self, begins: u64) -> Option<u64> {
        let first = self.packets.get(&begins)?;
        for (expected, (seq, packet)) in (begins..).zip(self.packets.range(begins..)) {
            if *seq != expected || packet.timestamp != first.timestamp {
                return None;
            }
            if packet.marker {
                return Some(*seq);
            }
        }
        None
    }

    /// The newest keyframe that is whole, if there is no going on without.
    fn whole_keyframe(&self) -> Option<u64> {
        let keyframes = self.packets.iter().rev().filter(|(_, packet)| packet.starts_keyframe);
        keyframes.map(|(seq, _)| *seq).find(|seq| self.end_of_frame(*seq).is_some())
    }

    fn shown(&mut self, at: Instant) {
        self.decoded += 1;
        self.first.get_or_insert(at);
        if let Some(last) = self.last.replace(at) {
            let pause = at.saturating_duration_since(last);
            let usual = self.pauses.iter().sum::<Duration>() / self.pauses.len().max(1) as u32;
            if self.pauses.len() >= USUAL && pause > (3 * usual).max(usual + FREEZE) {
                self.freezes += 1;
            }
            if self.pauses.len() == USUAL {
                self.pauses.remove(0);
            }
            self.pauses.push(pause);
        }
    }
}
