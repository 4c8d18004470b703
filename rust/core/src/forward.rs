//! One subscription's way through a track: what is selected, renumbered and patched, packet by packet.
//!
//! `layer` decides, `rewrite` does, and this file says in which order. Invariants: no outgoing sequence number is given twice,
//! what the SFU left out leaves no gap, and every packet of a frame has the fate of its first.

use std::time::{Duration, Instant};

use sfu_wire::SeqNo;

use crate::codec::Kind;
use crate::layer::early::EarlyPieces;
use crate::layer::frames::FrameLog;
use crate::layer::outcome::Outcome;
use crate::layer::references::ReferenceLog;
use crate::layer::selector::{Decision, LayerSelector};
use crate::layer::{Dependencies, Dependency, Encodings, Layer, Packet, Prerequisite};
use crate::rewrite::Rewriter;
use crate::stream::{PublisherClock, TimestampMap};

pub use crate::rewrite::Patch;

/// No report is made up for a stream that has been silent for longer. (mediasoup: 2 s.)
const REPORTABLE: Duration = Duration::from_secs(2);

/// So long the first packet of a keyframe may be missing, while its repair is asked for, before another keyframe is. The
/// packets behind it are not understood without it.
const STRUCTURE_WAIT: Duration = Duration::from_millis(300);

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Forwarder {
    kind: Kind,
    selector: LayerSelector,
    basis: Basis,
    frames: FrameLog,
    references: ReferenceLog,
    rewriter: Rewriter,
    /// The timestamp with which the run began.
    began: u64,
    early: EarlyPieces,
    holds: Holds,
    /// With more than one encoding, a spatial layer is an encoding.
    simulcast: bool,
    /// The highest layers that were seen inside an encoding.
    seen: Layer,
    /// The subscriber asked for a keyframe.
    picture_lost: bool,
    report_due: bool,
    catch_up: Option<(u8, SeqNo, SeqNo)>,
    gap: Option<SeqNo>,
    told: Told,
    voice: Voice,
}

/// Where audio is whose track may change.
#[derive(Debug, Clone, Copy, Default)]
struct Voice {
    /// When the last packet went out.
    sent: Option<Instant>,
    /// The next one is of another track.
    changed: bool,
}

/// By what a run is judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Basis {
    /// Payload descriptors.
    Payload,
    /// Dependency descriptors.
    Dependencies,
    /// Likewise, and packets have come since then whose structure has not.
    Unresolved(Instant),
}

/// Why everything is held back.
#[derive(Debug, Clone, Copy, Default)]
struct Holds {
    paused: bool,
    muted: bool,
    starved: bool,
}

impl Holds {
    const fn any(self) -> bool {
        self.paused || self.muted || self.starved
    }
}

/// What the owner knows already.
#[derive(Debug, Clone, Copy, Default)]
struct Told {
    layer: Option<Layer>,
    keyframe: Option<u8>,
}

impl Forwarder {
    /// Numbers go on from `first_seq`, which is to be below 2^15 (a receiver assumes rollover counter 0, RFC 3711 §3.3.1),
    /// and from `first_timestamp`.
    pub fn new(kind: Kind, first_seq: SeqNo, first_timestamp: u32) -> Self {
        Self {
            kind,
            selector: LayerSelector::new(kind),
            basis: Basis::Payload,
            frames: FrameLog::new(),
            references: ReferenceLog::new(),
            rewriter: Rewriter::new(kind, first_seq, first_timestamp),
            began: 0,
            early: EarlyPieces::default(),
            holds: Holds::default(),
            simulcast: false,
            seen: Layer::default(),
            picture_lost: false,
            report_due: false,
            catch_up: None,
            gap: None,
            told: Told::default(),
            voice: Voice::default(),
        }
    }

    /// Nothing above this; `None` is the highest that flows.
    pub fn set_max_layer(&mut self, max: Option<Layer>) {
        self.selector.set_max(max);
    }

    /// Held back by the subscriber, or no longer. Video resumes at a keyframe, audio at once.
    pub fn set_paused(&mut self, paused: bool) {
        self.holds.paused = paused;
        self.selector.set_held(self.holds.any());
    }

    /// Held back because the track is muted, or no longer.
    pub fn set_muted(&mut self, muted: bool) {
        self.holds.muted = muted;
        self.selector.set_held(self.holds.any());
    }

    /// More is sent than there is bandwidth for until a lower encoding has begun: meanwhile the current one goes with as few frames as it can.
    pub fn set_sparing(&mut self, sparing: bool) {
        self.selector.set_sparing(sparing);
    }

