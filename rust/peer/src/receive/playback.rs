//! What a viewer sees of the decoded frames: whether the picture stood still.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// Pauses of so many frames are the usual (W3C webrtc-stats `freezeCount`: the last 30).
const USUAL: usize = 30;
/// On top of the usual, a pause is a freeze.
const FREEZE: Duration = Duration::from_millis(150);

/// The pauses between frames.
#[derive(Debug, Default)]
pub(crate) struct Playback {
    last: Option<Instant>,
    pauses: VecDeque<Duration>,
}

impl Playback {
    /// A frame is shown; says whether the picture had frozen before it.
    pub(crate) fn shown(&mut self, now: Instant) -> bool {
        let Some(last) = self.last.replace(now) else { return false };
        let pause = now.saturating_duration_since(last);
        let usual = self.pauses.iter().sum::<Duration>() / self.pauses.len().max(1) as u32;
        let knows = self.pauses.len() == USUAL;
        if knows {
            self.pauses.pop_front();
        }
        self.pauses.push_back(pause);
        knows && pause > (3 * usual).max(usual + FREEZE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_of_three_usual_ones_and_150_ms_more_is_a_freeze() {
        let (mut now, mut playback) = (Instant::now(), Playback::default());
        let mut freezes = |pause: u64| {
            now += Duration::from_millis(pause);
            playback.shown(now)
        };
        assert!((0..=USUAL).all(|_| !freezes(66)));
        assert!(!freezes(215));
        assert!(freezes(400));
        assert!(!freezes(66));
    }
}
