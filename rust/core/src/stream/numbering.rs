//! Numbers without wraps for one received stream: sequence numbers and timestamps go on across wraps and restarts.
//!
//! Duplicates and what is too old end here. A jump that the next packet confirms is a restart of the publisher's stream
//! (RFC 3550 §A.1): it begins a new epoch, whose numbers go on above the old ones. Invariant: a number is given at most once.

use std::time::{Duration, Instant};

use sfu_wire::{SeqNo, extend_seq, extend_timestamp};

/// So far back packets are told from duplicates. Two seconds at 1000 packets a second.
const WINDOW: u64 = 2048;
const WORDS: usize = (WINDOW / 64) as usize;
/// A jump ahead by more is not loss. (RFC 3550 §A.1: 3000.)
const MAX_DROPOUT: i64 = 3000;
/// So many numbers before the first packet of an epoch may be of it too, overtaken. Lower: the first keyframe is lost when its
/// first packet is not the first to come.
const OVERTAKEN: u64 = 32;
/// Timestamps that run ahead of time by more, or back by more, begin anew.
const MAX_AHEAD: Duration = Duration::from_secs(10);
const MAX_BEHIND: Duration = Duration::from_secs(2);

/// The numbers of a packet that is new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Accepted {
    /// Extended.
    pub seq: SeqNo,
    /// The highest so far, this one included.
    pub newest: SeqNo,
    /// Extended.
    pub timestamp: u64,
    /// Counts the restarts.
    pub epoch: u16,
    /// The highest before this packet, when this one is higher and belongs to the same epoch.
    pub(super) previous: Option<SeqNo>,
    /// So many numbers more than was known belong to the epoch: it began before the packet that came first.
    pub(super) earlier: u64,
}

/// The numbers of a packet, as another [`Numbering`] gave them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ToldNumbers {
    /// Extended.
    pub(crate) seq: SeqNo,
    /// Extended.
    pub(crate) timestamp: u64,
    /// Counts the restarts.
    pub(crate) epoch: u16,
}

/// Where a stream stood when something new of it last came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamEnd {
    /// As in the packets.
    pub(crate) seq: u16,
    pub(crate) timestamp: u32,
    pub(crate) arrival: Instant,
    /// Of the timestamps.
    pub(crate) rate: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Empty,
    Running,
    /// This number would confirm a jump.
    Doubting {
        next: u16,
    },
    /// The next packet begins a new epoch.
    Restarting,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct Numbering {
    rate: u64,
    state: State,
    epoch: u16,
    highest: SeqNo,
    /// The first number of the epoch, as far as is known.
    first: SeqNo,
    received: [u64; WORDS],
    newest_timestamp: u64,
    newest_arrival: Option<Instant>,
    /// Added to what comes, so that timestamps go on after they began anew.
    timestamp_shift: u32,
}

impl Numbering {
    pub(crate) const fn new(rate: u32) -> Self {
        Self {
            rate: rate as u64,
            state: State::Empty,
            epoch: 0,
            highest: SeqNo::new(0),
            first: SeqNo::new(0),
            received: [0; WORDS],
            newest_timestamp: 0,
            newest_arrival: None,
            timestamp_shift: 0,
        }
    }

    pub(crate) const fn highest(&self) -> SeqNo {
        self.highest
    }

    /// The highest with the wraps since the stream began, as reports carry it (RFC 3550 §6.4.1).
    pub(crate) const fn highest_reported(&self) -> u32 {
        let wraps = self.highest.rollovers() - self.first.rollovers();
        wraps << 16 | self.highest.as_u16() as u32
    }

    /// Where the stream stands; `None` before anything came.
    pub(crate) fn end(&self) -> Option<StreamEnd> {
        Some(StreamEnd {
            seq: self.highest.as_u16(),
            timestamp: (self.newest_timestamp as u32).wrapping_sub(self.timestamp_shift),
            arrival: self.newest_arrival?,
            rate: self.rate as u32,
        })
    }

    /// The publisher's stream starts anew with the next packet.
    pub(crate) fn restart(&mut self) {
        if self.state != State::Empty {
            self.state = State::Restarting;
        }
    }

    /// Numbers a packet; `None` when it was there before, is too old, or jumps and is not confirmed.
    pub(crate) fn accept(&mut self, now: Instant, seq: u16, timestamp: u32) -> Option<Accepted> {
        match self.state {
            State::Empty => Some(self.begin(now, SeqNo::first_received(seq), seq, timestamp)),
            State::Restarting => Some(self.begin_epoch(now, seq, seq, timestamp)),
            // The first packet after the jump is missing now, and may be asked for.
            State::Doubting { next } if seq == next => Some(self.begin_epoch(now, seq.wrapping_sub(1), seq, timestamp)),
            State::Running | State::Doubting { .. } => self.go_on(now, seq, timestamp),
        }
    }

