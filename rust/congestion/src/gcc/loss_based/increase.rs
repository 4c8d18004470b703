//! What slows the way back up after a loss: a window of little increase, a fall that is held, a rise that may fail.
//!
//! All three run by the send times of packets. Their numbers are in [`IncreaseConfig`].

use std::time::{Duration, Instant};

use sfu_wire::Bitrate;

use crate::gcc::loss_based::config::IncreaseConfig;

/// As long as losses limit the rate, one window follows the other; the limit is not raised within one.
#[derive(Debug, Default)]
pub(super) struct Window {
    began: Option<Instant>,
    limit: Option<Bitrate>,
}

/// A fall that is held: the rate that caused losses is not tried again at once, and later each time.
#[derive(Debug)]
pub(super) struct Hold {
    until: Option<Instant>,
    /// Of the next one.
    duration: Duration,
    rate: Option<Bitrate>,
}

/// A rise that is tried with padding. Each rate that is new has its time; then the rise has failed, and the next begins
/// after the next fall.
#[derive(Debug, Default)]
pub(super) struct Rise {
    began: Option<Instant>,
    /// The highest rate that was tried.
    rate: Bitrate,
}

impl Window {
    /// No candidate above it is considered.
    pub(super) const fn limit(&self) -> Option<Bitrate> {
        self.limit
    }

    /// What `rate` may be at `at`.
    pub(super) fn cap(&self, config: &IncreaseConfig, at: Instant, rate: Bitrate) -> Bitrate {
        let is_open = self.began.is_some_and(|began| began + config.window > at);
        self.limit.filter(|_| is_open).map_or(rate, |limit| rate.min(limit))
    }

    /// Begins the next window at `at`, with a limit of `rate`, unless one is open.
    pub(super) fn advance(&mut self, config: &IncreaseConfig, at: Instant, limit: Bitrate) {
        if self.began.is_none_or(|began| began + config.window < at) {
            *self = Self { began: Some(at), limit: Some(limit) };
        }
    }
}

impl Hold {
    pub(super) const fn new(config: &IncreaseConfig) -> Self {
        Self { until: None, duration: config.first_hold, rate: None }
    }

    pub(super) fn is_active(&self, at: Instant) -> bool {
        self.until.is_some_and(|until| until > at)
    }

    /// The rate that is held, which is not lower than `floor`.
    pub(super) fn raise(&mut self, floor: Bitrate) -> Option<Bitrate> {
        self.rate = self.rate.map(|rate| rate.max(floor));
        self.rate
    }

    /// Whether `acknowledged` is no more than a little above the held rate.
    pub(super) fn is_near(&self, config: &IncreaseConfig, acknowledged: Bitrate) -> bool {
        self.rate.is_some_and(|rate| (acknowledged.get() as f64) < config.hold_threshold * rate.get() as f64)
    }

    /// Holds `rate` from `at` on.
    pub(super) fn begin(&mut self, config: &IncreaseConfig, at: Instant, rate: Bitrate) {
        if config.hold_factor <= 0.0 {
            return;
        }
        let next = self.duration.mul_f64(config.hold_factor).min(config.max_hold);
        *self = Self { until: Some(at + self.duration), duration: next, rate: Some(rate) };
    }
}

impl Rise {
    /// Whether raising to `rate` at `at` begins a rise or continues one that has not failed. `is_rising`: one is tried.
    pub(super) fn may_go_on(&self, config: &IncreaseConfig, at: Instant, rate: Bitrate, is_rising: bool) -> bool {
        config.padding.is_zero() || !is_rising || self.is_recent(config, at) || self.rate < rate
    }

    /// Whether padding is being sent on its behalf.
    pub(super) fn is_recent(&self, config: &IncreaseConfig, at: Instant) -> bool {
        !config.padding.is_zero() && self.began.is_some_and(|began| began + config.padding >= at)
    }

    /// Rises to `rate`: a rate that was not tried before has its time from `at` on.
    pub(super) fn go_on(&mut self, at: Instant, rate: Bitrate) {
        if rate > self.rate {
            *self = Self { began: Some(at), rate };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const RATES: [Bitrate; 3] = [Bitrate::from_kbps(1), Bitrate::from_kbps(2), Bitrate::from_kbps(3)];

    #[test]
    fn a_window_caps_for_300_ms_and_the_next_begins_after_it() {
        let (config, start) = (IncreaseConfig::default(), Instant::now());
        let mut window = Window::default();
        assert_eq!(window.cap(&config, start, RATES[2]), RATES[2]);
        window.advance(&config, start, RATES[0]);
        window.advance(&config, start + 300 * MS, RATES[1]);
        assert_eq!(window.cap(&config, start + 299 * MS, RATES[2]), RATES[0]);
        assert_eq!(window.cap(&config, start + 300 * MS, RATES[2]), RATES[2]);
        window.advance(&config, start + 301 * MS, RATES[1]);
        assert_eq!(window.cap(&config, start + 600 * MS, RATES[2]), RATES[1]);
        assert_eq!(window.limit(), Some(RATES[1]));
    }

    #[test]
    fn no_hold_lasts_longer_than_a_minute() {
        let (config, start) = (IncreaseConfig::default(), Instant::now());
        let mut hold = Hold::new(&config);
        (0..20).for_each(|_| hold.begin(&config, start, RATES[0]));
        assert!(hold.is_active(start + 59_999 * MS) && !hold.is_active(start + 60_000 * MS));
    }
}
