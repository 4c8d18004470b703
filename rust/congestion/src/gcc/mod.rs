//! Google congestion control, the sender's side, as libwebrtc has it (`goog_cc_network_control.cc`): delay, loss and probes together tell
//! what the way to one receiver carries.
//!
//! A file is a part, to be read beside its source: what was acknowledged, whether the queue grows ([`Usage`]), the rate that
//! follows, the rate that the losses allow, whether so little is sent that nothing can be learnt. This file only puts them together.
//! Invariant: the estimate is between the configured bounds, and no receiver's report of its publisher's losses lowers it while there are
//! transport-wide ones.

mod acknowledged;
mod aimd;
mod application_limited;
mod delay;
mod groups;
mod link_capacity;
mod loss_based;
mod report_loss;
mod silence;
mod standing;
mod trendline;

use std::time::{Duration, Instant};

use sfu_wire::{Bitrate, DataSize};

use self::acknowledged::AcknowledgedBitrate;
use self::application_limited::ApplicationLimited;
use self::delay::DelayBased;
use self::loss_based::{LossBased, LossState};
use self::report_loss::ReportLoss;
use self::silence::Silence;
use crate::estimator::{BandwidthEstimator, ReportedLoss};
use crate::probe::{LimitedBy, ProbeController, ProbeEstimator, ProbePlan, SentProbe};
use crate::twcc::PacketResult;

pub use self::loss_based::{BoundConfig, IncreaseConfig, LossBasedConfig, ModelConfig, ObservationConfig};
pub use self::trendline::Usage;

/// A probe is believed to this share of what is acknowledged meanwhile at least. (libwebrtc `goog_cc_network_control.cc`)
const PROBE_FLOOR: f64 = 0.85;
/// For so long after the first report the delay alone decides, unless something is lost or enough was observed. (libwebrtc
/// `send_side_bandwidth_estimation.cc`)
const BEGINNING: Duration = Duration::from_secs(2);
/// Probes whose packets may still be reported. Higher: more memory. Lower: reports of the oldest come to nothing.
const PROBES: usize = 8;

/// Bounds and beginning of an estimate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GccConfig {
    /// Before anything is known. Higher: good links start better. Lower: bad ones are not flooded. (libwebrtc: 300 kbit/s)
    pub start: Bitrate,
    /// Never less.
    pub min: Bitrate,
    /// Never more.
    pub max: Bitrate,
    /// Of the part that judges losses.
    pub loss: LossBasedConfig,
}

