//! What the bound leaves open: the tracks that may have to move from where the relaxation stands, and what they can
//! still do for a division.
//!
//! Once a division is known, a point that alone loses more than the bound is above it is in no better one. Invariant:
//! the price of the relaxation lies between what open tracks give for a bit and what they take for one.

use super::bound::{Frontier, Group, parts};

/// A group that may have to move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Open {
    pub(super) group: usize,
    /// How far a bit's price is from that at which it would move.
    pub(super) distance: i64,
    /// What its smallest move loses.
    pub(super) nearest: i64,
    /// What it and those behind it can do.
    pub(super) rest: Rest,
}

/// What tracks that were not looked at can still do for a state.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rest {
    /// What they can cost less, and what more.
    pub(super) down: i64,
    pub(super) up: i64,
    /// What they give for a bit at best and take for one at least, in parts of a unit. The price of the relaxation lies
    /// between.
    pub(super) gives: i64,
    pub(super) takes: i64,
}

impl Rest {
    pub(super) const NOTHING: Self = Self { down: 0, up: 0, gives: 0, takes: i64::MAX };

    /// What a state can come to with so much of the budget left, in parts of a unit.
    pub(super) fn potential(&self, value: i64, left: i64) -> i64 {
        let more =
            if left < 0 { left.saturating_mul(self.takes) } else { left.min(self.up).saturating_mul(self.gives) };
        parts(value).saturating_add(more)
    }

    /// With another group's moves.
    fn and(&self, frontier: &Frontier, group: &Group, limit: i64) -> Self {
        let base = frontier.entries[group.base];
        let mut rest = *self;
        let (mut down, mut up) = (0, 0);
        for entry in frontier.entries[group.first..group.end].iter().filter(|entry| entry.loss <= limit) {
            let cost = entry.cost - base.cost;
            let (bits, parts) = (cost.unsigned_abs(), parts(entry.value - base.value).unsigned_abs());
            if cost > 0 {
                up = up.max(cost);
                rest.gives = rest.gives.max(parts.div_ceil(bits) as i64);
            } else if cost < 0 {
                down = down.min(cost);
                rest.takes = rest.takes.min((parts / bits) as i64);
            }
        }
        Self { down: self.down + down, up: self.up + up, ..rest }
    }
}

/// The groups that can move without losing more than `limit`, those first that are nearest to it.
pub(super) fn find_open(open: &mut Vec<Open>, frontier: &Frontier, limit: i64) {
    open.clear();
    for (number, group) in frontier.groups.iter().enumerate() {
        let base = frontier.entries[group.base].cost;
        let entries = &frontier.entries[group.first..group.end];
        let moves = || entries.iter().filter(|entry| entry.cost != base && entry.loss <= limit);
        let distance = moves().map(|entry| entry.loss / (entry.cost - base).abs()).min();
        if let (Some(distance), Some(nearest)) = (distance, moves().map(|entry| entry.loss).min()) {
            open.push(Open { group: number, distance, nearest, rest: Rest::NOTHING });
        }
    }
    open.sort_unstable_by_key(|open| (open.distance, open.group));
    let mut rest = Rest::NOTHING;
    for open in open.iter_mut().rev() {
        rest = rest.and(frontier, &frontier.groups[open.group], limit);
        open.rest = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::allocate::bound::FRACTION;

    /// A track that stands at its second point of three, at a price of two for a bit.
    fn frontier() -> Frontier {
        let mut frontier = Frontier::of(&[&[(10, 100), (20, 130), (50, 160)]]);
        for (entry, loss) in frontier.entries.iter_mut().zip([10, 0, 30]) {
            entry.loss = loss << FRACTION;
        }
        frontier.groups[0].base = 1;
        frontier
    }

    fn rest(limit: i64) -> Option<(i64, i64, i64, i64)> {
        let mut open = Vec::new();
        find_open(&mut open, &frontier(), limit << FRACTION);
        let Rest { down, up, gives, takes } = open.first()?.rest;
        Some((down, up, gives >> FRACTION, takes >> FRACTION))
    }

    #[test]
    fn only_moves_that_lose_little_are_open() {
        assert_eq!(rest(9), None);
        assert_eq!(rest(10), Some((-10, 0, 0, 3)));
        assert_eq!(rest(30), Some((-10, 30, 1, 3)));
    }

    #[test]
    fn what_is_left_brings_what_is_given_and_what_is_missing_costs_what_is_taken() {
        let rest = Rest { down: -10, up: 30, gives: 1 << FRACTION, takes: 3 << FRACTION };
        let potential = |left| rest.potential(7, left) >> FRACTION;
        assert_eq!([0, 5, 30, 31, 1000, -1, -10].map(potential), [7, 12, 37, 37, 37, 4, -23]);
        assert_eq!(Rest::NOTHING.potential(7, 5) >> FRACTION, 7);
        assert_eq!(Rest::NOTHING.potential(7, -2), i64::MIN + (7 << FRACTION), "nobody gives anything back");
    }
}
