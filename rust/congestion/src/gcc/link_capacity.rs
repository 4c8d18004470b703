//! What the bottleneck was seen to pass when it was full, and how far that spreads (libwebrtc `link_capacity_estimator.cc`).
//!
//! Near this rate the estimate grows by little steps, far from it by a share of itself. Invariant: the spread is between the bounds.

use sfu_wire::Bitrate;

/// How much a new sample counts. Higher: it follows sooner, and strays more. (libwebrtc `link_capacity_estimator.cc`)
const WEIGHT: f64 = 0.05;
/// Bounds of the normalised variance, in kbit/s. (libwebrtc `link_capacity_estimator.cc`)
const VARIANCE: (f64, f64) = (0.4, 2.5);
/// So many standard deviations around the mean are near it. (libwebrtc `link_capacity_estimator.cc`)
const NEAR: f64 = 3.0;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct LinkCapacity {
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    kbps: f64,
    variance: f64,
}

impl LinkCapacity {
    /// The way was full while `acknowledged` passed.
    pub(super) fn overused(&mut self, acknowledged: Bitrate) {
        let sample = acknowledged.get() as f64 / 1e3;
        let Some(seen) = &mut self.seen else {
            self.seen = Some(Seen { kbps: sample, variance: VARIANCE.0 });
            return;
        };
        seen.kbps += WEIGHT * (sample - seen.kbps);
        let error = seen.kbps - sample;
        // By the mean, so that the spread of a fast link and of a slow one are the same thing.
        let normal = error * error / seen.kbps.max(1.0);
        seen.variance = ((1.0 - WEIGHT) * seen.variance + WEIGHT * normal).clamp(VARIANCE.0, VARIANCE.1);
    }

    /// It has changed: begin anew.
    pub(super) fn reset(&mut self) {
        self.seen = None;
    }

    /// The mean, when the way has been full.
    pub(super) fn rate(&self) -> Option<Bitrate> {
        self.seen.map(|seen| from_kbps(seen.kbps))
    }

    /// What is still near the mean.
    pub(super) fn bounds(&self) -> Option<(Bitrate, Bitrate)> {
        let seen = self.seen?;
        let spread = NEAR * (seen.variance * seen.kbps).sqrt();
        Some((from_kbps(seen.kbps - spread), from_kbps(seen.kbps + spread)))
    }
}

fn from_kbps(kbps: f64) -> Bitrate {
    Bitrate::new((kbps.max(0.0) * 1e3) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mean_moves_slowly() {
        let mut link = LinkCapacity::default();
        assert_eq!((link.rate(), link.bounds()), (None, None));
        link.overused(Bitrate::from_kbps(1000));
        assert_eq!(link.rate(), Some(Bitrate::from_kbps(1000)));
        link.overused(Bitrate::from_kbps(2000));
        assert_eq!(link.rate(), Some(Bitrate::from_kbps(1050)));
        link.reset();
        assert_eq!(link.rate(), None);
    }

    #[test]
    fn the_spread_stays_within_its_bounds() {
        let mut link = LinkCapacity::default();
        for _ in 0..100 {
            link.overused(Bitrate::from_kbps(1000));
        }
        assert_eq!(link.bounds().unwrap(), (Bitrate::from_kbps(940), Bitrate::from_kbps(1060)));
        for n in 0..100 {
            link.overused(Bitrate::from_kbps(if n % 2 == 0 { 200 } else { 1800 }));
        }
        let (low, high) = link.bounds().unwrap();
        let mean = link.rate().unwrap();
        assert_eq!((high - mean).get() / 1000, (NEAR * (2.5 * mean.get() as f64 / 1e3).sqrt()) as u64);
        assert!(low < mean);
    }
}
