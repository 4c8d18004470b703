//! Which encoding a subscriber gets, and when it moves to another one.
//!
//! The target is the highest encoding that flows and is not above the maximum; when all that flow are above it, the lowest of
//! them, because a publisher that stopped its small pictures is no reason for a black tile. A move happens at a keyframe of
//! the target. Invariant: what the subscriber has changes only when the forwarder reports back what it did, or when that is gone.

use std::time::{Duration, Instant};

use super::facts::{Layer, Prerequisite};
use super::packet::Packet;
use crate::codec::{CodecName, Kind};

/// Who has nothing to show waits so long for the target's keyframe and then takes a lower encoding's too.
/// Higher: fewer starts in low quality. Lower: a picture sooner when the target does not answer. (`LiveKit` waits 1 s.)
const GRACE: Duration = Duration::from_millis(300);

/// A set of encodings, by index.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encodings(u8);

impl Encodings {
    /// As many as a track may have.
    pub const MAX: u8 = 8;

    /// With `encoding` in it.
    #[must_use]
    pub const fn with(self, encoding: u8) -> Self {
        if encoding < Self::MAX { Self(self.0 | 1 << encoding) } else { self }
    }

    /// Whether `encoding` is in it.
    pub const fn contains(self, encoding: u8) -> bool {
        encoding < Self::MAX && self.0 >> encoding & 1 == 1
    }

    /// Whether nothing is in it.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The highest one not above `limit`, else the lowest one.
    pub const fn best(self, limit: u8) -> Option<u8> {
        let allowed = if limit >= Self::MAX - 1 { self.0 } else { self.0 & ((1 << (limit + 1)) - 1) };
        if allowed != 0 {
            Some(allowed.ilog2() as u8)
        } else if self.0 != 0 {
            Some(self.0.trailing_zeros() as u8)
        } else {
            None
        }
    }
}

impl FromIterator<u8> for Encodings {
    fn from_iter<I: IntoIterator<Item = u8>>(encodings: I) -> Self {
        encodings.into_iter().fold(Self::default(), Self::with)
    }
}

/// One uninterrupted run of packets whose numbers and pictures belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Source {
    /// The encoding.
    pub(crate) encoding: u8,
    epoch: u16,
    codec: CodecName,
}

impl Source {
    /// Where `packet` comes from.
    pub(crate) const fn of(packet: &Packet<'_>) -> Self {
        // RED is Opus in another form (RFC 2198): a publisher may change between them with every packet.
        let codec = match packet.codec {
            CodecName::Red => CodecName::Opus,
            codec => codec,
        };
        Self { encoding: packet.encoding, epoch: packet.epoch, codec }
    }
}

/// What to do with a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is not for this subscriber.
    Drop,
    /// It belongs to what the subscriber has.
    Forward,
    /// It is the first packet of what the subscriber has from now on.
    Switch,
}

/// What a subscriber wants, may have and has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerSelector {
    kind: Kind,
    max: Layer,
    flowing: Encodings,
    /// Paused or muted.
    held: bool,
    /// More goes out than there is bandwidth for.
    sparing: bool,
    current: Option<Source>,
    /// What the subscriber had last: of that it has the parameter sets.
    last: Option<Source>,
    /// Since when there is nothing to show.
    waiting: Option<Instant>,
}

impl LayerSelector {
    /// Wants the best and has nothing.
    pub(crate) const fn new(kind: Kind) -> Self {
        Self {
            kind,
            max: Layer::MAX,
            flowing: Encodings(0),
            held: false,
            sparing: false,
            current: None,
            last: None,
            waiting: None,
        }
    }

    /// Nothing above this; `None` is the highest that flows.
    pub(crate) fn set_max(&mut self, max: Option<Layer>) {
        self.max = max.unwrap_or(Layer::MAX);
    }

    /// The maximum.
    pub(crate) const fn max(&self) -> Layer {
        self.max
    }

