//! Reports to a publisher when its packets arrived. Without it a browser never raises its rate: it sends its lowest layer
//! only.
//!
//! Ingress calls [`TwccReceiver::record`] per packet; when [`TwccReceiver::poll_timeout`] is reached,
//! [`TwccReceiver::poll_feedback`] gives messages until `None`. Invariant: `next` is at most one above the highest number.

use std::time::{Duration, Instant};

use sfu_wire::rtcp::TransportFeedback;
use sfu_wire::{SeqNo, Ssrc, extend_seq};

use crate::twcc::arrivals::{Arrivals, Ticks};

/// Shortest time between two reports. Higher: the sender reacts later. Lower: more upstream RTCP (libwebrtc's bound).
const MIN_INTERVAL: Duration = Duration::from_millis(50);
/// Longest time between two reports. Higher: less RTCP for slow streams. Lower: single-packet reports. (mediasoup's
/// interval; libwebrtc allows 250 ms for the slowest.)
const MAX_INTERVAL: Duration = Duration::from_millis(100);
/// Between both bounds a report speaks of about so many packets: 100 packets a second are reported every 100 ms, 200 and
/// more every 50 ms.
const PACKETS_PER_REPORT: u32 = 10;
/// Bounds a message: at worst seven packets take 2 bytes of chunk and 14 of deltas, so 450 take 1050 bytes, which fits a
/// datagram together with a receiver report.
const MAX_STATUSES: usize = 450;
/// So many packets in a row that are older than the window, each following the one before it, mean that the sender
/// counts anew. Lower: stray old packets reset. Higher: longer without feedback.
const RESTART_AFTER: u8 = 3;
/// Microseconds in a tick of the arrival clock.
const TICK_MICROS: u128 = 250;

/// The receiving end of one transport: takes arrivals, gives feedback messages.
#[derive(Debug, Default)]
pub struct TwccReceiver {
    state: Option<Receiving>,
    feedback_count: u8,
    /// Of the message that is being given out; kept for its memory.
    deltas: Vec<Option<i16>>,
}

#[derive(Debug)]
struct Receiving {
    arrivals: Arrivals,
    /// Zero of the arrival clock.
    epoch: Instant,
    /// The first number that the next message speaks of.
    next: SeqNo,
    /// Of the newest packet: a stream that surely exists. (A report on a stream that never started makes a sender
    /// collapse, janus #2908.)
    media: Ssrc,
    /// Arrivals since the last report.
    unreported: u32,
    last_report: Option<Instant>,
    interval: Duration,
    outside: Outside,
}

/// Watches packets that are older than the window.
#[derive(Debug, Default)]
struct Outside {
    expected: u16,
    in_a_row: u8,
}

impl TwccReceiver {
    /// Has seen nothing. Allocates with the first packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// A packet of stream `media` with the transport-wide number `seq` arrived.
    pub fn record(&mut self, now: Instant, media: Ssrc, seq: u16) {
        match &mut self.state {
            Some(state) if state.arrivals.reaches(seq) => state.record(now, media, seq),
            Some(state) => {
                if state.outside.restarted(seq) {
                    state.restart(now, media, seq);
                }
            }
            None => self.state = Some(Receiving::new(now, media, seq)),
        }
    }

    /// The next feedback message when one is due, in the name of `sender`; to be called until `None`.
    pub fn poll_feedback(&mut self, now: Instant, sender: Ssrc) -> Option<TransportFeedback<'_>> {
        let state = self.state.as_mut()?;
        if state.due()? > now {
            return None;
        }
        let (base, reference_time) = state.collect(&mut self.deltas)?;
        if state.next > state.arrivals.highest() {
            state.reported(now);
        }
        let feedback_count = self.feedback_count;
        self.feedback_count = feedback_count.wrapping_add(1);
        Some(TransportFeedback::new((sender, state.media), base.as_u16(), reference_time, feedback_count, &self.deltas))
    }

    /// When a feedback message is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.state.as_ref()?.due()
    }
}

