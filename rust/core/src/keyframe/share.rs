//! How much of an encoding's bitrate its keyframes take: a tenth over any minute, two thirds of which may come in one burst.
//!
//! What keyframes took is an account that the stream pays back as it flows. Invariant: adding a packet costs a few instructions and
//! nothing is allocated.

use std::time::{Duration, Instant};

/// What the account may hold, as time at the encoding's bitrate: with [`PAID_BACK`] a tenth of a minute. Lower: pictures come
/// sooner after a loss or a join. Higher: the picture is better in between (60 kB every 2 s are 20 % of 1.2 Mbit/s and more than
/// double the quantiser; jitsi-videobridge #2448).
const BURST: Duration = Duration::from_secs(4);
/// What the account may hold at least, in keyframes: those who come to a stream that has just begun, or that hardly flows, are not to
/// wait because of the first one.
const LEAST: u64 = 3;
/// Of so many bytes of the stream one pays back: 2 s of a minute.
const PAID_BACK: u64 = 30;
/// The bitrate is averaged over several of these.
const WINDOW: Duration = Duration::from_secs(5);
/// Less time than this says nothing about a bitrate.
const SHORTEST: Duration = Duration::from_secs(1);

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    /// What keyframes took and the stream has not paid back, in bytes.
    account: u64,
    /// Bytes that were too few to pay back one.
    rest: u64,
    /// Other bytes than keyframes' since `since`.
    others: u64,
    since: Option<Instant>,
    /// Bytes per second without keyframes.
    rate: Option<u64>,
    /// Of the last whole keyframe, or of the present one if that is larger already.
    size: u64,
    arriving: u64,
}

impl Share {
    /// A packet came; `keyframe`: of the newest keyframe.
    pub(super) fn add(&mut self, now: Instant, bytes: usize, keyframe: bool) {
        let (bytes, since) = (bytes as u64, *self.since.get_or_insert(now));
        self.rest += bytes;
        if self.rest >= PAID_BACK {
            self.account = self.account.saturating_sub(self.rest / PAID_BACK);
            self.rest %= PAID_BACK;
        }
        if keyframe {
            self.charge(now, bytes);
        } else {
            self.others += bytes;
        }
        if now >= since + WINDOW {
            let measured = self.others * 1_000_000 / now.saturating_duration_since(since).as_micros() as u64;
            self.rate = Some(self.rate.map_or(measured, |rate| (3 * rate + measured) / 4));
            (self.others, self.since) = (0, Some(now));
        }
    }

    /// Bytes that were others are of the newest keyframe.
    pub(super) fn recount(&mut self, now: Instant, bytes: usize) {
        self.others = self.others.saturating_sub(bytes as u64);
        self.charge(now, bytes as u64);
    }

    fn charge(&mut self, now: Instant, bytes: u64) {
        self.arriving += bytes;
        self.size = self.size.max(self.arriving);
        // What could not be avoided is not paid for for ever.
        let most = self.burst(now) + self.size;
        self.account = (self.account + bytes).min(most.max(self.account));
    }

    /// A keyframe begins.
    pub(super) fn keyframe(&mut self) {
        if self.arriving > 0 {
            self.size = self.arriving;
        }
        self.arriving = 0;
    }

    /// Whether one more keyframe fits into `1 / part` of the share.
    pub(super) fn has_room(&self, now: Instant, part: u64) -> bool {
        (self.account + self.size) * part <= self.burst(now)
    }

