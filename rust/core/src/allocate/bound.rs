//! How good a division can be at best: the frontier of each track, and the relaxation in which steps may be taken in
//! part.
//!
//! The relaxation takes the steps of all tracks in order of what they bring for a bit, until one does not fit. That is
//! a division to begin with, and the slope of this step is a price for a bit which proves how far from the best any
//! division is: what a point loses at that price is lost for good. Invariant: whatever the price, the bound is one.

use super::items::Items;
use super::tiers::Floors;
use super::utility;

/// A bit's price has so many binary digits behind the point. Higher: a sharper bound. Lower: less room for large
/// numbers.
pub(super) const FRACTION: u32 = 30;
/// The values of two thousand tracks, each twice a utility at most, fit with their fraction.
const _: () = assert!((2 * utility::MAX) << FRACTION <= i64::MAX as u64 / 2000);
/// Losses from here on are all alike: nothing of that size is ever considered.
const MAX_LOSS: i64 = 1 << 61;

/// A point of a track that is the best one for some share of the budget.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entry {
    pub(super) cost: i64,
    pub(super) value: i64,
    /// Its place among the track's items.
    pub(super) item: usize,
    /// What a division with it has less than the bound, in parts of a unit ([`FRACTION`]).
    pub(super) loss: i64,
}

/// A track that is not paused. Places are those of entries.
#[derive(Debug, Clone, Copy)]
pub(super) struct Group {
    pub(super) track: usize,
    pub(super) first: usize,
    /// One behind its last entry.
    pub(super) end: usize,
    /// Where the relaxation stands.
    pub(super) base: usize,
    /// Where the division stands.
    pub(super) chosen: usize,
}

/// From one entry to the next on the upper hull of a track's frontier.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Value for a bit per second, with [`FRACTION`].
    slope: i64,
    cost: i64,
    group: usize,
    from: usize,
    to: usize,
}

/// A division, and what is known of better ones.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Relaxed {
    /// What the relaxation's whole part leaves of the budget. At the price of a bit this is what no division gains on
    /// that part.
    pub(super) slack: i64,
    /// A bit's price, in parts of a unit.
    pub(super) price: i64,
    /// What the relaxation's whole part has.
    pub(super) value: i64,
    /// What the division that was found has more than that.
    pub(super) gained: i64,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Frontier {
    pub(super) entries: Vec<Entry>,
    pub(super) groups: Vec<Group>,
    steps: Vec<Step>,
}

impl Frontier {
    /// Divides `budget`, of which all floors that were granted fit, among `items`.
    pub(super) fn relax(&mut self, budget: i64, items: &Items, floors: &Floors) -> Relaxed {
        self.fill(budget, items, floors);
        let largest = |group: &Group| self.entries.get(group.end - 1).map_or(0, |entry| entry.cost);
        if self.groups.iter().map(largest).sum::<i64>() <= budget {
            return self.all_at_their_best(budget);
        }
        self.steps.clear();
        for number in 0..self.groups.len() {
            self.hull(number);
        }
        // Slopes fall within a group, so its steps keep their order.
        self.steps.sort_unstable_by_key(|step| (std::cmp::Reverse(step.slope), step.group, step.from));
        self.walk(budget)
    }

