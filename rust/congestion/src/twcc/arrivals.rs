//! The arrival times of the newest packets, by transport-wide number. Fixed in size.
//!
//! Times are ticks of 250 µs in 32 bits: exactly the clock of the wire (24 bits of reference time, 8 of delta), so both
//! wrap together and only differences are taken. Invariant: slots outside the window hold nothing.

use sfu_wire::{SeqNo, extend_seq};

/// How many numbers back an arrival is remembered.
/// Higher: more memory per publisher. Lower: bursts and gaps between two reports are cut off. 1024 packets in 100 ms are
/// more than 100 Mbit/s.
pub(super) const WINDOW: u64 = 1024;

/// A time on the arrival clock; wraps every 12.4 days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Ticks(pub(super) u32);

impl Ticks {
    /// This time minus `earlier`.
    pub(super) const fn since(self, earlier: Self) -> i32 {
        self.0.wrapping_sub(earlier.0) as i32
    }
}

/// The window of arrivals that ends with the highest number.
#[derive(Debug)]
pub(super) struct Arrivals {
    times: Box<[Option<Ticks>]>,
    highest: SeqNo,
}

impl Arrivals {
    /// With one arrival.
    pub(super) fn new(seq: SeqNo, time: Ticks) -> Self {
        let mut arrivals = Self { times: vec![None; WINDOW as usize].into_boxed_slice(), highest: seq };
        *arrivals.slot(seq) = Some(time);
        arrivals
    }

    pub(super) const fn highest(&self) -> SeqNo {
        self.highest
    }

    /// The lowest number that is remembered.
    pub(super) const fn lowest(&self) -> SeqNo {
        SeqNo::new(self.highest.get().saturating_sub(WINDOW - 1))
    }

    /// Whether `seq` is in the window or ahead of it.
    pub(super) fn reaches(&self, seq: u16) -> bool {
        extend_seq(self.highest, seq) >= self.lowest()
    }

    /// When `seq`, which is in the window, arrived.
    pub(super) fn get(&self, seq: SeqNo) -> Option<Ticks> {
        self.times.get(Self::index(seq)).copied().flatten()
    }

    /// Remembers an arrival; false when it is a duplicate or older than the window.
    pub(super) fn insert(&mut self, seq: SeqNo, time: Ticks) -> bool {
        if seq < self.lowest() {
            return false;
        }
        if seq > self.highest {
            let gap = seq.get() - self.highest.get();
            if gap >= WINDOW {
                self.times.fill(None);
            } else {
                (1..=gap).for_each(|step| *self.slot(self.highest.plus(step)) = None);
            }
            self.highest = seq;
        }
        let slot = self.slot(seq);
        if slot.is_some() {
            return false;
        }
        *slot = Some(time);
        true
    }

    fn slot(&mut self, seq: SeqNo) -> &mut Option<Ticks> {
        &mut self.times[Self::index(seq)]
    }

    const fn index(seq: SeqNo) -> usize {
        (seq.get() % WINDOW) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seq(offset: u64) -> SeqNo {
        SeqNo::new((1 << 16) + offset)
    }

    #[test]
    fn remembers_the_first_arrival_within_the_window() {
        let mut arrivals = Arrivals::new(seq(5000), Ticks(1));
        assert!(arrivals.insert(seq(5003), Ticks(2)));
        assert!(arrivals.insert(seq(4999), Ticks(3)), "earlier than the first");
        assert!(!arrivals.insert(seq(5003), Ticks(4)), "a duplicate");
        assert!(!arrivals.insert(seq(5003 - WINDOW), Ticks(4)), "too old");
        let times: Vec<_> = (4999..=5003).map(|n| arrivals.get(seq(n)).map(|time| time.0)).collect();
        assert_eq!(times, [Some(3), Some(1), None, None, Some(2)]);
    }

    #[test]
    fn a_gap_forgets_what_leaves_the_window() {
        let mut arrivals = Arrivals::new(seq(0), Ticks(1));
        assert!(arrivals.insert(seq(10), Ticks(2)));
        assert!(arrivals.insert(seq(WINDOW), Ticks(3)));
        assert_eq!(arrivals.get(seq(10)), Some(Ticks(2)));
        assert!(arrivals.insert(seq(10_000), Ticks(4)));
        assert_eq!((0..WINDOW).filter_map(|back| arrivals.get(seq(10_000 - back))).count(), 1);
    }
}
