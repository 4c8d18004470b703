//! Numbers what is sent to a subscriber, and takes the subscriber's reports.
//!
//! [`TwccSender::send`] is called at the moment a packet leaves, behind the pacer: one counter over audio, video,
//! retransmissions and padding of a transport. [`TwccSender::on_feedback`] survives reports that are late, repeated or
//! about nothing. Invariant: a packet is counted as received once at most, and as lost once at most.

use std::time::{Duration, Instant};

use sfu_wire::rtcp::{FeedbackTime, TransportFeedback};
use sfu_wire::{DataSize, SeqNo, extend_seq};

use crate::twcc::history::{History, Sent, State};

/// The sending end of one transport.
#[derive(Debug, Default)]
pub struct TwccSender {
    history: History,
    /// When the first packet left: zero of the send times in the history.
    epoch: Option<Instant>,
    last_feedback_count: Option<u8>,
}

/// What one feedback message told that was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FeedbackSummary {
    /// Packets that it says have arrived and no message before did.
    pub received: u32,
    /// Their bytes.
    pub received_size: DataSize,
    /// Packets that it says have not arrived and no message before did.
    pub lost: u32,
    /// Of `received`: packets that an earlier message called lost. They were late.
    pub recovered: u32,
    /// Packets that the history does not know: too old, or never sent.
    pub unknown: u32,
    /// Feedback messages that were lost between the previous one and this one.
    pub missed_feedback: u8,
    /// When the newest of `received` left.
    pub newest_sent: Option<Instant>,
    /// From then to now: the round trip and the receiver's wait for its next report. Take the minimum over some messages.
    pub rtt: Option<Duration>,
}

/// What a feedback message told of one packet, for an estimator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketResult {
    /// Its extended transport-wide number.
    pub seq: SeqNo,
    /// When it left.
    pub sent: Instant,
    /// Its size.
    pub size: DataSize,
    /// When it arrived, at the receiver's clock; `None`: it has not.
    pub arrival: Option<FeedbackTime>,
}

impl TwccSender {
    /// Whose first packet has the number 0. Allocates with the first packet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whose first packet has the number `first`.
    pub fn starting_at(first: u16) -> Self {
        Self { history: History::starting_at(u64::from(first)), ..Self::default() }
    }

    /// Asks for the memory where the next `count` packets, fewer than a line holds, will be remembered.
    pub fn prefetch(&self, count: usize) {
        self.history.prefetch(count);
    }

    /// A packet of `size` bytes leaves now; gives the number that it carries. Sizes from 16 kB on count as 16 kB.
    pub fn send(&mut self, now: Instant, size: usize) -> u16 {
        let epoch = *self.epoch.get_or_insert(now);
        let number = self.history.next();
        self.history.push(Sent::new(now.saturating_duration_since(epoch).as_micros() as u64, size));
        SeqNo::new(number).as_u16()
    }

    /// The extended number of the next packet.
    pub const fn next_seq(&self) -> SeqNo {
        SeqNo::new(self.history.next())
    }

    /// A feedback message arrived.
    pub fn on_feedback(&mut self, now: Instant, feedback: &TransportFeedback<'_>) -> FeedbackSummary {
        self.on_feedback_with(now, feedback, |_| {})
    }

    /// A feedback message arrived; `each` gets what is new, in the order of the numbers.
    pub fn on_feedback_with(
        &mut self,
        now: Instant,
        feedback: &TransportFeedback<'_>,
        mut each: impl FnMut(PacketResult),
    ) -> FeedbackSummary {
        let mut summary =
            FeedbackSummary { missed_feedback: self.missed(feedback.feedback_count), ..FeedbackSummary::default() };
        for packet in feedback.packets() {
            let seq = extend_seq(self.next_seq(), packet.seq);
            let Some((sent, epoch)) = self.history.get(seq.get()).zip(self.epoch) else {
                summary.unknown += 1;
                continue;
            };
            let state = if packet.arrival.is_some() { State::Received } else { State::Lost };
            if !is_news(sent.state(), state) {
                continue;
            }
            self.history.set_state(seq.get(), state);
            let result = PacketResult {
                seq,
                sent: epoch + Duration::from_micros(sent.micros()),
                size: DataSize::new(sent.size()),
                arrival: packet.arrival,
            };
            summary.add(&result, sent.state());
            each(result);
        }
        summary.rtt = summary.newest_sent.map(|sent| now.saturating_duration_since(sent));
        summary
    }

    /// How many messages are missing before the one with this count.
    fn missed(&mut self, count: u8) -> u8 {
        let ahead = self.last_feedback_count.map_or(1, |last| count.wrapping_sub(last));
        // More than half of the circle ahead is behind: a late message; zero is a repeated one.
        if (1..0x80).contains(&ahead) {
            self.last_feedback_count = Some(count);
            ahead - 1
        } else {
            0
        }
    }
}

impl FeedbackSummary {
    fn add(&mut self, result: &PacketResult, before: State) {
        if result.arrival.is_some() {
            self.received += 1;
            self.received_size += result.size;
            self.recovered += u32::from(before == State::Lost);
            self.newest_sent = self.newest_sent.max(Some(result.sent));
        } else {
            self.lost += 1;
        }
    }
}

