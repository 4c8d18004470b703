//! Probes: short bursts above what is sent, to learn whether more would go through.
//!
//! [`ProbeController`] decides when and how fast. The pacer sends a [`ProbePlan`] from media, retransmissions and
//! padding, and tells as a [`SentProbe`] which transport-wide numbers it took. [`ProbeEstimator`] makes a rate of their
//! arrivals; the estimate takes it in and comes back to the controller.
//! Invariant: every packet of a probe's range of numbers belongs to it, whatever it carries.

use std::time::Duration;

use sfu_wire::{Bitrate, DataSize, SeqNo};

mod controller;
mod estimator;
mod recovery;
mod upgrade;
mod wanted;

pub use controller::{ProbeConfig, ProbeController};
pub use estimator::ProbeEstimator;

/// Names a probe within its transport; ascending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct ProbeId(u32);

impl ProbeId {
    /// From its number.
    pub const fn new(number: u32) -> Self {
        Self(number)
    }

    /// Its number.
    pub const fn get(self) -> u32 {
        self.0
    }

    const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// A probe to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbePlan {
    /// Its name.
    pub id: ProbeId,
    /// At which rate. Media that leaves meanwhile counts; padding is what is missing.
    pub target: Bitrate,
    /// For how long, at least.
    pub duration: Duration,
    /// In how many packets, at least.
    pub min_packets: u32,
    /// From one burst of its packets to the next, at least.
    pub min_delta: Duration,
}

impl ProbePlan {
    /// How much it sends, at least.
    pub fn min_size(&self) -> DataSize {
        self.target.size_in(self.duration)
    }
}

/// A probe that was sent, or that is being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SentProbe {
    /// What was to be sent.
    pub plan: ProbePlan,
    /// The transport-wide number of its first packet.
    pub first: SeqNo,
    /// Of its last packet (so far).
    pub last: SeqNo,
}

impl SentProbe {
    /// Its name.
    pub const fn id(&self) -> ProbeId {
        self.plan.id
    }

    /// Whether the packet with this transport-wide number is one of its packets.
    pub fn contains(&self, seq: SeqNo) -> bool {
        (self.first..=self.last).contains(&seq)
    }
}

/// What keeps the estimate from rising (libwebrtc `BandwidthLimitedCause`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LimitedBy {
    /// Nothing but what the delay-based estimator has seen so far.
    #[default]
    Delay,
    /// A queue on the path that grows, or that drains.
    Queue,
    /// A round trip so long that the rate is lowered until it is shorter.
    RoundTrip,
    /// Loss: the rate is lowered or held.
    Loss,
    /// Loss, but the rate rises again.
    LossRising,
}

#[cfg(test)]
mod tests;