    /// Held back for want of bandwidth, or no longer.
    pub fn set_starved(&mut self, starved: bool) {
        self.holds.starved = starved;
        self.selector.set_held(self.holds.any());
    }

    /// Which encodings flow. A packet makes its encoding flow by itself; one that stalled must be told.
    pub fn set_available(&mut self, encodings: Encodings) {
        self.simulcast |= encodings.best(u8::MAX).is_some_and(|highest| highest > 0);
        self.selector.set_flowing(encodings);
    }

    /// Asks for the memory where the next frame will be remembered.
    pub(crate) fn prefetch(&self) {
        if self.kind == Kind::Video {
            self.frames.prefetch();
        }
    }

    /// What `packet`, of any encoding of the track, is for this subscriber; `None`: nothing.
    pub fn forward(&mut self, now: Instant, packet: &Packet<'_>, clock: &TimestampMap) -> Option<Patch> {
        if packet.payload.is_empty() {
            self.padding(packet.encoding, packet.seq);
            return None;
        }
        self.simulcast |= packet.encoding > 0;
        match self.selector.select(now, packet) {
            Decision::Drop => return None,
            Decision::Switch if !self.may_begin(packet) => return None,
            Decision::Switch => self.switch(now, packet, clock),
            Decision::Forward if self.rewriter.precedes(packet.seq) => return None,
            Decision::Forward => {}
        }
        let offset = clock.offset(packet.encoding);
        match self.kind {
            Kind::Audio => {
                self.voice.sent = Some(now);
                self.rewriter.rewrite(packet, None, offset)
            }
            Kind::Video => self.forward_video(now, packet, offset),
        }
    }

    /// A packet without payload came: nobody needs it, and in the current encoding its number is closed.
    pub fn padding(&mut self, encoding: u8, seq: SeqNo) {
        if self.encoding() == Some(encoding) && !self.rewriter.precedes(seq) {
            self.gap = self.rewriter.kept(seq);
            self.rewriter.leave_out(seq);
        }
    }

    /// Whether `seq` comes before where the run began.
    pub(crate) fn precedes(&self, seq: SeqNo) -> bool {
        self.rewriter.precedes(seq)
    }

    /// The subscriber cannot go on decoding (PLI, RFC 4585 §6.3.1; FIR, RFC 5104 §4.3.1).
    pub fn picture_lost(&mut self) {
        self.picture_lost = self.kind == Kind::Video && self.encoding().is_some();
    }

    /// What the subscriber has is not there any more: it starts over.
    pub fn restart(&mut self) {
        self.selector.start_over();
    }

    /// What comes from now on is of another track, whose clock has nothing to do with the last one's: numbers go on, and time by
    /// as much as has passed. Audio only.
    pub fn change_track(&mut self) {
        self.selector.start_over();
        self.selector.set_flowing(Encodings::default());
        self.voice.changed = true;
    }

    /// The encoding whose keyframe is awaited.
    pub fn wants_keyframe(&self) -> Option<u8> {
        let current = || self.encoding().filter(|_| self.picture_lost || self.misses_spatial_layer());
        self.selector.wants_keyframe().or_else(current)
    }

    /// The encoding that flows to the subscriber.
    pub fn encoding(&self) -> Option<u8> {
        self.selector.current().map(|source| source.encoding)
    }

    /// The layer that flows to the subscriber.
    pub fn layer(&self) -> Option<Layer> {
        let encoding = self.encoding().filter(|_| self.selector.is_flowing())?;
        let inside = match self.basis {
            Basis::Payload => {
                let (spatial, temporal) = self.frames.newest().map_or((0, 0), |f| (f.fate.spatial.top, f.joined.top()));
                Layer { spatial: spatial.min(self.seen.spatial), temporal: temporal.min(self.seen.temporal) }
            }
            Basis::Dependencies | Basis::Unresolved(_) => self.references.layer(),
        };
        Some(if self.simulcast { Layer { spatial: encoding, ..inside } } else { inside })
    }

    /// What flowed and what flows, when that changed since the last call.
    pub fn take_layer_change(&mut self) -> Option<(Option<Layer>, Option<Layer>)> {
        let layer = self.layer();
        let from = std::mem::replace(&mut self.told.layer, layer);
        (from != layer).then_some((from, layer))
    }

    /// Whether a run began since the last call: a sender report is due, so that the receiver keeps tracks in step.
    pub fn switched(&mut self) -> bool {
        std::mem::take(&mut self.report_due)
    }

