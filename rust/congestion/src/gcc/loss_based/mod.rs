//! The loss-based estimator: caps the rate where losses come from sending too much, not where a path just loses
//! packets.
//!
//! From reports it makes observations (`observations.rs`), asks which rate explains their losses best (`model.rs`),
//! bounds that, and moves between following the delay-based estimate, falling and rising (`increase.rs`). It is
//! libwebrtc's `loss_based_bwe_v2.cc` of 2025, whose numbers are M138's; what is lost and then received within one observation counts once here, twice
//! there, and of equal losses the oldest is taken for chance. Its time is that of sending. Invariant: the result is
//! never above the delay-based estimate.

mod config;
mod increase;
mod model;
mod observations;

use std::time::Instant;

use sfu_wire::Bitrate;

pub use config::{BoundConfig, IncreaseConfig, LossBasedConfig, ModelConfig, ObservationConfig};

use crate::gcc::loss_based::increase::{Hold, Rise, Window};
use crate::gcc::loss_based::model::{Channel, Model};
use crate::gcc::loss_based::observations::Observations;
use crate::twcc::PacketResult;

/// What the estimate is multiplied with to find better ones. Further from one: faster, and coarser.
/// (libwebrtc `loss_based_bwe_v2.cc`)
const CANDIDATE_FACTORS: [f64; 3] = [1.02, 1.0, 0.95];
/// The least limit of a window of increase. (libwebrtc `bwe_defines.h`)
const MIN_LIMIT: Bitrate = Bitrate::from_kbps(5);
const UNLIMITED: Bitrate = Bitrate::new(u64::MAX);

/// The loss-based estimator of one transport: `set_*` and [`handle_report`](Self::handle_report) put in,
/// [`result`](Self::result) takes out.
#[derive(Debug)]
pub(super) struct LossBased {
    config: LossBasedConfig,
    observations: Observations,
    /// What the path is assumed to be; unknown before there is a rate to begin with.
    channel: Option<Channel>,
    min: Bitrate,
    max: Bitrate,
    acknowledged: Option<Bitrate>,
    /// Since the last observation.
    probed: Option<Bitrate>,
    delay_based: Bitrate,
    window: Window,
    hold: Hold,
    rise: Rise,
    state: LossState,
    bitrate: Bitrate,
}

/// What decides about the estimate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum LossState {
    /// Not losses: the delay-based estimate or the highest rate allowed.
    #[default]
    DelayBased,
    /// Losses: the rate falls, or is held where it fell to.
    Decreasing,
    /// Losses, but fewer: the rate rises again.
    Increasing,
    /// The same, and what there is to send is to be filled up with padding: it fails if less than the estimate is sent.
    IncreasingWithPadding,
}

/// What the estimator says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LossBasedResult {
    /// The estimate; `None`: nothing limits the rate.
    pub(super) bitrate: Option<Bitrate>,
    /// Why.
    pub(super) state: LossState,
}

impl Default for LossBased {
    fn default() -> Self {
        Self::new(LossBasedConfig::default())
    }
}

impl LossBased {
    /// Knows nothing.
    pub(super) fn new(config: LossBasedConfig) -> Self {
        Self {
            config,
            observations: Observations::new(config.observations),
            channel: None,
            min: Bitrate::ZERO,
            max: UNLIMITED,
            acknowledged: None,
            probed: None,
            delay_based: UNLIMITED,
            window: Window::default(),
            hold: Hold::new(&config.increase),
            rise: Rise::default(),
            state: LossState::DelayBased,
            bitrate: UNLIMITED,
        }
    }

    /// How much arrives.
    pub(super) const fn set_acknowledged(&mut self, bitrate: Bitrate) {
        self.acknowledged = Some(bitrate);
    }

    /// A probe has shown that so much arrives. It counts for how far the rate may rise with the next observation, and for nothing else.
    pub(super) fn set_probed(&mut self, bitrate: Bitrate) {
        self.probed = self.probed.max(Some(bitrate));
    }

    /// Begins anew at `bitrate`, from which the next report goes on.
    #[cfg(test)]
    pub(super) fn set_estimate(&mut self, bitrate: Bitrate) {
        self.start(bitrate);
    }

    /// The estimate stays between these.
    pub(super) const fn set_bounds(&mut self, min: Bitrate, max: Bitrate) {
        self.min = min;
        self.max = max;
    }

    /// Whether enough was observed to say more than the delay-based estimate does.
    pub(super) const fn is_ready(&self) -> bool {
        self.channel.is_some() && self.observations.are_enough()
    }

    /// The estimate; the delay-based one before there is one.
    pub(super) fn result(&self) -> LossBasedResult {
        let (bitrate, state) =
            if self.is_ready() { (self.bitrate, self.state) } else { (UNLIMITED, LossState::DelayBased) };
        // Which may have fallen since the last observation, and may be below what arrives.
        let bitrate = bitrate.min(self.delay_based);
        LossBasedResult { bitrate: Some(bitrate).filter(|bitrate| *bitrate < UNLIMITED), state }
    }

    /// Takes what a report told of packets, in any order. `delay_based`: the delay-based estimate.
    /// `application_limited`: less is sent than the estimate allows, so that what arrives is no measure of the path.
    pub(super) fn handle_report(
        &mut self,
        results: &[PacketResult],
        delay_based: Option<Bitrate>,
        application_limited: bool,
    ) {
        self.delay_based = delay_based.unwrap_or(UNLIMITED);
        let Some(at) = self.observations.add(results) else {
            return;
        };
        let Some(current) = self.channel.or_else(|| delay_based.map(|bitrate| self.start(bitrate))) else {
            return;
        };
        let mut best = self.best(at, &current, application_limited);
        best.limit = self.slowed(at, current.limit, &best);
        let bounded = self.bounded(best.limit);
        // Where a bound decides, losses are not inherent: the model begins anew from there.
        self.channel = Some(if bounded < best.limit {
            Channel { inherent_loss: 0.0, limit: bounded }
        } else {
            Channel { limit: best.limit.max(self.acknowledged_bound()), ..best }
        });
        self.transition(at, bounded);
        self.probed = None;
    }