    /// Takes over numbers that were given elsewhere; `None` when they were taken over before, or are too old.
    pub(crate) fn follow(&mut self, told: ToldNumbers) -> Option<Accepted> {
        let ToldNumbers { seq, timestamp, epoch } = told;
        let ahead = seq.since(self.highest);
        if self.state == State::Empty || ahead > WINDOW as i64 {
            self.received = [0; WORDS];
            self.highest = seq;
        } else if ahead <= -(WINDOW as i64) || ahead <= 0 && self.was_received(seq) {
            return None;
        }
        self.state = State::Running;
        self.note(seq);
        Some(Accepted { seq, newest: self.highest, timestamp, epoch, previous: None, earlier: 0 })
    }

    /// Whether a packet with this number would go on with the stream, new or not: a repair must, or it is of another one.
    pub(crate) fn reaches(&self, seq: u16) -> bool {
        match self.state {
            State::Empty => true,
            State::Restarting => false,
            State::Running | State::Doubting { .. } => is_near(extend_seq(self.highest, seq).since(self.highest)),
        }
    }

    /// The timestamp of a sender report, on the same scale.
    pub(crate) fn extend_timestamp(&self, timestamp: u32) -> Option<u64> {
        let running = matches!(self.state, State::Running | State::Doubting { .. });
        running.then(|| extend_timestamp(self.newest_timestamp, timestamp.wrapping_add(self.timestamp_shift)))
    }

    fn go_on(&mut self, now: Instant, seq: u16, timestamp: u32) -> Option<Accepted> {
        let extended = extend_seq(self.highest, seq);
        let ahead = extended.since(self.highest);
        if !is_near(ahead) {
            self.state = State::Doubting { next: seq.wrapping_add(1) };
            return None;
        }
        let earlier = self.first.get().saturating_sub(extended.get());
        if ahead <= 0 && (earlier > OVERTAKEN || self.was_received(extended)) {
            return None;
        }
        self.state = State::Running;
        self.first = self.first.min(extended);
        let previous = (ahead > 0).then_some(self.highest);
        self.note(extended);
        Some(Accepted {
            seq: extended,
            newest: self.highest,
            timestamp: self.timestamp(now, timestamp, ahead > 0),
            epoch: self.epoch,
            previous,
            earlier,
        })
    }

    fn begin_epoch(&mut self, now: Instant, first: u16, seq: u16, timestamp: u32) -> Accepted {
        // Two cycles up, so that what comes late of either epoch cannot be taken for the other's.
        let first = SeqNo::new(((self.highest.get() >> 16) + 2) << 16 | u64::from(first));
        self.epoch = self.epoch.wrapping_add(1);
        let expected = self.expected_timestamp(now);
        self.timestamp_shift = (expected as u32).wrapping_sub(timestamp);
        self.newest_timestamp = expected;
        self.begin(now, first, seq, timestamp)
    }

    fn begin(&mut self, now: Instant, first: SeqNo, seq: u16, timestamp: u32) -> Accepted {
        if self.state == State::Empty {
            self.newest_timestamp = 1 << 32 | u64::from(timestamp);
        }
        self.state = State::Running;
        self.first = first;
        self.highest = first;
        self.received = [0; WORDS];
        let seq = extend_seq(first, seq);
        self.note(seq);
        self.newest_arrival = Some(now);
        let previous = (seq > first).then(|| SeqNo::new(first.get() - 1));
        Accepted { seq, newest: seq, timestamp: self.newest_timestamp, epoch: self.epoch, previous, earlier: 0 }
    }

    fn timestamp(&mut self, now: Instant, timestamp: u32, is_highest: bool) -> u64 {
        let extended = extend_timestamp(self.newest_timestamp, timestamp.wrapping_add(self.timestamp_shift));
        if !is_highest {
            return extended;
        }
        let expected = self.expected_timestamp(now);
        let ahead = extended > expected + MAX_AHEAD.as_secs() * self.rate;
        let behind = extended + MAX_BEHIND.as_secs() * self.rate < self.newest_timestamp;
        let extended = if ahead || behind {
            self.timestamp_shift = (expected as u32).wrapping_sub(timestamp);
            expected
        } else {
            extended
        };
        if extended > self.newest_timestamp {
            self.newest_timestamp = extended;
            self.newest_arrival = Some(now);
        }
        extended
    }

    /// Where the timestamps stand now, by time alone.
    fn expected_timestamp(&self, now: Instant) -> u64 {
        let passed = self.newest_arrival.map_or(Duration::ZERO, |arrival| now.saturating_duration_since(arrival));
        let ticks = passed.as_nanos() * u128::from(self.rate) / 1_000_000_000;
        self.newest_timestamp + (ticks as u64).max(1)
    }

    fn was_received(&self, seq: SeqNo) -> bool {
        let (word, bit) = place(seq);
        self.received[word] >> bit & 1 == 1
    }

    fn note(&mut self, seq: SeqNo) {
        for skipped in self.highest.get() + 1..=seq.get() {
            let (word, bit) = place(SeqNo::new(skipped));
            self.received[word] &= !(1 << bit);
        }
        let (word, bit) = place(seq);
        self.received[word] |= 1 << bit;
        self.highest = self.highest.max(seq);
    }
}

