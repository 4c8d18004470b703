//! Sequence numbers of one subscriber for one uninterrupted run of incoming ones.
//!
//! A gap is information (RFC 3550 §6.4.1): what the SFU leaves out closes up, what was lost on the way in stays missing. Late
//! packets get the number that was kept for them at their time; behind the last packet that was sent no number is fixed yet, so
//! what is left out there closes up in whatever order it comes. Invariant: two incoming numbers never get the same outgoing one.

use sfu_wire::SeqNo;

use crate::layer::ring::Ring;

/// So many runs of left-out packets are remembered. With two dropped layers at 30 fps a run comes every 66 ms, so this covers
/// eight seconds, longer than any retransmission takes.
const RUNS: usize = 128;

/// So many packets behind the last one that was sent may still close up in any order. Higher: none needs to. Lower: a layer's
/// packets that overtook each other by more leave a gap.
const TAIL: u64 = 128;

/// Packets from `start` on have `closed` fewer ones before them than came in.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: u64,
    /// How many were left out directly before `start`.
    left_out: u64,
    /// How many were left out in all.
    closed: u64,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct SequenceMap {
    runs: Ring<Run>,
    /// The current run; the ring holds those before it.
    current: Run,
    first_in: u64,
    first_out: u64,
    highest: u64,
    /// Up to here numbers are fixed.
    fixed: u64,
    /// What is closed behind it: bit n for `fixed` + 1 + n.
    closed: u128,
}

impl SequenceMap {
    pub(crate) const fn new() -> Self {
        let current = Run { start: 0, left_out: 0, closed: 0 };
        Self { runs: Ring::new(RUNS), current, first_in: 0, first_out: 0, highest: 0, fixed: 0, closed: 0 }
    }

    /// Begins again: `first_in` becomes `first_out`, and nothing before it has a number.
    pub(crate) fn start(&mut self, first_in: SeqNo, first_out: SeqNo) {
        self.runs.clear();
        self.current = Run { start: first_in.get(), left_out: 0, closed: 0 };
        self.first_in = first_in.get();
        self.first_out = first_out.get();
        self.highest = first_in.get().wrapping_sub(1);
        (self.fixed, self.closed) = (self.highest, 0);
    }

    /// The highest incoming number so far.
    pub(crate) const fn highest(&self) -> SeqNo {
        SeqNo::new(self.highest)
    }

    /// Whether `seq` comes before where this began.
    pub(crate) const fn precedes(&self, seq: SeqNo) -> bool {
        seq.get() < self.first_in
    }

    /// The outgoing number of a packet that is sent; `None` when its place was closed, or is too long ago to know.
    pub(crate) fn pass(&mut self, seq: SeqNo) -> Option<SeqNo> {
        if seq.get() > self.fixed {
            if self.is_closed_in_tail(seq.get()) {
                return None;
            }
            self.fix(seq.get());
        }
        let out = self.look_up(seq.get())?;
        self.highest = self.highest.max(seq.get());
        Some(SeqNo::new(out))
    }

    /// A packet is left out. When one behind it was sent already, its place has been kept, and that stays a gap.
    pub(crate) fn leave_out(&mut self, seq: SeqNo) {
        if seq.get() > self.fixed {
            self.close(seq.get(), seq.get());
        }
        self.highest = self.highest.max(seq.get());
    }

    /// What is missing right before `seq` would have been left out.
    pub(crate) fn close_gap_before(&mut self, seq: SeqNo) {
        if seq.get() > self.highest + 1 {
            self.close(self.highest + 1, seq.get() - 1);
            self.highest = seq.get() - 1;
        }
    }

    /// Closes what lies behind everything that is fixed.
    fn close(&mut self, from: u64, to: u64) {
        if to - self.fixed > TAIL {
            // Half of the tail at once, so that a long stretch does not do this with every packet.
            self.fix(to - TAIL / 2);
        }
        let from = from.max(self.fixed + 1);
        for seq in from..=to {
            self.closed |= 1 << (seq - self.fixed - 1);
        }
    }

    fn is_closed_in_tail(&self, seq: u64) -> bool {
        let place = seq - self.fixed - 1;
        place < TAIL && self.closed >> place & 1 == 1
    }

    /// Fixes all numbers up to `to`.
    fn fix(&mut self, to: u64) {
        let count = to - self.fixed;
        let mut tail = if count < TAIL { self.closed & ((1 << count) - 1) } else { self.closed };
        let first = self.fixed + 1;
        while tail != 0 {
            let from = tail.trailing_zeros();
            let len = (tail >> from).trailing_ones();
            self.add_run(first + u64::from(from), u64::from(len));
            tail = if from + len < 128 { tail >> (from + len) << (from + len) } else { 0 };
        }
        self.closed = if count < TAIL { self.closed >> count } else { 0 };
        self.fixed = to;
    }

