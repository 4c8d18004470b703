//! When which connection or room wants to be called next.
//!
//! One wheel for everything with a deadline: setting and removing are O(1), and those whose millisecond has come are put in
//! order. Setting a later deadline than the one that stands costs nothing: the early call finds nothing due and sets the
//! next one. So a packet touches the wheel only when it brings a deadline forward. Whoever is due at one time is called in
//! the order of [`Timer`], whatever was set first.

mod wheel;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use wheel::Wheel;

use crate::arena::{ConnectionId, ReplicaId, slot_of};
use crate::id::RoomId;

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    Connection(ConnectionId),
    Room(RoomId),
    /// A track that is published on another shard.
    Replica(ReplicaId),
    /// Commands that wait for another shard.
    Pending,
    /// Taps whose tracks have ended.
    EndedTaps,
}

impl Timer {
    /// A number that no other living timer has: ids of one kind share a slot only one after another.
    fn index(self) -> u32 {
        match self {
            Self::EndedTaps => 0,
            Self::Pending => 1,
            Self::Connection(id) => 2 + 3 * slot_of(id),
            Self::Room(id) => 3 + 3 * slot_of(id),
            Self::Replica(id) => 4 + 3 * slot_of(id),
        }
    }
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Timers {
    /// By index.
    standing: Vec<Option<(Instant, Timer)>>,
    wheel: Wheel,
    /// Those whose millisecond has come, in order. What does not stand any more is left in it, but never at the top.
    near: BinaryHeap<Reverse<(Instant, Timer)>>,
}

impl Timers {
    /// None is set; nothing is due before `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self { standing: Vec::new(), wheel: Wheel::new(now), near: BinaryHeap::new() }
    }

    /// Calls `timer` at `deadline` or earlier.
    pub(crate) fn set(&mut self, timer: Timer, deadline: Instant) {
        let index = timer.index();
        if self.standing.len() <= index as usize {
            self.standing.resize(index as usize + 1, None);
        }
        let standing = &mut self.standing[index as usize];
        if standing.is_some_and(|(standing, of)| of == timer && standing <= deadline) {
            return;
        }
        if standing.replace((deadline, timer)).is_some() {
            self.wheel.remove(index);
        }
        if self.wheel.is_ahead(deadline) {
            self.wheel.insert(index, deadline);
        } else {
            self.near.push(Reverse((deadline, timer)));
        }
        self.forget_fallen();
    }

    /// Never calls `timer` again.
    pub(crate) fn remove(&mut self, timer: Timer) {
        let index = timer.index();
        if let Some(standing) = self.standing.get_mut(index as usize)
            && standing.take_if(|(_, of)| *of == timer).is_some()
        {
            self.wheel.remove(index);
            self.forget_fallen();
        }
    }

    /// The next one that is due; it stands no more.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let Self { standing, wheel, near } = self;
        wheel.advance(now, |index, deadline| {
            if let Some((_, timer)) = standing[index as usize] {
                near.push(Reverse((deadline, timer)));
            }
        });
        let Reverse((_, timer)) = *near.peek().filter(|Reverse((deadline, _))| *deadline <= now)?;
        near.pop();
        standing[timer.index() as usize] = None;
        self.forget_fallen();
        Some(timer)
    }

    /// The earliest deadline, or a time before it.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.near.peek().map(|Reverse((deadline, _))| *deadline).or_else(|| self.wheel.earliest())
    }

    /// Takes from the top of those that are near what does not stand any more.
    fn forget_fallen(&mut self) {
        while let Some(Reverse(entry)) = self.near.peek()
            && self.standing[entry.1.index() as usize] != Some(*entry)
        {
            self.near.pop();
        }
    }
}

#[cfg(test)]
mod tests;
