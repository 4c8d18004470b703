//! What is missing of one received stream, and when it is asked for.
//!
//! The first request waits as long as packets of this stream have lately been late by themselves; the next ones come a round
//! trip apart or more, which a peer that only sends tells by its answers alone; then the packet is given up. Invariant: at most
//! [`MAX_MISSING`] numbers are kept, in rising order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sfu_wire::SeqNo;

/// More than this means that something else is wrong than loss. (libwebrtc.)
const MAX_MISSING: usize = 1000;
/// (libwebrtc: 10.)
const MAX_TRIES: u8 = 10;
/// The first wait before any reordering was seen, and what it never exceeds.
const FIRST_DELAY: Duration = Duration::from_millis(5);
const MAX_DELAY: Duration = Duration::from_millis(20);
/// The round trip until it is known. (libwebrtc: 100 ms.)
const DEFAULT_RTT: Duration = Duration::from_millis(100);
/// Between requests, whatever the round trip: below the first a repetition only doubles what is already on its way, and each
/// next one waits half as long again, so that a publisher next door that stops for half a second is not given up.
const MIN_SPACING: Duration = Duration::from_millis(20);
const MAX_SPACING: Duration = Duration::from_millis(100);

#[derive(Debug, Clone, Copy)]
struct Missing {
    seq: SeqNo,
    noticed: Instant,
    due: Instant,
    /// When it was first asked for.
    asked: Option<Instant>,
    tries: u8,
    /// At least so long until the next request.
    spacing: Duration,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct NackGenerator {
    missing: VecDeque<Missing>,
    /// How late packets lately were that came without being asked for.
    delay: Duration,
    /// From a request to its answer, lately at best: what was asked for twice may have come late.
    round_trip: Option<Duration>,
    due: Option<Instant>,
    asked: Vec<SeqNo>,
}

impl NackGenerator {
    pub(crate) const fn new() -> Self {
        Self { missing: VecDeque::new(), delay: FIRST_DELAY, round_trip: None, due: None, asked: Vec::new() }
    }

    /// `seq` is the highest so far; all after `highest` and before it is missing. Returns how many are given up.
    pub(crate) fn gap(&mut self, now: Instant, highest: SeqNo, seq: SeqNo) -> usize {
        let count = (seq.since(highest) - 1).max(0) as usize;
        if count == 0 {
            return 0;
        }
        let due = now + self.delay;
        let skipped = count.saturating_sub(MAX_MISSING);
        let given_up = (self.missing.len() + count).saturating_sub(MAX_MISSING);
        self.missing.drain(..(given_up - skipped));
        let first = highest.next().plus(skipped as u64);
        let missing =
            |n| Missing { seq: first.plus(n), noticed: now, due, asked: None, tries: 0, spacing: MIN_SPACING };
        self.missing.extend((0..(count - skipped) as u64).map(missing));
        self.due = Some(self.due.map_or(due, |standing| standing.min(due)));
        given_up
    }

    /// A packet below the highest came, by itself or because it was asked for.
    pub(crate) fn arrived(&mut self, now: Instant, seq: SeqNo, repaired: bool) {
        let Ok(index) = self.missing.binary_search_by_key(&seq, |missing| missing.seq) else {
            return;
        };
        let Some(missing) = self.missing.remove(index) else { return };
        if repaired {
            self.measure(now, missing.asked);
        } else {
            let late = now.saturating_duration_since(missing.noticed).min(MAX_DELAY);
            // Up at once, down slowly: one request too many costs more than a few milliseconds.
            self.delay = late.max((self.delay * 15 + late) / 16);
        }
        if self.missing.is_empty() {
            self.due = None;
        }
    }

    fn measure(&mut self, now: Instant, asked: Option<Instant>) {
        let Some(sample) = asked.map(|asked| now.saturating_duration_since(asked)) else { return };
        self.round_trip = Some(self.round_trip.map_or(sample, |known| sample.min(known + known / 8)));
    }

    /// From a request to its answer: `rtt` as it was reported, or as answers tell.
    pub(crate) fn round_trip(&self, rtt: Option<Duration>) -> Duration {
        rtt.or(self.round_trip).unwrap_or(DEFAULT_RTT)
    }

