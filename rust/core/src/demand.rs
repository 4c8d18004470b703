//! Which layers of a track its subscribers may come to need, for the publisher's side to stop the others.
//!
//! A layer is needed when somebody's maximum is at or above it: the lower ones are the way down when a link gets worse. What is needed
//! again is told at once, what is not any more after [`HOLD`]. Invariant: what was told last is never less than what is needed.

use std::time::{Duration, Instant};

use crate::layer::Layer;

/// Nobody has needed a layer for so long when that is told. Higher: fewer restarts of encoders when people look around. Lower: less
/// is sent for nothing.
const HOLD: Duration = Duration::from_secs(3);

/// How many spatial layers there can be.
const SPATIAL: usize = Layer::MAX.spatial as usize + 1;

/// A set of layers: how many temporal layers of each spatial one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Layers([u8; SPATIAL]);

impl Layers {
    pub(crate) const SPATIAL: usize = SPATIAL;
    const ALL: Self = Self([Layer::MAX.temporal + 1; SPATIAL]);

    /// With everything at or below `max` in it.
    pub(crate) fn add(&mut self, max: Layer) {
        for count in self.0.iter_mut().take(usize::from(max.spatial) + 1) {
            *count = (*count).max(max.temporal.saturating_add(1));
        }
    }

    /// What there is of them when nothing is above `top`.
    fn within(self, top: Layer) -> Self {
        let count = |(spatial, count): (usize, u8)| {
            if spatial > usize::from(top.spatial) { 0 } else { count.min(top.temporal + 1) }
        };
        let mut counts = self.0.into_iter().enumerate().map(count);
        Self(std::array::from_fn(|_| counts.next().unwrap_or(0)))
    }

    /// How many temporal layers of each spatial one.
    pub(crate) const fn counts(self) -> [u8; SPATIAL] {
        self.0
    }

    /// Of so many temporal layers of each spatial one.
    pub(crate) fn of(counts: [u8; SPATIAL]) -> Self {
        Self(counts.map(|count| count.min(Layer::MAX.temporal + 1)))
    }

    /// Everything in one of the two.
    pub(crate) fn or(self, other: Self) -> Self {
        Self(std::array::from_fn(|spatial| self.0[spatial].max(other.0[spatial])))
    }

    /// The highest temporal layer of each spatial one.
    fn list(self) -> Vec<Layer> {
        let layer = |(spatial, count): (u8, u8)| Some(Layer { spatial, temporal: count.checked_sub(1)? });
        (0..).zip(self.0).filter_map(layer).collect()
    }
}

/// See the module's text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Demand {
    told: Layers,
    /// Since when less is needed than was told.
    falling: Option<Instant>,
    /// The highest that the track ever had. A publisher that sends fewer because it was told so may begin a new run (another codec)
    /// without the others: it has to hear when they are needed again all the same.
    top: Layer,
}

impl Demand {
    /// A publisher begins with everything.
    pub(crate) const fn new() -> Self {
        Self { told: Layers::ALL, falling: None, top: Layer { spatial: 0, temporal: 0 } }
    }

    /// `needed` is needed now of a track whose highest layers are `top`. `Some`: to be told.
    pub(crate) fn update(&mut self, now: Instant, needed: Layers, top: Layer) -> Option<Vec<Layer>> {
        self.top.spatial = self.top.spatial.max(top.spatial);
        self.top.temporal = self.top.temporal.max(top.temporal);
        let top = self.top;
        let (told, wanted) = (self.told.within(top), needed.within(top));
        if wanted == told {
            self.falling = None;
            return None;
        }
        let more = wanted.or(told) != told;
        if more {
            self.told = self.told.or(needed);
            self.falling = (self.told.within(top) != wanted).then_some(now);
        } else {
            let since = *self.falling.get_or_insert(now);
            if now < since + HOLD {
                return None;
            }
            (self.told, self.falling) = (needed, None);
        }
        Some(self.told.within(top).list())
    }

