//! When which connection or room wants to be called next.
//!
//! One ordered set for everything with a deadline. Setting a later deadline than the one that stands costs nothing: the
//! early call finds nothing due and sets the next one. So a packet touches the set only when it brings a deadline forward.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use crate::arena::ConnectionId;
use crate::id::RoomId;

/// Who is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Timer {
    Connection(ConnectionId),
    Room(RoomId),
    /// Taps whose tracks have ended.
    EndedTaps,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    queue: BTreeSet<(Instant, Timer)>,
    deadlines: HashMap<Timer, Instant>,
}

impl Timers {
    /// Calls `timer` at `deadline` or earlier.
    pub(crate) fn set(&mut self, timer: Timer, deadline: Instant) {
        match self.deadlines.get_mut(&timer) {
            Some(standing) if *standing <= deadline => {}
            Some(standing) => {
                self.queue.remove(&(*standing, timer));
                *standing = deadline;
                self.queue.insert((deadline, timer));
            }
            None => {
                self.deadlines.insert(timer, deadline);
                self.queue.insert((deadline, timer));
            }
        }
    }

    /// Never calls `timer` again.
    pub(crate) fn remove(&mut self, timer: Timer) {
        if let Some(deadline) = self.deadlines.remove(&timer) {
            self.queue.remove(&(deadline, timer));
        }
    }

    /// The next one that is due; it stands no more.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (deadline, timer) = *self.queue.first()?;
        if deadline > now {
            return None;
        }
        self.queue.pop_first();
        self.deadlines.remove(&timer);
        Some(timer)
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::arena::Id;

    #[test]
    fn the_earlier_deadline_stands_and_each_fires_once() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let room = Timer::Room(RoomId::from_u64(1));
        let other = Timer::Connection(ConnectionId::from_u64(1));
        let mut timers = Timers::default();
        timers.set(room, at(20));
        timers.set(room, at(30));
        assert_eq!(timers.next(), Some(at(20)));
        timers.set(room, at(10));
        timers.set(other, at(15));
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!(timers.pop_due(at(40)), Some(room));
        assert_eq!(timers.pop_due(at(40)), Some(other));
        assert_eq!(timers.pop_due(at(40)), None);
        timers.set(room, at(50));
        timers.remove(room);
        assert_eq!(timers.next(), None);
    }
}
