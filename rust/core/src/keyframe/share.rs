//! How much of an encoding's bitrate its keyframes take.
//!
//! Bytes of the last minute, all and those of keyframes, in twelve buckets. Invariant: adding a packet costs a few instructions and
//! nothing is allocated.

use std::time::{Duration, Instant};

const BUCKETS: usize = 12;
const BUCKET: Duration = Duration::from_secs(5);
/// One byte in so many may be a keyframe's. Lower: pictures come sooner after a loss or a join. Higher: the picture is better in
/// between (60 kB every 2 s are 20 % of 1.2 Mbit/s and more than double the quantiser; jitsi-videobridge #2448).
const SHARE: u64 = 10;
/// Less time than this says nothing about a bitrate.
const SHORTEST: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    bytes: u32,
    keyframes: u32,
}

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Share {
    buckets: [Bucket; BUCKETS],
    start: Option<Instant>,
    /// Which bucket in all is the current one.
    current: u64,
    /// Of the last whole keyframe, or of the present one if that is larger already.
    size: u32,
    arriving: u32,
}

impl Share {
    /// A packet came; `keyframe`: of the newest keyframe.
    pub(super) fn add(&mut self, now: Instant, bytes: usize, keyframe: bool) {
        self.advance(now);
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        let bucket = &mut self.buckets[(self.current % BUCKETS as u64) as usize];
        bucket.bytes = bucket.bytes.saturating_add(bytes);
        if keyframe {
            bucket.keyframes = bucket.keyframes.saturating_add(bytes);
            self.arriving = self.arriving.saturating_add(bytes);
            self.size = self.size.max(self.arriving);
        }
    }

    /// A keyframe begins.
    pub(super) fn keyframe(&mut self) {
        if self.arriving > 0 {
            self.size = self.arriving;
        }
        self.arriving = 0;
    }

    /// Whether one more keyframe fits into `1 / part` of the share.
    pub(super) fn has_room(&mut self, now: Instant, part: u64) -> bool {
        self.advance(now);
        let (mut bytes, mut keyframes, mut flowing) = (0, 0, 0);
        for bucket in &self.buckets {
            bytes += u64::from(bucket.bytes);
            keyframes += u64::from(bucket.keyframes);
            flowing += u32::from(bucket.bytes > 0);
        }
        // At the bitrate that the encoding has when it flows, for a whole minute: a pause does not take the share away, and a
        // stream that has just begun has all of it.
        let lasted = self.start.map_or(Duration::ZERO, |start| now.saturating_duration_since(start));
        let window = BUCKET * BUCKETS as u32;
        let flowed = (BUCKET * flowing).min(lasted).max(SHORTEST);
        let minute = u128::from(bytes) * window.as_micros() / flowed.as_micros();
        u128::from(keyframes + u64::from(self.size)) * u128::from(SHARE * part) <= minute
    }

    fn advance(&mut self, now: Instant) {
        let start = *self.start.get_or_insert(now);
        let bucket = now.saturating_duration_since(start).as_secs() / BUCKET.as_secs();
        let passed = bucket.saturating_sub(self.current).min(BUCKETS as u64);
        self.current = self.current.max(bucket);
        for empty in 0..passed {
            self.buckets[((self.current - empty) % BUCKETS as u64) as usize] = Bucket::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 25 frames a second of 4 kB (800 kbit/s, thus 600 kB of keyframes a minute), from second to second.
    fn flow(share: &mut Share, start: Instant, seconds: std::ops::Range<u64>) {
        for ms in (seconds.start * 1000..seconds.end * 1000).step_by(40) {
            share.add(start + Duration::from_millis(ms), 4000, false);
        }
    }

    fn keyframe(share: &mut Share, now: Instant, bytes: usize) {
        share.keyframe();
        (0..10).for_each(|_| share.add(now, bytes / 10, true));
    }

    #[test]
    fn a_tenth_of_a_minute_is_there_from_the_start_and_comes_back_after_it() {
        let start = Instant::now();
        let mut share = Share::default();
        flow(&mut share, start, 0..4);
        let mut sent = 0;
        while share.has_room(start + Duration::from_secs(4), 1) {
            keyframe(&mut share, start + Duration::from_secs(4), 60_000);
            sent += 1;
        }
        assert!((9..=30).contains(&sent), "the keyframes themselves make the bitrate look larger: {sent}");
        flow(&mut share, start, 4..30);
        assert!(!share.has_room(start + Duration::from_secs(30), 1));
        flow(&mut share, start, 30..65);
        assert!(share.has_room(start + Duration::from_secs(65), 1));
    }

    #[test]
    fn over_any_minute_the_share_holds() {
        let start = Instant::now();
        let mut share = Share::default();
        let mut keyframes = 0;
        for second in 0..60 {
            flow(&mut share, start, second..second + 1);
            let now = start + Duration::from_secs(second + 1);
            if share.has_room(now, 1) {
                keyframe(&mut share, now, 60_000);
                keyframes += 1;
            }
        }
        // 6 MB of others: 660 kB of keyframes are a tenth of all.
        assert!((10..=12).contains(&keyframes), "{keyframes}");
    }

    #[test]
    fn a_part_of_it_is_used_up_earlier() {
        let start = Instant::now();
        let mut share = Share::default();
        flow(&mut share, start, 0..20);
        let now = start + Duration::from_secs(20);
        (0..6).for_each(|_| keyframe(&mut share, now, 50_000));
        assert!(share.has_room(now, 1) && !share.has_room(now, 2));
    }

    #[test]
    fn a_pause_takes_nothing_away() {
        let start = Instant::now();
        let mut share = Share::default();
        flow(&mut share, start, 0..10);
        keyframe(&mut share, start + Duration::from_secs(10), 60_000);
        assert!(share.has_room(start + Duration::from_secs(50), 1));
    }
}
