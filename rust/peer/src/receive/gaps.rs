//! Packets that have not come, and when to ask for them again.
//!
//! Reordering is waited for, requests are a round trip apart or more, and after the last one the packet is given up.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sfu_wire::SeqNo;

/// Higher: reordering costs no request. Lower: faster repair. (libwebrtc asks at once when packets do not reorder.)
const REORDER_TOLERANCE: Duration = Duration::from_millis(10);
/// Until a round trip is known. (libwebrtc `kDefaultRtt`.)
const DEFAULT_RTT: Duration = Duration::from_millis(100);
/// Requests closer together than this are waste on any path. Each one waits half as long again, so that ten of them outlast a
/// server that stands still for a second, however short the round trip.
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
    /// At least so long until the next request.
    spacing: Duration,
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
                let missing = Missing { since: now, asked: None, tries: 0, spacing: MIN_SPACING };
                self.missing.insert(SeqNo::new(lost), missing);
            }
        }
        self.highest = Some(seq);
        Arrival::New
    }

    /// What to ask for now, ascending; what is given up goes into `given_up`.
    pub(crate) fn due(&mut self, now: Instant, rtt: Option<Duration>, given_up: &mut Vec<SeqNo>) -> Vec<u16> {
        let rtt = rtt.unwrap_or(DEFAULT_RTT).min(MAX_SPACING);
        let mut due = Vec::new();
        self.missing.retain(|seq, missing| {
            let is_due = match missing.asked {
                None => now >= missing.since + REORDER_TOLERANCE,
                Some(asked) => now >= asked + missing.spacing.max(rtt),
            };
            if !is_due {
                return true;
            }
            if missing.tries == MAX_TRIES {
                given_up.push(*seq);
                return false;
            }
            if missing.tries > 0 {
                missing.spacing = (missing.spacing * 3 / 2).min(MAX_SPACING);
            }
            missing.tries += 1;
            missing.asked = Some(now);
            due.push(seq.as_u16());
            true
        });
        due
    }

    /// The lowest that may still come.
    pub(crate) fn oldest(&self) -> Option<SeqNo> {
        self.missing.first_key_value().map(|(seq, _)| *seq)
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
        let mut asked = Vec::new();
        for ms in 56..3000 {
            if gaps.due(at(ms), rtt, &mut given_up) == [65_535] {
                asked.push(ms);
            }
        }
        assert_eq!(
            asked,
            [60, 110, 160, 228, 330, 482, 710, 960, 1210],
            "67, 101, 151 ms and so on, from the fifth on"
        );
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
