//! What is left of the estimate while reports stay away though packets leave.
//!
//! A way that has broken tells nothing, so silence is a signal of its own: the rate halves after each [`SILENCE`]. Not in
//! libwebrtc, whose congestion window does this (ours). When reports come back the cut is taken back in steps, each after another calm moment: what was known before the
//! silence is likely to hold still, and if it does not, delay and loss say so meanwhile. Invariant: who sends nothing is not silent.

use std::time::{Duration, Instant};

/// Reports come every 50 to 250 ms, so at least three are missing. Higher: later. Lower: a hiccup of the return path costs quality.
const SILENCE: Duration = Duration::from_secs(1);
/// How often half of a cut is taken back. Lower: quicker back, with less time to be told that it is too much.
const BACK: Duration = Duration::from_millis(400);
/// More halves change nothing: the minimum is reached.
const MOST: u32 = 8;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Silence {
    /// When the first packet left that no report has come behind.
    waiting: Option<Instant>,
    halves: u32,
    /// When the last half was taken back.
    back: Option<Instant>,
}

impl Silence {
    /// A packet left.
    pub(super) fn sent(&mut self, now: Instant) {
        self.waiting.get_or_insert(now);
        self.update(now);
    }

    /// A report came.
    pub(super) fn reported(&mut self, now: Instant) {
        self.waiting = None;
        if self.halves > 0 {
            let since = *self.back.get_or_insert(now);
            if now.saturating_duration_since(since) >= BACK {
                (self.halves, self.back) = (self.halves - 1, Some(now));
            }
        }
    }

    /// Time has passed; whether the cut has become deeper.
    pub(super) fn update(&mut self, now: Instant) -> bool {
        let Some(due) = self.due().filter(|due| *due <= now) else { return false };
        let late = now.saturating_duration_since(due).as_millis() / SILENCE.as_millis();
        let more = 1 + u32::try_from(late).unwrap_or(MOST);
        (self.halves, self.back) = (MOST.min(self.halves + more), None);
        self.waiting = Some(due + SILENCE * (more - 1));
        true
    }

    /// When the cut becomes deeper if no report comes.
    pub(super) fn due(&self) -> Option<Instant> {
        (self.halves < MOST).then_some(self.waiting? + SILENCE)
    }

    /// What is left of the rate.
    pub(super) fn share(&self) -> f64 {
        0.5_f64.powi(self.halves as i32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn each_second_without_a_report_halves_what_is_left() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        silence.sent(start);
        assert_eq!(silence.due(), Some(start + 1000 * MS));
        silence.sent(start + 999 * MS);
        assert_eq!(silence.halves, 0);
        silence.sent(start + 1000 * MS);
        assert_eq!(silence.halves, 1);
        assert!(!silence.update(start + 1999 * MS));
        assert!(silence.update(start + 3500 * MS), "two at once, when nobody looked for long");
        assert_eq!((silence.halves, silence.due()), (3, Some(start + 4000 * MS)));
        for second in 4..60 {
            silence.update(start + second * 1000 * MS);
        }
        assert_eq!((silence.halves, silence.due()), (MOST, None));
    }

    #[test]
    fn who_sends_nothing_is_not_silent() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        silence.sent(start);
        silence.reported(start + 100 * MS);
        assert_eq!(silence.due(), None);
        assert!(!silence.update(start + 60_000 * MS));
        silence.sent(start + 60_000 * MS);
        assert_eq!(silence.halves, 0);
    }

    #[test]
    fn with_the_reports_the_rate_comes_back_in_steps() {
        let (mut silence, start) = (Silence::default(), Instant::now());
        silence.sent(start);
        silence.update(start + 3000 * MS);
        assert_eq!(silence.halves, 3);
        let halves = (0..20).map(|step| {
            silence.sent(start + (3000 + step * 100) * MS);
            silence.reported(start + (3050 + step * 100) * MS);
            silence.halves
        });
        let halves: Vec<_> = halves.collect();
        assert_eq!((halves[3], halves[4], halves[8], halves[12], halves[19]), (3, 2, 1, 0, 0));
        assert!((silence.share() - 1.0).abs() < f64::EPSILON);
    }
}
