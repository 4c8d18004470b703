//! Sequence numbers of one subscriber for one uninterrupted run of incoming ones.
//!
//! A gap is information (RFC 3550 §6.4.1): what the SFU leaves out closes up, what was lost on the way in stays missing. Late
//! packets get the number that was kept for them at their time. A number is final when a packet at or behind it is sent; until
//! then also what comes late may be left out without a trace. Invariant: two incoming numbers never get the same outgoing one.

use sfu_wire::SeqNo;

use crate::layer::ring::Ring;

/// So many runs of left-out packets are remembered. With two dropped layers at 30 fps a run comes every 66 ms, so this covers
/// eight seconds, longer than any retransmission takes.
const RUNS: usize = 128;

/// Packets from `start` on have `closed` fewer ones before them than came in.
#[derive(Debug, Clone, Copy)]
struct Run {
    start: u64,
    /// How many were left out directly before `start`.
    left_out: u64,
    /// How many were left out in all.
    closed: u64,
}

/// So many numbers behind the last sent packet wait for their fate to be final, a power of two.
const PENDING: u64 = 1024;

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct SequenceMap {
    runs: Ring<Run>,
    /// The current run; the ring holds those before it.
    current: Run,
    first_in: u64,
    first_out: u64,
    /// Up to here the outgoing numbers are final: a packet at or behind it was sent.
    settled: u64,
    /// What was left out behind that, a bit each.
    left_out: [u64; (PENDING / 64) as usize],
}

impl SequenceMap {
    pub(crate) const fn new() -> Self {
        Self {
            runs: Ring::new(RUNS),
            current: Run { start: 0, left_out: 0, closed: 0 },
            first_in: 0,
            first_out: 0,
            settled: 0,
            left_out: [0; (PENDING / 64) as usize],
        }
    }

    /// Begins again: `first_in` becomes `first_out`, and nothing before it has a number.
    pub(crate) fn start(&mut self, first_in: SeqNo, first_out: SeqNo) {
        self.runs.clear();
        self.current = Run { start: first_in.get(), left_out: 0, closed: 0 };
        self.first_in = first_in.get();
        self.first_out = first_out.get();
        self.settled = first_in.get().wrapping_sub(1);
        self.left_out = [0; (PENDING / 64) as usize];
    }

    /// Whether `seq` comes before where this began.
    pub(crate) const fn precedes(&self, seq: SeqNo) -> bool {
        seq.get() < self.first_in
    }

    /// The outgoing number of a packet that is sent; `None` when its place was closed, or is too long ago to know.
    #[inline]
    pub(crate) fn pass(&mut self, seq: SeqNo) -> Option<SeqNo> {
        let seq = seq.get();
        if is_ahead(seq, self.settled) {
            if self.is_left_out(seq) {
                return None;
            }
            if seq.wrapping_sub(self.settled) == 1 {
                self.settled = seq;
            } else {
                self.settle(seq);
            }
        }
        self.look_up(seq).map(SeqNo::new)
    }

    /// The outgoing number that was kept for a packet and is a gap if it is left out now.
    pub(crate) fn kept(&self, seq: SeqNo) -> Option<SeqNo> {
        let is_kept = !is_ahead(seq.get(), self.settled);
        is_kept.then(|| self.look_up(seq.get())).flatten().map(SeqNo::new)
    }

    /// A packet is left out: its place closes, unless one behind it was sent: then it has had its place kept, and that stays
    /// a gap.
    pub(crate) fn leave_out(&mut self, seq: SeqNo) {
        self.leave_out_all(seq.get(), seq.get());
    }

    /// What is missing from `first` up to `end` would have been left out.
    pub(crate) fn close_gap(&mut self, first: SeqNo, end: SeqNo) {
        self.leave_out_all(first.get(), end.get().saturating_sub(1));
    }