    /// Packets of an encoding, first and last, that had overtaken the start of the keyframe that was switched to: they are to
    /// be forwarded now, from the history.
    pub fn take_catch_up(&mut self) -> Option<(u8, SeqNo, SeqNo)> {
        self.catch_up.take()
    }

    /// The outgoing number that was kept for the last packet, which came late and is for nobody: nothing will go out under it.
    pub(crate) fn take_gap(&mut self) -> Option<SeqNo> {
        self.gap.take()
    }

    /// Whether there is something to take or to ask for that was not there at the last call.
    pub fn is_unsettled(&mut self) -> bool {
        let keyframe = self.wants_keyframe();
        let asked = std::mem::replace(&mut self.told.keyframe, keyframe) != keyframe && keyframe.is_some();
        asked || self.report_due || self.catch_up.is_some() || self.told.layer != self.layer()
    }

    /// The subscriber's RTP timestamp now, for its sender report at our Unix time `unix` (RFC 3550 §6.4.1): by the publisher's
    /// own reports, so that its tracks stay in step however long each is on its way; before them by arrival. `None` while
    /// nothing flows.
    pub fn report_timestamp(
        &self,
        now: Instant,
        unix: Duration,
        publisher: &PublisherClock,
        clock: &TimestampMap,
    ) -> Option<u32> {
        let encoding = self.encoding()?;
        // Nobody knows where the clock of a stream that rests would stand.
        clock.last_arrival().filter(|last| now < *last + REPORTABLE)?;
        let by_reports = publisher.at(unix).and_then(|ntp| clock.at(ntp));
        let timeline = by_reports.or_else(|| clock.by_arrival(now))?;
        Some(self.rewriter.timestamp_at(timeline, clock.offset(encoding)))
    }

    fn forward_video(&mut self, now: Instant, packet: &Packet<'_>, offset: i64) -> Option<Patch> {
        if self.is_early(now, packet) {
            return None;
        }
        let outcome = match (self.basis, packet.dependencies) {
            (Basis::Payload, Dependencies::Known(dependency)) if dependency.starts_sequence => {
                self.rewriter.start_dependencies(dependency);
                self.start_references(dependency);
                self.judge_by_dependencies(packet, dependency)
            }
            // Leading pictures of the random access point that the run began with (ITU-T H.265 §8.1.3).
            (Basis::Payload, _)
                if packet.facts.prerequisite == Prerequisite::PicturesBefore && packet.timestamp < self.began =>
            {
                None
            }
            (Basis::Payload, _) => self.judge_by_payload(packet),
            (Basis::Unresolved(_), Dependencies::Known(dependency)) if dependency.starts_sequence => {
                // What had overtaken it is understood now.
                self.basis = Basis::Dependencies;
                self.catch_up = catch_up(packet);
                self.judge_by_dependencies(packet, dependency)
            }
            (_, Dependencies::Known(dependency)) => self.judge_by_dependencies(packet, dependency),
            (_, Dependencies::Unresolved) => {
                self.wait_for_structure(now);
                return None;
            }
            (_, Dependencies::None) if packet.facts.keyframe => {
                self.basis = Basis::Payload;
                self.frames.clear();
                self.judge_by_payload(packet)
            }
            (_, Dependencies::None | Dependencies::Outdated) => None,
        };
        match &outcome {
            Some(outcome) if outcome.forwarded => {
                self.picture_lost &= !packet.facts.keyframe;
                self.rewriter.rewrite(packet, Some(outcome), offset)
            }
            _ => {
                // Of a frame that is too old to know parts may have gone out.
                self.gap = outcome.and_then(|_| self.rewriter.kept(packet.seq));
                self.rewriter.leave_out(packet.seq);
                None
            }
        }
    }

    #[inline]
    fn judge_by_payload(&mut self, packet: &Packet<'_>) -> Option<Outcome> {
        self.seen.spatial = self.seen.spatial.max(packet.facts.spatial);
        self.seen.temporal = self.seen.temporal.max(packet.facts.temporal);
        let limit = self.limit();
        let mut fate = self.frames.decide(packet, limit)?;
        let highest = self.frames.highest();
        if highest.is_none_or(|highest| packet.seq > highest) {
            if let Some(highest) = highest.filter(|highest| packet.seq > highest.next())
                && let Some(unseen) = self.frames.left_out_in_gap(packet, &fate, limit)
            {
                self.rewriter.close_gap(highest.next(), packet.seq);
                fate = self.frames.leave_out_unseen(packet, unseen).unwrap_or(fate);
            }
            self.frames.advance(packet, &fate);
        }
        let outcome = fate.outcome(packet);
        if outcome.forwarded && outcome.ends_picture {
            self.frames.note_end(packet);
        }
        Some(outcome)
    }