/// A packet is first in flight, then perhaps lost, at last received; a report never leads back.
const fn is_news(before: State, reported: State) -> bool {
    matches!((before, reported), (State::InFlight, _) | (State::Lost, State::Received))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use sfu_wire::Ssrc;

    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SSRCS: (Ssrc, Ssrc) = (Ssrc::new(1), Ssrc::new(2));

    fn feedback(base: u16, count: u8, deltas: &[Option<i16>]) -> TransportFeedback<'_> {
        TransportFeedback::new(SSRCS, base, 0, count, deltas)
    }

    #[test]
    fn counts_what_arrived_and_what_did_not() {
        let start = Instant::now();
        let mut sender = TwccSender::starting_at(0xffff);
        assert_eq!(sender.send(start, 100), 0xffff);
        assert_eq!(sender.send(start + MS, 200), 0);
        assert_eq!(sender.send(start + 2 * MS, 300), 1);
        assert_eq!(sender.next_seq(), SeqNo::new(0x1_0002));
        let mut results = Vec::new();
        let deltas = [Some(4), None, Some(4)];
        let summary = sender.on_feedback_with(start + 42 * MS, &feedback(0xffff, 0, &deltas), |result| {
            results.push(result);
        });
        let expected = FeedbackSummary {
            received: 2,
            received_size: DataSize::new(400),
            lost: 1,
            newest_sent: Some(start + 2 * MS),
            rtt: Some(40 * MS),
            ..FeedbackSummary::default()
        };
        assert_eq!(summary, expected);
        assert_eq!(results.len(), 3);
        let last = PacketResult {
            seq: SeqNo::new(0x1_0001),
            sent: start + 2 * MS,
            size: DataSize::new(300),
            arrival: Some(FeedbackTime::new(8)),
        };
        assert_eq!(results[2], last);
    }

    #[test]
    fn a_repeated_message_tells_nothing_and_a_late_packet_is_recovered() {
        let start = Instant::now();
        let mut sender = TwccSender::new();
        sender.send(start, 100);
        sender.send(start, 100);
        let first = [Some(4), None];
        sender.on_feedback(start + 10 * MS, &feedback(0, 0, &first));
        let again = sender.on_feedback(start + 20 * MS, &feedback(0, 0, &first));
        assert_eq!(again, FeedbackSummary::default());
        let late = sender.on_feedback(start + 30 * MS, &feedback(0, 1, &[Some(4), Some(4)]));
        assert_eq!((late.received, late.recovered, late.lost), (1, 1, 0));
        let lie = sender.on_feedback(start + 40 * MS, &feedback(0, 2, &[None, None]));
        assert_eq!(lie, FeedbackSummary::default(), "received stays received");
    }

    #[test]
    fn what_was_never_sent_or_is_forgotten_is_unknown() {
        let start = Instant::now();
        let mut sender = TwccSender::new();
        assert_eq!(sender.on_feedback(start, &feedback(0, 0, &[Some(1)])).unknown, 1);
        for _ in 0..300 {
            sender.send(start, 100);
            sender.send(start + Duration::from_secs(3), 100);
        }
        assert_eq!(sender.on_feedback(start, &feedback(600, 0, &[Some(1); 3])).unknown, 3);
        assert_eq!(sender.on_feedback(start, &feedback(60_000, 0, &[None, Some(1)])).unknown, 2);
    }

    #[test]
    fn missed_messages_are_counted_across_the_wrap() {
        let start = Instant::now();
        let mut sender = TwccSender::new();
        let missed: Vec<_> = [254, 255, 2, 1, 2, 3]
            .map(|count| sender.on_feedback(start, &feedback(0, count, &[None])).missed_feedback)
            .to_vec();
        assert_eq!(missed, [0, 0, 2, 0, 0, 0]);
    }

    proptest! {
        /// Whatever is reported: no packet counts twice, and nothing that was not sent counts.
        #[test]
        fn totals_never_exceed_what_was_sent(
            first: u16,
            sent in 1u32..2000,
            messages in prop::collection::vec(
                (any::<u8>(), 0u16..2100, prop::collection::vec(prop::option::of(any::<i16>()), 1..200)), 0..30),
        ) {
            let start = Instant::now();
            let mut sender = TwccSender::starting_at(first);
            for index in 0..sent {
                sender.send(start + MS * index, 100);
            }
            let (mut received, mut lost, mut recovered) = (0, 0, 0);
            for (count, offset, deltas) in messages {
                let base = first.wrapping_add(offset).wrapping_sub(50);
                let summary = sender.on_feedback(start + MS * 5000, &feedback(base, count, &deltas));
                prop_assert_eq!(summary.received_size.get(), u64::from(summary.received) * 100);
                prop_assert_eq!(summary.rtt.is_some(), summary.received > 0);
                received += summary.received;
                lost += summary.lost;
                recovered += summary.recovered;
            }
            prop_assert!(received <= sent && recovered <= lost && received + lost - recovered <= sent);
        }
    }
}