impl Default for GccConfig {
    fn default() -> Self {
        let mut loss = LossBasedConfig::default();
        // libwebrtc's 100 kbit/s take 2 Mbit/s down to half at a random loss of 10 %, where chance often makes it more.
        loss.bounds.upper_balance = Bitrate::from_kbps(150);
        // A rise that is to be filled up with padding fails when nobody pads, and is then held for up to a minute.
        loss.increase.padding = Duration::ZERO;
        Self { start: Bitrate::from_kbps(300), min: Bitrate::from_kbps(30), max: Bitrate::from_kbps(100_000), loss }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Gcc {
    config: GccConfig,
    acknowledged: AcknowledgedBitrate,
    delay: DelayBased,
    loss: LossBased,
    reports: ReportLoss,
    limited: ApplicationLimited,
    was_limited: bool,
    silence: Silence,
    controller: ProbeController,
    prober: ProbeEstimator,
    probes: [Option<SentProbe>; PROBES],
    next_probe: usize,
    cap: Option<Bitrate>,
    /// When transport-wide reports began.
    first_feedback: Option<Instant>,
    has_lost: bool,
    /// Before silence is counted.
    rate: Bitrate,
}

impl Gcc {
    /// At `now`, when packets can leave for the first time.
    pub fn new(now: Instant, config: GccConfig) -> Self {
        let GccConfig { start, min, max, .. } = config;
        let mut controller = ProbeController::default();
        controller.handle_available(now, true);
        controller.set_bounds(now, min, Some(start), Some(max));
        let mut loss = LossBased::new(config.loss);
        loss.set_bounds(min, max);
        let mut reports = ReportLoss::new(start);
        reports.set_bounds(min, max);
        Self {
            config,
            acknowledged: AcknowledgedBitrate::new(),
            delay: DelayBased::new(start, min),
            loss,
            reports,
            limited: ApplicationLimited::new(),
            was_limited: false,
            silence: Silence::default(),
            controller,
            prober: ProbeEstimator::new(),
            probes: [None; PROBES],
            next_probe: 0,
            cap: None,
            first_feedback: None,
            has_lost: false,
            rate: start,
        }
    }

    /// What the queue on the way does.
    pub const fn usage(&self) -> Usage {
        self.delay.usage()
    }

    /// What passes now.
    pub fn acknowledged(&self) -> Option<Bitrate> {
        self.acknowledged.bitrate()
    }

    /// What the probes among `packets` measured.
    fn probed(&mut self, now: Instant, packets: &[PacketResult]) -> Option<Bitrate> {
        for packet in packets {
            if let Some(probe) = self.probes.iter().flatten().find(|probe| probe.contains(packet.seq)) {
                self.prober.add(probe, packet);
                self.delay.handle_probe(now);
            }
        }
        let probed = self.prober.take_last()?;
        let floor = self.acknowledged.bitrate().zip(self.delay.rate());
        Some(floor.map_or(probed, |(acknowledged, rate)| probed.max(rate.min(acknowledged * PROBE_FLOOR))))
    }

    fn learn_rtt(&mut self, now: Instant, packets: &[PacketResult]) {
        let arrived = packets.iter().filter(|packet| packet.arrival.is_some());
        if let Some(newest) = arrived.map(|packet| packet.sent).max() {
            self.delay.set_rtt(now.saturating_duration_since(newest));
        }
    }

    /// The rate that delay and loss allow.
    fn combine(&mut self, now: Instant, packets: &[PacketResult], limited: bool) {
        let delay = self.delay.rate();
        let began = *self.first_feedback.get_or_insert(now);
        self.has_lost |= packets.iter().any(|packet| packet.arrival.is_none());
        if let Some(acknowledged) = self.acknowledged.bitrate() {
            self.loss.set_acknowledged(acknowledged);
        }
        self.loss.handle_report(packets, delay, limited);
        let is_beginning = !self.has_lost && now.saturating_duration_since(began) < BEGINNING;
        if is_beginning && !self.loss.is_ready() {
            self.set(delay.map_or(self.rate, |delay| delay.max(self.config.start)));
            return;
        }
        let lossy = self.loss.result().bitrate.unwrap_or(self.rate);
        self.set(delay.map_or(lossy, |delay| lossy.min(delay)));
    }

    fn limited_by(&self) -> LimitedBy {
        match (self.delay.usage(), self.loss.result().state) {
            (Usage::Over | Usage::Under, _) => LimitedBy::Queue,
            (Usage::Normal, LossState::Decreasing) => LimitedBy::Loss,
            (Usage::Normal, LossState::Increasing | LossState::IncreasingWithPadding) => LimitedBy::LossRising,
            (Usage::Normal, LossState::DelayBased) => LimitedBy::Delay,
        }
    }

    fn set(&mut self, rate: Bitrate) {
        let capped = self.cap.map_or(rate, |cap| rate.min(cap));
        self.rate = capped.clamp(self.config.min, self.config.max);
    }
}

/// Those that did not arrive last. Lies about times may span the clock's whole circle: they are ordered by how far from the first they are.
fn sort_by_arrival(packets: &mut [PacketResult]) {
    let Some(first) = packets.iter().find_map(|packet| packet.arrival) else { return };
    let later = |packet: &PacketResult| packet.arrival.map_or(i64::MAX, |arrival| arrival.micros_since(first));
    packets.sort_unstable_by_key(|packet| (later(packet), packet.seq));
}

impl BandwidthEstimator for Gcc {
    fn handle_feedback(&mut self, now: Instant, packets: &mut [PacketResult]) {
        if packets.is_empty() {
            return;
        }
        self.silence.reported(now);
        self.learn_rtt(now, packets);
        let limited = self.limited.since().is_some();
        if self.was_limited && !limited {
            self.acknowledged.application_limited_ended(now);
        }
        self.was_limited = limited;
        sort_by_arrival(packets);
        self.acknowledged.handle_packets(packets);
        let probed = self.probed(now, packets);
        if let Some(probed) = probed {
            self.loss.set_probed(probed);
        }
        let recovered = self.delay.update(now, packets, self.acknowledged.bitrate(), probed);
        self.combine(now, packets, limited);
        self.limited.set_estimate(self.estimate());
        self.controller.set_application_limited(now, self.limited.since());
        self.controller.handle_estimate(now, self.rate, self.limited_by());
        if recovered {
            self.controller.handle_recovered(now);
        }
    }

    fn handle_report(&mut self, now: Instant, loss: ReportedLoss, rtt: Option<Duration>) {
        if self.first_feedback.is_some() {
            return;
        }
        self.silence.reported(now);
        self.reports.handle_report(now, loss.fraction, loss.packets, rtt);
        self.set(self.reports.bitrate());
    }

    fn handle_remb(&mut self, now: Instant, rate: Bitrate) {
        self.cap = Some(rate);
        self.reports.set_cap(Some(rate));
        let rate = if self.first_feedback.is_some() { self.rate } else { self.reports.bitrate() };
        self.set(rate);
        self.controller.handle_estimate(now, self.rate, self.limited_by());
    }

    fn handle_sent(&mut self, now: Instant, size: DataSize) {
        self.limited.sent(now, size);
        self.silence.sent(now);
    }

    fn handle_probe(&mut self, _: Instant, probe: SentProbe) {
        self.probes[self.next_probe] = Some(probe);
        self.next_probe = (self.next_probe + 1) % PROBES;
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.silence.update(now);
        // Who sends nothing at all is limited by the application, too.
        self.limited.sent(now, DataSize::ZERO);
        self.controller.set_application_limited(now, self.limited.since());
        self.controller.handle_timeout(now);
        if self.first_feedback.is_none() {
            self.reports.handle_timeout(now);
            self.set(self.reports.bitrate());
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        [self.silence.due(), self.controller.poll_timeout()].into_iter().flatten().min()
    }

    fn poll_probe(&mut self) -> Option<ProbePlan> {
        self.controller.poll_probe()
    }

    fn set_wanted(&mut self, now: Instant, wanted: Bitrate) {
        self.controller.set_wanted(now, wanted);
    }

    fn want(&mut self, now: Instant, needed: Bitrate) {
        self.controller.want(now, needed);
    }

    fn is_congested(&self) -> bool {
        self.delay.is_congested() || self.loss.result().state == LossState::Decreasing
    }

    fn estimate(&self) -> Bitrate {
        (self.rate * self.silence.share()).max(self.config.min)
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::SeqNo;
    use sfu_wire::rtcp::FeedbackTime;

    use super::*;

    fn sorted(ticks: &[Option<i64>]) -> Vec<u64> {
        let sent = Instant::now();
        let packet = |(seq, ticks): (u64, &Option<i64>)| PacketResult {
            seq: SeqNo::new(seq),
            sent,
            size: DataSize::ZERO,
            arrival: ticks.map(FeedbackTime::new),
        };
        let mut packets: Vec<_> = (0..).zip(ticks).map(packet).collect();
        sort_by_arrival(&mut packets);
        packets.iter().map(|packet| packet.seq.get()).collect()
    }

    #[test]
    fn packets_are_in_the_order_of_their_arrival_across_the_wrap_and_lost_ones_last() {
        assert_eq!(sorted(&[Some((1 << 32) - 2), None, Some(3), Some((1 << 32) - 5), Some(0)]), [3, 0, 4, 2, 1]);
        assert_eq!(sorted(&[Some(7), Some(7), Some(7)]), [0, 1, 2], "as they were numbered");
        assert_eq!(sorted(&[None, None]), [0, 1]);
    }

    #[test]
    fn times_all_around_the_clock_have_an_order() {
        // Each is behind the one before, and the first behind the last: no order of pairs is one of all.
        let third = (1_i64 << 32) / 3;
        let ticks: Vec<_> = (0..60).map(|number| Some(number * 37 % 60 % 3 * third + number)).collect();
        let order = sorted(&ticks);
        let behind = |first: i64, tick: i64| FeedbackTime::new(tick).micros_since(FeedbackTime::new(first));
        let from_first = order.iter().map(|seq| behind(0, ticks[*seq as usize].unwrap_or_default()));
        assert!(from_first.is_sorted());
    }
}
