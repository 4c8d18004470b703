//! When to probe for the next layer. The traffic of an SFU comes in steps: while a subscriber gets 500 kbit/s, the
//! estimate cannot grow to the 1.7 Mbit/s that the next layer takes, unless a probe of just that size is sent.
//!
//! The controller asks for the time of the next attempt, and tells of attempts and estimates. Two things may go wrong, and cost differently:
//! a probe that shows too little has cost its bytes, so it is sent again as often as those are a hundredth of what passes; a rate that a
//! probe showed and that did not last has cost the viewer two switches, so it is tried later and later. Invariant: after an attempt at some rate, the
//! next at that rate or above waits, unless the rate was reached; and what is reached below says nothing about it.

use std::time::{Duration, Instant};

use sfu_wire::{Bitrate, DataSize};

/// From a first attempt that shows nothing to the second; each one after that waits twice as long.
/// Higher: slower up after the path has got better. Lower: more probes into a full path.
const MIN_WAIT: Duration = Duration::from_secs(2);
/// Of what passes, the share that probes may take which show nothing. Higher: more padding, and more moments of a queue, on paths that stay too
/// small. Lower: later up when one gets better. (Ours.)
const SHARE: f64 = 0.01;
/// A rate that was reached and kept for so long is had: what comes after that is another way. Higher: a way that gets worse, and better again, is
/// mistaken for one that never was good. Lower: swings between two layers. (mediasoup: 10 s. Ours.)
const HOLD: Duration = Duration::from_secs(6);
/// The wait of a rate that did not last, at first; each time it is twice as long. Higher: slow up in two steps of the path. Lower: swings between
/// two layers. (Ours.)
const MIN_PENALTY: Duration = Duration::from_secs(15);
/// Higher: stuck below for longer. Lower: more switches where a layer nearly fits. (Ours.)
const MAX_PENALTY: Duration = Duration::from_secs(120);
/// A probe is measured with an uncertainty of so much: a rate that is no more than this below is enough.
/// Higher: up without being sure. Lower: good probes count as failed. (libwebrtc `probe_controller.cc`)
const UNCERTAINTY: f64 = 0.05;
/// A reached rate is lost when the estimate is below this share of it: that is one step of the delay-based estimator.
/// Higher: noise counts as loss. Lower: layers that do not fit are tried again at once.
const KEPT: f64 = 0.85;
/// What needs less than this share of a rate that failed is another thing, and is tried at once.
/// Higher: measured layer rates, which swing, get around the wait. Lower: a small layer waits for a large one.
const SMALLER: f64 = 0.85;
/// Rates that are kept apart. More: a longer search. Fewer: the failures of one step are taken for another's.
const RATES: usize = 4;

/// What is wanted, and how the attempts at it went.
#[derive(Debug, Default)]
pub(super) struct Upgrade {
    /// Zero: nothing.
    needed: Bitrate,
    wanted_at: Option<Instant>,
    tried: [Option<Tried>; RATES],
}

