//! Whether to probe for what a large drop of the estimate has cost. A limited application learns nothing from its own
//! traffic, so after a drop for a passing reason its estimate would stay low (libwebrtc `probe_controller.cc`).
//!
//! The controller tells of estimates and asks when an overuse is over. Invariant: one probe in [`INTERVAL`] at most.

use std::time::{Duration, Instant};

use sfu_wire::Bitrate;

/// A large drop leaves less than this share of the estimate. Higher: usual decreases count. Lower: large ones do not.
/// (libwebrtc `probe_controller.cc`)
const DROP_SHARE: f64 = 0.66;
/// What is probed for, as a share of the estimate before the drop. (libwebrtc `probe_controller.cc`)
const PROBED_SHARE: f64 = 0.85;
/// How far a result may fall below its probe: one that may show no more than the estimate is not worth it.
/// (libwebrtc `probe_controller.cc`)
const UNCERTAINTY: f64 = 0.05;
/// A drop is recent for so long. Longer: probes for what is long gone. (libwebrtc `probe_controller.cc`)
const DROP_TIMEOUT: Duration = Duration::from_secs(5);
/// An application that was limited until so long ago still counts as limited. (libwebrtc `probe_controller.cc`)
const LIMITED_TIMEOUT: Duration = Duration::from_secs(3);
/// Between two probes. Shorter: a path that drops again and again is probed as often. (libwebrtc `probe_controller.cc`)
const INTERVAL: Duration = Duration::from_secs(5);

/// The last large drop, and what bears on it.
#[derive(Debug, Default)]
pub(super) struct Recovery {
    /// When, and what the estimate was before.
    drop: Option<(Instant, Bitrate)>,
    /// When the application was last no longer limited.
    limited_until: Option<Instant>,
    last_probe: Option<Instant>,
}

impl Recovery {
    /// On a path that is new, so that drops on it are what they seem to be.
    pub(super) fn on_new_path(now: Instant) -> Self {
        Self { last_probe: Some(now), ..Self::default() }
    }

    pub(super) fn handle_estimate(&mut self, now: Instant, before: Bitrate, after: Bitrate) {
        if after < before * DROP_SHARE {
            self.drop = Some((now, before));
        }
    }

    /// The application is no longer limited.
    pub(super) fn handle_limited_end(&mut self, now: Instant) {
        self.limited_until = Some(now);
    }

    /// What to probe for now that the overuse is over. If that shows less, the drop was real.
    pub(super) fn target(&self, now: Instant, limited: bool, estimate: Bitrate) -> Option<Bitrate> {
        let within = |at: Option<Instant>, time| at.is_some_and(|at: Instant| now.saturating_duration_since(at) < time);
        let (at, before) = self.drop?;
        let target = before * PROBED_SHARE;
        let called_for = limited || within(self.limited_until, LIMITED_TIMEOUT);
        let allowed = within(Some(at), DROP_TIMEOUT) && !within(self.last_probe, INTERVAL);
        (called_for && allowed && target * (1.0 - UNCERTAINTY) > estimate).then_some(target)
    }

    /// A probe for it was started.
    pub(super) fn attempted(&mut self, now: Instant) {
        self.last_probe = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEFORE: Bitrate = Bitrate::new(500);
    const AFTER: Bitrate = Bitrate::new(250);
    const MS: Duration = Duration::from_millis(1);

    fn dropped(now: Instant, after: Bitrate) -> Recovery {
        let mut recovery = Recovery::default();
        recovery.handle_estimate(now, BEFORE, after);
        recovery
    }

    #[test]
    fn most_of_a_recent_drop_is_probed_for() {
        let now = Instant::now();
        let recovery = dropped(now, AFTER);
        assert_eq!(recovery.target(now, true, AFTER), Some(Bitrate::new(425)));
        assert_eq!(recovery.target(now + 4999 * MS, true, AFTER), Some(Bitrate::new(425)));
        assert_eq!(recovery.target(now + 5000 * MS, true, AFTER), None, "too late");
        assert_eq!(recovery.target(now, true, Bitrate::new(410)), None, "0.95 of 425 are less");
    }

    #[test]
    fn a_small_drop_is_no_drop() {
        let now = Instant::now();
        assert_eq!(dropped(now, Bitrate::new(330)).target(now, true, Bitrate::new(330)), None);
        assert!(dropped(now, Bitrate::new(329)).target(now, true, Bitrate::new(329)).is_some());
    }

    #[test]
    fn only_an_application_that_is_or_was_just_limited_needs_it() {
        let now = Instant::now();
        let mut recovery = dropped(now, AFTER);
        assert_eq!(recovery.target(now, false, AFTER), None);
        recovery.handle_limited_end(now);
        assert!(recovery.target(now + 2999 * MS, false, AFTER).is_some());
        assert_eq!(recovery.target(now + 3000 * MS, false, AFTER), None);
    }

    #[test]
    fn not_twice_in_five_seconds_nor_on_a_new_path() {
        let start = Instant::now();
        let mut recovery = Recovery::on_new_path(start);
        for (millis, expected) in [(4999, false), (5000, true), (9999, false), (10_000, true)] {
            let now = start + millis * MS;
            recovery.handle_estimate(now, BEFORE, AFTER);
            let target = recovery.target(now, true, AFTER);
            assert_eq!(target.is_some(), expected, "after {millis} ms");
            if target.is_some() {
                recovery.attempted(now);
            }
        }
    }
}