impl Outside {
    /// Whether `seq`, which is older than the window, shows that the sender counts anew.
    fn restarted(&mut self, seq: u16) -> bool {
        let follows = self.in_a_row > 0 && self.expected == seq;
        self.in_a_row = if follows { self.in_a_row + 1 } else { 1 };
        self.expected = seq.wrapping_add(1);
        self.in_a_row >= RESTART_AFTER
    }
}

impl Receiving {
    fn new(now: Instant, media: Ssrc, seq: u16) -> Self {
        let seq = SeqNo::first_received(seq);
        Self {
            arrivals: Arrivals::new(seq, Ticks(0)),
            epoch: now,
            next: seq,
            media,
            unreported: 1,
            last_report: None,
            interval: MIN_INTERVAL,
            outside: Outside::default(),
        }
    }

    fn record(&mut self, now: Instant, media: Ssrc, seq: u16) {
        self.outside = Outside::default();
        let seq = extend_seq(self.arrivals.highest(), seq);
        let time = Ticks((now.saturating_duration_since(self.epoch).as_micros() / TICK_MICROS) as u32);
        if self.arrivals.insert(seq, time) {
            self.media = media;
            self.unreported += 1;
            // A late packet is reported with everything behind it; the sender knows that some of it is old news.
            self.next = self.next.min(seq).max(self.arrivals.lowest());
        }
    }

    /// Forgets all arrivals but this one; the clock goes on.
    fn restart(&mut self, now: Instant, media: Ssrc, seq: u16) {
        self.next = SeqNo::first_received(seq);
        self.arrivals = Arrivals::new(self.next, self.ticks(now));
        self.media = media;
        self.unreported = 1;
        self.outside = Outside::default();
    }

    fn ticks(&self, now: Instant) -> Ticks {
        Ticks((now.saturating_duration_since(self.epoch).as_micros() / TICK_MICROS) as u32)
    }

    fn due(&self) -> Option<Instant> {
        if self.unreported == 0 {
            None
        } else {
            Some(self.last_report.map_or(self.epoch + MIN_INTERVAL, |last| last + self.interval))
        }
    }

    /// Fills `deltas` with the statuses of one message; gives its first number and its reference time.
    fn collect(&mut self, deltas: &mut Vec<Option<i16>>) -> Option<(SeqNo, i32)> {
        deltas.clear();
        let base = self.next;
        let span = self.arrivals.highest().since(base).saturating_add(1);
        let first = (0..span as u64).find_map(|step| self.arrivals.get(base.plus(step)))?;
        // The reference time is 24 bits with sign, in units of 256 ticks.
        let reference_time = first.0 as i32 >> 8;
        let mut previous = Ticks(first.0 & !0xff);
        while self.next <= self.arrivals.highest() && deltas.len() < MAX_STATUSES {
            let delta = match self.arrivals.get(self.next) {
                None => None,
                Some(time) => {
                    // More than eight seconds apart: the rest goes into a message with a reference time of its own.
                    let Ok(delta) = i16::try_from(time.since(previous)) else {
                        break;
                    };
                    previous = time;
                    Some(delta)
                }
            };
            deltas.push(delta);
            self.next = self.next.next();
        }
        Some((base, reference_time))
    }

