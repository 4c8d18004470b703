//! When to probe for the next layer. The traffic of an SFU comes in steps: while a subscriber gets 500 kbit/s, the
//! estimate cannot grow to the 1.7 Mbit/s that the next layer takes, unless a probe of just that size is sent.
//!
//! The controller asks for the time of the next attempt, and tells of attempts and estimates. An attempt that shows
//! nothing, or whose rate does not last, is followed later and later. Invariant: after an attempt at some rate, the
//! next at that rate or above waits, unless the rate was reached.

use std::time::{Duration, Instant};

use sfu_wire::Bitrate;

/// From a first attempt that shows nothing to the second; each one after that waits twice as long.
/// Higher: slower up after the path has got better. Lower: more probes into a full path.
const MIN_WAIT: Duration = Duration::from_secs(2);
/// Higher: less padding on paths that stay too small. Lower: sooner up when one gets better.
const MAX_WAIT: Duration = Duration::from_secs(60);
/// A probe is measured with an uncertainty of so much: a rate that is no more than this below is enough.
/// Higher: up without being sure. Lower: good probes count as failed. (libwebrtc `probe_controller.cc`)
const UNCERTAINTY: f64 = 0.05;
/// A reached rate is lost when the estimate is below this share of it: that is one step of the delay-based estimator.
/// Higher: noise counts as loss. Lower: layers that do not fit are tried again at once.
const KEPT: f64 = 0.85;
/// A rate that was reached and kept for so long is had: the next attempt starts with the shortest wait.
/// Higher: slow up in two steps of the path. Lower: swings between two layers (mediasoup holds for as long).
const HOLD: Duration = Duration::from_secs(10);
/// What needs less than this share of a rate that failed is another thing, and is tried at once.
/// Higher: measured layer rates, which swing, get around the wait. Lower: a small layer waits for a large one.
const SMALLER: f64 = 0.85;

/// What is wanted, and how the attempts at it went.
#[derive(Debug, Default)]
pub(super) struct Upgrade {
    /// Zero: nothing.
    needed: Bitrate,
    wanted_at: Option<Instant>,
    tried: Option<Tried>,
}

/// The attempts since a rate was last had.
#[derive(Debug)]
struct Tried {
    /// The lowest rate that was tried and not reached; or the newest, reached.
    rate: Bitrate,
    reached: Option<Instant>,
    /// The next attempt, and how long the one after that waits.
    not_before: Instant,
    wait: Duration,
}

impl Upgrade {
    /// The total that the next layer needs, zero for nothing.
    pub(super) fn want(&mut self, now: Instant, needed: Bitrate) {
        self.needed = needed;
        self.wanted_at = Some(now);
    }

    pub(super) const fn needed(&self) -> Bitrate {
        self.needed
    }

    /// When to try; may be in the past.
    pub(super) fn due(&self, estimate: Bitrate) -> Option<Instant> {
        if suffices(estimate, self.needed) {
            return None;
        }
        match &self.tried {
            Some(tried) if !tried.leaves_open(self.needed) => Some(tried.not_before),
            _ => self.wanted_at,
        }
    }

    /// A probe for what is needed starts.
    pub(super) fn attempted(&mut self, now: Instant) {
        let needed = self.needed;
        let before = self.tried.as_ref().filter(|tried| !tried.is_above(needed));
        let wait = before.map_or(MIN_WAIT, |tried| tried.wait);
        let rate = before.filter(|tried| tried.reached.is_none()).map_or(needed, |tried| tried.rate.min(needed));
        self.tried = Some(Tried { rate, reached: None, not_before: now + wait, wait: (wait * 2).min(MAX_WAIT) });
    }

    pub(super) fn handle_estimate(&mut self, now: Instant, estimate: Bitrate) {
        let Some(tried) = &mut self.tried else { return };
        match tried.reached {
            None if suffices(estimate, tried.rate) => tried.reached = Some(now),
            Some(_) if estimate < tried.rate * KEPT => {
                tried.reached = None;
                tried.not_before = tried.not_before.max(now + tried.wait);
            }
            Some(at) if now.saturating_duration_since(at) >= HOLD => self.tried = None,
            _ => {}
        }
    }

    /// The path is another one: what was tried on the old one says nothing.
    pub(super) fn handle_network_change(&mut self) {
        self.tried = None;
    }
}

impl Tried {
    /// Whether this says nothing against trying `needed` at once.
    fn leaves_open(&self, needed: Bitrate) -> bool {
        self.is_above(needed) || self.reached.is_some() && !suffices(self.rate, needed)
    }

    fn is_above(&self, needed: Bitrate) -> bool {
        needed < self.rate * SMALLER
    }
}