    /// When `update` may have something to tell though nothing else changes.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.falling.map(|since| since + HOLD)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOP: Layer = Layer { spatial: 2, temporal: 2 };

    fn needed(layers: &[(u8, u8)]) -> Layers {
        let mut needed = Layers::default();
        for (spatial, temporal) in layers.iter().copied() {
            needed.add(Layer { spatial, temporal });
        }
        needed
    }

    fn numbers(layers: &[Layer]) -> Vec<(u8, u8)> {
        layers.iter().map(|layer| (layer.spatial, layer.temporal)).collect()
    }

    #[test]
    fn less_is_told_after_a_while_and_more_at_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut demand = Demand::new();
        assert_eq!(demand.update(at(0), needed(&[(7, 7)]), TOP), None, "everything was wanted from the beginning");
        assert_eq!(demand.update(at(0), needed(&[(0, 7), (1, 0)]), TOP), None);
        assert_eq!(demand.poll_timeout(), Some(at(3000)));
        assert_eq!(demand.update(at(2999), needed(&[(0, 7), (1, 0)]), TOP), None);
        let told = demand.update(at(3000), needed(&[(0, 7), (1, 0)]), TOP).unwrap();
        assert_eq!(numbers(&told), [(0, 2), (1, 0)]);
        let told = demand.update(at(3001), needed(&[(2, 0)]), TOP).unwrap();
        assert_eq!(numbers(&told), [(0, 2), (1, 0), (2, 0)], "the frame rate of the lowest waits");
        let told = demand.update(at(6001), needed(&[(2, 0)]), TOP).unwrap();
        assert_eq!(numbers(&told), [(0, 0), (1, 0), (2, 0)]);
    }

    #[test]
    fn what_comes_back_in_time_is_not_told() {
        let start = Instant::now();
        let at = |s| start + Duration::from_secs(s);
        let mut demand = Demand::new();
        for second in 0..=60 {
            let layers: &[(u8, u8)] = if second % 2 == 0 { &[(2, 2)] } else { &[] };
            assert_eq!(demand.update(at(second), needed(layers), TOP), None);
        }
        assert_eq!(demand.update(at(70), needed(&[]), TOP).map(|layers| layers.len()), None);
        assert_eq!(demand.update(at(73), needed(&[]), TOP), Some(Vec::new()), "nobody needs any");
        assert_eq!(demand.poll_timeout(), None);
    }

    #[test]
    fn layers_that_are_learnt_of_later_are_no_news() {
        let start = Instant::now();
        let mut demand = Demand::new();
        let low = Layer { spatial: 0, temporal: 0 };
        assert_eq!(demand.update(start, needed(&[(7, 7)]), low), None);
        assert_eq!(demand.update(start + HOLD * 2, needed(&[(7, 7)]), TOP), None);
        assert_eq!(demand.update(start + HOLD * 2, needed(&[(1, 7)]), TOP), None);
        let told = demand.update(start + HOLD * 3, needed(&[(1, 7)]), TOP).unwrap();
        assert_eq!(numbers(&told), [(0, 2), (1, 2)]);
    }

    #[test]
    fn what_was_stopped_is_asked_for_again_in_another_run_too() {
        let start = Instant::now();
        let mut demand = Demand::new();
        assert_eq!(demand.update(start, needed(&[(0, 7)]), TOP), None);
        assert!(demand.update(start + HOLD, needed(&[(0, 7)]), TOP).is_some());
        let low = Layer { spatial: 0, temporal: 2 };
        assert_eq!(demand.update(start + HOLD * 2, needed(&[(0, 7)]), low), None, "a run without the others");
        let told = demand.update(start + HOLD * 2, needed(&[(7, 7)]), low).unwrap();
        assert_eq!(numbers(&told), [(0, 2), (1, 2), (2, 2)]);
    }
}
