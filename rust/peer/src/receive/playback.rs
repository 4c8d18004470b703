//! What a viewer sees of the decoded frames: whether the picture stood still.
//!
//! A small jitter buffer stands in between, as in a browser: frames are shown at the rate at which they were captured, and
//! what came late once makes the buffer deeper. Freezes are counted as libwebrtc counts them (`VideoQualityObserver`).

use std::collections::VecDeque;
use std::time::Duration;

/// Pauses of so many frames are the usual (W3C webrtc-stats `freezeCount`: the last 30), once there are some (libwebrtc:
/// `kMinFrameSamplesToDetectFreeze`).
const USUAL: usize = 30;
const SOME: usize = 5;
/// On top of the usual, a pause is a freeze.
const FREEZE: i64 = 150_000;
/// The buffer at first. Higher: fewer freezes. Lower: less delay.
const SHALLOW: i64 = 100_000;
/// The buffer at most: a retransmission over a long way (libwebrtc adds a round trip to the jitter when it needs some).
const DEEP: i64 = 1_000_000;

/// The jitter buffer and the pauses behind it; times in microseconds.
#[derive(Debug)]
pub struct Playback {
    depth: i64,
    /// The last frame's timestamp without wraps, and as it came.
    time: Option<(i64, u32)>,
    /// The shortest way from capture to here, on clocks that differ by anything.
    shortest: i64,
    last: Option<i64>,
    pauses: VecDeque<i64>,
}

impl Default for Playback {
    fn default() -> Self {
        Self { depth: SHALLOW, time: None, shortest: i64::MAX, last: None, pauses: VecDeque::new() }
    }
}

impl Playback {
    /// A frame with this timestamp (90 kHz) is decoded; says whether the picture freezes before it.
    pub fn decoded(&mut self, at: Duration, timestamp: u32) -> bool {
        let at = at.as_micros() as i64;
        let (time, before) = self.time.unwrap_or((0, timestamp));
        let time = time + i64::from(timestamp.wrapping_sub(before) as i32);
        self.time = Some((time, timestamp));
        let way = at - time * 100 / 9;
        self.shortest = self.shortest.min(way);
        let late = way - self.shortest;
        let shown = at + (self.depth - late).max(0);
        self.depth = self.depth.max(late.min(DEEP));
        self.shown(shown)
    }

    fn shown(&mut self, at: i64) -> bool {
        let Some(last) = self.last.replace(at) else { return false };
        let pause = at - last;
        if self.pauses.len() == USUAL {
            self.pauses.pop_front();
        }
        self.pauses.push_back(pause);
        let usual = self.pauses.iter().sum::<i64>() / self.pauses.len() as i64;
        self.pauses.len() >= SOME && pause >= (3 * usual).max(usual + FREEZE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 15 frames a second; frame `late` comes by so many milliseconds later. How often it froze.
    fn play(late: &[(u64, u64)]) -> usize {
        let mut playback = Playback::default();
        let frames = (0..200).map(|n: u64| {
            let late = late.iter().find(|(frame, _)| *frame == n).map_or(0, |(_, late)| *late);
            (Duration::from_micros(n * 66_667) + Duration::from_millis(late), (n * 6000) as u32)
        });
        frames.filter(|(at, timestamp)| playback.decoded(*at, timestamp.wrapping_add(u32::MAX - 9000))).count()
    }

    #[test]
    fn what_the_buffer_holds_is_no_freeze() {
        assert_eq!(play(&[]), 0);
        assert_eq!(play(&[(100, 200)]), 0);
        assert_eq!(play(&[(100, 300)]), 1);
    }

    #[test]
    fn what_came_late_once_makes_the_buffer_deeper() {
        assert_eq!(play(&[(100, 300), (150, 300)]), 1);
        assert_eq!(play(&[(100, 1500), (150, 1500)]), 2, "but not for ever");
    }
}