    fn leave_out_all(&mut self, from: u64, to: u64) {
        for seq in from..=to {
            if is_ahead(seq, self.settled.wrapping_add(PENDING)) {
                self.settle(seq - PENDING);
            }
            if is_ahead(seq, self.settled) {
                self.left_out[word(seq)] |= 1 << (seq % 64);
            }
        }
    }

    fn is_left_out(&self, seq: u64) -> bool {
        !is_ahead(seq, self.settled.wrapping_add(PENDING)) && self.left_out[word(seq)] >> (seq % 64) & 1 == 1
    }

    /// Makes the places up to `seq` final.
    fn settle(&mut self, seq: u64) {
        let known = seq.min(self.settled.wrapping_add(PENDING));
        let mut from = None;
        while self.settled != known {
            self.settled = self.settled.wrapping_add(1);
            let bit = 1 << (self.settled % 64);
            if self.left_out[word(self.settled)] & bit != 0 {
                self.left_out[word(self.settled)] &= !bit;
                from.get_or_insert(self.settled);
            } else if let Some(from) = from.take() {
                self.close(from, self.settled - 1);
            }
        }
        if let Some(from) = from {
            self.close(from, self.settled);
        }
        self.settled = seq;
    }

    fn close(&mut self, from: u64, to: u64) {
        let count = to - from + 1;
        let start = to + 1;
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
        let reaches = |run: &&Run| seq + run.left_out >= run.start;
        let run = Some(&self.current).filter(reaches).or_else(|| self.runs.iter().find(reaches))?;
        (seq >= run.start).then(|| self.first_out + (seq - self.first_in) - run.closed)
    }
}

/// Behind the last number, or, before the first one, at it: a run may begin at number 0.
const fn is_ahead(seq: u64, of: u64) -> bool {
    seq.wrapping_sub(of) as i64 > 0
}

const fn word(seq: u64) -> usize {
    (seq % PENDING / 64) as usize
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
    fn the_number_that_was_kept_for_what_is_left_out_late_is_known() {
        let mut map = started();
        pass(&mut map, 1000);
        map.leave_out(SeqNo::new(1001));
        assert_eq!(map.kept(SeqNo::new(1003)), None, "nothing behind it was sent");
        pass(&mut map, 1004);
        let kept = |seq| map.kept(SeqNo::new(seq)).map(SeqNo::get);
        assert_eq!((kept(1001), kept(1002), kept(1003)), (None, Some(2), Some(3)));
    }

    #[test]
    fn what_is_left_out_late_leaves_no_trace_as_long_as_nothing_behind_it_was_sent() {
        let mut map = started();
        assert_eq!(pass(&mut map, 1000), Some(1));
        map.leave_out(SeqNo::new(1003));
        map.leave_out(SeqNo::new(1001));
        map.leave_out(SeqNo::new(1004));
        assert_eq!(pass(&mut map, 1005), Some(3), "1002 keeps 2");
        assert_eq!((pass(&mut map, 1002), pass(&mut map, 1001)), (Some(2), None));
    }

    #[test]
    fn a_long_stretch_of_unwanted_packets_closes_up() {
        let mut map = started();
        assert_eq!(pass(&mut map, 1000), Some(1));
        (1001..6000).filter(|seq| *seq != 1500).for_each(|seq| map.leave_out(SeqNo::new(seq)));
        map.close_gap(SeqNo::new(6000), SeqNo::new(9000));
        assert_eq!(pass(&mut map, 9000), Some(3), "1500 keeps 2");
        assert_eq!((pass(&mut map, 1500), pass(&mut map, 1501)), (Some(2), None));
    }

    #[test]
    fn a_run_may_begin_at_number_zero() {
        let mut map = SequenceMap::new();
        map.start(SeqNo::new(0), SeqNo::new(7));
        map.leave_out(SeqNo::new(0));
        assert_eq!(pass(&mut map, 1), Some(7));
        assert_eq!(pass(&mut map, 2), Some(8));
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
        map.close_gap(SeqNo::new(1002), SeqNo::new(1004));
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
