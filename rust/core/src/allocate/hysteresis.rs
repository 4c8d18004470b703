//! What speaks for leaving things as they are: a bonus for a young choice, and a cost for moves that need a keyframe.
//!
//! Both change what a point is worth to the division, never what it costs, so the optimum keeps within the budget and
//! grows with it whatever they are. A track that was just paused is the exception: to come back it has to leave some
//! room, which makes its points dearer than they are, never cheaper. Invariant: with an age of [`HOLD`] only the cost
//! of keyframes is left.

use std::time::Duration;

use super::demand::Demand;
use crate::layer::Layer;

/// The bonus of a choice has gone after so long. Higher: fewer switches at the edge of a layer. Lower: a better picture
/// comes sooner when bandwidth does. (Signal looks at the lowest target of 2.5 s for layers that it does not send yet;
/// mediasoup waits 10 s after a decrease.)
pub(super) const HOLD: Duration = Duration::from_secs(4);
/// A move that needs a keyframe has to bring more than this part of what it moves to. Higher: frame rates fall further
/// before the size does, and fewer keyframes are asked of publishers, which cost all their viewers quality
/// (jitsi-videobridge #2448: one a second halves the frame rate). Lower: sooner the best point. At this value 1280 ×
/// 720 falls to 7.5 frames a second, not to 640 × 360 with 30.
const KEYFRAME_PART: u64 = 8;
/// A track that was just paused comes back when this part of its smallest rate would still be left, less and less of it
/// until [`HOLD`]. Higher: longer pauses. Lower: it comes and goes while the estimate moves up and down around it.
const HEADROOM_PART: u64 = 4;
/// A floor that needs a keyframe counts as dearer by this part when tracks of equal priority are put in order. Higher:
/// fewer changes between them while their rates move up and down. Lower: as many of them as possible.
const FLOOR_PART: u64 = 4;
/// A move that shows as much for less than this part of the rate is worth a keyframe.
const SAVING_PART: u64 = 2;

/// A point before its value is known.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plain {
    pub(super) layer: Layer,
    pub(super) rate: u64,
    pub(super) worth: u64,
    /// From the current point.
    pub(super) keyframe: bool,
}

/// Of one track.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hysteresis {
    running: Option<Layer>,
    paused: bool,
    /// Milliseconds until [`HOLD`].
    remaining: u64,
    /// What goes out now, if it still flows.
    current: Option<Plain>,
}

impl Hysteresis {
    pub(super) fn new(demand: &Demand, points: impl Iterator<Item = Plain>) -> Self {
        let running = demand.running();
        let remaining = demand.current.map_or(0, |current| millis(HOLD.saturating_sub(current.age)));
        let paused = demand.current.is_some_and(|current| current.layer.is_none());
        let same = points.filter(|point| Some(point.layer) == running);
        let current = same.min_by_key(|point| (point.rate, point.worth));
        Self { running, paused, remaining, current }
    }

    /// Whether a keyframe has to come before `point` can be shown.
    pub(super) fn needs_keyframe(&self, point: &Plain) -> bool {
        self.running.is_none_or(|running| running != point.layer && point.keyframe)
    }

    /// What `point` counts in the division.
    pub(super) fn value(&self, point: &Plain) -> u64 {
        match self.running {
            Some(running) if running == point.layer => point.worth + point.worth * self.remaining / millis(HOLD),
            Some(_) if point.keyframe && !self.saves(point) => point.worth - point.worth / KEYFRAME_PART,
            // Who has nothing yet needs a keyframe whichever point it begins with, so none is charged for it.
            _ => point.worth,
        }
    }

    /// What `rate` takes of the budget, for a track whose smallest rate is `smallest`.
    pub(super) fn cost(&self, rate: u64, smallest: u64) -> u64 {
        let headroom = if self.paused { smallest / HEADROOM_PART } else { 0 };
        let headroom = u128::from(headroom) * u128::from(self.remaining) / u128::from(millis(HOLD));
        rate.saturating_add(headroom as u64)
    }

    /// Nobody sees a difference but the network: a tile became smaller.
    fn saves(&self, point: &Plain) -> bool {
        let saves = |current: Plain| point.worth >= current.worth && point.rate <= current.rate / SAVING_PART;
        self.current.is_some_and(saves)
    }
}

/// What the floor of `cost` counts when floors are put in order.
pub(super) fn floor_price(cost: u64, keyframe: bool) -> u64 {
    if keyframe { cost.saturating_add(cost / FLOOR_PART) } else { cost }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocate::demand::Current;

    fn plain(spatial: u8, rate: u64, worth: u64, keyframe: bool) -> Plain {
        Plain { layer: Layer { spatial, temporal: 0 }, rate, worth, keyframe }
    }

    fn at(spatial: Option<u8>, age_ms: u64, current: Plain) -> Hysteresis {
        let layer = spatial.map(|spatial| Layer { spatial, temporal: 0 });
        let current_choice = Current { layer, age: Duration::from_millis(age_ms) };
        Hysteresis::new(&Demand { current: Some(current_choice), ..Demand::default() }, [current].into_iter())
    }

    #[test]
    fn a_young_choice_counts_twice_and_ever_less() {
        let current = plain(1, 500, 800, true);
        let values = [0, 1000, 2000, 3999, 4000, u64::MAX].map(|age| at(Some(1), age, current).value(&current));
        assert_eq!(values, [1600, 1400, 1200, 800, 800, 800]);
    }

    #[test]
    fn a_keyframe_costs_however_old_the_choice() {
        let hysteresis = at(Some(1), 60_000, plain(1, 500, 800, false));
        assert_eq!(hysteresis.value(&plain(2, 1500, 1600, true)), 1400);
        assert_eq!(hysteresis.value(&plain(2, 1500, 1600, false)), 1600);
    }

    #[test]
    fn who_has_nothing_yet_pays_for_no_keyframe() {
        let point = plain(2, 1500, 1600, true);
        let new = Hysteresis::new(&Demand::default(), [point].into_iter());
        assert_eq!((new.value(&point), at(None, 0, point).value(&point)), (1600, 1600));
        assert!(new.needs_keyframe(&plain(0, 1, 1, false)), "whatever the caller says");
    }

    #[test]
    fn showing_as_much_for_half_the_rate_is_worth_a_keyframe() {
        let hysteresis = at(Some(2), 60_000, plain(2, 1500, 800, false));
        assert_eq!(hysteresis.value(&plain(1, 750, 800, true)), 800);
        assert_eq!(hysteresis.value(&plain(1, 751, 800, true)), 700);
        assert_eq!(hysteresis.value(&plain(1, 100, 799, true)), 700, "it shows less (one eighth of 799 is 99)");
    }

    #[test]
    fn who_was_just_paused_leaves_room_when_coming_back() {
        let point = plain(0, 1000, 1, true);
        let costs = [0, 2000, 4000].map(|age| at(None, age, point).cost(1000, 400));
        assert_eq!(costs, [1100, 1050, 1000]);
        assert_eq!(at(Some(0), 0, point).cost(1000, 400), 1000, "who is running does not");
        assert_eq!(Hysteresis::new(&Demand::default(), [].into_iter()).cost(1000, 400), 1000, "nor who is new");
        assert_eq!(at(None, 0, point).cost(u64::MAX, u64::MAX), u64::MAX);
    }
}