    /// What is kept for its memory, in elements.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.entries.capacity() + self.groups.capacity() + self.steps.capacity()
    }

    /// The entries of all tracks: the cheapest that has the floor, and what brings more for more.
    fn fill(&mut self, budget: i64, items: &Items, floors: &Floors) {
        self.entries.clear();
        self.groups.clear();
        for track in 0..items.tracks() {
            let Some(granted) = floors.granted(track) else { continue };
            let first = self.entries.len();
            let mut best = -1;
            for (item, point) in items.of(track).iter().enumerate().filter(|(_, item)| item.rung >= granted.rung) {
                let value = point.value.0 as i64;
                let affordable = i64::try_from(point.cost).ok().filter(|cost| *cost <= budget);
                if let Some(cost) = affordable
                    && value > best
                {
                    best = value;
                    self.entries.push(Entry { cost, value, item, loss: 0 });
                }
            }
            if first < self.entries.len() {
                self.groups.push(Group { track, first, end: self.entries.len(), base: first, chosen: first });
            }
        }
    }

    fn all_at_their_best(&mut self, budget: i64) -> Relaxed {
        let (mut slack, mut value) = (budget, 0);
        for group in &mut self.groups {
            let best = group.end - 1;
            (group.base, group.chosen) = (best, best);
            slack -= self.entries[best].cost;
            value += self.entries[best].value;
        }
        Relaxed { slack, value, ..Relaxed::default() }
    }

    /// Adds the steps of a group. Slopes are rounded, so this is the hull but for a hair; the bound holds for any
    /// steps.
    fn hull(&mut self, number: usize) {
        let group = self.groups[number];
        let begin = self.steps.len();
        for to in group.first + 1..group.end {
            let mut step = self.step(number, to - 1, to);
            while let Some(last) = self.steps.get(begin..).and_then(<[Step]>::last)
                && last.slope <= step.slope
            {
                step = self.step(number, last.from, to);
                self.steps.pop();
            }
            self.steps.push(step);
        }
    }

    fn step(&self, group: usize, from: usize, to: usize) -> Step {
        let (low, high) = (&self.entries[from], &self.entries[to]);
        let cost = high.cost - low.cost;
        Step { slope: parts(high.value - low.value) / cost, cost, group, from, to }
    }

    /// Takes steps while they fit; the first that does not sets the price. Those behind it fill what is left.
    fn walk(&mut self, budget: i64) -> Relaxed {
        let cheapest = |sum: (i64, i64), group: &Group| {
            let entry = &self.entries[group.first];
            (sum.0 + entry.cost, sum.1 + entry.value)
        };
        let (cost, value) = self.groups.iter().fold((0, 0), cheapest);
        let mut relaxed = Relaxed { slack: budget - cost, value, ..Relaxed::default() };
        let mut left = relaxed.slack;
        for step in &self.steps {
            let group = &mut self.groups[step.group];
            if group.chosen != step.from {
                continue;
            }
            let more = self.entries[step.to].value - self.entries[step.from].value;
            if step.cost > left {
                if relaxed.price == 0 {
                    relaxed.price = step.slope + 1;
                    relaxed.slack = left;
                }
            } else {
                group.chosen = step.to;
                left -= step.cost;
                if relaxed.price == 0 {
                    group.base = step.to;
                    relaxed.value += more;
                } else {
                    relaxed.gained += more;
                }
            }
        }
        self.fill_up(left, &mut relaxed);
        self.bound(budget, &mut relaxed);
        relaxed
    }

    /// Gives each track what fits of what is left, off the hull, too.
    fn fill_up(&mut self, mut left: i64, relaxed: &mut Relaxed) {
        for group in &mut self.groups {
            let now = self.entries[group.chosen];
            let fits = |place: &usize| self.entries[*place].cost - now.cost <= left;
            if let Some(best) = (group.chosen + 1..group.end).take_while(fits).last() {
                left -= self.entries[best].cost - now.cost;
                relaxed.gained += self.entries[best].value - now.value;
                group.chosen = best;
            }
        }
    }

    /// What each entry loses at the price; the relaxation then stands where nothing is lost.
    fn bound(&mut self, budget: i64, relaxed: &mut Relaxed) {
        let found = relaxed.value + relaxed.gained;
        (relaxed.slack, relaxed.value) = (budget, 0);
        for group in &mut self.groups {
            let first = self.entries[group.first];
            let gain = |entry: &Entry| {
                let value = i128::from(parts(entry.value - first.value));
                value - i128::from(entry.cost - first.cost) * i128::from(relaxed.price)
            };
            let own = &mut self.entries[group.first..group.end];
            let most = own.iter().map(gain).max().unwrap_or(0);
            for (place, entry) in (group.first..).zip(own) {
                entry.loss = (most - gain(entry)).min(i128::from(MAX_LOSS)) as i64;
                if entry.loss == 0 {
                    group.base = place;
                }
            }
            relaxed.slack -= self.entries[group.base].cost;
            relaxed.value += self.entries[group.base].value;
        }
        relaxed.gained = found - relaxed.value;
        // The price is above the slope of every step that was not taken, so none of these is worth it.
        debug_assert!(relaxed.slack >= 0 && relaxed.gained >= 0, "{relaxed:?}");
    }
}