    /// Holds everything back, or ends that.
    pub(crate) fn set_held(&mut self, held: bool) {
        if held {
            (self.current, self.waiting) = (None, None);
        }
        self.held = held;
    }

    /// The encodings that flow.
    pub(crate) fn set_flowing(&mut self, flowing: Encodings) {
        self.flowing = flowing;
    }

    /// What the subscriber has.
    pub(crate) const fn current(&self) -> Option<Source> {
        self.current
    }

    /// Whether what the subscriber has still flows.
    pub(crate) fn is_flowing(&self) -> bool {
        self.current.is_some_and(|source| self.flowing.contains(source.encoding))
    }

    /// The encoding that the subscriber should have.
    pub(crate) const fn target(&self) -> Option<u8> {
        if self.held { None } else { self.flowing.best(self.max.spatial) }
    }

    /// Whether the way to the subscriber is full.
    pub(crate) fn set_sparing(&mut self, sparing: bool) {
        self.sparing = sparing;
    }

    /// Whether as little as possible is to go out until a lower encoding has begun.
    pub(crate) fn spares(&self) -> bool {
        let is_below = |source: Source| self.target().is_some_and(|target| target < source.encoding);
        self.sparing && self.current.is_some_and(is_below)
    }

    /// The encoding whose keyframe is awaited.
    pub(crate) fn wants_keyframe(&self) -> Option<u8> {
        let target = self.target().filter(|_| self.kind == Kind::Video)?;
        (self.current.map(|source| source.encoding) != Some(target)).then_some(target)
    }

    /// Notes that a packet came, and says what to do with it.
    #[inline]
    pub(crate) fn select(&mut self, now: Instant, packet: &Packet<'_>) -> Decision {
        if self.current == Some(Source::of(packet)) && self.flowing.contains(packet.encoding) {
            self.waiting = None;
            return Decision::Forward;
        }
        self.observe(now, packet);
        self.decide(now, packet)
    }

    /// Notes that a packet came: its encoding flows, and what was before a restart is gone.
    fn observe(&mut self, now: Instant, packet: &Packet<'_>) {
        self.flowing = self.flowing.with(packet.encoding);
        if self.current.is_some_and(|source| source.encoding == packet.encoding && source != Source::of(packet)) {
            self.start_over();
        }
        if self.is_flowing() {
            self.waiting = None;
        } else if self.waiting.is_none() {
            self.waiting = Some(now);
        }
    }

    /// What to do with `packet`.
    fn decide(&self, now: Instant, packet: &Packet<'_>) -> Decision {
        if self.held {
            return Decision::Drop;
        }
        if self.current == Some(Source::of(packet)) {
            return Decision::Forward;
        }
        let has_parameter_sets =
            packet.facts.prerequisite != Prerequisite::ParameterSets || self.last == Some(Source::of(packet));
        let may_start = (packet.facts.keyframe && has_parameter_sets) || self.kind == Kind::Audio;
        let switch = may_start && (self.target() == Some(packet.encoding) || self.is_stopgap(now, packet));
        if switch { Decision::Switch } else { Decision::Drop }
    }

    /// The forwarder did switch to `packet`.
    pub(crate) fn switched(&mut self, packet: &Packet<'_>) {
        self.current = Some(Source::of(packet));
        self.last = self.current;
        self.waiting = None;
    }

    /// Forgets what the subscriber has.
    pub(crate) fn start_over(&mut self) {
        (self.current, self.last, self.waiting) = (None, None, None);
    }

    fn is_stopgap(&self, now: Instant, packet: &Packet<'_>) -> bool {
        let waited = self.waiting.is_some_and(|since| now.saturating_duration_since(since) >= GRACE);
        waited && !self.is_flowing() && packet.encoding <= self.max.spatial
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Dependencies;
    use crate::layer::facts::FrameFacts;
    use sfu_wire::SeqNo;

    fn packet(arrival: Instant, encoding: u8, keyframe: bool) -> Packet<'static> {
        Packet {
            encoding,
            epoch: 0,
            seq: SeqNo::new(1),
            newest: SeqNo::new(1),
            timestamp: 0,
            marker: false,
            codec: CodecName::Vp8,
            payload: &[0],
            facts: FrameFacts { keyframe, ..FrameFacts::opaque(false) },
            dependencies: Dependencies::None,
            arrival,
        }
    }