    /// The numbers to ask for now, rising.
    pub(crate) fn poll(&mut self, now: Instant, rtt: Option<Duration>) -> &[SeqNo] {
        self.asked.clear();
        if self.due.is_none_or(|due| due > now) {
            return &self.asked;
        }
        let rtt = self.round_trip(rtt);
        for missing in &mut self.missing {
            if missing.due <= now {
                missing.tries += 1;
                missing.asked.get_or_insert(now);
                missing.due = now + rtt.max(missing.spacing);
                missing.spacing = (missing.spacing * 3 / 2).min(MAX_SPACING);
                self.asked.push(missing.seq);
            }
        }
        // After the last request the packet has one more round trip to come; it counts as lost all the same.
        self.missing.retain(|missing| missing.tries < MAX_TRIES);
        self.due = self.missing.iter().map(|missing| missing.due).min();
        &self.asked
    }

    /// When to poll.
    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Everything that is missing is given up.
    pub(crate) fn clear(&mut self) {
        self.missing.clear();
        self.due = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Option<Duration> = Some(Duration::from_millis(50));

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn poll(generator: &mut NackGenerator, now: Instant) -> Vec<u64> {
        generator.poll(now, RTT).iter().map(|seq| seq.get()).collect()
    }

    fn seq(seq: u64) -> SeqNo {
        SeqNo::new(seq)
    }

    #[test]
    fn what_is_missing_is_asked_for_once_per_round_trip_and_given_up() {
        let start = Instant::now();
        let mut generator = NackGenerator::new();
        assert_eq!(generator.gap(start, seq(10), seq(13)), 0);
        assert_eq!(poll(&mut generator, start), [0; 0]);
        let mut asked = Vec::new();
        for ms in 0..2000 {
            let numbers = poll(&mut generator, start + millis(ms));
            if !numbers.is_empty() {
                assert_eq!(numbers, [11, 12]);
                asked.push(ms);
            }
        }
        assert_eq!(asked, [5, 55, 105, 155, 223, 323, 423, 523, 623, 723]);
        assert_eq!(generator.poll_timeout(), None);
    }

    #[test]
    fn what_came_is_not_asked_for() {
        let start = Instant::now();
        let mut generator = NackGenerator::new();
        generator.gap(start, seq(10), seq(14));
        generator.arrived(start + millis(3), seq(12), false);
        assert_eq!(poll(&mut generator, start + millis(5)), [11, 13]);
        generator.arrived(start + millis(40), seq(11), true);
        generator.arrived(start + millis(40), seq(13), true);
        assert_eq!(generator.poll_timeout(), None);
    }

    #[test]
    fn reordering_delays_the_first_request() {
        let start = Instant::now();
        let mut generator = NackGenerator::new();
        generator.gap(start, seq(10), seq(12));
        generator.arrived(start + millis(12), seq(11), false);
        generator.gap(start + millis(100), seq(12), seq(14));
        assert_eq!(poll(&mut generator, start + millis(111)), [0; 0]);
        assert_eq!(poll(&mut generator, start + millis(112)), [13]);
    }

    #[test]
    fn a_round_trip_that_nobody_reports_is_learnt_from_the_answers() {
        let start = Instant::now();
        let mut generator = NackGenerator::new();
        // Asked after 5 ms, and after the default again; the answer to the first request comes after 300 ms.
        generator.gap(start, seq(10), seq(12));
        let asked = |generator: &mut NackGenerator, from: u64, to: u64| {
            let polls = (from..to).filter(|ms| !generator.poll(start + millis(*ms), None).is_empty());
            polls.collect::<Vec<u64>>()
        };
        assert_eq!(asked(&mut generator, 0, 305), [5, 105, 205]);
        generator.arrived(start + millis(305), seq(11), true);
        generator.gap(start + millis(1000), seq(12), seq(14));
        assert_eq!(asked(&mut generator, 1000, 1700), [1005, 1305, 1605]);
        // One answer to a second request does not make the round trip longer than the path.
        generator.arrived(start + millis(1700), seq(13), true);
        generator.gap(start + millis(2000), seq(14), seq(16));
        assert_eq!(asked(&mut generator, 2000, 2400), [2005, 2343]);
    }

    #[test]
    fn the_list_is_bounded_and_the_oldest_are_given_up() {
        let start = Instant::now();
        let mut generator = NackGenerator::new();
        assert_eq!(generator.gap(start, seq(0), seq(901)), 0);
        assert_eq!(generator.gap(start, seq(901), seq(1102)), 100);
        let asked = poll(&mut generator, start + millis(5));
        assert_eq!((asked.len(), asked[0], asked[999]), (1000, 101, 1101));
        assert_eq!(generator.gap(start, seq(2000), seq(5001)), 3000);
        assert_eq!(generator.missing.len(), 1000);
        assert_eq!(generator.missing[0].seq, seq(4001));
    }
}
