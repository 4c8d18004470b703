//! The best division, and the proof that it is: dynamic programming over the few tracks that the bound leaves open.
//!
//! A state is a whole division: what was decided for the tracks that were looked at, the relaxation for the others.
//! Tracks come in order of how far the price of a bit is from moving them, so that what is left can do ever less for a
//! state. A state goes when another has more for less, or when it cannot beat the best division so far any more.
//! Invariant: every division that is better than the best so far grows out of a state that is kept, or has no more than
//! one that was dropped could come to.

use std::cmp::Reverse;

use super::bound::{FRACTION, Frontier, Relaxed, parts};
use super::open::{Open, Rest, find_open};

/// So many states are kept at most. Higher: the best division of hundreds of tracks that are nearly alike. Lower: less
/// time for them, and a bound above what was found. (512 were enough for a hundred whose rates differ by 2 %.)
const MAX_STATES: usize = 1024;

/// No entry, or no node.
const NONE: u32 = u32::MAX;

/// A division, by what it has more than the relaxation's whole part.
#[derive(Debug, Clone, Copy)]
struct State {
    cost: i64,
    value: i64,
    /// Where its moves are written down.
    node: u32,
    /// A move that is not written down yet.
    entry: u32,
}

/// A move away from the relaxation, and the one before it.
#[derive(Debug, Clone, Copy)]
struct Node {
    parent: u32,
    entry: u32,
}

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Of the division.
    pub(super) value: i64,
    /// No division has more.
    pub(super) bound: i64,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Search {
    open: Vec<Open>,
    states: Vec<State>,
    next: Vec<State>,
    merged: Vec<State>,
    nodes: Vec<Node>,
    /// Of states that are too many; kept for its memory.
    potentials: Vec<i64>,
    max_states: usize,
}

impl Default for Search {
    fn default() -> Self {
        Self::keeping(MAX_STATES)
    }
}

impl Search {
    /// At most so many states.
    pub(super) fn keeping(max_states: usize) -> Self {
        let (open, nodes, potentials) = (Vec::new(), Vec::new(), Vec::new());
        let (states, next, merged) = (Vec::new(), Vec::new(), Vec::new());
        Self { open, states, next, merged, nodes, potentials, max_states }
    }

    /// Replaces the division in `frontier` by the best one.
    pub(super) fn improve(&mut self, frontier: &mut Frontier, relaxed: &Relaxed) -> Found {
        let mut best = Best { gained: relaxed.gained, node: None };
        // What a state could have come to that was dropped.
        let mut dropped = i64::MIN;
        self.nodes.clear();
        self.states.clear();
        self.states.push(State { cost: 0, value: 0, node: NONE, entry: NONE });
        find_open(&mut self.open, frontier, best.limit(relaxed));
        for number in 0..self.open.len() {
            if self.open[number].nearest <= best.limit(relaxed) {
                self.look_at(number, frontier, relaxed, best);
                dropped = dropped.max(self.drop_worst(&self.rest(number), relaxed.slack));
                self.write_down();
                best.update(&self.states, relaxed.slack);
            }
        }
        if let Some(node) = best.node {
            self.choose(node, frontier);
        }
        self.even_out();
        let bound = best.gained.max(dropped >> FRACTION);
        Found { value: relaxed.value + best.gained, bound: relaxed.value + bound }
    }

    /// Of those behind one.
    fn rest(&self, number: usize) -> Rest {
        self.open.get(number + 1).map_or(Rest::NOTHING, |open| open.rest)
    }

    /// Every state with every move of a group, as far as that has a chance.
    fn look_at(&mut self, number: usize, frontier: &Frontier, relaxed: &Relaxed, best: Best) {
        let group = frontier.groups[self.open[number].group];
        let (base, rest) = (frontier.entries[group.base], self.rest(number));
        let (limit, wanted) = (best.limit(relaxed), parts(best.gained + 1));
        self.next.clear();
        for place in group.first..group.end {
            let entry = frontier.entries[place];
            if entry.loss > limit {
                continue;
            }
            let (cost, value) = (entry.cost - base.cost, entry.value - base.value);
            let entry = if place == group.base { NONE } else { place as u32 };
            let moved = |state: &State| {
                let (cost, value) = (state.cost + cost, state.value + value);
                let left = relaxed.slack - cost;
                let has_a_chance = left >= rest.down && rest.potential(value, left) >= wanted;
                has_a_chance.then_some(State { cost, value, node: state.node, entry })
            };
            merge(&self.next, self.states.iter().filter_map(moved), &mut self.merged);
            std::mem::swap(&mut self.next, &mut self.merged);
        }
        std::mem::swap(&mut self.states, &mut self.next);
    }

