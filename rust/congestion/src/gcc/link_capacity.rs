//! What the bottleneck was seen to pass when it was full, and how far that spreads (libwebrtc `link_capacity_estimator.cc`).
//!
//! Near this rate the estimate grows by little steps, far from it by a share of itself. The spread outlives the mean: how unsteady a way is
//! does not change with its rate. Invariant: the spread is between the bounds.

use sfu_wire::Bitrate;

/// How much a new sample counts. Higher: it follows sooner, and strays more. (libwebrtc `link_capacity_estimator.cc`)
const WEIGHT: f64 = 0.05;
/// Bounds of the normalised variance, in kbit/s. (libwebrtc `link_capacity_estimator.cc`)
const VARIANCE: (f64, f64) = (0.4, 2.5);
/// So many standard deviations around the mean are near it. (libwebrtc `link_capacity_estimator.cc`)
const NEAR: f64 = 3.0;

/// See the module's text.
#[derive(Debug)]
pub(super) struct LinkCapacity {
    kbps: Option<f64>,
    variance: f64,
}

impl Default for LinkCapacity {
    fn default() -> Self {
        Self { kbps: None, variance: VARIANCE.0 }
    }
}

impl LinkCapacity {
    /// The way was full while `acknowledged` passed.
    pub(super) fn overused(&mut self, acknowledged: Bitrate) {
        let sample = acknowledged.get() as f64 / 1e3;
        let mean = self.kbps.map_or(sample, |mean| mean + WEIGHT * (sample - mean));
        let error = mean - sample;
        // By the mean, so that the spread of a fast link and of a slow one are the same thing.
        let normal = error * error / mean.max(1.0);
        self.variance = ((1.0 - WEIGHT) * self.variance + WEIGHT * normal).clamp(VARIANCE.0, VARIANCE.1);
        self.kbps = Some(mean);
    }

    /// It has changed: begin anew.
    pub(super) fn reset(&mut self) {
        self.kbps = None;
    }

    /// The mean, when the way has been full.
    pub(super) fn rate(&self) -> Option<Bitrate> {
        self.kbps.map(from_kbps)
    }

    /// What is still near the mean.
    pub(super) fn bounds(&self) -> Option<(Bitrate, Bitrate)> {
        let mean = self.kbps?;
        let spread = NEAR * (self.variance * mean).sqrt();
        Some((from_kbps(mean - spread), from_kbps(mean + spread)))
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
        link.reset();
        link.overused(mean);
        let (_, after) = link.bounds().unwrap();
        assert_eq!((after - mean).get() / 1000, (NEAR * (0.95 * 2.5 * mean.get() as f64 / 1e3).sqrt()) as u64);
    }
}
