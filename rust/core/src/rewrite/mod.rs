//! Doing what `layer` decided: numbers that a subscriber sees stay continuous whatever was dropped and switched.
//!
//! Nothing here touches the shared packet: the outcome is a [`Patch`], small enough to be kept for every packet sent, so that
//! a resend is byte-equal. One file per codec whose descriptor carries numbers; H.264, H.265, AV1 and audio need RTP's alone.

pub(crate) mod dependency_descriptor;
mod form;
mod patch;
mod sequence;
pub(crate) mod timeline;
mod vp8;
mod vp9;

use std::time::Duration;

use sfu_wire::SeqNo;

use crate::codec::Kind;
use crate::layer::outcome::Outcome;
use crate::layer::{Dependency, Descriptor, Packet};
use dependency_descriptor::DependencyRewriter;
pub(crate) use form::Form;
pub use patch::Patch;
use sequence::SequenceMap;
use timeline::{Slew, TimestampRewriter};
use vp8::Vp8Rewriter;
use vp9::Vp9Rewriter;

/// The packet with the highest outgoing number.
#[derive(Debug, Clone, Copy)]
struct Last {
    seq: SeqNo,
    ended_frame: bool,
}

/// All numbers of one subscription.
#[derive(Debug, Clone)]
pub(crate) struct Rewriter {
    kind: Kind,
    first_seq: SeqNo,
    last: Option<Last>,
    /// Audio: the next packet begins a run, and with it a talkspurt.
    starts_talkspurt: bool,
    sequence: SequenceMap,
    timestamps: TimestampRewriter,
    vp8: Vp8Rewriter,
    vp9: Vp9Rewriter,
    dependencies: DependencyRewriter,
}

impl Rewriter {
    pub(crate) fn new(kind: Kind, first_seq: SeqNo, first_timestamp: u32) -> Self {
        let slew = match kind {
            Kind::Audio => Slew::Never,
            Kind::Video => Slew::EachFrame,
        };
        Self {
            kind,
            first_seq,
            last: None,
            starts_talkspurt: false,
            sequence: SequenceMap::new(),
            timestamps: TimestampRewriter::new(first_timestamp, slew),
            vp8: Vp8Rewriter::default(),
            vp9: Vp9Rewriter::default(),
            dependencies: DependencyRewriter::default(),
        }
    }

    /// Begins a run at `packet`, whose encoding stands `offset` from the timeline.
    ///
    /// The next number is last + 1 when the last sent packet ended a frame, else last + 2: the gap tells the receiver that
    /// the old frame is incomplete.
    pub(crate) fn start(&mut self, packet: &Packet<'_>, picture: Option<i64>, offset: i64) {
        let first = self.last.map_or(self.first_seq, |last| last.seq.plus(if last.ended_frame { 1 } else { 2 }));
        self.sequence.start(packet.seq, first);
        self.starts_talkspurt = self.kind == Kind::Audio;
        self.timestamps.start(packet.timestamp, offset);
        match (packet.facts.descriptor, picture) {
            (Descriptor::Vp8(descriptor), Some(picture)) => self.vp8.switch(&descriptor, picture),
            (Descriptor::Vp9(descriptor), Some(picture)) => self.vp9.switch(&descriptor, picture),
            _ => {}
        }
        if let Some(dependency) = packet.dependencies.known() {
            self.dependencies.switch(dependency);
        }
    }

    /// The next run is of another track and begins so much later than what was sent last.
    pub(crate) fn change_track(&mut self, passed: Duration) {
        self.timestamps.change_track((passed.as_micros() as i64) * 48 / 1000);
    }

    /// In the middle of a run packets begin to have dependency descriptors.
    pub(crate) fn start_dependencies(&mut self, dependency: &Dependency) {
        self.dependencies.switch(dependency);
    }

    /// Whether `seq` comes before where the run began.
    pub(crate) const fn precedes(&self, seq: SeqNo) -> bool {
        self.sequence.precedes(seq)
    }

    /// The number that was kept for a packet and is a gap if it is left out now.
    pub(crate) fn kept(&self, seq: SeqNo) -> Option<SeqNo> {
        self.sequence.kept(seq)
    }

    /// A packet is left out.
    pub(crate) fn leave_out(&mut self, seq: SeqNo) {
        self.sequence.leave_out(seq);
    }

    /// What is missing from `first` up to `end` would have been left out.
    pub(crate) fn close_gap(&mut self, first: SeqNo, end: SeqNo) {
        self.sequence.close_gap(first, end);
    }

    /// The numbers of a packet that goes out; `None` when it comes too late to have any.
    #[inline]
    pub(crate) fn rewrite(&mut self, packet: &Packet<'_>, outcome: Option<&Outcome>, offset: i64) -> Option<Patch> {
        let seq = self.sequence.pass(packet.seq)?;
        let starts_talkspurt = std::mem::take(&mut self.starts_talkspurt);
        let marker = packet.marker || starts_talkspurt || outcome.is_some_and(|outcome| outcome.ends_picture);
        let patch = Patch::new(seq, self.timestamps.rewrite(packet.timestamp, offset), marker);
        let newest = self.last.is_none_or(|last| seq > last.seq);
        if newest {
            self.last = Some(Last { seq, ended_frame: marker || self.kind == Kind::Audio });
        }
        let Some(outcome) = outcome else { return Some(patch) };
        let head = match (&packet.facts.descriptor, outcome.picture) {
            (Descriptor::Vp8(descriptor), Some(picture)) => {
                self.vp8.rewrite(descriptor, (picture, outcome.left_out_before), newest)
            }
            (Descriptor::Vp9(descriptor), Some(picture)) => self.vp9.rewrite(descriptor, picture, newest),
            _ => patch.head,
        };
        let dependency = match packet.dependencies.known() {
            Some(dependency) => self.dependencies.rewrite(dependency, outcome.active),
            None => patch.dependency,
        };
        Some(Patch { head, dependency, ..patch })
    }

    /// Where a moment of the timeline stands for the subscriber.
    pub(crate) const fn timestamp_at(&self, timeline: i64, offset: i64) -> u32 {
        self.timestamps.at(timeline, offset)
    }
}
