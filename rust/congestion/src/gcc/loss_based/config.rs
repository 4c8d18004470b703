//! The numbers of the loss-based estimator, those of libwebrtc's `loss_based_bwe_v2.cc` of 2025 (read at 068e6ba in a mirror; the same as a port
//! gives for M138), where each is a key of the field trial `WebRTC-Bwe-LossBasedBweV2`.
//!
//! Those that are off by default (ramp-up acceleration, smoothing of sending rates, the
//! upper bound as a candidate) are left out.

use std::time::Duration;

use sfu_wire::Bitrate;

/// All settings of the loss-based estimator; the default is the pinned set.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LossBasedConfig {
    /// What counts as one observation, and how many are kept.
    pub observations: ObservationConfig,
    /// How observations are explained.
    pub model: ModelConfig,
    /// What holds whatever the model says.
    pub bounds: BoundConfig,
    /// How the estimate comes back after a loss.
    pub increase: IncreaseConfig,
}

/// What counts as one observation, and how many are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ObservationConfig {
    /// Time between the first and the last packet sent. Higher: later, and truer. Lower: single losses look like high
    /// ones.
    pub duration: Duration,
    /// How many are kept, from 2 to 15. Higher: old losses hold the rate down. Lower: chance decides.
    pub window: usize,
    /// How many are needed before anything is said.
    pub required: u64,
    /// Weight of an observation, compared with the one after it. Higher: smoother. Lower: follows faster.
    pub age_weight: f64,
    /// The highest and the lowest loss of the window are taken for chance, unless the sending rate in the highest was
    /// so many times the median.
    pub burst_factor: f64,
}

/// How observations are explained: by a loss that does not depend on the rate, and a rate above which all is lost.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ModelConfig {
    /// The inherent loss before anything is observed.
    pub initial_loss: f64,
    /// The least inherent loss.
    pub min_loss: f64,
    /// The most inherent loss at a very high rate. Higher: lossy paths are used in full. Lower: losses by congestion
    /// are answered sooner.
    pub max_loss_offset: f64,
    /// At a rate equal to this, the most inherent loss is 100 % more; at twice this, 50 % more.
    pub max_loss_balance: Bitrate,
    /// Part of a Newton step that is made. Higher: follows faster. Lower: overshoots less.
    pub newton_step: f64,
    /// How much a higher rate is preferred: per kbit/s.
    pub bias: f64,
    /// The same: per factor of e.
    pub log_bias: f64,
    /// Above this loss a lower rate is preferred instead. Higher: keeps high rates through losses.
    pub bias_max_loss: f64,
    /// How gradually the preference turns around that loss.
    pub bias_smoothing: f64,
}

/// What holds whatever the model says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BoundConfig {
    /// Up to this loss there is no upper bound.
    pub upper_loss_offset: f64,
    /// The upper bound at a loss of 100 % above that offset; at 10 % above, it is ten times this.
    /// Higher: lossy paths are used in full. Lower: a queue that overflows is relieved sooner.
    pub upper_balance: Bitrate,
    /// The lower bound as a part of the acknowledged rate: what arrives is carried. Zero: no such bound.
    pub lower_acknowledged_factor: f64,
}

/// How the estimate comes back after a loss.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct IncreaseConfig {
    /// The estimate rises to so many times the acknowledged rate.
    pub ramp_up: f64,
    /// The same near a rate that was held.
    pub ramp_up_in_hold: f64,
    /// An acknowledged rate below so many times the held rate is near it.
    pub hold_threshold: f64,
    /// Within this time the estimate rises by [`max_factor`](Self::max_factor) at most.
    pub window: Duration,
    /// See [`window`](Self::window).
    pub max_factor: f64,
    /// How long the first fall is held.
    pub first_hold: Duration,
    /// How much longer each further one is held, as long as losses limit the rate. Zero: nothing is held.
    /// Higher: fewer losses by trying. Lower: sooner back when the path is good again.
    pub hold_factor: f64,
    /// No fall is held longer.
    pub max_hold: Duration,
    /// How long a rise may be tried with padding before it has failed; zero: without padding, and no rise fails.
    pub padding: Duration,
}

impl Default for ObservationConfig {
    fn default() -> Self {
        Self { duration: Duration::from_millis(250), window: 15, required: 3, age_weight: 0.9, burst_factor: 2.0 }
    }
}

impl Default for ModelConfig {
    fn default() -> Self {
        Self {
            initial_loss: 0.01,
            min_loss: 0.001,
            max_loss_offset: 0.05,
            max_loss_balance: Bitrate::from_kbps(100),
            newton_step: 0.75,
            bias: 0.0002,
            log_bias: 0.02,
            bias_max_loss: 0.2,
            bias_smoothing: 0.002,
        }
    }
}

impl Default for BoundConfig {
    fn default() -> Self {
        Self { upper_loss_offset: 0.05, upper_balance: Bitrate::from_kbps(100), lower_acknowledged_factor: 1.0 }
    }
}

impl Default for IncreaseConfig {
    fn default() -> Self {
        Self {
            ramp_up: 1.5,
            ramp_up_in_hold: 1.2,
            hold_threshold: 1.3,
            window: Duration::from_millis(300),
            max_factor: 1.3,
            first_hold: Duration::from_millis(300),
            hold_factor: 2.0,
            max_hold: Duration::from_secs(60),
            padding: Duration::from_secs(2),
        }
    }
}
