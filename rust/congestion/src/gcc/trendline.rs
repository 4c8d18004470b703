//! Whether a queue grows on the way: the slope of the delay over the last groups (libwebrtc `trendline_estimator.cc`).
//!
//! Each group adds how much more it was delayed than the one before. A line through the last [`WINDOW`] smoothed sums has a positive
//! slope while a queue fills. The threshold that tells growth from noise adapts: it rises slowly with what the way does anyway (so that a
//! queue that others fill does not starve us) and falls back faster. Invariant: growth is told only when it lasts.

use sfu_wire::rtcp::FeedbackTime;
use std::collections::VecDeque;

use super::groups::Delta;

/// Groups that the line goes through. Higher: steadier and later. (libwebrtc `trendline_estimator.cc`)
const WINDOW: usize = 20;
/// Of a sum's weight, what stays from the ones before. Higher: smoother and later. (libwebrtc `trendline_estimator.cc`)
const SMOOTHING: f64 = 0.9;
/// The slope is multiplied by it and by the number of groups before it is compared. (libwebrtc `trendline_estimator.cc`)
const GAIN: f64 = 4.0;
/// From so many groups on the slope counts fully. (libwebrtc `trendline_estimator.cc`)
const FULL_COUNT: u32 = 60;
/// Growth must last for so many milliseconds. Higher: fewer false alarms. Lower: sooner. (libwebrtc `trendline_estimator.cc`)
const LASTING: f64 = 10.0;
/// The threshold's beginning and bounds, in milliseconds. (libwebrtc `trendline_estimator.cc`)
const THRESHOLD: f64 = 12.5;
const LOWEST: f64 = 6.0;
const HIGHEST: f64 = 600.0;
/// How fast it follows a signal above it and one below it. (libwebrtc `trendline_estimator.cc`)
const RISE: f64 = 0.0087;
const FALL: f64 = 0.039;
/// What is farther above it is a change of the way, and does not move it. (libwebrtc `trendline_estimator.cc`)
const OUTLIER: f64 = 15.0;
/// It follows for at most so many milliseconds at a time. (libwebrtc `trendline_estimator.cc`)
const LONGEST_STEP: f64 = 100.0;

/// What the queue on the way does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Usage {
    /// Its length stays.
    #[default]
    Normal,
    /// It grows: more is sent than passes.
    Over,
    /// It shrinks.
    Under,
}

#[derive(Debug, Clone, Copy)]
struct Point {
    /// Milliseconds since the first arrival.
    arrival: f64,
    /// The smoothed sum of what was delayed more, in milliseconds.
    delay: f64,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Trendline {
    points: VecDeque<Point>,
    first: Option<FeedbackTime>,
    count: u32,
    sum: f64,
    smoothed: f64,
    slope: f64,
    threshold: f64,
    /// When, in milliseconds since the first arrival.
    threshold_moved: Option<f64>,
    /// How long it has grown, in milliseconds of sending.
    growing: Option<f64>,
    growths: u32,
    usage: Usage,
}

impl Trendline {
    /// That has seen nothing.
    pub(super) fn new() -> Self {
        Self {
            points: VecDeque::with_capacity(WINDOW + 1),
            first: None,
            count: 0,
            sum: 0.0,
            smoothed: 0.0,
            slope: 0.0,
            threshold: THRESHOLD,
            threshold_moved: None,
            growing: None,
            growths: 0,
            usage: Usage::Normal,
        }
    }

    /// What was seen says nothing about what comes; what the way does anyway stays known.
    pub(super) fn forget(&mut self) {
        self.points.clear();
        *self = Self {
            points: std::mem::take(&mut self.points),
            first: self.first,
            threshold: self.threshold,
            ..Self::new()
        };
    }

    /// What the queue did last.
    pub(super) const fn usage(&self) -> Usage {
        self.usage
    }

    /// A group was complete at `arrival`.
    pub(super) fn add(&mut self, delta: Delta, arrival: FeedbackTime) {
        let first = *self.first.get_or_insert(arrival);
        self.count = FULL_COUNT.min(self.count + 1);
        self.sum += delta.arrived - delta.sent;
        self.smoothed = SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * self.sum;
        let arrival = arrival.micros_since(first) as f64 / 1e3;
        self.points.push_back(Point { arrival, delay: self.smoothed });
        if self.points.len() > WINDOW {
            self.points.pop_front();
        }
        let slope = if self.points.len() == WINDOW { slope(&self.points) } else { None };
        self.detect(arrival, slope.unwrap_or(self.slope), delta.sent);
    }

