//! What a subscription gets of its subscriber's bandwidth.
//!
//! A choice that has to be taken back soon after it was made was no good one, whatever the estimate said: a keyframe of a larger picture is
//! a burst that the estimate knows nothing of. So it is barred for a while, longer each time, until there is clearly more. Invariant: what is
//! barred is never what flows.

use std::time::{Duration, Instant};

use sfu_wire::Bitrate;

use crate::allocate::{Choice, Current, Point, Reason};
use crate::layer::Layer;
use crate::stats::ChoiceStats;

/// What is taken back within this time has failed. Higher: a way that gets worse soon after is mistaken for a bad choice.
/// (mediasoup: 10 s.)
const HOLD: Duration = Duration::from_secs(10);
/// How long a choice that failed is barred at first, and at most. Higher: fewer switches where a layer nearly fits. Lower: sooner up when its rate or
/// the others' have changed.
const BARRED: (Duration, Duration) = (Duration::from_secs(30), Duration::from_secs(120));
/// So many times the budget in which a choice failed is another way. Higher: up with the end of the bar only. Lower: noise ends it.
const CLEARLY_MORE: f64 = 1.25;
/// Rates are measured: what is so near to one that failed is the same.
const NEARLY: f64 = 0.97;

/// A choice that stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Share {
    /// `None`: nothing.
    layer: Option<Layer>,
    rate: Bitrate,
    since: Instant,
    reason: Reason,
    /// There is no more of its spatial layer than this: what comes of it later may pass.
    is_whole: bool,
    /// When it became more, and in which budget.
    risen: Option<(Instant, Bitrate)>,
    failed: [Option<Failed>; 2],
}

/// A choice that was taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failed {
    rate: Bitrate,
    /// In which it was made.
    budget: Bitrate,
    until: Instant,
    barred: Duration,
}

impl Failed {
    fn is_near(&self, rate: Bitrate) -> bool {
        rate >= self.rate * NEARLY && self.rate >= rate * NEARLY
    }
}

impl Share {
    /// The choice is another one, or goes on.
    pub(crate) fn new(now: Instant, before: Option<Self>, choice: &Choice, is_whole: bool, budget: Bitrate) -> Self {
        let new = Self {
            layer: choice.layer,
            rate: choice.rate,
            since: now,
            reason: choice.reason,
            is_whole,
            risen: None,
            failed: [None; 2],
        };
        let Some(before) = before else { return new };
        let mut failed = before.failed.map(|one| one.filter(|failed| !before.has_lasted(now, *failed)));
        if before.layer == choice.layer {
            return Self { since: before.since, risen: before.risen, failed, ..new };
        }
        // Rates of one layer swing; which is more is told by the layers.
        if before.layer < choice.layer {
            return Self { risen: Some((now, budget)), failed, ..new };
        }
        if let Some((at, budget)) = before.risen
            && now.saturating_duration_since(at) < HOLD
            && new.reason == Reason::Budget
        {
            let known = failed.iter().position(|one| one.is_some_and(|failed| failed.is_near(before.rate)));
            let barred = known.and_then(|place| failed[place]);
            let barred = barred.map_or(BARRED.0, |failed| (failed.barred * 2).min(BARRED.1));
            // Else in the place of the one whose bar falls first.
            let place = known.unwrap_or(usize::from(failed[0].map(|one| one.until) > failed[1].map(|one| one.until)));
            failed[place] = Some(Failed { rate: before.rate, budget, until: now + barred, barred });
        }
        Self { failed, ..new }
    }

    /// Whether what failed once has been had for long enough now.
    fn has_lasted(&self, now: Instant, failed: Failed) -> bool {
        self.rate >= failed.rate * NEARLY && now.saturating_duration_since(self.since) >= HOLD
    }

    /// The lowest rate that is barred, while `budget` is not clearly more than that in which it failed.
    fn barred(&self, now: Instant, budget: Bitrate) -> Option<Failed> {
        let barred = |failed: &&Failed| now < failed.until && budget < failed.budget * CLEARLY_MORE;
        self.failed.iter().flatten().filter(barred).min_by_key(|failed| failed.rate).copied()
    }

    /// Whether `point` may be chosen in `budget`.
    pub(crate) fn admits(&self, now: Instant, budget: Bitrate, point: &Point) -> bool {
        self.barred(now, budget)
            .is_none_or(|failed| point.rate < failed.rate * NEARLY || Some(point.layer) == self.layer)
    }

    /// What has to be shown before the bar falls, beyond what goes out.
    pub(crate) fn bar(&self, now: Instant, budget: Bitrate) -> Option<Bitrate> {
        self.barred(now, budget).map(|failed| failed.budget * CLEARLY_MORE)
    }

    /// What the application is told; `waits_for` is what is looked for on this way.
    pub(crate) fn told(&self, waits_for: Option<Bitrate>) -> ChoiceStats {
        // Of what is barred the division knows nothing.
        let is_barred = self.is_short() && matches!(self.reason, Reason::Best | Reason::Limit);
        let reason = if is_barred { Reason::Budget } else { self.reason };
        ChoiceStats { layer: self.layer, rate: self.rate, reason, waits_for }
    }

    /// For the next division.
    pub(crate) fn current(&self, now: Instant) -> Current {
        Current { layer: self.layer, age: now.saturating_duration_since(self.since) }
    }