    /// Keeps those that can come to most; what the others could have come to.
    fn drop_worst(&mut self, rest: &Rest, slack: i64) -> i64 {
        if self.states.len() <= self.max_states {
            return i64::MIN;
        }
        let potential = |state: &State| rest.potential(state.value, slack - state.cost);
        self.potentials.clear();
        self.potentials.extend(self.states.iter().map(potential));
        let (above, most, _) =
            self.potentials.select_nth_unstable_by_key(self.max_states, |potential| Reverse(*potential));
        let most = *most;
        let mut of_the_most = above.iter().filter(|potential| **potential == most).count();
        self.states.retain(|state| {
            let last_kept = potential(state) == most && of_the_most > 0;
            of_the_most -= usize::from(last_kept);
            potential(state) > most || last_kept
        });
        most
    }

    fn write_down(&mut self) {
        for state in self.states.iter_mut().filter(|state| state.entry != NONE) {
            let node = self.nodes.len() as u32;
            self.nodes.push(Node { parent: state.node, entry: state.entry });
            (state.node, state.entry) = (node, NONE);
        }
    }

    /// The relaxation with the moves that lead to `node`.
    fn choose(&self, node: u32, frontier: &mut Frontier) {
        for group in &mut frontier.groups {
            group.chosen = group.base;
        }
        let mut next = self.nodes.get(node as usize);
        while let Some(Node { parent, entry }) = next {
            let entry = *entry as usize;
            let of_it = frontier.groups.partition_point(|group| group.end <= entry);
            if let Some(group) = frontier.groups.get_mut(of_it) {
                group.chosen = entry;
            }
            next = self.nodes.get(*parent as usize);
        }
    }

    /// The three change places, so each has to have the memory of the largest.
    fn even_out(&mut self) {
        let most = self.states.capacity().max(self.next.capacity()).max(self.merged.capacity());
        for states in [&mut self.states, &mut self.next, &mut self.merged] {
            states.clear();
            states.reserve(most);
        }
    }

    /// What is kept for its memory, in elements.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let states = self.states.capacity() + self.next.capacity() + self.merged.capacity();
        states + self.open.capacity() + self.nodes.capacity() + self.potentials.capacity()
    }
}

/// The best division so far.
#[derive(Debug, Clone, Copy)]
struct Best {
    gained: i64,
    /// `None`: it is the one that the frontier came with.
    node: Option<u32>,
}

impl Best {
    /// Who loses more cannot be better by a whole unit.
    const fn limit(&self, relaxed: &Relaxed) -> i64 {
        relaxed.slack.saturating_mul(relaxed.price).saturating_sub(parts(self.gained + 1))
    }

    fn update(&mut self, states: &[State], slack: i64) {
        // The more it costs the more it has.
        let fitting = states.partition_point(|state| state.cost <= slack);
        if let Some(state) = fitting.checked_sub(1).and_then(|last| states.get(last))
            && state.value > self.gained
        {
            *self = Self { gained: state.value, node: Some(state.node) };
        }
    }
}

/// Both in order of cost, without those that have no more than a cheaper one.
fn merge(one: &[State], other: impl Iterator<Item = State>, into: &mut Vec<State>) {
    into.clear();
    let (mut one, mut other) = (one.iter().copied().peekable(), other.peekable());
    let key = |state: &State| (state.cost, Reverse(state.value));
    let mut best = i64::MIN;
    loop {
        let first = match (one.peek(), other.peek()) {
            (Some(left), Some(right)) if key(left) <= key(right) => one.next(),
            (Some(_), None) => one.next(),
            _ => other.next(),
        };
        let Some(state) = first else { return };
        if state.value > best {
            best = state.value;
            into.push(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn states(states: &[(i64, i64)]) -> Vec<State> {
        states.iter().map(|(cost, value)| State { cost: *cost, value: *value, node: NONE, entry: NONE }).collect()
    }

    fn merged(one: &[(i64, i64)], other: &[(i64, i64)]) -> Vec<(i64, i64)> {
        let mut into = states(&[(9, 9)]);
        merge(&states(one), states(other).into_iter(), &mut into);
        into.iter().map(|state| (state.cost, state.value)).collect()
    }

    #[test]
    fn a_state_goes_when_another_has_as_much_for_as_little() {
        assert_eq!(merged(&[(0, 0), (3, 5), (8, 7)], &[(2, 4), (3, 6), (7, 6)]), [(0, 0), (2, 4), (3, 6), (8, 7)]);
        assert_eq!(merged(&[(1, 1)], &[(1, 1)]), [(1, 1)]);
        assert_eq!(merged(&[], &[(-2, -5), (4, -9)]), [(-2, -5)]);
    }

    #[test]
    fn of_too_many_those_stay_that_can_come_to_most() {
        let mut search = Search { states: states(&[(0, 1), (1, 3), (2, 4), (3, 5), (4, 6)]), ..Search::keeping(2) };
        // With a unit and a half for each bit that is left they come to 7, 7.5, 7, 6.5 and 6.
        let rest = Rest { down: 0, up: 9, gives: 3 << (FRACTION - 1), takes: 2 << FRACTION };
        assert_eq!(search.drop_worst(&rest, 4) >> FRACTION, 7, "as much as one that stays");
        assert_eq!(search.states.iter().map(|state| state.cost).collect::<Vec<_>>(), [0, 1]);
        assert_eq!(search.drop_worst(&rest, 4), i64::MIN, "none was too many");
    }
}