/// Whether `rate` is `needed`, as far as a probe can tell.
fn suffices(rate: Bitrate, needed: Bitrate) -> bool {
    rate >= needed * (1.0 - UNCERTAINTY)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOW: Bitrate = Bitrate::from_kbps(700);
    const HIGH: Bitrate = Bitrate::from_kbps(2300);
    const ESTIMATE: Bitrate = Bitrate::from_kbps(400);

    /// Tries whenever it is due, for so many seconds; gives the second of each attempt.
    fn attempts(upgrade: &mut Upgrade, start: Instant, seconds: u64, estimate: Bitrate) -> Vec<u64> {
        let mut tried = Vec::new();
        for second in 0..seconds {
            let now = start + Duration::from_secs(second);
            upgrade.handle_estimate(now, estimate);
            if upgrade.due(estimate).is_some_and(|due| due <= now) {
                upgrade.attempted(now);
                tried.push(second);
            }
        }
        tried
    }

    #[test]
    fn what_fails_is_tried_later_and_later() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        upgrade.want(start, HIGH);
        assert_eq!(attempts(&mut upgrade, start, 250, ESTIMATE), [0, 2, 6, 14, 30, 62, 122, 182, 242]);
        upgrade.handle_network_change();
        assert_eq!(attempts(&mut upgrade, start, 10, ESTIMATE), [0, 2, 6], "another path starts anew");
    }

    #[test]
    fn nothing_is_tried_without_need() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        assert_eq!(attempts(&mut upgrade, start, 10, ESTIMATE), []);
        upgrade.want(start, LOW);
        assert_eq!(attempts(&mut upgrade, start, 10, Bitrate::from_kbps(665)), [], "within the uncertainty");
        assert_eq!(attempts(&mut upgrade, start, 1, Bitrate::from_kbps(664)), [0]);
        upgrade.want(start, Bitrate::ZERO);
        assert_eq!(upgrade.due(ESTIMATE), None);
    }

    #[test]
    fn a_reached_rate_lets_the_next_be_tried_at_once() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        upgrade.want(start, LOW);
        upgrade.attempted(start);
        upgrade.handle_estimate(start, LOW);
        upgrade.want(start, HIGH);
        assert_eq!(attempts(&mut upgrade, start, 10, LOW), [0, 4], "but at that rate it waits");
    }

    #[test]
    fn a_smaller_need_does_not_wait_for_a_larger_one() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        upgrade.want(start, HIGH);
        assert_eq!(attempts(&mut upgrade, start, 30, ESTIMATE).len(), 4);
        let later = start + Duration::from_secs(30);
        upgrade.want(later, HIGH * 0.9);
        assert_eq!(attempts(&mut upgrade, start, 30, ESTIMATE), [], "a swing of the layer's rate");
        upgrade.want(later, LOW);
        assert_eq!(attempts(&mut upgrade, later, 10, ESTIMATE), [0, 2, 6]);
    }

    #[test]
    fn needs_that_alternate_do_not_get_around_the_wait() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        let mut tried = Vec::new();
        for second in 0..240 {
            let now = start + Duration::from_secs(second);
            for needed in [HIGH, LOW] {
                upgrade.want(now, needed);
                if upgrade.due(ESTIMATE).is_some_and(|due| due <= now) {
                    upgrade.attempted(now);
                    tried.push(second);
                }
            }
        }
        assert_eq!(tried, [0, 0, 2, 6, 14, 30, 62, 122, 182]);
    }

    /// The probe gets through, the layer does not: its estimate falls again soon after.
    #[test]
    fn a_rate_that_does_not_last_counts_as_failed() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        upgrade.want(start, HIGH);
        let mut estimate = ESTIMATE;
        let mut tried = Vec::new();
        for second in 0..120 {
            let now = start + Duration::from_secs(second);
            upgrade.handle_estimate(now, estimate);
            estimate = ESTIMATE;
            if upgrade.due(estimate).is_some_and(|due| due <= now) {
                upgrade.attempted(now);
                tried.push(second);
                estimate = HIGH;
            }
        }
        assert_eq!(tried, [0, 6, 16, 34, 68]);
    }

    #[test]
    fn a_rate_that_lasts_ends_the_waiting() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        upgrade.want(start, HIGH);
        assert_eq!(attempts(&mut upgrade, start, 60, ESTIMATE).len(), 5);
        let later = start + Duration::from_secs(62);
        upgrade.attempted(later);
        assert_eq!(attempts(&mut upgrade, later, 12, HIGH), []);
        assert_eq!(attempts(&mut upgrade, later + Duration::from_secs(12), 10, ESTIMATE), [0, 2, 6]);
    }
}