    fn burst(&self, now: Instant) -> u64 {
        let measured = || {
            let elapsed = self.since.map_or(SHORTEST, |since| now.saturating_duration_since(since).max(SHORTEST));
            self.others * 1_000_000 / elapsed.as_micros() as u64
        };
        (self.rate.unwrap_or_else(measured) * BURST.as_secs()).max(self.size * LEAST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 frames a second of 4 kB (800 kbit/s, 6 MB a minute), from second to second.
    fn flow(share: &mut Share, start: Instant, seconds: std::ops::Range<u64>) {
        for ms in (seconds.start * 1000..seconds.end * 1000).step_by(40) {
            share.add(start + Duration::from_millis(ms), 4000, false);
        }
    }

    fn keyframe(share: &mut Share, now: Instant, bytes: usize) {
        share.keyframe();
        (0..10).for_each(|_| share.add(now, bytes / 10, true));
    }

    /// As many as there is room for; at most 100.
    fn burst(share: &mut Share, now: Instant, bytes: usize) -> usize {
        let mut count = 0;
        while share.has_room(now, 1) && count < 100 {
            keyframe(share, now, bytes);
            count += 1;
        }
        count
    }

    #[test]
    fn two_thirds_of_it_may_come_at_once() {
        let start = Instant::now();
        let mut share = Share::default();
        flow(&mut share, start, 0..4);
        assert_eq!(burst(&mut share, start + Duration::from_secs(4), 60_000), 6, "of 400 kB");
        flow(&mut share, start, 4..5);
        assert!(!share.has_room(start + Duration::from_secs(5), 1));
        flow(&mut share, start, 5..15);
        assert_eq!(burst(&mut share, start + Duration::from_secs(15), 60_000), 1);
    }

    #[test]
    fn what_is_known_of_a_keyframe_afterwards_counts_like_the_rest() {
        let start = Instant::now();
        let now = start + Duration::from_secs(4);
        let mut share = Share::default();
        flow(&mut share, start, 0..4);
        let mut count = 0;
        while share.has_room(now, 1) && count < 100 {
            // Nine of ten packets overtook the first.
            (0..9).for_each(|_| share.add(now, 6000, false));
            share.keyframe();
            share.recount(now, 54_000);
            share.add(now, 6000, true);
            count += 1;
        }
        assert_eq!(count, 6, "as many as of those that come in order");
    }

    #[test]
    fn over_any_minute_the_share_holds() {
        let start = Instant::now();
        let mut share = Share::default();
        let mut sent = Vec::new();
        for second in 0..180 {
            flow(&mut share, start, second..second + 1);
            let count = burst(&mut share, start + Duration::from_secs(second + 1), 60_000);
            sent.extend(std::iter::repeat_n(second, count));
        }
        for begin in 0..120 {
            let keyframes = sent.iter().filter(|second| (begin..begin + 60).contains(*second)).count();
            // 6 MB of others: 660 kB of keyframes are a tenth of all.
            assert!(keyframes <= 11, "{keyframes} in the minute from second {begin}");
        }
        assert!(sent.len() >= 15, "{sent:?}");
    }

    #[test]
    fn a_part_of_it_is_used_up_earlier() {
        let start = Instant::now();
        let mut share = Share::default();
        flow(&mut share, start, 0..20);
        let now = start + Duration::from_secs(20);
        (0..4).for_each(|_| keyframe(&mut share, now, 50_000));
        assert!(share.has_room(now, 1) && !share.has_room(now, 2));
    }

    #[test]
    fn a_still_picture_for_a_moment_takes_little_away() {
        let start = Instant::now();
        let mut share = Share::default();
        flow(&mut share, start, 0..20);
        for ms in (20_000..26_000).step_by(400) {
            share.add(start + Duration::from_millis(ms), 4000, false);
        }
        assert_eq!(burst(&mut share, start + Duration::from_secs(26), 60_000), 5, "of 310 kB");
    }

    #[test]
    fn what_could_not_be_avoided_is_forgotten_when_the_stream_flows() {
        let start = Instant::now();
        let mut share = Share::default();
        for second in 0..100 {
            keyframe(&mut share, start + Duration::from_secs(second), 60_000);
        }
        assert!(!share.has_room(start + Duration::from_secs(100), 1));
        flow(&mut share, start, 100..130);
        assert!(share.has_room(start + Duration::from_secs(130), 1));
    }

    #[test]
    fn a_pause_takes_nothing_away() {
        let start = Instant::now();
        let mut share = Share::default();
        flow(&mut share, start, 0..10);
        keyframe(&mut share, start + Duration::from_secs(10), 60_000);
        let later = start + Duration::from_secs(600);
        assert!(share.has_room(later, 1));
        keyframe(&mut share, later, 60_000);
        assert!(share.has_room(later, 1));
    }
}
