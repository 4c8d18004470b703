//! One wall clock for all peers of a swarm: stamps of one are compared with arrivals at another.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// How often the two clocks are read at the start. Higher: a preemption in between is found out.
const READINGS: usize = 5;

/// The wall clock as it was at an instant; a step of the machine's clock afterwards is not followed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WallClock {
    at: Instant,
    unix: Duration,
}

impl WallClock {
    /// Of several readings the one that took the shortest.
    pub(crate) fn read() -> Self {
        let reading = |_| {
            let before = Instant::now();
            let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            let took = before.elapsed();
            (took, Self { at: before + took / 2, unix })
        };
        let best = (0..READINGS).map(reading).min_by_key(|(took, _)| *took);
        best.map_or_else(|| reading(0).1, |(_, clock)| clock)
    }

    /// Since the Unix epoch.
    pub(crate) fn unix(&self, at: Instant) -> Duration {
        (self.unix + at.saturating_duration_since(self.at)).saturating_sub(self.at.saturating_duration_since(at))
    }

    /// The other way round; before this process could know of it, it is the start.
    pub(crate) fn instant(&self, unix: Duration) -> Instant {
        self.at + unix.saturating_sub(self.unix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_and_wall_clock_times_are_told_from_one_another() {
        let clock = WallClock::read();
        let later = clock.at + Duration::from_millis(1234);
        assert_eq!(clock.unix(later), clock.unix(clock.at) + Duration::from_millis(1234));
        assert_eq!(clock.instant(clock.unix(later)), later);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        assert!(now.abs_diff(clock.unix(Instant::now())) < Duration::from_secs(1));
    }
}
