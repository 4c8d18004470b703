//! Divides a subscriber's bandwidth among the tracks that it receives: a pure function of plain values.
//!
//! [`Demands`] say what could be sent and what each track is to the subscriber; an [`Allocation`] says what goes out,
//! why not more, and how far from the best that is at most. The steps, a file each: `items` (what can be chosen, with
//! its `utility` and `hysteresis`), `tiers` (floors first), `bound` (relaxation and bound), `open` and `exact` (the
//! best of what that leaves open), `explain`. docs/allocation.md has the formulation and the proofs. Invariant: what
//! goes out never exceeds the budget.

mod allocation;
mod bound;
mod demand;
mod exact;
mod explain;
mod hysteresis;
mod items;
mod open;
#[cfg(test)]
mod tests;
mod tiers;
mod utility;

use sfu_wire::Bitrate;

pub use allocation::{Allocation, Certificate, Choice, NextStep, Reason, Utility};
use bound::Frontier;
pub use demand::{Current, Demand, Demands, Point, Role};
use exact::Search;
use explain::Division;
use items::Items;
use tiers::Floors;

/// More than a terabit per second counts as one: it keeps sums within 64 bits.
const MAX_ROOM: u64 = 1 << 40;

/// Divides `budget`. Same values, same result; who does it often keeps an [`Allocator`].
pub fn allocate(budget: Bitrate, demands: &Demands) -> Allocation {
    let mut allocator = Allocator::new();
    allocator.allocate(budget, demands);
    allocator.allocation
}

/// [`allocate`] with memory that is used again: after a while it asks for none. The result is the same.
#[derive(Debug, Default)]
pub struct Allocator {
    items: Items,
    floors: Floors,
    frontier: Frontier,
    search: Search,
    allocation: Allocation,
}

impl Allocator {
    /// Without memory yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Divides `budget`.
    pub fn allocate(&mut self, budget: Bitrate, demands: &Demands) -> &Allocation {
        let room = (budget - demands.reserved).get();
        let divided = room.min(MAX_ROOM);
        self.items.fill(demands);
        self.floors.settle(divided, demands, &self.items);
        let relaxed = self.frontier.relax(divided as i64, &self.items, &self.floors);
        let found = self.search.improve(&mut self.frontier, &relaxed);
        let Self { items, floors, frontier, allocation, .. } = self;
        Division { room, demands, items, floors, frontier, found }.tell(allocation);
        allocation
    }

    /// What is kept for its memory, in elements.
    #[cfg(test)]
    fn capacity(&self) -> usize {
        let (items, frontier) = (self.items.capacity(), self.frontier.capacity());
        items + self.floors.capacity() + frontier + self.search.capacity() + self.allocation.capacity()
    }
}
