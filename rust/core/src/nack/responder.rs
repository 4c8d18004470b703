//! Which requests of one subscriber are answered: a packet at most three times, not within one round trip, and all together
//! within a share of what is sent, because a bad link gets worse by repairing everything (mediasoup #1934).

use std::time::Duration;

/// (LiveKit: 3.)
pub(crate) const MAX_RESENDS: u8 = 3;
/// One byte in so many may be sent again. Lower: repairs more. Higher: leaves a congested link alone.
const SHARE: u64 = 4;
/// What may be saved up: half a second of 2 Mbit/s, enough for the loss of a whole keyframe.
const MOST_SAVED: u64 = 128 << 10;
/// The round trip until it is known, and the least and the most that is believed.
const DEFAULT_RTT: Duration = Duration::from_millis(50);
const RTT_RANGE: (Duration, Duration) = (Duration::from_millis(5), Duration::from_millis(500));

/// Bytes that may be sent again, saved up from what is sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Budget {
    saved: u64,
}

impl Budget {
    /// A subscriber may lose its first keyframe.
    pub(crate) const fn new() -> Self {
        Self { saved: MOST_SAVED }
    }

    pub(crate) fn sent(&mut self, bytes: usize) {
        self.saved = MOST_SAVED.min(self.saved + bytes as u64 / SHARE);
    }

    pub(crate) const fn allows(self, bytes: usize) -> bool {
        self.saved >= bytes as u64
    }

    pub(crate) fn resent(&mut self, bytes: usize) {
        self.saved = self.saved.saturating_sub(bytes as u64);
    }
}

/// Whether a packet is sent again that was sent again `resends` times before, last `since` ago.
pub(crate) fn may_resend(resends: u8, since: Duration, rtt: Option<Duration>) -> bool {
    let spacing = rtt.unwrap_or(DEFAULT_RTT).clamp(RTT_RANGE.0, RTT_RANGE.1);
    resends == 0 || (resends < MAX_RESENDS && since >= spacing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_times_and_a_round_trip_apart() {
        let rtt = Some(Duration::from_millis(80));
        assert!(may_resend(0, Duration::ZERO, rtt));
        assert!(!may_resend(1, Duration::from_millis(79), rtt));
        assert!(may_resend(2, Duration::from_millis(80), rtt));
        assert!(!may_resend(3, Duration::from_secs(9), rtt));
    }

    #[test]
    fn a_quarter_of_what_is_sent_may_be_sent_again() {
        let mut budget = Budget::new();
        while budget.allows(1200) {
            budget.resent(1200);
        }
        let mut resent = 0;
        for _ in 0..1000 {
            budget.sent(1200);
            if budget.allows(1200) {
                budget.resent(1200);
                resent += 1;
            }
        }
        assert!((249..=251).contains(&resent), "{resent}");
    }
}