    fn add_run(&mut self, from: u64, count: u64) {
        let start = from + count;
        if from == self.current.start && self.current.left_out > 0 {
            self.current = Run { start, left_out: self.current.left_out + count, closed: self.current.closed + count };
        } else {
            self.runs.push(self.current);
            self.current = Run { start, left_out: count, closed: self.current.closed + count };
        }
    }

    fn look_up(&self, seq: u64) -> Option<u64> {
        if seq < self.first_in {
            return None;
        }
        let mut runs = std::iter::once(&self.current).chain(self.runs.iter());
        let run = runs.find(|run| seq + run.left_out >= run.start)?;
        (seq >= run.start).then(|| self.first_out + (seq - self.first_in) - run.closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn started() -> SequenceMap {
        let mut map = SequenceMap::new();
        map.start(SeqNo::new(1000), SeqNo::new(1));
        map
    }

    fn pass(map: &mut SequenceMap, seq: u64) -> Option<u64> {
        map.pass(SeqNo::new(seq)).map(SeqNo::get)
    }

    #[test]
    fn what_is_left_out_closes_up() {
        let mut map = started();
        assert_eq!(pass(&mut map, 1000), Some(1));
        map.leave_out(SeqNo::new(1001));
        map.leave_out(SeqNo::new(1002));
        assert_eq!(pass(&mut map, 1003), Some(2));
    }

    #[test]
    fn what_is_lost_on_the_way_in_stays_missing() {
        let mut map = started();
        assert_eq!(pass(&mut map, 1000), Some(1));
        map.leave_out(SeqNo::new(1003));
        assert_eq!(pass(&mut map, 1004), Some(4), "1001 and 1002 keep 2 and 3");
        assert_eq!(pass(&mut map, 1001), Some(2));
        assert_eq!(pass(&mut map, 1003), None, "its place is closed");
        map.leave_out(SeqNo::new(1002));
        assert_eq!(pass(&mut map, 1005), Some(5), "late and unwanted: its place stays a gap");
    }

    #[test]
    fn what_is_left_out_before_anything_behind_it_was_sent_closes_up_in_any_order() {
        let mut map = started();
        assert_eq!(pass(&mut map, 1000), Some(1));
        for dropped in [1003, 1001, 1002, 1005] {
            map.leave_out(SeqNo::new(dropped));
        }
        assert_eq!(pass(&mut map, 1006), Some(3), "1004 keeps 2");
        map.leave_out(SeqNo::new(1004));
        assert_eq!(pass(&mut map, 1007), Some(4));
    }

    #[test]
    fn a_stretch_that_is_longer_than_the_tail_closes_up() {
        let mut map = started();
        assert_eq!(pass(&mut map, 1000), Some(1));
        for dropped in 1001..2000 {
            map.leave_out(SeqNo::new(dropped));
        }
        map.close_gap_before(SeqNo::new(2500));
        assert_eq!(pass(&mut map, 2500), Some(2));
        assert_eq!(pass(&mut map, 2501), Some(3));
    }

    #[test]
    fn late_packets_get_the_number_of_their_time() {
        let mut map = started();
        assert_eq!(pass(&mut map, 1000), Some(1));
        assert_eq!(pass(&mut map, 1002), Some(3));
        for dropped in 1003..1010 {
            map.leave_out(SeqNo::new(dropped));
        }
        assert_eq!(pass(&mut map, 1010), Some(4));
        assert_eq!(pass(&mut map, 1001), Some(2));
    }

    #[test]
    fn a_gap_of_unwanted_packets_is_closed_with_them() {
        let mut map = started();
        assert_eq!(pass(&mut map, 1000), Some(1));
        map.leave_out(SeqNo::new(1001));
        map.close_gap_before(SeqNo::new(1004));
        map.leave_out(SeqNo::new(1004));
        assert_eq!(pass(&mut map, 1005), Some(2));
        assert_eq!(pass(&mut map, 1002), None);
    }

    #[test]
    fn nothing_before_the_start_has_a_number() {
        let mut map = started();
        assert_eq!(pass(&mut map, 999), None);
        map.leave_out(SeqNo::new(999));
        assert_eq!(pass(&mut map, 1000), Some(1));
    }

    #[test]
    fn what_is_older_than_the_memory_has_no_number() {
        let mut map = started();
        assert_eq!(pass(&mut map, 1000), Some(1));
        let mut seq = 1002;
        for _ in 0..=RUNS {
            map.leave_out(SeqNo::new(seq));
            pass(&mut map, seq + 1);
            seq += 2;
        }
        assert_eq!(pass(&mut map, 1001), None);
    }
}
