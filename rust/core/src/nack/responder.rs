//! Which requests of one subscriber are answered: a packet at most three times, not within one round trip (but for jitter), not
//! when it comes too late to be played, and all together within a share of what is sent, because a bad link gets worse by
//! repairing everything (mediasoup #1934).

use std::time::{Duration, Instant};

/// (LiveKit: 3.)
pub(crate) const MAX_RESENDS: u8 = 3;
/// One byte in so many may be sent again. Lower: repairs more. Higher: leaves a congested link alone.
const SHARE: u64 = 4;
/// What may be saved up: half a second of 2 Mbit/s, enough for the loss of a whole keyframe.
const MOST_SAVED: u64 = 128 << 10;
/// The round trip until it is known (libwebrtc: 100 ms), and the least that is believed.
const DEFAULT_RTT: Duration = Duration::from_millis(100);
const MIN_RTT: Duration = Duration::from_millis(5);
/// A request may come so much of a round trip early: a player asks again after one (libwebrtc: `resend_delay`), by a measure of its
/// own, and every second request would be refused otherwise. Higher: less jitter is allowed for. Lower: what is still on its way is
/// sent again.
const JITTER: u32 = 8;
/// A packet that comes later than this after it was first sent is played no more where the round trip is short. Higher: bytes for
/// what a jitter buffer has given up. Lower: what it would still have taken is missing.
pub(crate) const PLAYABLE: Duration = Duration::from_millis(500);
/// Where it is long a player's buffer holds a round trip more as soon as it needs repairs (libwebrtc adds one to its jitter), and waits
/// on: three requests a round trip apart, half of one for the way, and half for noticing and jitter.
const PLAYABLE_ROUND_TRIPS: u32 = 4;
/// Then a player waits no longer, but asks for a keyframe (libwebrtc: `kMaxWaitForFrame`).
pub(crate) const GIVEN_UP: Duration = Duration::from_secs(3);
/// Requested numbers that are looked up for one peer in a second. Higher: more of the processor for a peer that floods. Lower: a
/// viewer of very many tracks behind a bad link is not served.
const LOOKED_UP: u32 = 20_000;

/// Why a packet is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// It was never sent, or too long ago.
    Unknown,
    /// A keyframe was sent after it.
    Superseded,
    /// It would come too late to be played.
    TooOld,
    /// It was sent again often enough.
    TooOften,
    /// The last time is less than a round trip ago.
    TooSoon,
    /// Retransmissions have used up their share.
    OverBudget,
    /// The peer asks for more than anybody needs.
    Flood,
}

/// How many requests were refused, by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Refusals {
    /// [`Refusal::Unknown`].
    pub unknown: u64,
    /// [`Refusal::Superseded`].
    pub superseded: u64,
    /// [`Refusal::TooOld`].
    pub too_old: u64,
    /// [`Refusal::TooOften`].
    pub too_often: u64,
    /// [`Refusal::TooSoon`].
    pub too_soon: u64,
    /// [`Refusal::OverBudget`].
    pub over_budget: u64,
    /// [`Refusal::Flood`], in packets of requests.
    pub flood: u64,
}

impl Refusals {
    pub(crate) fn count(&mut self, refusal: Refusal) {
        *match refusal {
            Refusal::Unknown => &mut self.unknown,
            Refusal::Superseded => &mut self.superseded,
            Refusal::TooOld => &mut self.too_old,
            Refusal::TooOften => &mut self.too_often,
            Refusal::TooSoon => &mut self.too_soon,
            Refusal::OverBudget => &mut self.over_budget,
            Refusal::Flood => &mut self.flood,
        } += 1;
    }
}

/// Bytes that may be sent again, saved up from what is sent. An estimate of the link is to replace [`Budget::sent`].
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

/// What was sent, and when.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Past {
    /// Since it was first sent.
    pub(crate) age: Duration,
    /// Since it was last sent.
    pub(crate) since: Duration,
    /// How often it was sent again.
    pub(crate) resends: u8,
}

