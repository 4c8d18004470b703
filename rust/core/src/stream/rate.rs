//! A rate over the last second, in ten buckets.

use std::time::{Duration, Instant};

use sfu_wire::{Bitrate, DataSize};

const BUCKETS: usize = 10;
const BUCKET: Duration = Duration::from_millis(100);

/// Counts bytes of the last second.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RateMeter {
    buckets: [u32; BUCKETS],
    /// When the first bucket ever began, and which one in all is the current.
    start: Option<Instant>,
    current: u64,
}

impl RateMeter {
    pub(crate) const fn new() -> Self {
        Self { buckets: [0; BUCKETS], start: None, current: 0 }
    }

    pub(crate) fn add(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        self.buckets[(self.current % BUCKETS as u64) as usize] += bytes as u32;
    }

    pub(crate) fn rate(&mut self, now: Instant) -> Bitrate {
        self.advance(now);
        let bytes: u64 = self.buckets.iter().map(|bytes| u64::from(*bytes)).sum();
        Bitrate::of(DataSize::new(bytes), BUCKET * BUCKETS as u32)
    }

    fn advance(&mut self, now: Instant) {
        let start = *self.start.get_or_insert(now);
        let bucket = (now.saturating_duration_since(start).as_nanos() / BUCKET.as_nanos()) as u64;
        let passed = bucket.saturating_sub(self.current).min(BUCKETS as u64);
        self.current = self.current.max(bucket);
        for empty in 0..passed {
            self.buckets[((self.current - empty) % BUCKETS as u64) as usize] = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_second_counts() {
        let start = Instant::now();
        let mut meter = RateMeter::new();
        for ms in (0..2000).step_by(10) {
            meter.add(start + Duration::from_millis(ms), 125);
        }
        assert_eq!(meter.rate(start + Duration::from_millis(1999)), Bitrate::from_kbps(100));
        assert_eq!(meter.rate(start + Duration::from_millis(2450)), Bitrate::from_kbps(50));
        assert_eq!(meter.rate(start + Duration::from_secs(9)), Bitrate::ZERO);
    }
}