    fn judge_by_dependencies(&mut self, packet: &Packet<'_>, dependency: &Dependency) -> Option<Outcome> {
        let outcome = self.references.decide(packet, dependency, self.limit())?;
        let highest = self.references.highest();
        if highest.is_none_or(|highest| packet.seq > highest) {
            if let Some(highest) = highest.filter(|highest| packet.seq > highest.next())
                && self.references.leave_out_gap(dependency, &outcome)
            {
                self.rewriter.close_gap(highest.next(), packet.seq);
            }
            self.references.advance(packet.seq, dependency, &outcome);
        }
        Some(outcome)
    }

    /// Whether the packet waits for the start of a keyframe that it overtook; the number of such a one stays free.
    fn is_early(&mut self, now: Instant, packet: &Packet<'_>) -> bool {
        let is_new = match packet.dependencies {
            Dependencies::Known(dependency) => self.references.is_ahead(dependency.number),
            _ => self.frames.newest().is_some_and(|newest| newest.is_before(packet)),
        };
        if !is_new {
            return false;
        }
        let had_none = self.early.is_empty();
        if had_none && !(EarlyPieces::is_piece(packet) && self.misses_spatial_layer()) {
            return false;
        }
        let verdict = self.early.take(now, packet);
        if let Some((first, last)) = verdict.release {
            self.catch_up = Some((packet.encoding, first, last));
        }
        verdict.held
    }

    /// The packet's number stays free: it is sent from the history when the structure has come.
    fn wait_for_structure(&mut self, now: Instant) {
        match self.basis {
            Basis::Unresolved(since) => self.picture_lost |= now >= since + STRUCTURE_WAIT,
            Basis::Payload | Basis::Dependencies => self.basis = Basis::Unresolved(now),
        }
    }

    fn start_references(&mut self, dependency: &Dependency) {
        self.basis = Basis::Dependencies;
        self.references.start(dependency, self.limit());
    }

    /// A run begins with a packet that goes out and has the structure: of independent layers each frame of a keyframe does.
    fn may_begin(&self, packet: &Packet<'_>) -> bool {
        packet.dependencies.known().is_none_or(|dependency| dependency.may_begin(self.limit()))
    }

    fn switch(&mut self, now: Instant, packet: &Packet<'_>, clock: &TimestampMap) {
        if std::mem::take(&mut self.voice.changed) {
            let passed = self.voice.sent.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
            self.rewriter.change_track(passed);
        }
        let limit = self.limit();
        let picture = if let Dependencies::Known(dependency) = packet.dependencies {
            self.start_references(dependency);
            self.references.decide(packet, dependency, limit).and_then(|outcome| outcome.picture)
        } else {
            self.basis = Basis::Payload;
            self.frames.clear();
            self.frames.decide(packet, limit).and_then(|fate| fate.picture)
        };
        self.rewriter.start(packet, picture, clock.offset(packet.encoding));
        (self.began, self.early) = (packet.timestamp, EarlyPieces::default());
        self.selector.switched(packet);
        self.report_due = true;
        // Audio has no keyframe whose parts are worth waiting for.
        self.catch_up = catch_up(packet).filter(|_| self.kind == Kind::Video);
    }

    /// The highest layers inside the encoding that are wanted.
    fn limit(&self) -> Layer {
        let max = self.selector.max();
        if !self.simulcast {
            return max;
        }
        let temporal = if self.selector.spares() { 0 } else { max.temporal };
        Layer { spatial: Layer::MAX.spatial, temporal }
    }

    /// An SVC stream has a layer that is wanted and cannot be entered without a keyframe.
    fn misses_spatial_layer(&self) -> bool {
        if self.basis != Basis::Payload {
            return self.references.needs_keyframe(self.limit());
        }
        let wanted = self.limit().spatial.min(self.seen.spatial);
        self.frames.newest().is_some_and(|frame| frame.fate.spatial.needs_keyframe_for(wanted))
    }
}

/// What came before `packet` and belongs behind it.
fn catch_up(packet: &Packet<'_>) -> Option<(u8, SeqNo, SeqNo)> {
    (packet.newest > packet.seq).then(|| (packet.encoding, packet.seq.next(), packet.newest))
}

#[cfg(test)]
mod tests;
