//! Timestamps of one subscriber: the track's timeline, moved to where this subscriber's began.
//!
//! A switch lands where the timeline says. Frames of it that the timeline puts before what was already sent are squeezed in behind
//! that, a tick or a few each, until the timeline is ahead again; so nothing adds up. What sender reports correct is slewed frame
//! by frame and never jumps. Invariant: all packets of a frame
//! get one timestamp, and frames that are sent in order get rising ones.

use crate::layer::ring::Ring;

/// So many frames back the shift of their time is known; as many as `layer` remembers.
const FRAMES: usize = 64;

/// One tick in so many is made up per tick that passes. Higher: smoother. Lower: sooner in step with other tracks.
/// 1 % is below what receivers take for jitter: 0.3 ms a frame at 30 fps.
const SLEW: i64 = 100;

/// Frames behind what was already sent are so many times closer to each other. Higher: less made-up time. Lower: frames of very
/// high rates would share a tick.
const SQUEEZE: i64 = 100;

/// Whether errors are slewed away. Audio is played sample by sample: a slewed timestamp would be heard, so its error stays
/// and the sender report tells of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slew {
    Never,
    EachFrame,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub(crate) struct TimestampRewriter {
    slew: Slew,
    first: i64,
    /// Outgoing minus timeline, once something was sent.
    base: Option<i64>,
    /// Outgoing minus incoming, from `since` on.
    shift: i64,
    since: i64,
    newest: i64,
    /// Outgoing, of the frame at `newest`.
    newest_out: i64,
    highest_out: i64,
    /// Outgoing: what the run before had sent; and the timestamp at which this one began.
    floor: i64,
    began: i64,
    /// Shifts before the current one and since when they held.
    past: Ring<(i64, i64)>,
}

impl TimestampRewriter {
    pub(crate) const fn new(first: u32, slew: Slew) -> Self {
        // One cycle up, so that nothing that comes late falls below zero.
        let first = 1 << 32 | first as i64;
        Self {
            slew,
            first,
            base: None,
            shift: 0,
            since: 0,
            newest: 0,
            newest_out: 0,
            highest_out: first - 1,
            floor: first - 1,
            began: 0,
            past: Ring::new(FRAMES),
        }
    }

    /// The next run is on another timeline; its first packet stands `passed` ticks after what was sent last.
    pub(crate) fn change_track(&mut self, passed: i64) {
        if self.base.take().is_some() {
            self.first = self.highest_out + passed.max(1);
        }
    }

    /// A run begins at `timestamp`; `offset` brings it onto the timeline.
    pub(crate) fn start(&mut self, timestamp: u64, offset: i64) {
        let timestamp = timestamp as i64;
        let base = *self.base.get_or_insert(self.first - timestamp - offset);
        self.shift = offset + base;
        self.floor = self.highest_out;
        self.began = timestamp;
        self.since = timestamp;
        self.past.clear();
        self.advance(timestamp);
    }

    /// The outgoing timestamp of a packet of the run.
    #[inline]
    pub(crate) fn rewrite(&mut self, timestamp: u64, offset: i64) -> u32 {
        let timestamp = timestamp as i64;
        // What follows in the newest frame.
        if timestamp == self.newest {
            return self.newest_out as u32;
        }
        self.rewrite_other(timestamp, offset)
    }

    fn rewrite_other(&mut self, timestamp: i64, offset: i64) -> u32 {
        if timestamp > self.newest {
            self.slew_to(timestamp, offset);
            self.advance(timestamp);
            return self.newest_out as u32;
        }
        let out = self.place(timestamp);
        self.highest_out = self.highest_out.max(out);
        out as u32
    }

    /// Where a moment of the timeline stands for the subscriber, given the `offset` of the encoding that it has.
    pub(crate) const fn at(&self, timeline: i64, offset: i64) -> u32 {
        (timeline - offset + self.shift) as u32
    }

    fn advance(&mut self, timestamp: i64) {
        self.newest = timestamp;
        self.newest_out = self.place(timestamp);
        self.highest_out = self.highest_out.max(self.newest_out);
    }

    fn place(&self, timestamp: i64) -> i64 {
        let squeezed = self.floor + 1 + (timestamp - self.began).max(0) / SQUEEZE;
        (timestamp + self.shift_at(timestamp)).max(squeezed)
    }

