//! One-way delays as a histogram: cheap enough for every packet, fine enough for its tail.

use std::time::Duration;

/// Below, each microsecond has a place of its own.
const FINE: u64 = 64;
/// Places of each doubling above: 3 % apart.
const STEPS: u64 = FINE / 2;

/// How many packets took how long, to the microsecond below 64 µs and to 3 % above.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delays {
    /// By place; as long as the longest delay wants it.
    counts: Vec<u64>,
}

impl Delays {
    /// Counts one.
    pub fn record(&mut self, delay: Duration) {
        let place = place(delay.as_micros() as u64);
        if self.counts.len() <= place {
            self.counts.resize(place + 1, 0);
        }
        self.counts[place] += 1;
    }

    /// Adds those of another.
    pub fn merge(&mut self, other: &Self) {
        if self.counts.len() < other.counts.len() {
            self.counts.resize(other.counts.len(), 0);
        }
        self.counts.iter_mut().zip(&other.counts).for_each(|(count, more)| *count += more);
    }

    /// What came on top of what there was `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let earlier = before.counts.iter().chain(std::iter::repeat(&0));
        Self {
            counts: self.counts.iter().zip(earlier).map(|(count, earlier)| count.saturating_sub(*earlier)).collect(),
        }
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The delay that `share` (0 to 1) of all do not exceed.
    pub fn percentile(&self, share: f64) -> Option<Duration> {
        let wanted = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut sum = 0;
        let reached = self.counts.iter().position(|count| {
            sum += count;
            sum >= wanted
        });
        reached.map(|place| Duration::from_micros(middle(place as u64)))
    }
}

fn place(micros: u64) -> usize {
    if micros < FINE {
        return micros as usize;
    }
    let doubling = u64::from(micros.ilog2() - FINE.ilog2());
    let step = (micros >> (doubling + 1)) - STEPS;
    (FINE + doubling * STEPS + step) as usize
}

/// Of the delays that share a place.
fn middle(place: u64) -> u64 {
    let Some(above) = place.checked_sub(FINE) else { return place };
    let (doubling, step) = (above / STEPS, above % STEPS);
    ((STEPS + step) << (doubling + 1)) + (1 << doubling)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_delay_has_a_place_near_it() {
        for micros in (0..10_000).chain([65_536, 1_000_000, 3_600_000_000]) {
            let found = middle(place(micros) as u64);
            assert!(found.abs_diff(micros) * 50 <= micros, "{micros}: {found}");
        }
        let places: Vec<usize> = (0..100_000).map(place).collect();
        assert!(places.windows(2).all(|pair| pair[1] == pair[0] || pair[1] == pair[0] + 1), "no place is left out");
    }

    #[test]
    fn percentiles_are_those_of_what_came_since() {
        let mut delays = Delays::default();
        assert_eq!(delays.percentile(0.5), None);
        delays.record(Duration::from_secs(5));
        let before = delays.clone();
        let mut more = Delays::default();
        (1..=50).for_each(|micros| more.record(Duration::from_micros(micros)));
        delays.merge(&more);
        let since = delays.since(&before);
        assert_eq!((since.count(), delays.count()), (50, 51));
        let of = |share| since.percentile(share).unwrap().as_micros();
        assert_eq!((of(0.0), of(0.5), of(0.99), of(1.0)), (1, 25, 50, 50));
        assert!(delays.percentile(1.0).unwrap() > Duration::from_secs(4));
    }
}
