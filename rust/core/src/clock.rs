//! The wall clock, derived from the monotonic time that the core is told.

use std::time::{Duration, Instant};

/// Monotonic time and Unix time at one instant; the one follows from the other ever after.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    start: Instant,
    unix: Duration,
}

impl Clock {
    pub(crate) fn new(start: Instant, unix: Duration) -> Self {
        Self { start, unix }
    }

    /// Time since the Unix epoch at `now`.
    pub(crate) fn unix(&self, now: Instant) -> Duration {
        self.unix + now.saturating_duration_since(self.start)
    }
}