    /// Everything up to the highest number is reported.
    fn reported(&mut self, now: Instant) {
        if let Some(last) = self.last_report {
            let elapsed = now.saturating_duration_since(last);
            self.interval = (elapsed * PACKETS_PER_REPORT / self.unreported.max(1)).clamp(MIN_INTERVAL, MAX_INTERVAL);
        }
        self.last_report = Some(now);
        self.unreported = 0;
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use sfu_wire::rtcp::{FeedbackTime, Rtcp, WriteRtcp, packets};

    use super::*;

    const SENDER: Ssrc = Ssrc::new(1);
    const MEDIA: Ssrc = Ssrc::new(2);
    const MS: Duration = Duration::from_millis(1);

    /// Base, (number, ticks) of arrivals, numbers that are missing.
    type Message = (u16, Vec<(u16, i64)>, Vec<u16>);

    fn read(feedback: &TransportFeedback<'_>) -> Message {
        let arrived = feedback.packets().filter_map(|p| p.arrival.map(|time| (p.seq, time.get())));
        let missing = feedback.packets().filter(|p| p.arrival.is_none()).map(|p| p.seq);
        (feedback.base_seq, arrived.collect(), missing.collect())
    }

    fn drain(receiver: &mut TwccReceiver, now: Instant) -> Vec<Message> {
        let mut messages = Vec::new();
        while let Some(feedback) = receiver.poll_feedback(now, SENDER) {
            let mut buffer = [0; 1150];
            let len = feedback.write(&mut buffer).expect("a message fits a datagram");
            let Some(Ok(Rtcp::TransportFeedback(parsed))) = packets(&buffer[..len]).next() else { panic!() };
            assert_eq!(parsed, feedback);
            messages.push(read(&parsed));
        }
        messages
    }

    #[test]
    fn reports_arrivals_and_gaps_with_a_live_ssrc() {
        let start = Instant::now();
        let mut receiver = TwccReceiver::new();
        assert_eq!(receiver.poll_timeout(), None);
        receiver.record(start, MEDIA, 0xffff);
        receiver.record(start + 10 * MS, Ssrc::new(3), 1);
        assert_eq!(receiver.poll_timeout(), Some(start + 50 * MS));
        assert!(receiver.poll_feedback(start + 49 * MS, SENDER).is_none());
        let feedback = receiver.poll_feedback(start + 50 * MS, SENDER).unwrap();
        assert_eq!((feedback.sender, feedback.media, feedback.feedback_count), (SENDER, Ssrc::new(3), 0));
        assert_eq!(read(&feedback), (0xffff, vec![(0xffff, 0), (1, 40)], vec![0]));
        assert!(receiver.poll_feedback(start + 500 * MS, SENDER).is_none(), "nothing new");
        assert_eq!(receiver.poll_timeout(), None);
    }

    #[test]
    fn a_gap_between_two_reports_is_reported() {
        let start = Instant::now();
        let mut receiver = TwccReceiver::new();
        receiver.record(start, MEDIA, 10);
        assert_eq!(drain(&mut receiver, start + 60 * MS).len(), 1);
        receiver.record(start + 70 * MS, MEDIA, 13);
        assert_eq!(drain(&mut receiver, start + 200 * MS), [(11, vec![(13, 280)], vec![11, 12])]);
    }

    #[test]
    fn a_late_packet_is_reported_and_a_duplicate_is_not() {
        let start = Instant::now();
        let mut receiver = TwccReceiver::new();
        for seq in [10, 11, 13] {
            receiver.record(start, MEDIA, seq);
        }
        drain(&mut receiver, start + 60 * MS);
        receiver.record(start + 70 * MS, MEDIA, 11);
        assert_eq!(receiver.poll_timeout(), None, "a duplicate");
        receiver.record(start + 70 * MS, MEDIA, 12);
        assert_eq!(drain(&mut receiver, start + 200 * MS), [(12, vec![(12, 280), (13, 0)], vec![])]);
    }

    #[test]
    fn the_interval_follows_the_rate() {
        let start = Instant::now();
        for (per_second, expected) in [(50, 100), (150, 66), (1000, 50)] {
            let mut receiver = TwccReceiver::new();
            let mut reports = Vec::new();
            for index in 0..per_second * 4 {
                let now = start + Duration::from_secs(1) * index / per_second;
                receiver.record(now, MEDIA, index as u16);
                if receiver.poll_feedback(now, SENDER).is_some() {
                    reports.push(now);
                }
            }
            let last = reports.len() - 1;
            let mean = (reports[last] - reports[5]).as_millis() / (last as u128 - 5);
            assert!(mean >= expected && mean <= expected + 14, "{per_second}: {mean}");
        }
    }

    #[test]
    fn a_long_silence_between_packets_of_one_report_takes_two_messages() {
        let start = Instant::now();
        let mut receiver = TwccReceiver::new();
        receiver.record(start, MEDIA, 1);
        receiver.record(start + Duration::from_secs(9), MEDIA, 2);
        let messages = drain(&mut receiver, start + Duration::from_secs(10));
        assert_eq!(messages, [(1, vec![(1, 0)], vec![]), (2, vec![(2, 36_000)], vec![])]);
    }

    #[test]
    fn a_huge_gap_is_cut_to_the_window_and_split() {
        let start = Instant::now();
        let mut receiver = TwccReceiver::new();
        receiver.record(start, MEDIA, 0);
        receiver.record(start, MEDIA, 20_000);
        let messages = drain(&mut receiver, start + 60 * MS);
        assert_eq!(messages.len(), 3);
        assert_eq!(messages.iter().map(|message| message.1.len() + message.2.len()).sum::<usize>(), 1024);
        assert_eq!(messages[2].1, [(20_000, 0)]);
    }

    #[test]
    fn a_sender_that_counts_anew_is_followed() {
        let start = Instant::now();
        let mut receiver = TwccReceiver::new();
        for seq in 0..5000 {
            receiver.record(start, MEDIA, seq);
        }
        drain(&mut receiver, start + 60 * MS);
        let count = receiver.feedback_count;
        for seq in 0..5 {
            receiver.record(start + 100 * MS, MEDIA, seq);
        }
        let messages = drain(&mut receiver, start + 200 * MS);
        assert_eq!(messages, [(2, vec![(2, 400), (3, 400), (4, 400)], vec![])]);
        assert_eq!(receiver.feedback_count, count + 1, "the count goes on");
    }

    #[test]
    fn stray_old_packets_are_ignored() {
        let start = Instant::now();
        let mut receiver = TwccReceiver::new();
        receiver.record(start, MEDIA, 20_000);
        drain(&mut receiver, start + 60 * MS);
        for seq in [5, 9, 10, 3] {
            receiver.record(start + 70 * MS, MEDIA, seq);
        }
        assert_eq!(receiver.poll_timeout(), None);
    }

    #[test]
    fn the_arrival_clock_wraps_with_the_wire() {
        let start = Instant::now();
        let mut receiver = TwccReceiver::new();
        receiver.record(start, MEDIA, 1);
        drain(&mut receiver, start + 60 * MS);
        // One tick before and two after 2^32 ticks.
        let wrap = start + Duration::from_micros(250) * u32::MAX;
        receiver.record(wrap, MEDIA, 2);
        receiver.record(wrap + Duration::from_micros(750), MEDIA, 3);
        let feedback = receiver.poll_feedback(wrap + 60 * MS, SENDER).unwrap();
        let times: Vec<FeedbackTime> = feedback.packets().filter_map(|p| p.arrival).collect();
        assert_eq!(times[1].micros_since(times[0]), 750);
        assert_eq!(feedback.reference_time, -1);
    }

    proptest! {
        /// Whatever order, loss and duplication: each packet within the window is reported with its first arrival.
        #[test]
        fn every_arrival_is_reported(
            first: u16,
            steps in prop::collection::vec((-20i32..40, 0u64..30), 1..300),
        ) {
            let mut now = Instant::now();
            let mut epoch = None;
            let mut receiver = TwccReceiver::new();
            let mut position = 0i64;
            let mut arrived = BTreeMap::new();
            let mut reported = BTreeMap::new();
            for (step, wait) in steps {
                now += Duration::from_millis(wait);
                position += i64::from(step);
                let seq = (i64::from(first) + position) as u16;
                receiver.record(now, MEDIA, seq);
                arrived.entry(seq).or_insert(((now - *epoch.get_or_insert(now)).as_micros() / 250) as i64);
                for (_, arrivals, missing) in drain(&mut receiver, now) {
                    reported.extend(arrivals);
                    for seq in missing {
                        prop_assert!(!arrived.contains_key(&seq));
                    }
                }
            }
            reported.extend(drain(&mut receiver, now + Duration::from_secs(1)).into_iter().flat_map(|m| m.1));
            prop_assert_eq!(reported, arrived);
        }

        #[test]
        fn any_numbers_are_survived(seqs in prop::collection::vec((any::<u16>(), 0u64..10_000), 1..200)) {
            let mut now = Instant::now();
            let mut receiver = TwccReceiver::new();
            for (seq, wait) in seqs {
                now += Duration::from_millis(wait);
                receiver.record(now, MEDIA, seq);
                drain(&mut receiver, now);
            }
            drain(&mut receiver, now + Duration::from_secs(1));
            prop_assert_eq!(receiver.poll_timeout(), None);
        }
    }
}