    fn slew_to(&mut self, timestamp: i64, offset: i64) {
        if self.slew == Slew::Never {
            return;
        }
        let wrong = offset + self.base.unwrap_or(0) - self.shift;
        if wrong == 0 {
            return;
        }
        let most = (timestamp - self.newest) / SLEW;
        let step = wrong.clamp(-most, most);
        if step != 0 {
            self.past.push((self.since, self.shift));
            self.shift += step;
            self.since = timestamp;
        }
    }

    fn shift_at(&self, timestamp: i64) -> i64 {
        if timestamp >= self.since {
            return self.shift;
        }
        let before = self.past.iter().find(|(since, _)| *since <= timestamp);
        before.map_or(self.shift, |(_, shift)| *shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: u64 = 3000;

    #[test]
    fn a_switch_lands_where_the_timeline_says() {
        let mut rewriter = TimestampRewriter::new(500, Slew::EachFrame);
        rewriter.start(10_000, 0);
        assert_eq!(rewriter.rewrite(10_000, 0), 500);
        assert_eq!(rewriter.rewrite(13_000, 0), 3500);
        rewriter.start(77_000, -61_000);
        assert_eq!(rewriter.rewrite(77_000, -61_000), 6500);
    }

    #[test]
    fn a_switch_to_what_was_already_sent_goes_one_tick_on_and_catches_up() {
        let mut rewriter = TimestampRewriter::new(0, Slew::EachFrame);
        rewriter.start(0, 0);
        rewriter.rewrite(9000, 0);
        rewriter.start(9000, 0);
        assert_eq!(rewriter.rewrite(9000, 0), 9001);
        assert_eq!(rewriter.rewrite(9000 + FRAME, 0), 9000 + FRAME as u32, "the next frame is in step");
    }

    #[test]
    fn an_encoding_that_is_behind_is_in_step_as_soon_as_the_timeline_is_ahead() {
        let mut rewriter = TimestampRewriter::new(0, Slew::EachFrame);
        rewriter.start(0, 0);
        rewriter.rewrite(0, 0);
        rewriter.rewrite(30_000, 0);
        // Its keyframe was captured 100 ms before what was sent last.
        rewriter.start(21_000, 0);
        let outs: Vec<u32> = (7..12).map(|frame| rewriter.rewrite(frame * FRAME, 0)).collect();
        assert_eq!(outs, [30_001, 30_031, 30_061, 30_091, 33_000]);
        assert_eq!(rewriter.at(27_000, 0), 27_000, "its sender report tells the truth all the time");
    }

    #[test]
    fn a_thousand_switches_do_not_add_up() {
        let mut rewriter = TimestampRewriter::new(0, Slew::EachFrame);
        rewriter.start(0, 0);
        let mut timestamp = 0;
        for _ in 0..1000 {
            rewriter.rewrite(timestamp, 0);
            rewriter.start(timestamp, 0);
            rewriter.rewrite(timestamp, 0);
            timestamp += FRAME;
        }
        assert_eq!(rewriter.rewrite(timestamp, 0), timestamp as u32);
    }

    #[test]
    fn an_error_is_slewed_and_late_packets_keep_the_timestamp_of_their_frame() {
        let mut rewriter = TimestampRewriter::new(0, Slew::EachFrame);
        rewriter.start(0, 0);
        rewriter.rewrite(0, 0);
        // A sender report tells that this encoding is 100 ticks later.
        let outs: Vec<u32> = (1..6).map(|frame| rewriter.rewrite(frame * FRAME, 100)).collect();
        assert_eq!(outs, [3030, 6060, 9090, 12_100, 15_100]);
        let again: Vec<u32> = (1..6).map(|frame| rewriter.rewrite(frame * FRAME, 100)).collect();
        assert_eq!(again, outs);
    }

    #[test]
    fn audio_is_never_slewed_and_its_report_tells_the_error() {
        let mut rewriter = TimestampRewriter::new(0, Slew::Never);
        rewriter.start(0, 0);
        rewriter.rewrite(0, 0);
        assert_eq!(rewriter.rewrite(960, 48), 960);
        assert_eq!(rewriter.at(1008, 48), 960, "the timeline stands at 1008 when 960 was sampled");
    }
}
