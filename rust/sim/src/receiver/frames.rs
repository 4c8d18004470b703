//! Puts frames together in the order of their numbers, and counts them as they would be shown.
//!
//! A frame is what lies between two markers under one timestamp. It is decoded when all before it were, or when it begins a
//! keyframe.

use std::collections::BTreeMap;
use std::time::Instant;

use sfu_peer::Playback;

/// What there is no going on without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// There is nothing to go on from.
    Keyframe,
    /// Of the frame that comes next.
    Packet,
}

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
    playback: Playback,
}

impl Frames {
    pub(super) fn add(&mut self, at: Instant, seq: u64, (timestamp, marker, starts_keyframe): (u32, bool, bool)) {
        if self.next.is_some_and(|next| seq < next) {
            return;
        }
        self.packets.insert(seq, Packet { timestamp, marker, starts_keyframe });
        self.decode(at);
    }

    /// Why nothing can be decoded as things are.
    pub(super) fn lacks(&self) -> Option<Lack> {
        match self.next {
            None => Some(Lack::Keyframe),
            Some(next) if !self.packets.is_empty() && self.end_of_frame(next).is_none() => Some(Lack::Packet),
            Some(_) => None,
        }
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
            let timestamp = self.packets.get(&begins).map_or(0, |packet| packet.timestamp);
            self.packets = self.packets.split_off(&(end + 1));
            self.next = Some(end + 1);
            self.shown(at, timestamp);
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

    fn shown(&mut self, at: Instant, timestamp: u32) {
        self.decoded += 1;
        let first = *self.first.get_or_insert(at);
        self.last = Some(at);
        self.freezes += u64::from(self.playback.decoded(at.saturating_duration_since(first), timestamp));
    }
}
