//! What made a subscriber's layer change, and how long that took.
//!
//! A decision (somebody chose, paused, muted) is noted when it is taken; the change that comes of it is seen later, when the first
//! packet of the new layer goes out. What changes without a decision came from the publisher.

use std::time::{Duration, Instant};

use crate::event::LayerReason;

/// A decision that nothing came of within this time had nothing to change. Lower: slow streams (a screen share at 0.2 fps) lose
/// their reasons. Higher: what the publisher does is put down to an old decision.
const EXPIRY: Duration = Duration::from_secs(10);

/// See the module's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    decision: Option<(LayerReason, Instant)>,
    /// Since when a keyframe is awaited.
    awaited: Option<Instant>,
}

/// A change that has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Applied {
    pub(crate) reason: LayerReason,
    pub(crate) wait: Duration,
    pub(crate) keyframe_wait: Duration,
}

impl Change {
    /// A subscription begins.
    pub(crate) const fn new(now: Instant) -> Self {
        Self { decision: Some((LayerReason::Started, now)), awaited: None }
    }

    /// Something was decided that may change the layer.
    pub(crate) fn decided(&mut self, now: Instant, reason: LayerReason) {
        // Until there is a first picture everything is part of the start.
        if self.decision.is_none_or(|(standing, _)| standing != LayerReason::Started) {
            self.decision = Some((reason, now));
        }
    }

    /// Whether the subscription waits for a keyframe, after each change.
    pub(crate) fn awaits_keyframe(&mut self, now: Instant, awaits: bool) {
        if !awaits {
            self.awaited = None;
            let old = |(reason, at): (LayerReason, Instant)| reason != LayerReason::Started && now >= at + EXPIRY;
            self.decision = self.decision.filter(|decision| !old(*decision));
        } else if self.awaited.is_none() {
            self.awaited = Some(now);
        }
    }

    /// The layer has changed; `is_whole`: to what was decided. A lower frame rate may come before the encoding for whose keyframe it waits.
    pub(crate) fn applied(&mut self, now: Instant, is_whole: bool) -> Applied {
        let (decision, awaited) = (self.decision, self.awaited);
        if is_whole || decision.is_none_or(|(reason, _)| reason == LayerReason::Started) {
            (self.decision, self.awaited) = (None, None);
        }
        let (reason, since) = decision.unwrap_or((LayerReason::Flow, awaited.unwrap_or(now)));
        let wait = now.saturating_duration_since(since);
        let keyframe_wait = awaited.map_or(Duration::ZERO, |since| now.saturating_duration_since(since)).min(wait);
        Applied { reason, wait, keyframe_wait }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_change_tells_its_reason_and_its_wait() {
        let start = Instant::now();
        let mut change = Change::new(start);
        change.awaits_keyframe(start + seconds(1), true);
        change.decided(start + seconds(1), LayerReason::Chosen);
        let applied = change.applied(start + seconds(3), true);
        let expected = Applied { reason: LayerReason::Started, wait: seconds(3), keyframe_wait: seconds(2) };
        assert_eq!(applied, expected, "all before the first picture is the start");
        change.decided(start + seconds(4), LayerReason::Chosen);
        change.awaits_keyframe(start + seconds(4), true);
        change.awaits_keyframe(start + seconds(5), true);
        let applied = change.applied(start + seconds(6), true);
        let expected = Applied { reason: LayerReason::Chosen, wait: seconds(2), keyframe_wait: seconds(2) };
        assert_eq!(applied, expected);
    }

    #[test]
    fn what_nobody_decided_came_from_the_publisher() {
        let start = Instant::now();
        let mut change = Change::new(start);
        change.applied(start, true);
        change.awaits_keyframe(start + seconds(1), true);
        let applied = change.applied(start + seconds(2), true);
        let expected = Applied { reason: LayerReason::Flow, wait: seconds(1), keyframe_wait: seconds(1) };
        assert_eq!(applied, expected);
        assert_eq!(change.applied(start + seconds(3), true).wait, Duration::ZERO);
    }

    #[test]
    fn a_decision_that_changed_nothing_is_forgotten() {
        let start = Instant::now();
        let mut change = Change::new(start);
        change.applied(start, true);
        change.decided(start, LayerReason::Chosen);
        change.awaits_keyframe(start + seconds(9), false);
        change.awaits_keyframe(start + seconds(10), false);
        assert_eq!(change.applied(start + seconds(11), true).reason, LayerReason::Flow);
        change.decided(start + seconds(20), LayerReason::Chosen);
        change.awaits_keyframe(start + seconds(21), true);
        change.awaits_keyframe(start + seconds(60), true);
        assert_eq!(change.applied(start + seconds(61), true).reason, LayerReason::Chosen, "it waits for a keyframe");
    }

    #[test]
    fn what_comes_in_two_steps_has_one_reason() {
        let start = Instant::now();
        let mut change = Change::new(start);
        change.applied(start, true);
        change.decided(start, LayerReason::Bandwidth);
        change.awaits_keyframe(start, true);
        assert_eq!(change.applied(start + seconds(1), false).reason, LayerReason::Bandwidth, "fewer frames");
        let whole = change.applied(start + seconds(2), true);
        let expected = Applied { reason: LayerReason::Bandwidth, wait: seconds(2), keyframe_wait: seconds(2) };
        assert_eq!(whole, expected);
    }
}
