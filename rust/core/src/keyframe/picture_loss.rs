//! How often one subscriber's own requests (PLI, FIR) count.
//!
//! Browsers repeat a PLI every 200 ms until a keyframe has come, a bad link or a bad client for ever. One request in two seconds
//! counts; a later one waits for its turn, and is forgotten when a keyframe comes first. Nobody else waits for it.

use std::time::{Duration, Instant};

use super::Wish;

/// Between requests of one subscriber that count. Higher: a bad client costs the others less. Lower: who has lost a keyframe too
/// gets the next one sooner.
const INTERVAL: Duration = Duration::from_secs(2);
/// Who asks again within this time has had its keyframe: it is not to use up the share of those who have had none.
const AGAIN: Duration = Duration::from_secs(30);

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct PictureLoss {
    counted: Option<Instant>,
    again: bool,
    /// When the request came that waits for its turn.
    waiting: Option<Instant>,
}

impl PictureLoss {
    /// The subscriber asks; whether that counts now.
    pub(crate) fn request(&mut self, now: Instant) -> bool {
        self.waiting = Some(now);
        self.poll(now, None)
    }

    /// Whether a request that waited counts now; `keyframe` is when one last came that it may have been waiting for.
    pub(crate) fn poll(&mut self, now: Instant, keyframe: Option<Instant>) -> bool {
        let Some(waiting) = self.waiting else { return false };
        if keyframe.is_some_and(|keyframe| keyframe > waiting) {
            self.waiting = None;
            return false;
        }
        if self.poll_timeout().is_some_and(|due| due > now) {
            return false;
        }
        self.again = self.counted.is_some_and(|counted| now < counted + AGAIN);
        (self.counted, self.waiting) = (Some(now), None);
        true
    }

    /// When a request that waits counts.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let waiting = self.waiting?;
        Some(self.counted.map_or(waiting, |counted| counted + INTERVAL))
    }

    /// How the last request that counted ranks.
    pub(crate) const fn wish(&self) -> Wish {
        if self.again { Wish::Again } else { Wish::First }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn of_twenty_a_second_one_in_two_seconds_counts() {
        let start = Instant::now();
        let mut loss = PictureLoss::default();
        let counted: Vec<u64> = (0..10_000).step_by(50).filter(|ms| loss.request(start + millis(*ms))).collect();
        assert_eq!(counted, [0, 2000, 4000, 6000, 8000]);
    }

    #[test]
    fn the_second_request_is_not_lost_and_a_keyframe_answers_it() {
        let start = Instant::now();
        let mut loss = PictureLoss::default();
        assert!(loss.request(start));
        assert_eq!(loss.wish(), Wish::First);
        assert!(!loss.request(start + millis(300)));
        assert_eq!(loss.poll_timeout(), Some(start + millis(2000)));
        assert!(!loss.poll(start + millis(1999), Some(start + millis(100))));
        assert!(loss.poll(start + millis(2000), Some(start + millis(100))), "that keyframe came before the request");
        assert_eq!(loss.wish(), Wish::Again);
        assert!(!loss.request(start + millis(2500)));
        assert!(!loss.poll(start + millis(4000), Some(start + millis(2600))), "it has come");
        assert_eq!(loss.poll_timeout(), None);
        assert!(loss.request(start + millis(60_000)));
        assert_eq!(loss.wish(), Wish::First, "that was long ago");
    }
}
