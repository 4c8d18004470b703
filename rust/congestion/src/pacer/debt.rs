//! A leaky bucket: what was sent and has not had its time yet.
//!
//! It drains at the rate. A packet may leave while less than [`BURST`] of it is left, so several of a frame leave together, as one message.
//! Invariant: it is never negative, so silence saves nothing up.

use std::time::{Duration, Instant};

use sfu_wire::{Bitrate, DataSize};

/// What may leave at once. Higher: longer runs, fewer wakes. Lower: smoother. (Ours: libwebrtc's `pacing_controller.cc` has 40 ms.)
pub(super) const BURST: Duration = Duration::from_millis(5);

#[derive(Debug, Clone, Copy)]
pub(super) struct Debt {
    rate: Bitrate,
    /// When all that was sent has had its time.
    paid: Instant,
}

impl Debt {
    pub(super) const fn new(now: Instant, rate: Bitrate) -> Self {
        Self { rate, paid: now }
    }

    /// What is owed is paid at the new rate.
    pub(super) fn set_rate(&mut self, now: Instant, rate: Bitrate) {
        let owed = self.rate.size_in(self.paid.saturating_duration_since(now));
        self.rate = rate;
        self.paid = now + self.takes(owed);
    }

    /// `size` has left.
    pub(super) fn add(&mut self, now: Instant, size: DataSize) {
        self.paid = self.paid.max(now) + self.takes(size);
    }

    /// Whether a packet may leave.
    pub(super) fn allows(&self, now: Instant) -> bool {
        self.paid.saturating_duration_since(now) < BURST
    }

    /// Whether nothing is owed.
    pub(super) fn is_paid(&self, now: Instant) -> bool {
        self.paid <= now
    }

    /// When nothing is owed any more.
    pub(super) const fn paid(&self) -> Instant {
        self.paid
    }

    /// When `size` more would have had its time.
    pub(super) fn time_of(&self, now: Instant, size: DataSize) -> Duration {
        self.paid.saturating_duration_since(now) + self.takes(size)
    }

    fn takes(&self, size: DataSize) -> Duration {
        let nanos = u128::from(size.get()) * 8_000_000_000 / u128::from(self.rate.get().max(1));
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX / 4))
    }
}
