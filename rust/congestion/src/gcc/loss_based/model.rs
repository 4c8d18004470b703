//! Explains observations: a path loses a part of everything (its inherent loss), and all that is sent above its limit.
//!
//! Of several candidates the one wins under which the observed losses are likeliest (a Bernoulli trial per kilobyte),
//! with a preference for higher rates while the loss is not high. Invariant: the inherent loss is between the least and
//! the most that the configuration allows for the candidate's rate.

use sfu_wire::Bitrate;

use crate::gcc::loss_based::config::ModelConfig;
use crate::gcc::loss_based::observations::Observations;

/// What is assumed of a path.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Channel {
    /// The part that is lost whatever the rate.
    pub(super) inherent_loss: f64,
    /// All that is sent above it is lost.
    pub(super) limit: Bitrate,
}

/// Observations, to be explained.
#[derive(Debug, Clone, Copy)]
pub(super) struct Model<'a> {
    pub(super) config: &'a ModelConfig,
    pub(super) observations: &'a Observations,
}

impl Channel {
    /// The part that is lost when `rate` is sent; never quite 0 or 1, so that its logarithm is a number.
    fn loss_at(&self, rate: Bitrate) -> f64 {
        let above = (rate - self.limit).get() as f64 / rate.get().max(1) as f64;
        (self.inherent_loss + (1.0 - self.inherent_loss) * above).clamp(1e-6, 1.0 - 1e-6)
    }
}

impl Model<'_> {
    /// Of channels with these limits, each beginning with `inherent_loss`, the one that explains the observations best;
    /// of two that are as good, the first.
    pub(super) fn best(&self, inherent_loss: f64, limits: impl Iterator<Item = Bitrate>) -> Option<Channel> {
        let candidates = limits.map(|limit| self.fit(Channel { inherent_loss, limit }));
        let scored = candidates.map(|channel| (self.score(&channel), channel));
        scored.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, channel)| channel)
    }

    /// With an inherent loss that is one Newton step nearer to the likeliest.
    fn fit(&self, channel: Channel) -> Channel {
        let channel = self.feasible(channel);
        let (mut first, mut second) = (0.0, 0.0);
        for (weight, observation) in self.observations.iter() {
            let loss = channel.loss_at(observation.rate);
            let (lost, received) = (observation.lost(), observation.received());
            first += weight * (lost / loss - received / (1.0 - loss));
            second -= weight * (lost / loss.powi(2) + received / (1.0 - loss).powi(2));
        }
        // Nothing was sent: nothing is learnt.
        let step = if second < 0.0 { self.config.newton_step * first / second } else { 0.0 };
        self.feasible(Channel { inherent_loss: channel.inherent_loss - step, ..channel })
    }

    /// How likely the observations are, as a logarithm, and how much the rate is liked.
    fn score(&self, channel: &Channel) -> f64 {
        let bias = self.bias(channel.limit);
        let scores = self.observations.iter().map(|(weight, observation)| {
            let loss = channel.loss_at(observation.rate);
            let likelihood = observation.lost() * loss.ln() + observation.received() * (1.0 - loss).ln();
            weight * (likelihood + bias * observation.size())
        });
        scores.sum()
    }

    /// Per kilobyte; below zero where the loss is so high that a lower rate is liked better.
    fn bias(&self, rate: Bitrate) -> f64 {
        let config = self.config;
        let margin = config.bias_max_loss - self.observations.average_loss();
        let kbps = (rate.get() as f64 / 1e3).round();
        margin / (config.bias_smoothing + margin.abs()) * (config.bias * kbps + config.log_bias * kbps.ln_1p())
    }

    fn feasible(&self, channel: Channel) -> Channel {
        let config = self.config;
        let balance = config.max_loss_balance.get() as f64 / channel.limit.get().max(1) as f64;
        let max = (config.max_loss_offset + balance).min(1.0);
        Channel { inherent_loss: channel.inherent_loss.max(config.min_loss).min(max), ..channel }
    }
}