    /// Whether bandwidth is what it lacks. Where a publisher sends no more, or more is not wanted, nothing is held back: what comes later passes at
    /// once, and is divided then.
    pub(crate) const fn is_short(&self) -> bool {
        matches!(self.reason, Reason::Budget | Reason::Hysteresis)
            || self.failed[0].is_some()
            || self.failed[1].is_some()
    }

    /// Whether it gets nothing for want of bandwidth.
    pub(crate) const fn is_nothing(&self) -> bool {
        self.layer.is_none() && self.is_short()
    }

    /// The highest layer that may pass when `max` was chosen by hand.
    pub(crate) fn within(&self, max: Option<Layer>) -> Option<Layer> {
        let Some(layer) = self.layer.filter(|_| self.is_short()) else { return max };
        let layer = if self.is_whole { Layer { temporal: Layer::MAX.temporal, ..layer } } else { layer };
        Some(max.map_or(layer, |max| Layer {
            spatial: layer.spatial.min(max.spatial),
            temporal: layer.temporal.min(max.temporal),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BUDGET: Bitrate = Bitrate::from_kbps(500);

    fn rate(layer: Layer) -> u64 {
        100 + u64::from(layer.spatial) * 150 + u64::from(layer.temporal) * 50
    }

    fn choice(layer: Option<(u8, u8)>, reason: Reason) -> Choice {
        let layer = layer.map(|(spatial, temporal)| Layer { spatial, temporal });
        Choice { layer, rate: Bitrate::from_kbps(layer.map_or(0, rate)), reason }
    }

    #[test]
    fn only_want_of_bandwidth_holds_back() {
        let now = Instant::now();
        let within = |layer, reason, whole, max: Option<(u8, u8)>| {
            let share = Share::new(now, None, &choice(layer, reason), whole, BUDGET);
            let max = max.map(|(spatial, temporal)| Layer { spatial, temporal });
            share.within(max).map(|layer| (layer.spatial, layer.temporal))
        };
        assert_eq!(within(Some((1, 2)), Reason::Best, true, None), None);
        assert_eq!(within(Some((1, 2)), Reason::NotFlowing, true, Some((2, 7))), Some((2, 7)));
        assert_eq!(within(Some((1, 1)), Reason::Budget, false, None), Some((1, 1)));
        assert_eq!(within(Some((1, 2)), Reason::Budget, true, None), Some((1, 7)));
        assert_eq!(within(Some((1, 2)), Reason::Hysteresis, true, Some((2, 0))), Some((1, 0)));
        let nothing = |reason| Share::new(now, None, &choice(None, reason), false, BUDGET).is_nothing();
        assert_eq!([nothing(Reason::Budget), nothing(Reason::NotFlowing)], [true, false]);
    }

    #[test]
    fn a_choice_that_goes_on_is_as_old_as_it_is() {
        let now = Instant::now();
        let later = now + Duration::from_secs(3);
        let first = Share::new(now, None, &choice(Some((1, 0)), Reason::Budget), false, BUDGET);
        let same = Share::new(later, Some(first), &choice(Some((1, 0)), Reason::Best), false, BUDGET);
        assert_eq!(same.current(later).age.as_secs(), 3);
        let other = Share::new(later, Some(first), &choice(Some((1, 1)), Reason::Best), false, BUDGET);
        assert_eq!(other.current(later).age.as_secs(), 0);
    }

    #[test]
    fn what_is_taken_back_soon_is_barred_for_longer_and_longer_until_there_is_clearly_more() {
        let (start, mut share) = (Instant::now(), None);
        let mut at = start;
        let mut choose = |at, layer, reason| {
            let new = Share::new(at, share, &choice(Some(layer), reason), false, BUDGET);
            share = Some(new);
            new
        };
        let high = Layer { spatial: 2, temporal: 0 };
        let point = Point {
            layer: high,
            rate: Bitrate::from_kbps(rate(high)),
            size: None,
            millihertz: None,
            flowing: true,
            keyframe: true,
        };
        assert!(choose(at, (1, 1), Reason::Budget).admits(at, BUDGET, &point));
        for barred in [30, 60, 120, 120] {
            assert!(choose(at, (2, 0), Reason::Best).admits(at, BUDGET, &point), "it flows");
            at += Duration::from_secs(1);
            let back = choose(at, (1, 1), Reason::Budget);
            let within = at + Duration::from_secs(barred - 1);
            assert!(!back.admits(within, BUDGET, &point) && back.is_short());
            assert!(back.admits(within, Bitrate::from_kbps(625), &point), "clearly more");
            assert_eq!(back.bar(within, BUDGET), Some(Bitrate::from_kbps(625)));
            let low = Point { layer: Layer { spatial: 1, temporal: 2 }, rate: Bitrate::from_kbps(350), ..point };
            assert!(back.admits(within, BUDGET, &low), "less than what failed");
            at += Duration::from_secs(barred);
            assert!(back.admits(at, BUDGET, &point), "{barred}");
        }
        choose(at, (2, 0), Reason::Best);
        at += HOLD;
        choose(at, (2, 0), Reason::Best);
        assert!(choose(at, (1, 1), Reason::Budget).admits(at, BUDGET, &point), "it has lasted: the way is another one");
    }
}
