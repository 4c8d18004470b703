//! Packets that have not come, and when to ask for them again.
//!
//! Reordering is waited for, requests are a round trip apart, and after the last one the packet is given up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sfu_wire::SeqNo;

/// Higher: reordering costs no request. Lower: faster repair. (libwebrtc asks at once when packets do not reorder.)
const REORDER_TOLERANCE: Duration = Duration::from_millis(10);
/// Until a round trip is known. (libwebrtc `kDefaultRtt`.)
const DEFAULT_RTT: Duration = Duration::from_millis(100);
/// Requests closer together than this are waste on any path.
const MIN_SPACING: Duration = Duration::from_millis(20);
/// Servers forget after a second or so: one slow round trip must not use that up.
const MAX_SPACING: Duration = Duration::from_millis(250);
/// Requests for one packet. (libwebrtc `kMaxNackRetries`.)
const MAX_TRIES: u32 = 10;
/// A larger hole is a new start, not a loss. (libwebrtc `kMaxNackPackets`.)
const MAX_GAP: u64 = 1000;

/// What a packet was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Arrival {
    /// The next, or beyond a gap.
    New,
    /// One that was missing.
    Late,
    /// Seen before, or given up.
    Duplicate,
}

/// The missing packets of one stream.
#[derive(Debug, Default)]
pub(crate) struct Gaps {
    highest: Option<SeqNo>,
    missing: BTreeMap<SeqNo, Missing>,
}

#[derive(Debug)]
struct Missing {
    since: Instant,
    asked: Option<Instant>,
    tries: u32,
}

impl Gaps {
    /// Notes a packet. A first one after a hole of more than 1000 starts anew.
    pub(crate) fn note(&mut self, now: Instant, seq: SeqNo) -> Arrival {
        let Some(highest) = self.highest else {
            self.highest = Some(seq);
            return Arrival::New;
        };
        if seq <= highest {
            return if self.missing.remove(&seq).is_some() { Arrival::Late } else { Arrival::Duplicate };
        }
        if seq.get() - highest.get() <= MAX_GAP {
            for lost in highest.get() + 1..seq.get() {
                self.missing.insert(SeqNo::new(lost), Missing { since: now, asked: None, tries: 0 });
            }
        }
        self.highest = Some(seq);
        Arrival::New
    }

    /// What to ask for now, ascending; what is given up goes into `given_up`.
    pub(crate) fn due(&mut self, now: Instant, rtt: Option<Duration>, given_up: &mut Vec<SeqNo>) -> Vec<u16> {
        let spacing = rtt.unwrap_or(DEFAULT_RTT).clamp(MIN_SPACING, MAX_SPACING);
        let mut due = Vec::new();
        self.missing.retain(|seq, missing| {
            let is_due = match missing.asked {
                None => now >= missing.since + REORDER_TOLERANCE,
                Some(asked) => now >= asked + spacing,
            };
            if !is_due {
                return true;
            }
            if missing.tries == MAX_TRIES {
                given_up.push(*seq);
                return false;
            }
            missing.tries += 1;
            missing.asked = Some(now);
            due.push(seq.as_u16());
            true
        });
        due
    }

    /// How many are missing.
    pub(crate) fn len(&self) -> usize {
        self.missing.len()
    }

    /// Whether none is missing.
    pub(crate) fn is_empty(&self) -> bool {
        self.missing.is_empty()
    }

    /// The highest number so far.
    pub(crate) fn highest(&self) -> Option<SeqNo> {
        self.highest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_packet_is_asked_for_a_round_trip_apart_and_given_up() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let (mut gaps, mut given_up) = (Gaps::default(), Vec::new());
        let rtt = Some(Duration::from_millis(50));
        assert_eq!(gaps.note(at(0), SeqNo::new(65_534)), Arrival::New);
        assert_eq!(gaps.note(at(0), SeqNo::new(65_537)), Arrival::New);
        assert!(gaps.due(at(5), rtt, &mut given_up).is_empty(), "it may only be late");
        assert_eq!(gaps.due(at(10), rtt, &mut given_up), [65_535, 0]);
        assert!(gaps.due(at(50), rtt, &mut given_up).is_empty());
        assert_eq!(gaps.note(at(55), SeqNo::new(65_536)), Arrival::Late);
        assert_eq!(gaps.note(at(55), SeqNo::new(65_536)), Arrival::Duplicate);
        for tries in 1..10 {
            assert_eq!(gaps.due(at(10 + 50 * tries), rtt, &mut given_up), [65_535]);
        }
        assert!(gaps.due(at(600), rtt, &mut given_up).is_empty());
        assert_eq!(given_up, [SeqNo::new(65_535)]);
        assert!(gaps.is_empty());
    }

    #[test]
    fn a_jump_starts_anew() {
        let now = Instant::now();
        let mut gaps = Gaps::default();
        gaps.note(now, SeqNo::new(10));
        gaps.note(now, SeqNo::new(5000));
        assert!(gaps.is_empty());
    }
}