const fn place(seq: SeqNo) -> (usize, u64) {
    let index = seq.get() % WINDOW;
    ((index / 64) as usize, index % 64)
}

/// Whether a number so far from the highest one belongs to the same run.
const fn is_near(ahead: i64) -> bool {
    ahead <= MAX_DROPOUT && ahead > -(WINDOW as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(numbering: &mut Numbering, now: Instant, seq: u16) -> Option<u64> {
        numbering.accept(now, seq, u32::from(seq)).map(|accepted| accepted.seq.get())
    }

    #[test]
    fn duplicates_and_what_is_too_old_end_here() {
        let now = Instant::now();
        let mut numbering = Numbering::new(90_000);
        assert_eq!(accept(&mut numbering, now, 65_530), Some(65_536 + 65_530));
        assert_eq!(accept(&mut numbering, now, 65_530), None);
        assert_eq!(accept(&mut numbering, now, 3), Some(2 * 65_536 + 3), "wrapped");
        assert_eq!(accept(&mut numbering, now, 65_535), Some(65_536 + 65_535), "late");
        assert_eq!(accept(&mut numbering, now, 65_535), None);
        for seq in 4..2100 {
            assert!(accept(&mut numbering, now, seq).is_some());
        }
        assert_eq!(accept(&mut numbering, now, 0), None, "older than the window");
    }

    #[test]
    fn the_first_packet_to_come_may_have_overtaken_others() {
        let now = Instant::now();
        let mut numbering = Numbering::new(90_000);
        accept(&mut numbering, now, 3);
        let early = numbering.accept(now, 65_535, 0).unwrap();
        assert_eq!((early.seq.get(), early.earlier, early.previous), (65_535, 4, None));
        assert_eq!(numbering.highest_reported(), 1 << 16 | 3, "the numbers have wrapped since the stream began");
        assert_eq!(accept(&mut numbering, now, 65_535), None, "a duplicate");
        assert_eq!(numbering.accept(now, 0, 0).map(|between| between.earlier), Some(0));
        assert_eq!(accept(&mut numbering, now, 65_502), None, "too long before what is known to be the first");
    }

    #[test]
    fn a_confirmed_jump_is_a_restart_and_what_was_before_has_ended() {
        let now = Instant::now();
        let mut numbering = Numbering::new(90_000);
        accept(&mut numbering, now, 1000);
        assert_eq!(accept(&mut numbering, now, 30_000), None);
        assert_eq!(accept(&mut numbering, now, 1001), Some(65_536 + 1001), "one stray packet is no restart");
        assert_eq!(accept(&mut numbering, now, 30_000), None);
        let accepted = numbering.accept(now, 30_001, 5).unwrap();
        assert_eq!((accepted.seq.get(), accepted.epoch), (3 * 65_536 + 30_001, 1));
        assert_eq!(accepted.previous.map(SeqNo::get), Some(3 * 65_536 + 29_999), "the first one is missing");
        assert_eq!(accept(&mut numbering, now, 30_000), Some(3 * 65_536 + 30_000));
        assert_eq!(accept(&mut numbering, now, 1002), None);
    }

    #[test]
    fn a_new_source_goes_on_where_time_is() {
        let now = Instant::now();
        let mut numbering = Numbering::new(90_000);
        let before = numbering.accept(now, 7, 1_000_000).unwrap();
        numbering.restart();
        let after = numbering.accept(now + Duration::from_secs(2), 60_000, 77).unwrap();
        assert_eq!(after.epoch, 1);
        assert!(after.seq > before.seq && after.previous.is_none());
        assert_eq!(after.timestamp, before.timestamp + 180_000);
        let next = numbering.accept(now + Duration::from_secs(2), 60_001, 3077).unwrap();
        assert_eq!(next.timestamp, after.timestamp + 3000);
        assert_eq!(numbering.extend_timestamp(3077), Some(next.timestamp));
    }

    #[test]
    fn timestamps_that_begin_anew_go_on() {
        let now = Instant::now();
        let mut numbering = Numbering::new(48_000);
        let first = numbering.accept(now, 1, 4_000_000_000).unwrap();
        let wrapped = numbering.accept(now + Duration::from_secs(8), 2, 89_032_704).unwrap();
        assert_eq!(wrapped.timestamp - first.timestamp, 384_000, "a wrap is no jump");
        let anew = numbering.accept(now + Duration::from_secs(9), 3, 2_000_000_000).unwrap();
        assert_eq!(anew.timestamp - wrapped.timestamp, 48_000);
    }

    #[test]
    fn the_first_packets_may_be_reordered_into_a_new_epoch() {
        let now = Instant::now();
        let mut numbering = Numbering::new(90_000);
        accept(&mut numbering, now, 10);
        numbering.restart();
        assert_eq!(numbering.accept(now, 40_000, 0).unwrap().epoch, 1);
        assert_eq!(accept(&mut numbering, now, 11), None, "it belongs to the old one");
    }
}