    fn start(&mut self, bitrate: Bitrate) -> Channel {
        let inherent_loss = self.channel.map_or(self.config.model.initial_loss, |channel| channel.inherent_loss);
        let channel = Channel { inherent_loss, limit: bitrate };
        self.channel = Some(channel);
        self.bitrate = bitrate;
        self.follow_delay();
        channel
    }

    /// Losses do not decide: the next fall is a first one.
    fn follow_delay(&mut self) {
        self.hold = Hold::new(&self.config.increase);
        self.rise = Rise::default();
        self.state = LossState::DelayBased;
    }

    /// The likeliest candidate.
    fn best(&self, at: Instant, current: &Channel, application_limited: bool) -> Channel {
        let steps = CANDIDATE_FACTORS.map(|factor| Some(current.limit * factor));
        let is_padded = self.rise.is_recent(&self.config.increase, at);
        let acknowledged = self.acknowledged.filter(|_| !application_limited || is_padded);
        let delay_based = Some(self.delay_based).filter(|rate| *rate < UNLIMITED && *rate > current.limit);
        let upper = if self.is_loss_limited() { self.window.limit().unwrap_or(self.max) } else { self.max };
        let upper = upper.max(current.limit);
        let limits = steps.into_iter().chain([acknowledged, delay_based]).flatten().map(|rate| rate.min(upper));
        let model = Model { config: &self.config.model, observations: &self.observations };
        model.best(current.inherent_loss, limits).unwrap_or(*current)
    }

    /// How much of the way from `current` to `best` is gone now.
    fn slowed(&self, at: Instant, current: Bitrate, best: &Channel) -> Bitrate {
        let config = &self.config.increase;
        let mut limit = best.limit;
        if self.observations.average_loss() > best.inherent_loss {
            // More is lost than the path loses by itself.
            limit = limit.min(current);
        }
        if !self.is_loss_limited() {
            return limit;
        }
        limit = self.window.cap(config, at, limit);
        let Some(acknowledged) = self.acknowledged.filter(|_| self.is_increase(current, limit)) else {
            return limit;
        };
        let factor = if self.hold.is_near(config, acknowledged) { config.ramp_up_in_hold } else { config.ramp_up };
        // Who sends little would never come back otherwise: libwebrtc pads until enough is acknowledged.
        let arrives = self.probed.map_or(acknowledged, |probed| probed.max(acknowledged));
        limit = limit.min(arrives * factor).max(current);
        if self.state == LossState::Decreasing && limit == current {
            // One bit per second is enough to leave the state, and thus to have padding sent.
            limit += Bitrate::new(1);
        }
        limit
    }

    fn bounded(&self, rate: Bitrate) -> Bitrate {
        let config = &self.config.bounds;
        let excess = self.observations.average_loss() - config.upper_loss_offset;
        let upper = if excess > 0.0 { config.upper_balance * (1.0 / excess) } else { UNLIMITED };
        rate.min(upper).min(self.max).min(self.delay_based).max(self.lower_bound())
    }

    /// What arrives is carried.
    fn acknowledged_bound(&self) -> Bitrate {
        if self.config.bounds.lower_acknowledged_factor > 0.0 { self.lower_bound() } else { Bitrate::ZERO }
    }

    fn lower_bound(&self) -> Bitrate {
        let factor = self.config.bounds.lower_acknowledged_factor;
        self.acknowledged.map_or(Bitrate::ZERO, |rate| rate * factor).max(self.min)
    }

    /// Publishes `bounded`, and tells why the rate is what it is.
    fn transition(&mut self, at: Instant, bounded: Bitrate) {
        let config = self.config.increase;
        let is_below_delay_based = bounded < self.delay_based;
        if self.state == LossState::Decreasing && is_below_delay_based && self.hold.is_active(at) {
            let held = self.hold.raise(self.acknowledged_bound());
            self.bitrate = held.map_or(bounded, |held| held.min(bounded));
            return;
        }
        let is_limited = is_below_delay_based && bounded < self.max;
        let is_rising = self.state == LossState::IncreasingWithPadding;
        if !is_limited {
            self.follow_delay();
        } else if self.is_increase(self.bitrate, bounded) && self.rise.may_go_on(&config, at, bounded, is_rising) {
            self.rise.go_on(at, bounded);
            self.state =
                if config.padding.is_zero() { LossState::Increasing } else { LossState::IncreasingWithPadding };
        } else {
            if self.state != LossState::Decreasing {
                self.hold.begin(&config, at, bounded);
            }
            self.rise = Rise::default();
            self.state = LossState::Decreasing;
        }
        self.bitrate = bounded;
        if let Some(channel) = self.channel.filter(|_| self.is_loss_limited()) {
            let limit = (channel.limit * config.max_factor).max(MIN_LIMIT);
            self.window.advance(&config, at, limit);
        }
    }

    /// Whether going from `old` to `new` is part of the way up again.
    fn is_increase(&self, old: Bitrate, new: Bitrate) -> bool {
        let was_increasing = matches!(self.state, LossState::Increasing | LossState::IncreasingWithPadding);
        self.is_loss_limited() && (old < new || (old == new && was_increasing))
    }

    fn is_loss_limited(&self) -> bool {
        self.state != LossState::DelayBased
    }
}

#[cfg(test)]
mod tests;