/// A value in parts of a unit.
pub(super) const fn parts(value: i64) -> i64 {
    value.saturating_mul(1 << FRACTION)
}

#[cfg(test)]
impl Frontier {
    /// Of tracks with entries of these costs and values.
    pub(super) fn of(tracks: &[&[(i64, i64)]]) -> Self {
        let mut frontier = Self::default();
        for (track, points) in tracks.iter().enumerate() {
            let first = frontier.entries.len();
            let entry = |(cost, value): &(i64, i64)| Entry { cost: *cost, value: *value, item: 0, loss: 0 };
            frontier.entries.extend(points.iter().map(entry));
            let end = frontier.entries.len();
            frontier.groups.push(Group { track, first, end, base: first, chosen: first });
        }
        frontier
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ceiling(relaxed: &Relaxed) -> i64 {
        relaxed.value + ((relaxed.slack * relaxed.price) >> FRACTION)
    }

    #[test]
    fn steps_pass_over_what_lies_below_the_hull() {
        let mut frontier = Frontier::of(&[&[(0, 0), (10, 50), (20, 60), (30, 80), (40, 130), (90, 140)]]);
        frontier.hull(0);
        let steps: Vec<_> = frontier.steps.iter().map(|step| (step.from, step.to, step.slope >> FRACTION)).collect();
        assert_eq!(steps, [(0, 1, 5), (1, 4, 2), (4, 5, 0)]);
    }

    #[test]
    fn the_bound_is_what_a_part_of_the_next_step_would_bring() {
        let mut frontier = Frontier::of(&[&[(10, 10), (20, 40)], &[(10, 10), (40, 70)]]);
        (0..2).for_each(|group| frontier.hull(group));
        frontier.steps.sort_unstable_by_key(|step| std::cmp::Reverse(step.slope));
        let relaxed = frontier.walk(45);
        assert_eq!((relaxed.value, relaxed.gained, relaxed.slack, ceiling(&relaxed)), (50, 0, 15, 80));
        let losses: Vec<_> = frontier.entries.iter().map(|entry| (entry.loss + 100) >> FRACTION).collect();
        assert_eq!(losses, [10, 0, 0, 0], "the first gives up ten to save ten bits at a price of two");
    }

    #[test]
    fn what_the_next_step_leaves_goes_to_others_and_to_points_below_the_hull() {
        let mut frontier = Frontier::of(&[&[(10, 10), (20, 40)], &[(10, 10), (22, 20), (40, 70)], &[(1, 1), (4, 2)]]);
        (0..3).for_each(|group| frontier.hull(group));
        frontier.steps.sort_unstable_by_key(|step| std::cmp::Reverse(step.slope));
        let mut divide = |budget| {
            frontier.groups.iter_mut().for_each(|group| (group.base, group.chosen) = (group.first, group.first));
            let relaxed = frontier.walk(budget);
            let chosen = frontier.groups.iter().map(|group| frontier.entries[group.chosen].cost).collect::<Vec<_>>();
            assert!(ceiling(&relaxed) >= relaxed.value + relaxed.gained);
            (chosen, relaxed.value + relaxed.gained)
        };
        assert_eq!(divide(46), (vec![20, 22, 4], 62));
        assert_eq!(divide(45), (vec![20, 10, 4], 52));
    }
}
