//! What the way to one subscriber carries, how it is found out, and what of it was divided.
//!
//! One for each connection that carries subscriptions, from its first transport-wide report on; who reports on nothing gets what was asked for.
//! It stands between the reports (`feedback`), the packets that leave (`fan_out`) and the division (`allocate`), and decides when each of the
//! others is due. Invariant: in the beginning nothing is held back unless the way shows that it is full.

mod demands;
mod share;

use std::time::{Duration, Instant};

use sfu_congestion::{BandwidthEstimator, Pacer, PacketResult};
use sfu_wire::{Bitrate, DataSize, SeqNo};

pub(crate) use demands::{Divider, audio_rate, is_whole, video_points};
pub(crate) use share::Share;

use crate::allocate::{Allocation, Reason};

/// For so long after the first report the probes of the start are waited for, before the first estimate, which nobody has measured, holds anything
/// back. Higher: a bad link that shows no queue is flooded for longer. Lower: who has a good one starts with a low layer.
const BEGINNING: Duration = Duration::from_millis(500);
/// Tracks get more only as long as this share of the estimate stays free; what they have they keep up to all of it. Higher: less is used. Lower:
/// switches where a layer nearly fits.
const RESERVE: f64 = 0.05;
/// What is probed for, beyond what the next layer takes: with that the estimate has the reserve, as exactly as a probe tells.
const GOAL: f64 = 1.1;
/// An estimate that has grown by less is not divided again. Higher: later up. Lower: more divisions that change nothing.
const GROWTH: f64 = 1.02;
/// A choice that was too young to be left is looked at again after so long.
const AGAIN: Duration = Duration::from_secs(1);

/// What was divided last.
#[derive(Debug, Clone, Copy)]
struct Divided {
    at: Instant,
    estimate: Bitrate,
    used: Bitrate,
    /// More bandwidth would change something.
    is_short: bool,
    /// Time would.
    waits: bool,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Bandwidth {
    estimator: Box<dyn BandwidthEstimator>,
    /// Spreads probes.
    prober: Pacer<()>,
    began: Instant,
    divided: Option<Divided>,
    /// What is to be divided among whom has changed.
    is_stale: bool,
    /// Packets of the probe that is being sent.
    probed: u64,
    /// What probes look for.
    goal: Option<Bitrate>,
}

impl Bandwidth {
    /// The first report came, of one who could use `wanted`.
    pub(crate) fn new(now: Instant, mut estimator: Box<dyn BandwidthEstimator>, wanted: Bitrate) -> Self {
        estimator.set_wanted(now, wanted);
        let prober = Pacer::new(now, estimator.estimate());
        Self { estimator, prober, began: now, divided: None, is_stale: true, probed: 0, goal: None }
    }

    /// What the way carries.
    pub(crate) fn estimate(&self) -> Bitrate {
        self.estimator.estimate()
    }

    /// What has to be shown of the way before more is tried on it.
    pub(crate) const fn goal(&self) -> Option<Bitrate> {
        self.goal
    }

    /// A transport-wide report told of `packets`.
    pub(crate) fn handle_feedback(&mut self, now: Instant, packets: &mut [PacketResult]) {
        self.estimator.handle_feedback(now, packets);
    }

    /// The receiver asks for no more than this (REMB).
    pub(crate) fn handle_remb(&mut self, now: Instant, rate: Bitrate) {
        self.estimator.handle_remb(now, rate);
    }

    /// Media has left. It fills no probe: a frame leaves at one time, from which no rate can be told.
    pub(crate) fn handle_sent(&mut self, now: Instant, size: DataSize) {
        self.estimator.handle_sent(now, size);
    }

    /// Time has passed.
    pub(crate) fn handle_timeout(&mut self, now: Instant) {
        if self.estimator.poll_timeout().is_some_and(|due| due <= now) {
            self.estimator.handle_timeout(now);
        }
    }

    /// When something is due.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        let divide = match self.divided {
            Some(Divided { at, waits: true, .. }) => Some(at + AGAIN),
            Some(_) => None,
            None => Some(self.began + BEGINNING),
        };
        [self.estimator.poll_timeout(), self.prober.poll_timeout(), divide].into_iter().flatten().min()
    }

    /// What a probe lacks now: how much, and how many packets it has had.
    pub(crate) fn poll_padding(&mut self, now: Instant) -> Option<(DataSize, u64)> {
        while let Some(plan) = self.estimator.poll_probe() {
            self.prober.probe(now, plan);
        }
        let missing = self.prober.poll_padding(now)?;
        Some((missing, self.probed))
    }

    /// A packet has left that fills a probe, under this transport-wide number.
    pub(crate) fn handle_padding(&mut self, now: Instant, size: DataSize, number: SeqNo) {
        self.probed += 1;
        self.estimator.handle_sent(now, size);
        self.prober.handle_sent(now, size, Some(number));
        if let Some(probe) = self.prober.poll_probe() {
            self.estimator.handle_probe(now, probe);
            self.probed = 0;
        }
    }

    /// There is nothing to fill probes with.
    pub(crate) fn abandon_probes(&mut self) {
        self.prober.abandon_probes();
        self.probed = 0;
    }

    /// Who wants what has changed.
    pub(crate) const fn set_stale(&mut self) {
        self.is_stale = true;
    }

    /// What may be divided now; `None`: nothing is held back yet.
    pub(crate) fn budget(&self, now: Instant) -> Option<Bitrate> {
        (now >= self.began + BEGINNING || self.estimator.is_congested()).then(|| self.estimator.estimate())
    }

    /// The budget for those who have less than they want.
    pub(crate) fn with_reserve(budget: Bitrate) -> Bitrate {
        budget * (1.0 - RESERVE)
    }

    /// Whether the division that stands may not be the right one.
    pub(crate) fn is_division_due(&self, now: Instant) -> bool {
        let Some(budget) = self.budget(now) else { return false };
        let Some(divided) = self.divided else { return true };
        self.is_stale
            || budget < divided.used
            || (divided.is_short && budget >= divided.estimate * GROWTH)
            || (divided.waits && now >= divided.at + AGAIN)
    }

    /// `budget` was divided like this; `wanted` is what could be used at most, `bar` what has to be shown before something more may be tried.
    pub(crate) fn divided(
        &mut self,
        now: Instant,
        budget: Bitrate,
        allocation: &Allocation,
        wanted: Bitrate,
        bar: Option<Bitrate>,
    ) {
        self.is_stale = false;
        let waits = allocation.choices.iter().any(|choice| choice.reason == Reason::Hysteresis);
        let used = budget.min(allocation.total());
        self.divided = Some(Divided {
            at: now,
            estimate: budget,
            used,
            is_short: allocation.next.is_some() || bar.is_some() || waits,
            waits,
        });
        self.estimator.set_wanted(now, wanted);
        self.goal = allocation.probe_goal().map(|goal| goal * GOAL).or(bar);
        self.estimator.want(now, self.goal.unwrap_or_default());
    }

    /// What the tracks had of the budget so far.
    pub(crate) fn used(&self) -> Bitrate {
        self.divided.map_or(Bitrate::ZERO, |divided| divided.used)
    }
}
