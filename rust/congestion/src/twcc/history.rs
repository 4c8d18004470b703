//! What was sent and not yet forgotten, by transport-wide number: a ring of 8 bytes a packet.
//!
//! It starts small and doubles while packets that may still be reported would be overwritten, up to a bound; so after
//! the first seconds of a stream it allocates nothing. Invariant: a slot belongs to the newest number that maps to it.

use std::time::Duration;

use sfu_wire::prefetch;

/// Packets that the smallest ring holds: 2 kB, enough for an audio subscriber.
const MIN_LEN: usize = 256;
/// Higher: more memory for the busiest subscribers (128 kB). Lower: their reports come too late to be understood. At 4000
/// packets a second this is four seconds.
const MAX_LEN: usize = 16_384;
/// A packet that is older will not be reported any more, so its slot may be taken.
/// Higher: rings grow larger. Lower: reports over slow paths find nothing. (RTT of 1 s and feedback every 250 ms fit.)
const WORTH_KEEPING: Duration = Duration::from_secs(2);

const SIZE_BITS: u32 = 14;
const STATE_BITS: u32 = 2;
const TIME_SHIFT: u32 = SIZE_BITS + STATE_BITS;

/// What is known of a sent packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not reported yet.
    InFlight,
    /// Reported as missing.
    Lost,
    /// Reported as arrived.
    Received,
}

/// A sent packet: microseconds (48 bits), state, size in bytes (14 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sent(u64);

impl Sent {
    /// In no slot that was used.
    const NONE: Self = Self(0);

    pub(super) const fn new(micros: u64, size: usize) -> Self {
        let max = (1 << SIZE_BITS) - 1;
        let size = if size > max { max } else { size };
        Self(micros << TIME_SHIFT | 1 << SIZE_BITS | size as u64)
    }

    /// When, in microseconds since the sender's epoch.
    pub(super) const fn micros(self) -> u64 {
        self.0 >> TIME_SHIFT
    }

    pub(super) const fn size(self) -> u64 {
        self.0 & ((1 << SIZE_BITS) - 1)
    }

    pub(super) const fn state(self) -> State {
        match self.0 >> SIZE_BITS & 3 {
            2 => State::Lost,
            3 => State::Received,
            _ => State::InFlight,
        }
    }

    const fn with(self, state: State) -> Self {
        let bits = match state {
            State::InFlight => 1,
            State::Lost => 2,
            State::Received => 3,
        };
        Self(self.0 & !(3 << SIZE_BITS) | bits << SIZE_BITS)
    }
}

/// The ring.
#[derive(Debug, Default)]
pub(super) struct History {
    /// A power of two in length, or empty before the first packet.
    slots: Vec<Sent>,
    /// One above the newest number.
    next: u64,
    /// How many of the newest numbers are in the ring.
    kept: u64,
}

impl History {
    /// Whose first number is `first`.
    pub(super) fn starting_at(first: u64) -> Self {
        Self { slots: Vec::new(), next: first, kept: 0 }
    }

    /// The number of the next packet.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Asks for the memory of the next `count` packets.
    pub(super) fn prefetch(&self, count: usize) {
        prefetch::item(&self.slots, self.index(self.next));
        prefetch::item(&self.slots, self.index(self.next + count as u64));
    }

    /// Remembers `sent` under the next number.
    pub(super) fn push(&mut self, sent: Sent) {
        if self.is_full() && self.oldest_is_wanted(sent.micros()) {
            self.grow();
        }
        let index = self.index(self.next);
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = sent;
        }
        self.next += 1;
        self.kept = (self.kept + 1).min(self.slots.len() as u64);
    }

    /// What was sent as `number`; `None` when it is forgotten or was never sent.
    pub(super) fn get(&self, number: u64) -> Option<Sent> {
        let age = self.next.checked_sub(number)?;
        if age == 0 || age > self.kept {
            return None;
        }
        self.slots.get(self.index(number)).copied()
    }

    /// Changes the state of `number`, which [`Self::get`] has just found.
    pub(super) fn set_state(&mut self, number: u64, state: State) {
        let index = self.index(number);
        if let Some(slot) = self.slots.get_mut(index) {
            *slot = slot.with(state);
        }
    }

    fn is_full(&self) -> bool {
        self.kept == self.slots.len() as u64
    }

    fn oldest_is_wanted(&self, now_micros: u64) -> bool {
        let wanted = |sent: Sent| {
            sent.state() != State::Received
                && now_micros.saturating_sub(sent.micros()) < WORTH_KEEPING.as_micros() as u64
        };
        self.slots.is_empty() || self.get(self.next - self.kept).is_some_and(wanted)
    }

    fn grow(&mut self) {
        let len = (self.slots.len() * 2).clamp(MIN_LEN, MAX_LEN);
        if len == self.slots.len() {
            return;
        }
        let mut slots = vec![Sent::NONE; len];
        for number in self.next - self.kept..self.next {
            slots[number as usize & (len - 1)] = self.slots[self.index(number)];
        }
        self.slots = slots;
    }

    fn index(&self, number: u64) -> usize {
        number as usize & self.slots.len().wrapping_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    #[test]
    fn a_packet_fits_eight_bytes() {
        let sent = Sent::new(123_456_789_012, 1200);
        assert_eq!((sent.micros(), sent.size(), sent.state()), (123_456_789_012, 1200, State::InFlight));
        for state in [State::Lost, State::Received, State::InFlight] {
            assert_eq!((sent.with(state).state(), sent.with(state).size()), (state, 1200));
        }
        assert_eq!(Sent::new(0, 70_000).size(), 16_383);
    }

    #[test]
    fn it_grows_while_packets_may_still_be_reported() {
        let mut history = History::starting_at(60_000);
        for number in 0..1000 {
            history.push(Sent::new(number, 100));
        }
        assert_eq!(history.slots.len(), 1024);
        for number in 0..1000 {
            assert_eq!(history.get(60_000 + number).map(Sent::micros), Some(number));
        }
        assert_eq!((history.get(59_999), history.get(61_000)), (None, None));
    }

    #[test]
    fn it_stays_small_when_reports_come_or_packets_are_slow() {
        let mut reported = History::starting_at(0);
        let mut slow = History::starting_at(0);
        for number in 0..2000 {
            reported.push(Sent::new(number, 100));
            reported.set_state(number, State::Received);
            slow.push(Sent::new(number * SECOND / 50, 100));
        }
        assert_eq!((reported.slots.len(), slow.slots.len()), (256, 256));
        assert_eq!(slow.get(2000 - 257), None);
        assert!(slow.get(2000 - 256).is_some());
    }

    #[test]
    fn it_is_bounded() {
        let mut history = History::starting_at(0);
        for number in 0..40_000 {
            history.push(Sent::new(number, 100));
        }
        assert_eq!(history.slots.len(), MAX_LEN);
        assert_eq!(history.get(40_000 - 1 - MAX_LEN as u64), None);
        assert_eq!(history.get(39_999).map(Sent::micros), Some(39_999));
    }
}