    fn detect(&mut self, arrival: f64, slope: f64, sent: f64) {
        if self.count < 2 {
            self.usage = Usage::Normal;
            return;
        }
        let signal = f64::from(self.count) * slope * GAIN;
        if signal > self.threshold {
            // It began somewhere between the last two groups.
            let growing = self.growing.map_or(sent / 2.0, |growing| growing + sent);
            self.growing = Some(growing);
            self.growths += 1;
            if growing > LASTING && self.growths > 1 && slope >= self.slope {
                self.growing = Some(0.0);
                self.growths = 0;
                self.usage = Usage::Over;
            }
        } else {
            (self.growing, self.growths) = (None, 0);
            self.usage = if signal < -self.threshold { Usage::Under } else { Usage::Normal };
        }
        self.slope = slope;
        self.move_threshold(arrival, signal.abs());
    }

    fn move_threshold(&mut self, arrival: f64, signal: f64) {
        let since = self.threshold_moved.replace(arrival).map_or(0.0, |last| arrival - last);
        if signal > self.threshold + OUTLIER {
            return;
        }
        let speed = if signal < self.threshold { FALL } else { RISE };
        self.threshold += speed * (signal - self.threshold) * since.clamp(0.0, LONGEST_STEP);
        self.threshold = self.threshold.clamp(LOWEST, HIGHEST);
    }
}

/// Of the line of least squares; `None` when all arrived at one time.
fn slope(points: &VecDeque<Point>) -> Option<f64> {
    let count = points.len() as f64;
    let (arrivals, delays) =
        points.iter().fold((0.0, 0.0), |sums, point| (sums.0 + point.arrival, sums.1 + point.delay));
    let (arrival, delay) = (arrivals / count, delays / count);
    let (mut above, mut below) = (0.0, 0.0);
    for point in points {
        above += (point.arrival - arrival) * (point.delay - delay);
        below += (point.arrival - arrival).powi(2);
    }
    (below != 0.0).then(|| above / below)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Groups every 20 ms, each delayed `more(n)` milliseconds more than the one before; what was told for each.
    fn play(count: u32, more: impl Fn(u32) -> f64) -> Vec<Usage> {
        let mut line = Trendline::new();
        let mut arrived = 0.0;
        let step = |n| {
            let delta = Delta { sent: 20.0, arrived: 20.0 + more(n) };
            arrived += delta.arrived;
            let arrival = FeedbackTime::new((arrived * 1e3) as i64 / FeedbackTime::TICK_MICROS);
            line.add(delta, arrival);
            line.usage()
        };
        (0..count).map(step).collect()
    }

    #[test]
    fn a_steady_way_is_normal() {
        assert!(play(500, |_| 0.0).iter().all(|usage| *usage == Usage::Normal));
    }

    #[test]
    fn jitter_that_does_not_add_up_is_normal() {
        let usages = play(500, |n| if n % 2 == 0 { 4.0 } else { -4.0 });
        assert!(usages.iter().all(|usage| *usage == Usage::Normal));
    }

    #[test]
    fn a_growing_queue_is_told_within_half_a_second_and_a_shrinking_one_too() {
        let usages = play(200, |n| {
            if n < 100 {
                0.0
            } else if n < 130 {
                5.0
            } else {
                -5.0
            }
        });
        let over = usages.iter().position(|usage| *usage == Usage::Over).unwrap();
        assert!((100..125).contains(&over), "{over}");
        let under = usages.iter().position(|usage| *usage == Usage::Under).unwrap();
        assert!((130..170).contains(&under), "{under}");
        assert!(usages[..100].iter().all(|usage| *usage == Usage::Normal));
    }

    #[test]
    fn the_threshold_rises_with_what_the_way_does_and_falls_back_when_it_is_calm() {
        let mut line = Trendline::new();
        for step in 0..1000 {
            // A flow beside ours fills and empties the queue, not much beyond the threshold.
            line.move_threshold(f64::from(step * 20), line.threshold + 10.0);
        }
        let risen = line.threshold;
        assert!(risen > 100.0, "{risen}");
        line.move_threshold(20_000.0, risen + OUTLIER + 1.0);
        assert!((line.threshold - risen).abs() < 1e-9, "what is far above it is something else");
        for step in 1000..1100 {
            line.move_threshold(f64::from(step * 20), 0.0);
        }
        assert!((line.threshold - LOWEST).abs() < 1e-9);
    }
}
