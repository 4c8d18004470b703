//! Tells when less is sent than the estimate allows, so that nothing is learnt of the path but through probes
//! (libwebrtc `alr_detector.cc`). For an SFU that is the normal state: layers come in steps, and the next one rarely
//! fits exactly.
//!
//! Egress tells every packet that leaves; the estimator tells the estimate; who probes asks. A budget fills with a
//! share of the estimate and empties with what is sent. Invariant: it stays within one window's worth, full or
//! overdrawn.

use std::time::{Duration, Instant};

use sfu_wire::{Bitrate, DataSize};

/// The share of the estimate that a sender without limits is expected to use.
/// Higher: a sender that is only a little below counts as limited. Lower: probes come later.
/// (libwebrtc `alr_detector.h`)
const EXPECTED_USE: f64 = 0.65;
/// How much idleness, or excess, is remembered.
/// Higher: slower in and out. Lower: the gaps between two frames count. (libwebrtc `interval_budget.cc`)
const WINDOW: Duration = Duration::from_millis(500);
/// Limited from this level of the budget on. Higher: later in. (libwebrtc `alr_detector.h`)
const START_LEVEL: f64 = 0.80;
/// Not limited below this level. Higher: sooner out, and flapping as it comes close to the start.
/// (libwebrtc `alr_detector.h`)
const STOP_LEVEL: f64 = 0.50;

/// Whether the application, not the network, limits what is sent.
#[derive(Debug, Default)]
pub(super) struct ApplicationLimited {
    /// Bytes of a full budget.
    capacity: f64,
    /// Bytes in the budget; negative: overdrawn.
    level: f64,
    last_sent: Option<Instant>,
    since: Option<Instant>,
}

impl ApplicationLimited {
    /// Without an estimate: never limited.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// `size` leaves now. Zero is no packet: it lets silence count, which no packet would tell.
    pub(super) fn sent(&mut self, now: Instant, size: DataSize) {
        // How long the first packet took is unknown.
        let Some(last) = self.last_sent.replace(now) else { return };
        let refill = self.capacity * now.saturating_duration_since(last).div_duration_f64(WINDOW);
        self.level = (self.level - size.get() as f64).max(-self.capacity);
        self.level = (self.level + refill).min(self.capacity);
        match self.since {
            None if self.level > START_LEVEL * self.capacity => self.since = Some(now),
            Some(_) if self.level < STOP_LEVEL * self.capacity => self.since = None,
            _ => {}
        }
    }

    /// The estimate is another one. The state changes with what is sent next, not at once: after a drop it is still
    /// known that the application was limited, and a probe may find the way back.
    pub(super) fn set_estimate(&mut self, estimate: Bitrate) {
        self.capacity = estimate.get() as f64 / 8.0 * EXPECTED_USE * WINDOW.as_secs_f64();
        self.level = self.level.clamp(-self.capacity, self.capacity);
    }

    /// Since when the application is the limit; `None`: it is not.
    pub(super) const fn since(&self) -> Option<Instant> {
        self.since
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ESTIMATE: u64 = 300_000;
    const STEP: Duration = Duration::from_millis(10);

    struct Sender {
        detector: ApplicationLimited,
        now: Instant,
    }

    impl Sender {
        fn new() -> Self {
            let mut detector = ApplicationLimited::new();
            detector.set_estimate(Bitrate::new(ESTIMATE));
            Self { detector, now: Instant::now() }
        }

        /// Sends `percent` of [`ESTIMATE`] for so long, a packet every 10 ms.
        fn send(&mut self, percent: u64, millis: u64) -> bool {
            for _ in 0..millis / 10 {
                self.now += STEP;
                self.detector.sent(self.now, DataSize::new(ESTIMATE / 8 * percent / 100 / 100));
            }
            self.detector.since().is_some()
        }
    }

    #[test]
    fn little_use_starts_it_and_full_use_ends_it() {
        let mut sender = Sender::new();
        assert!(!sender.send(90, 1000));
        assert!(sender.send(20, 1500));
        assert!(!sender.send(100, 4000));
    }

    #[test]
    fn a_short_spike_does_not_end_it() {
        let mut sender = Sender::new();
        assert!(sender.send(20, 1000));
        assert!(sender.send(150, 100));
        assert!(!sender.send(100, 3000));
    }

    #[test]
    fn use_just_below_and_above_the_expected_share_differ() {
        assert!(Sender::new().send(60, 10_000));
        assert!(!Sender::new().send(70, 10_000));
    }

    #[test]
    fn a_lower_estimate_ends_it_only_with_what_is_sent_then() {
        let mut sender = Sender::new();
        assert!(sender.send(20, 1000));
        sender.detector.set_estimate(Bitrate::new(ESTIMATE / 5));
        assert!(sender.detector.since().is_some());
        assert!(!sender.send(50, 1000));
    }

    #[test]
    fn long_excess_is_forgotten_as_fast_as_a_short_one() {
        let mut sender = Sender::new();
        assert!(!sender.send(1000, 10_000));
        assert!(!sender.send(0, 880));
        assert!(sender.send(0, 40));
    }

    #[test]
    fn it_tells_when_it_began() {
        let mut sender = Sender::new();
        sender.send(0, 400);
        assert_eq!(sender.detector.since(), None, "39 steps after the first fill 78 % of the budget");
        sender.send(0, 20);
        let began = sender.now;
        sender.send(0, 1000);
        assert_eq!(sender.detector.since(), Some(began));
    }

    #[test]
    fn silence_counts_when_it_is_told() {
        let mut sender = Sender::new();
        assert!(!sender.send(100, 1000));
        sender.now += Duration::from_secs(5);
        sender.detector.sent(sender.now, DataSize::ZERO);
        assert_eq!(sender.detector.since(), Some(sender.now));
    }

    #[test]
    fn without_an_estimate_it_never_begins() {
        let now = Instant::now();
        let mut detector = ApplicationLimited::new();
        (0..100).for_each(|step| detector.sent(now + STEP * step, DataSize::ZERO));
        assert_eq!(detector.since(), None);
    }
}
