//! SSRCs whose place another one has taken, and what still comes of them.
//!
//! For a while that may be packets that were long under way: they must not restart the stream once more. But a publisher may also go
//! back (`replaceTrack` there and back in some clients). What a packet was captured at tells them apart: a straggler was captured
//! before the new stream began. Invariant: what is not known to be a return is none.

use std::time::{Duration, Instant};

use sfu_wire::Ssrc;
use sfu_wire::rtp::RtpHeader;

use crate::stream::StreamEnd;

/// For so long after a restart packets of the stream before it may come. Higher: a publisher that goes back to an old SSRC with other
/// timestamps is not heard. Lower: what was long under way restarts the stream once more.
const STRAGGLERS: Duration = Duration::from_secs(2);
/// Two packets' ways differ by no more. Higher: a return is heard later. Lower: what was long under way is taken for one.
const WAYS: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Copy)]
struct Entry {
    ssrc: Ssrc,
    at: Instant,
    /// Where it stood; `None` for repairs, whose numbers tell nothing.
    end: Option<StreamEnd>,
    /// The number behind a packet that was captured after the other stream began.
    next: Option<u16>,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Replaced(Vec<Entry>);

impl Replaced {
    /// Another SSRC takes the place of this one, which had come to `end`.
    pub(crate) fn insert(&mut self, now: Instant, ssrc: Ssrc, end: Option<StreamEnd>) {
        self.0.push(Entry { ssrc, at: now, end, next: None });
    }

    /// Whether a packet of an SSRC that has no place may take one: it never had one, or had it long ago, or the publisher went
    /// back to it.
    pub(crate) fn admits(&mut self, now: Instant, header: &RtpHeader) -> bool {
        self.0.retain(|entry| now < entry.at + STRAGGLERS);
        let Some(index) = self.0.iter().position(|entry| entry.ssrc == header.ssrc) else { return true };
        let returns = self.0[index].returns(header);
        if returns {
            self.0.swap_remove(index);
        }
        returns
    }
}

impl Entry {
    /// Two packets in a row that are later than the other stream's first.
    fn returns(&mut self, header: &RtpHeader) -> bool {
        let Some(end) = self.end else { return false };
        let ahead = i64::from(header.timestamp.wrapping_sub(end.timestamp) as i32);
        let began = self.at.saturating_duration_since(end.arrival) + WAYS;
        let later = ahead > 0 && ahead as u128 * 1_000_000_000 > began.as_nanos() * u128::from(end.rate);
        let confirmed = self.next == Some(header.seq);
        self.next = (later && header.seq.wrapping_sub(end.seq) < 1 << 15).then(|| header.seq.wrapping_add(1));
        self.next.is_some() && confirmed
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::Pt;

    use super::*;

    const OLD: Ssrc = Ssrc::new(1);

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn header(seq: u16, timestamp: u32) -> RtpHeader {
        RtpHeader { marker: false, pt: Pt::new(96), seq, timestamp, ssrc: OLD }
    }

    /// A stream that stood at number 65530 and timestamp 90000 and was replaced 100 ms later.
    fn replaced(start: Instant) -> Replaced {
        let mut replaced = Replaced::default();
        let end = StreamEnd { seq: 65_530, timestamp: 90_000, arrival: start, rate: 90_000 };
        replaced.insert(start + millis(100), OLD, Some(end));
        replaced
    }

    #[test]
    fn what_is_late_of_a_replaced_stream_is_nobodys() {
        let start = Instant::now();
        let mut replaced = replaced(start);
        // Before and after what had come, up to what was captured 100 ms later and 200 ms longer under way.
        for (seq, timestamp) in
            [(65_500, 81_000), (65_531, 93_000), (65_532, 93_000), (65_533, 117_000), (65_534, 117_000)]
        {
            assert!(!replaced.admits(start + millis(150), &header(seq, timestamp)), "{seq}");
        }
        assert!(replaced.admits(start + millis(150), &RtpHeader { ssrc: Ssrc::new(2), ..header(0, 0) }));
        assert!(replaced.admits(start + millis(2100), &header(65_533, 0)), "that was long ago");
    }

    #[test]
    fn a_publisher_that_goes_back_is_heard_with_its_second_packet() {
        let start = Instant::now();
        let mut replaced = replaced(start);
        assert!(!replaced.admits(start + millis(700), &header(65_533, 153_000)));
        assert!(!replaced.admits(start + millis(700), &header(65_531, 93_000)), "a straggler between");
        assert!(!replaced.admits(start + millis(700), &header(65_535, 153_000)));
        assert!(replaced.admits(start + millis(700), &header(0, 156_000)));
        assert!(replaced.admits(start + millis(800), &header(1, 159_000)), "from then on");
    }

    #[test]
    fn repairs_of_a_replaced_stream_never_return() {
        let start = Instant::now();
        let mut replaced = Replaced::default();
        replaced.insert(start, OLD, None);
        for seq in 0..100 {
            assert!(!replaced.admits(start + millis(1900), &header(seq, 1_000_000 + u32::from(seq))));
        }
    }
}
