//! When datagrams came, in the core's time.
//!
//! A shard reads late when the machine is busy, and reads many at once. The times between datagrams are what a sender's
//! bandwidth estimate is made of (a probe of which all packets seem to come at once tells it nothing), so they are taken from
//! the kernel, which stamps each datagram by the wall clock. Invariant: never later than the turn that reads it, and never
//! earlier than what came before, however the wall clock is set.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The two clocks of one turn.
pub(super) struct Arrivals {
    now: Instant,
    wall: Duration,
    last: Instant,
}

impl Arrivals {
    /// Before the first turn.
    pub(super) fn new(now: Instant) -> Self {
        Self { now, wall: Duration::ZERO, last: now }
    }

    /// A turn begins.
    pub(super) fn begin(&mut self, now: Instant) {
        // Before 1970 there is nothing to compare with, and all datagrams come now.
        self.set(now, SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default());
    }

    fn set(&mut self, now: Instant, wall: Duration) {
        (self.now, self.wall) = (now, wall);
    }

    /// When a datagram came that the kernel stamped.
    pub(super) fn time(&mut self, stamp: Option<Duration>) -> Instant {
        let waited = stamp.map_or(Duration::ZERO, |stamp| self.wall.saturating_sub(stamp));
        let time = self.now.checked_sub(waited).unwrap_or(self.last);
        self.last = time.max(self.last).min(self.now);
        self.last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unchecked_time_subtraction, reason = "these times are far from zero")]
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn datagrams_keep_their_distances_however_late_they_are_read() {
        let start = Instant::now();
        let (now, wall) = (start + 100 * MS, Duration::from_secs(1_800_000_000));
        let mut arrivals = Arrivals::new(start);
        arrivals.set(now, wall);
        for age in [30, 20, 7, 0] {
            assert_eq!(arrivals.time(Some(wall - age * MS)), now - age * MS);
        }
    }

    #[test]
    fn time_stands_still_where_the_wall_clock_is_set() {
        let start = Instant::now();
        let (now, wall) = (start + 100 * MS, Duration::from_secs(1_800_000_000));
        let mut arrivals = Arrivals::new(start);
        arrivals.set(now, wall);
        assert_eq!(arrivals.time(Some(wall - 10 * MS)), now - 10 * MS);
        // An hour forward: all seems to have waited for so long.
        assert_eq!(arrivals.time(Some(wall - Duration::from_secs(3600))), now - 10 * MS);
        // An hour back: all seems to come from the future.
        assert_eq!(arrivals.time(Some(wall + Duration::from_secs(3600))), now);
        // A kernel that does not stamp.
        arrivals.set(now + MS, wall + MS);
        assert_eq!(arrivals.time(None), now + MS);
    }
}