/// The attempts at a rate since it was last had.
#[derive(Debug, Clone, Copy)]
struct Tried {
    /// The lowest that was tried and not reached.
    rate: Bitrate,
    reached: Option<Instant>,
    /// The next attempt, and how long the one after that waits.
    not_before: Instant,
    wait: Duration,
    /// How long to wait when it is reached and does not last.
    penalty: Duration,
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
        let against = self.tried.iter().flatten().filter(|tried| !tried.leaves_open(self.needed));
        against.map(|tried| tried.not_before).max().or(self.wanted_at)
    }

    /// A probe of `size` for what is needed starts, where `estimate` passes.
    pub(super) fn attempted(&mut self, now: Instant, size: DataSize, estimate: Bitrate) {
        let needed = self.needed;
        let cheap = Duration::from_secs_f64((size.get() * 8) as f64 / (estimate.get().max(1) as f64 * SHARE));
        let longest = cheap.max(MIN_WAIT);
        let mut is_known = false;
        // Who could not be shown this much could not be shown less either.
        for tried in self.tried.iter_mut().flatten().filter(|tried| !tried.is_above(needed)) {
            let is_it = tried.is_near(needed);
            if tried.reached.is_none() || is_it {
                tried.not_before = now + tried.wait.min(longest);
                tried.wait = (tried.wait * 2).min(longest);
            }
            if is_it {
                tried.rate = if tried.reached.is_none() { tried.rate.min(needed) } else { needed };
                tried.reached = None;
                is_known = true;
            }
        }
        if !is_known {
            let new = Tried {
                rate: needed,
                reached: None,
                not_before: now + MIN_WAIT,
                wait: (MIN_WAIT * 2).min(longest),
                penalty: MIN_PENALTY,
            };
            self.insert(new);
        }
    }

    pub(super) fn handle_estimate(&mut self, now: Instant, estimate: Bitrate) {
        for slot in &mut self.tried {
            let Some(tried) = slot else { continue };
            match tried.reached {
                None if suffices(estimate, tried.rate) => tried.reached = Some(now),
                Some(_) if estimate < tried.rate * KEPT => {
                    tried.reached = None;
                    tried.not_before = tried.not_before.max(now + tried.penalty);
                    tried.penalty = (tried.penalty * 2).min(MAX_PENALTY);
                }
                Some(at) if now.saturating_duration_since(at) >= HOLD => *slot = None,
                _ => {}
            }
        }
    }

    /// The path is another one: what was tried on the old one says nothing.
    pub(super) fn handle_network_change(&mut self) {
        self.tried = [None; RATES];
    }

    /// In a free place, or in that of the one whose turn is next.
    fn insert(&mut self, new: Tried) {
        let place = self.tried.iter_mut().min_by_key(|slot| slot.map(|tried| tried.not_before));
        if let Some(place) = place {
            *place = Some(new);
        }
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

    fn is_near(&self, needed: Bitrate) -> bool {
        !self.is_above(needed) && self.rate >= needed * SMALLER
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
    /// 15 ms of four estimates.
    const SIZE: DataSize = DataSize::new(3000);

    /// Tries whenever it is due, for so many seconds; gives the second of each attempt.
    fn attempts(upgrade: &mut Upgrade, start: Instant, seconds: u64, estimate: Bitrate) -> Vec<u64> {
        let mut tried = Vec::new();
        for second in 0..seconds {
            let now = start + Duration::from_secs(second);
            upgrade.handle_estimate(now, estimate);
            if upgrade.due(estimate).is_some_and(|due| due <= now) {
                upgrade.attempted(now, SIZE, estimate);
                tried.push(second);
            }
        }
        tried
    }

    #[test]
    fn what_fails_is_tried_as_often_as_it_takes_a_hundredth_of_what_passes() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        upgrade.want(start, HIGH);
        // 24 kbit are a hundredth of 400 kbit/s in 6 s.
        assert_eq!(attempts(&mut upgrade, start, 30, ESTIMATE), [0, 2, 6, 12, 18, 24]);
        upgrade.handle_network_change();
        assert_eq!(attempts(&mut upgrade, start, 10, ESTIMATE * 4.0), [0, 2, 4, 6, 8], "cheap where more passes");
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
        upgrade.attempted(start, SIZE, ESTIMATE);
        upgrade.handle_estimate(start, LOW);
        upgrade.want(start, HIGH);
        assert_eq!(attempts(&mut upgrade, start, 7, LOW), [0, 2, 6], "but at that rate it waits");
    }

    #[test]
    fn a_smaller_need_does_not_wait_for_a_larger_one() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        upgrade.want(start, HIGH);
        assert_eq!(attempts(&mut upgrade, start, 30, ESTIMATE).len(), 6);
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
        for second in 0..30 {
            let now = start + Duration::from_secs(second);
            for needed in [HIGH, LOW] {
                upgrade.want(now, needed);
                if upgrade.due(ESTIMATE).is_some_and(|due| due <= now) {
                    upgrade.attempted(now, SIZE, ESTIMATE);
                    tried.push(second);
                }
            }
        }
        assert_eq!(tried, [0, 0, 2, 6, 12, 18, 24]);
    }

    /// The probe gets through, the layer does not: its estimate falls again soon after.
    #[test]
    fn a_rate_that_does_not_last_is_tried_later_and_later() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        upgrade.want(start, HIGH);
        let mut estimate = ESTIMATE;
        let mut tried = Vec::new();
        for second in 0..600 {
            let now = start + Duration::from_secs(second);
            upgrade.handle_estimate(now, estimate);
            estimate = ESTIMATE;
            if upgrade.due(estimate).is_some_and(|due| due <= now) {
                upgrade.attempted(now, SIZE, estimate);
                tried.push(second);
                estimate = HIGH;
            }
        }
        assert_eq!(tried, [0, 17, 49, 111, 233, 355, 477, 599], "two seconds are its own");
    }

    /// What is had below, a step that is taken and kept, is another thing.
    #[test]
    fn what_is_reached_below_does_not_bring_back_what_did_not_last_above() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        let mut tried = Vec::new();
        for second in 0..40 {
            let now = start + Duration::from_secs(second);
            for needed in [LOW, HIGH] {
                upgrade.want(now, needed);
                if upgrade.due(ESTIMATE).is_some_and(|due| due <= now) {
                    upgrade.attempted(now, SIZE, ESTIMATE);
                    upgrade.handle_estimate(now, needed);
                    tried.push((second, needed.get() / 1000));
                }
            }
            upgrade.handle_estimate(now, LOW);
        }
        let high: Vec<_> = tried.iter().filter(|(_, needed)| *needed == 2300).map(|(second, _)| *second).collect();
        assert_eq!(high, [0, 15], "{tried:?}");
    }

    #[test]
    fn a_rate_that_lasts_ends_the_waiting() {
        let start = Instant::now();
        let mut upgrade = Upgrade::default();
        upgrade.want(start, HIGH);
        assert_eq!(attempts(&mut upgrade, start, 60, ESTIMATE).len(), 11);
        let later = start + Duration::from_secs(62);
        upgrade.attempted(later, SIZE, ESTIMATE);
        assert_eq!(attempts(&mut upgrade, later, 17, HIGH), []);
        assert_eq!(attempts(&mut upgrade, later + Duration::from_secs(17), 10, ESTIMATE), [0, 2, 6]);
    }
}
