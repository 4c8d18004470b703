//! What stands between a subscriber's reports and the rate that may be sent to them: one small trait.
//!
//! [`crate::Gcc`] is the estimator that is used; [`crate::FixedRate`] is the one that learns nothing, for links that are known and as what others
//! are compared with. Three verbs, as everywhere: `handle_*` puts in, `poll_*` takes out, the rest are getters and settings.

use std::fmt::Debug;
use std::time::{Duration, Instant};

use sfu_wire::{Bitrate, DataSize};

use crate::probe::{ProbePlan, SentProbe};
use crate::twcc::PacketResult;

/// The loss of one report block (RFC 3550 §6.4.1), which counts for peers without transport-wide feedback only: behind an SFU it may tell of
/// what its publisher lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReportedLoss {
    /// Of 256 packets since the last report.
    pub fraction: u8,
    /// So many packets were expected since the last report.
    pub packets: u32,
}

/// Tells how much the way to one receiver carries.
pub trait BandwidthEstimator: Debug + Send {
    /// A transport-wide report told of `packets`, in the order of their numbers; they may be put into another.
    fn handle_feedback(&mut self, now: Instant, packets: &mut [PacketResult]);

    /// A receiver report came.
    fn handle_report(&mut self, now: Instant, loss: ReportedLoss, rtt: Option<Duration>);

    /// The receiver's own estimate (REMB): an upper bound, and for peers without transport-wide feedback the best there is.
    fn handle_remb(&mut self, now: Instant, rate: Bitrate);

    /// So much has left since the last call.
    fn handle_sent(&mut self, now: Instant, size: DataSize);

    /// A probe has left.
    fn handle_probe(&mut self, now: Instant, probe: SentProbe);

    /// The time of [`Self::poll_timeout`] has come.
    fn handle_timeout(&mut self, now: Instant);

    /// When to call [`Self::handle_timeout`] if nothing else happens.
    fn poll_timeout(&self) -> Option<Instant>;

    /// A probe that shall leave now.
    fn poll_probe(&mut self) -> Option<ProbePlan>;

    /// So much could be used: nobody looks for more.
    fn set_wanted(&mut self, now: Instant, wanted: Bitrate);

    /// So much would be enough for the next step up: it is worth a probe of just that.
    fn want(&mut self, now: Instant, needed: Bitrate);

    /// What the way carries, all headers below RTP excluded.
    fn estimate(&self) -> Bitrate;

    /// Whether more was sent than the way carries: a queue grows or stands, or losses lower the rate.
    fn is_congested(&self) -> bool;
}

/// An estimator that learns nothing.
#[derive(Debug, Clone, Copy)]
pub struct FixedRate(Bitrate);

impl FixedRate {
    /// The way carries `rate`.
    pub const fn new(rate: Bitrate) -> Self {
        Self(rate)
    }
}

impl BandwidthEstimator for FixedRate {
    fn handle_feedback(&mut self, _: Instant, _: &mut [PacketResult]) {}

    fn handle_report(&mut self, _: Instant, _: ReportedLoss, _: Option<Duration>) {}

    fn handle_remb(&mut self, _: Instant, _: Bitrate) {}

    fn handle_sent(&mut self, _: Instant, _: DataSize) {}

    fn handle_probe(&mut self, _: Instant, _: SentProbe) {}

    fn handle_timeout(&mut self, _: Instant) {}

    fn poll_timeout(&self) -> Option<Instant> {
        None
    }

    fn poll_probe(&mut self) -> Option<ProbePlan> {
        None
    }

    fn set_wanted(&mut self, _: Instant, _: Bitrate) {}

    fn want(&mut self, _: Instant, _: Bitrate) {}

    fn estimate(&self) -> Bitrate {
        self.0
    }

    /// It is known from the beginning.
    fn is_congested(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fixed_rate_learns_nothing() {
        let (mut fixed, now) = (FixedRate::new(Bitrate::from_kbps(800)), Instant::now());
        fixed.handle_remb(now, Bitrate::from_kbps(100));
        fixed.handle_report(now, ReportedLoss { fraction: 255, packets: 100 }, None);
        fixed.want(now, Bitrate::from_kbps(2000));
        fixed.handle_timeout(now);
        assert_eq!(fixed.estimate(), Bitrate::from_kbps(800));
        assert_eq!((fixed.poll_timeout(), fixed.poll_probe()), (None, None));
    }
}