    fn selector(now: Instant, current: Option<u8>, flowing: &[u8]) -> LayerSelector {
        let mut selector = LayerSelector::new(Kind::Video);
        selector.set_flowing(flowing.iter().copied().collect());
        if let Some(encoding) = current {
            selector.switched(&packet(now, encoding, true));
        }
        selector
    }

    #[test]
    fn the_default_is_the_highest_encoding_that_flows() {
        let now = Instant::now();
        let mut selector = selector(now, Some(2), &[0, 1, 2]);
        assert_eq!((selector.target(), selector.wants_keyframe()), (Some(2), None));
        selector.set_flowing([0, 1].into_iter().collect());
        assert_eq!(selector.wants_keyframe(), Some(1), "it falls back");
        selector.switched(&packet(now, 1, true));
        selector.observe(now, &packet(now, 2, false));
        assert_eq!(selector.wants_keyframe(), Some(2), "it returns");
        assert_eq!(selector.decide(now, &packet(now, 2, false)), Decision::Drop);
        assert_eq!(selector.decide(now, &packet(now, 1, false)), Decision::Forward);
        assert_eq!(selector.decide(now, &packet(now, 2, true)), Decision::Switch);
    }

    #[test]
    fn a_maximum_below_everything_gets_the_lowest() {
        let flowing: Encodings = [1, 2].into_iter().collect();
        assert_eq!(flowing.best(0), Some(1));
        assert_eq!(flowing.best(1), Some(1));
        assert_eq!(flowing.best(7), Some(2));
        assert_eq!(Encodings::default().best(7), None);
    }

    #[test]
    fn a_flowing_picture_is_not_left_for_anything_but_the_target() {
        let now = Instant::now();
        let later = now + Duration::from_secs(5);
        let selector = selector(now, Some(0), &[0, 1, 2]);
        assert_eq!(selector.decide(later, &packet(later, 1, true)), Decision::Drop);
    }

    #[test]
    fn who_sees_nothing_takes_a_lower_keyframe_after_a_grace() {
        let now = Instant::now();
        let mut selector = selector(now, None, &[0, 1, 2]);
        selector.observe(now, &packet(now, 0, true));
        assert_eq!(selector.decide(now, &packet(now, 0, true)), Decision::Drop);
        assert_eq!(selector.decide(now + GRACE, &packet(now, 0, true)), Decision::Switch);
    }

    #[test]
    fn only_who_had_the_encoding_last_has_its_parameter_sets() {
        let now = Instant::now();
        let mut selector = selector(now, Some(1), &[0, 1]);
        let bare = |encoding| {
            let packet = packet(now, encoding, true);
            Packet { facts: FrameFacts { prerequisite: Prerequisite::ParameterSets, ..packet.facts }, ..packet }
        };
        selector.set_held(true);
        selector.set_held(false);
        assert_eq!(selector.decide(now, &bare(1)), Decision::Switch, "it resumes");
        selector.switched(&packet(now, 0, true));
        assert_eq!(selector.decide(now, &bare(1)), Decision::Drop, "those of the other encoding took their place");
        assert_eq!(selector.decide(now, &packet(now, 1, true)), Decision::Switch);
    }

    #[test]
    fn a_restart_waits_for_a_keyframe_of_the_new_run() {
        let now = Instant::now();
        let mut selector = selector(now, Some(0), &[0]);
        let restarted = Packet { epoch: 1, ..packet(now, 0, false) };
        selector.observe(now, &restarted);
        assert_eq!(selector.decide(now, &restarted), Decision::Drop);
        assert_eq!(selector.wants_keyframe(), Some(0));
        assert_eq!(selector.decide(now, &packet(now, 0, false)), Decision::Drop, "what is late from before it");
    }
}
