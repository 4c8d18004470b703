//! A file's times made into a course of events: they count from the first record, do not go back, and do not leap.
//!
//! Clocks are set while somebody captures, and tools write packets in another order than they came in. Sequence numbers tell
//! the two apart: whichever order they fit better is the true one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::record::{Capture, Record};

/// Nothing is silent for so long: the clock was set. Higher: long pauses stay. Lower: fewer wrong times are believed.
const LEAP: Duration = Duration::from_secs(3600);

impl Capture {
    /// See the module's text.
    pub(super) fn settle_times(mut self) -> Self {
        self.leaps = take_leaps_out(&mut self.records);
        if self.records.is_sorted_by_key(|record| record.at) {
            return self;
        }
        let mut by_time: Vec<usize> = (0..self.records.len()).collect();
        by_time.sort_by_key(|index| self.records[*index].at);
        if overtaken(by_time.iter().map(|index| &self.records[*index])) < overtaken(self.records.iter()) {
            self.records.sort_by_key(|record| record.at);
            self.records.chunk_by_mut(|one, next| one.at == next.at).for_each(sort_moment);
            self.sorted = true;
        }
        let first = self.records.first().map(|record| record.at).unwrap_or_default();
        let mut newest = Duration::ZERO;
        for record in &mut self.records {
            newest = newest.max(record.at.saturating_sub(first));
            record.at = newest;
        }
        self
    }
}

/// Lets times count from the earliest and go on where they leap by more than [`LEAP`], in either direction; how often.
fn take_leaps_out(records: &mut [Record]) -> u64 {
    let Some(first) = records.first() else { return 0 };
    // A time in the file, and as it is settled. The clock may return to what it was before the last leap.
    let (mut left, mut last) = (None, (first.at, LEAP));
    let mut leaps = 0;
    for record in records.iter_mut() {
        let raw = record.at;
        let near = |(known, settled): (Duration, Duration)| {
            (raw.abs_diff(known) <= LEAP).then(|| (settled + raw).saturating_sub(known))
        };
        record.at = near(last).unwrap_or_else(|| {
            leaps += 1;
            let before = left.replace(last);
            before.and_then(near).unwrap_or(last.1)
        });
        last = (raw, record.at);
    }
    let earliest = records.iter().map(|record| record.at).min().unwrap_or_default();
    for record in records {
        record.at -= earliest;
    }
    leaps
}

/// Records of one moment: those of each SSRC in the order of their numbers, in the places that they have.
fn sort_moment(records: &mut [Record]) {
    for place in 1..records.len() {
        let Some((ssrc, seq)) = number(&records[place]) else { continue };
        let behind =
            |record: &Record| number(record).is_some_and(|(of, one)| of == ssrc && one.wrapping_sub(seq) as i16 > 0);
        let mut at = place;
        while let Some(earlier) = records[..at].iter().rposition(behind) {
            records.swap(earlier, at);
            at = earlier;
        }
    }
}

/// SSRC and sequence number (RFC 3550 §5.1); what is no RTP has some, too.
fn number(record: &Record) -> Option<([u8; 4], u16)> {
    let [_, _, s0, s1, _, _, _, _, ssrc @ ..] = *record.bytes.first_chunk::<12>()?;
    Some((ssrc, u16::from_be_bytes([s0, s1])))
}

/// How many packets come behind one of a higher number; numbers of what is no RTP rise in no order.
fn overtaken<'a>(records: impl Iterator<Item = &'a Record>) -> usize {
    let mut newest: BTreeMap<[u8; 4], u16> = BTreeMap::new();
    let behind = |record: &Record| {
        let (ssrc, seq) = number(record)?;
        let newest = newest.entry(ssrc).or_insert(seq);
        let ahead = seq.wrapping_sub(*newest) < 1 << 15;
        if ahead {
            *newest = seq;
        }
        (!ahead).then_some(())
    };
    records.filter_map(behind).count()
}
