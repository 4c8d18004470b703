//! What a shard shows of itself without being asked: how much it has to do, and whether it turns at all.
//!
//! Written by the shard's thread, read by whoever places sessions or asks for statistics. Plain values side by side: no
//! two of them need to belong to the same moment.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// A turn that takes so long is a stall: a shard in it is not asked for statistics, and gets no sessions.
pub(crate) const STALLED: Duration = Duration::from_millis(500);

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Gauge {
    epoch: Instant,
    /// When the running turn began, in nanoseconds since the epoch; 0: the shard waits.
    turn: AtomicU64,
    busy_permille: AtomicU32,
    sessions: AtomicU32,
    rooms: AtomicU32,
    /// Rooms and sessions that it was told to make and has not yet heard of.
    coming_rooms: AtomicU32,
    coming_sessions: AtomicU32,
}

/// What is placed on a shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Placed {
    Room,
    Session,
}

impl Gauge {
    pub(crate) fn new(epoch: Instant) -> Self {
        Self {
            epoch,
            turn: AtomicU64::new(0),
            busy_permille: AtomicU32::new(0),
            sessions: AtomicU32::new(0),
            rooms: AtomicU32::new(0),
            coming_rooms: AtomicU32::new(0),
            coming_sessions: AtomicU32::new(0),
        }
    }

    /// A turn begins.
    pub(crate) fn begin(&self, now: Instant) {
        let since = now.saturating_duration_since(self.epoch).as_nanos() as u64;
        self.turn.store(since.max(1), Ordering::Relaxed);
    }

    /// A turn is over.
    pub(crate) fn end(&self) {
        self.turn.store(0, Ordering::Relaxed);
    }

    /// The shard has ended by a fault of ours: a stall that is never over.
    pub(crate) fn fail(&self) {
        self.turn.store(1, Ordering::Relaxed);
    }

    /// For how long the running turn has been running, if that is no turn any more but a stall.
    pub(crate) fn stalled(&self, now: Instant) -> Option<Duration> {
        let turn = self.turn.load(Ordering::Relaxed);
        let began = self.epoch + Duration::from_nanos(turn);
        (turn > 0).then(|| now.saturating_duration_since(began)).filter(|running| *running >= STALLED)
    }

    /// The share of a processor that the shard took, as last measured.
    pub(crate) fn set_busy(&self, share: f64) {
        self.busy_permille.store((share * 1000.0) as u32, Ordering::Relaxed);
    }

    pub(crate) fn busy_permille(&self) -> u32 {
        self.busy_permille.load(Ordering::Relaxed)
    }

    /// What exists there.
    pub(crate) fn set_live(&self, rooms: usize, sessions: usize) {
        self.rooms.store(rooms as u32, Ordering::Relaxed);
        self.sessions.store(sessions as u32, Ordering::Relaxed);
    }

    /// Something was posted to the shard.
    pub(crate) fn expect(&self, what: Placed) {
        self.coming(what).fetch_add(1, Ordering::Relaxed);
    }

    /// The shard has carried it out.
    pub(crate) fn arrived(&self, what: Placed) {
        self.coming(what).fetch_sub(1, Ordering::Relaxed);
    }

    /// What exists there, or will in a moment.
    pub(crate) fn count(&self, what: Placed) -> u32 {
        let live = match what {
            Placed::Room => &self.rooms,
            Placed::Session => &self.sessions,
        };
        live.load(Ordering::Relaxed) + self.coming(what).load(Ordering::Relaxed)
    }

    fn coming(&self, what: Placed) -> &AtomicU32 {
        match what {
            Placed::Room => &self.coming_rooms,
            Placed::Session => &self.coming_sessions,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_turn_that_does_not_end_is_a_stall() {
        let start = Instant::now();
        let gauge = Gauge::new(start);
        assert_eq!(gauge.stalled(start + 10 * STALLED), None, "it waits");
        gauge.begin(start);
        assert_eq!(gauge.stalled(start + STALLED / 2), None);
        assert!(gauge.stalled(start + 3 * STALLED).is_some_and(|stall| stall >= 2 * STALLED));
        gauge.end();
        assert_eq!(gauge.stalled(start + 10 * STALLED), None);
    }

    #[test]
    fn what_is_on_its_way_counts() {
        let gauge = Gauge::new(Instant::now());
        gauge.set_live(1, 5);
        gauge.expect(Placed::Session);
        gauge.expect(Placed::Session);
        gauge.expect(Placed::Room);
        assert_eq!((gauge.count(Placed::Room), gauge.count(Placed::Session)), (2, 7));
        gauge.arrived(Placed::Session);
        gauge.set_live(1, 6);
        assert_eq!((gauge.count(Placed::Room), gauge.count(Placed::Session)), (2, 7));
    }
}