/// How long after it was first sent a packet is of use to who is so far away.
pub(crate) fn playable(rtt: Option<Duration>) -> Duration {
    (rtt.unwrap_or(DEFAULT_RTT) * PLAYABLE_ROUND_TRIPS).clamp(PLAYABLE, GIVEN_UP)
}

/// Whether a packet is sent again.
pub(crate) fn may_resend(past: &Past, rtt: Option<Duration>) -> Result<(), Refusal> {
    let playable = playable(rtt);
    let rtt = rtt.unwrap_or(DEFAULT_RTT).max(MIN_RTT);
    if rtt / 2 + past.age > playable {
        Err(Refusal::TooOld)
    } else if past.resends >= MAX_RESENDS {
        Err(Refusal::TooOften)
    } else if past.resends > 0 && past.since < rtt.saturating_sub(rtt / JITTER) {
        Err(Refusal::TooSoon)
    } else {
        Ok(())
    }
}

/// Bounds what one peer's requests cost, whatever it asks for.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LookUps {
    second: Option<Instant>,
    done: u32,
}

impl LookUps {
    /// Whether one more number is looked up.
    pub(crate) fn admits(&mut self, now: Instant) -> bool {
        if self.second.is_none_or(|second| now >= second + Duration::from_secs(1)) {
            *self = Self { second: Some(now), done: 0 };
        }
        self.done = self.done.saturating_add(1);
        self.done <= LOOKED_UP
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(age: u64, since: u64, resends: u8) -> Past {
        Past { age: Duration::from_millis(age), since: Duration::from_millis(since), resends }
    }

    #[test]
    fn three_times_and_a_round_trip_apart_but_for_jitter() {
        let rtt = Some(Duration::from_millis(80));
        assert_eq!(may_resend(&past(0, 0, 0), rtt), Ok(()));
        assert_eq!(may_resend(&past(100, 69, 1), rtt), Err(Refusal::TooSoon));
        assert_eq!(may_resend(&past(200, 70, 2), rtt), Ok(()));
        assert_eq!(may_resend(&past(300, 250, 3), rtt), Err(Refusal::TooOften));
    }

    #[test]
    fn not_within_5_ms_however_near_the_peer() {
        let rtt = Some(Duration::ZERO);
        assert_eq!(may_resend(&past(4, 4, 1), rtt), Err(Refusal::TooSoon));
        assert_eq!(may_resend(&past(5, 5, 1), rtt), Ok(()));
    }

    #[test]
    fn what_would_come_too_late_is_not_sent() {
        let rtt = Some(Duration::from_millis(100));
        assert_eq!(may_resend(&past(450, 450, 0), rtt), Ok(()));
        assert_eq!(may_resend(&past(451, 451, 0), rtt), Err(Refusal::TooOld));
    }

    #[test]
    fn three_requests_are_in_time_however_long_the_way() {
        for round_trip in [50, 100, 400, 600, 800] {
            let rtt = Some(Duration::from_millis(round_trip));
            for resends in 0..3 {
                // A frame later it is noticed; the request takes one way, and so does what was lost before it.
                let age = (u64::from(resends) + 1) * round_trip + 34;
                assert_eq!(may_resend(&past(age, round_trip, resends), rtt), Ok(()), "{round_trip} ms, {resends}");
            }
        }
        let longest = Some(Duration::from_secs(1));
        assert_eq!(may_resend(&past(2500, 2500, 0), longest), Ok(()));
        assert_eq!(may_resend(&past(2501, 2501, 0), longest), Err(Refusal::TooOld), "nobody waits for more than 3 s");
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

    #[test]
    fn no_more_than_a_keyframe_is_saved_up() {
        let mut budget = Budget::new();
        budget.sent(100 << 20);
        assert!(budget.allows(128 << 10) && !budget.allows((128 << 10) + 1));
    }

    #[test]
    fn a_flood_is_looked_up_in_part() {
        let start = Instant::now();
        let mut look_ups = LookUps::default();
        let admitted = (0..50_000).filter(|_| look_ups.admits(start)).count();
        assert_eq!(admitted, LOOKED_UP as usize);
        assert!(look_ups.admits(start + Duration::from_secs(1)));
    }
}
