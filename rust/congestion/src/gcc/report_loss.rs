//! The rate for a peer that does not report on each packet: from the fraction lost and the round trip of its receiver
//! reports, and from the rate that it asks for (REMB).
//!
//! Little loss raises the rate by 8 % a second, some keeps it, much lowers it by half of what is lost. The numbers are
//! those of libwebrtc `send_side_bandwidth_estimation.cc` where nothing else is said. Invariant: before the first
//! report the rate rises to what the peer asks for, and to nothing else.

use std::time::{Duration, Instant};

use sfu_wire::Bitrate;

/// Up to this fraction of 256 the rate rises: 2 %. Higher: losses by congestion are overlooked. Lower: a path that
/// always loses a little is never used in full.
const LOW_LOSS: u64 = 5;
/// Above this fraction of 256 it falls: 10 %. Higher: congestion lasts longer. Lower: lossy paths starve.
const HIGH_LOSS: u64 = 25;
/// What the rate rises by, beyond the lowest of the last [`INCREASE_INTERVAL`].
const INCREASE: f64 = 1.08;
/// And this, so that it rises from the lowest rates too.
const INCREASE_OFFSET: Bitrate = Bitrate::from_kbps(1);
/// The rate rises by [`INCREASE`] within it.
const INCREASE_INTERVAL: Duration = Duration::from_secs(1);
/// The rate falls once within it and a round trip. Higher: congestion lasts longer. Lower: one loss is answered twice.
const DECREASE_INTERVAL: Duration = Duration::from_millis(300);
/// So long after the first report the peer's wish is believed, as long as nothing is lost. Higher: more trust in a
/// wish. Lower: a slower start.
const START_PHASE: Duration = Duration::from_secs(2);
/// A loss is taken of so many packets at least. Higher: later. Lower: one lost packet looks like much.
const MIN_PACKETS: u64 = 20;
/// A report says something for so long: 1.2 times the longest interval of reports, 5 s.
const REPORT_LIFETIME: Duration = Duration::from_secs(6);
/// Without a report for three of the longest intervals the path is taken for dead. Higher: more is sent in vain. Lower:
/// lost reports cost. (Ours.)
const SILENCE: Duration = Duration::from_secs(15);
/// Then the rate falls by a fifth, and again with each of these. (Ours.)
const SILENCE_INTERVAL: Duration = Duration::from_secs(1);
const SILENCE_FACTOR: f64 = 0.8;
/// Rates that rose within [`INCREASE_INTERVAL`]. There are two or three; more are taken together.
const HISTORY: usize = 8;
/// The least rate of any estimator. (libwebrtc `bwe_defines.h`)
const MIN_BITRATE: Bitrate = Bitrate::from_kbps(5);
/// The default highest rate.
const MAX_BITRATE: Bitrate = Bitrate::from_kbps(1_000_000);

/// The rate for a peer without transport-wide feedback: [`handle_report`](Self::handle_report) and
/// [`handle_timeout`](Self::handle_timeout) put in, [`bitrate`](Self::bitrate) takes out; `set_*` are commands.
#[derive(Debug)]
pub(super) struct ReportLoss {
    target: Bitrate,
    min: Bitrate,
    max: Bitrate,
    /// What the peer asks for.
    cap: Option<Bitrate>,
    rtt: Duration,
    lowest: Lowest,
    pending: Pending,
    loss: Option<Loss>,
    /// When the first report came.
    first_report: Option<Instant>,
    /// When the last report came, however little it said; or the last fall for want of reports.
    last_sign: Option<Instant>,
    is_silent: bool,
    last_decrease: Option<Instant>,
}

/// Reports about too few packets, taken together.
#[derive(Debug, Default)]
struct Pending {
    packets: u64,
    /// In 256ths.
    lost: u64,
}

/// The loss that was last reported.
#[derive(Debug, Clone, Copy)]
struct Loss {
    /// In 256ths.
    fraction: u64,
    at: Instant,
    /// Whether the rate has fallen because of it.
    answered: bool,
}

/// The lowest rate of the last second: rates that were followed by higher ones only, oldest and lowest first.
#[derive(Debug)]
struct Lowest {
    /// Until when each was the rate.
    rates: [(Option<Instant>, Bitrate); HISTORY],
    len: usize,
}

impl ReportLoss {
    /// Begins with `start`.
    pub(super) fn new(start: Bitrate) -> Self {
        Self {
            target: start,
            min: MIN_BITRATE,
            max: MAX_BITRATE,
            cap: None,
            rtt: Duration::ZERO,
            lowest: Lowest { rates: [(None, Bitrate::ZERO); HISTORY], len: 0 },
            pending: Pending::default(),
            loss: None,
            first_report: None,
            last_sign: None,
            is_silent: false,
            last_decrease: None,
        }
    }

    /// The rate stays between these; not below 5 kbit/s.
    pub(super) fn set_bounds(&mut self, min: Bitrate, max: Bitrate) {
        self.min = min.max(MIN_BITRATE);
        self.max = max.max(self.min);
        self.set_target(self.target);
    }

    /// What the peer asks for (REMB); `None` and zero: it does not.
    pub(super) fn set_cap(&mut self, cap: Option<Bitrate>) {
        self.cap = cap.filter(|cap| *cap > Bitrate::ZERO);
    }

    /// A receiver report on `packets` that were sent since the last one, of which `fraction_lost` in 256ths are lost.
    /// Reports on several streams: one call with the sum of packets and the mean fraction.
    pub(super) fn handle_report(&mut self, now: Instant, fraction_lost: u8, packets: u32, rtt: Option<Duration>) {
        self.first_report.get_or_insert(now);
        self.last_sign = Some(now);
        self.is_silent = false;
        self.rtt = rtt.filter(|rtt| !rtt.is_zero()).unwrap_or(self.rtt);
        self.pending.packets += u64::from(packets);
        self.pending.lost += u64::from(fraction_lost) * u64::from(packets);
        if self.pending.packets < MIN_PACKETS {
            return;
        }
        let Pending { packets, lost } = std::mem::take(&mut self.pending);
        self.loss = Some(Loss { fraction: lost / packets, at: now, answered: false });
        self.update(now);
    }

    /// Time has passed: to be called several times a second.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.update(now);
    }

    /// The rate.
    pub(super) fn bitrate(&self) -> Bitrate {
        self.cap.map_or(self.target, |cap| self.target.min(cap)).max(self.min)
    }

    fn update(&mut self, now: Instant) {
        if self.rises_to_the_cap(now) {
            return;
        }
        self.lowest.push(now, self.target);
        match self.loss {
            Some(loss) if now.saturating_duration_since(loss.at) < REPORT_LIFETIME => self.answer(now, loss),
            _ => self.fall_silent(now),
        }
    }

    /// At the start a peer that loses nothing is believed what it can take.
    fn rises_to_the_cap(&mut self, now: Instant) -> bool {
        let is_start = self.first_report.is_none_or(|first| now.saturating_duration_since(first) < START_PHASE);
        let has_lost = self.loss.is_some_and(|loss| loss.fraction > 0);
        let cap = self.cap.map(|cap| cap.min(self.max)).filter(|cap| *cap > self.target);
        let Some(cap) = cap.filter(|_| is_start && !has_lost) else {
            return false;
        };
        self.lowest.clear();
        self.lowest.push(now, self.target);
        self.set_target(cap);
        true
    }

    fn answer(&mut self, now: Instant, loss: Loss) {
        let may_fall =
            self.last_decrease.is_none_or(|last| now.saturating_duration_since(last) >= DECREASE_INTERVAL + self.rtt);
        if loss.fraction <= LOW_LOSS {
            self.set_target(self.lowest.get().unwrap_or(self.target) * INCREASE + INCREASE_OFFSET);
        } else if loss.fraction > HIGH_LOSS && !loss.answered && may_fall {
            self.last_decrease = Some(now);
            self.loss = Some(Loss { answered: true, ..loss });
            self.set_target(self.target * ((512 - loss.fraction) as f64 / 512.0));
        }
    }

    /// No report for long: perhaps nobody receives what is sent.
    fn fall_silent(&mut self, now: Instant) {
        let patience = if self.is_silent { SILENCE_INTERVAL } else { SILENCE };
        if self.last_sign.is_some_and(|last| now.saturating_duration_since(last) >= patience) {
            self.last_sign = Some(now);
            self.is_silent = true;
            self.pending = Pending::default();
            self.set_target(self.target * SILENCE_FACTOR);
        }
    }

    fn set_target(&mut self, target: Bitrate) {
        self.target = target.clamp(self.min, self.max);
    }
}

impl Lowest {
    fn get(&self) -> Option<Bitrate> {
        self.rates.first().filter(|_| self.len > 0).map(|(_, rate)| *rate)
    }

    const fn clear(&mut self) {
        self.len = 0;
    }

    /// The rate is `rate` at `now`.
    fn push(&mut self, now: Instant, rate: Bitrate) {
        let is_old = |at: Option<Instant>| at.is_none_or(|at| now.saturating_duration_since(at) >= INCREASE_INTERVAL);
        let old = self.rates.iter().take(self.len).take_while(|(at, _)| is_old(*at)).count();
        self.rates.rotate_left(old);
        self.len -= old;
        self.len = self.rates.iter().take(self.len).take_while(|(_, lower)| *lower < rate).count();
        if self.len == HISTORY {
            // The highest of the lower ones stands for this one too.
            self.len -= 1;
            if let Some((at, _)) = self.rates.last_mut() {
                *at = Some(now);
            }
        } else if let Some(slot) = self.rates.get_mut(self.len) {
            *slot = (Some(now), rate);
        }
        self.len += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);
    const SECOND: Duration = Duration::from_secs(1);
    const RTT: Option<Duration> = Some(Duration::from_millis(50));

    /// Started at `start` kbit/s between 100 and 1500.
    fn estimator(start: u64) -> (ReportLoss, Instant) {
        let mut estimator = ReportLoss::new(Bitrate::from_kbps(start));
        estimator.set_bounds(Bitrate::from_kbps(100), Bitrate::from_kbps(1500));
        (estimator, Instant::now())
    }

    #[test]
    fn a_wish_counts_at_once_at_the_start_and_later_only_as_a_cap() {
        let (mut estimator, start) = estimator(200);
        estimator.handle_report(start, 0, 1, RTT);
        estimator.set_cap(Some(Bitrate::from_kbps(1000)));
        estimator.handle_timeout(start);
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(1000));
        estimator.set_cap(Some(Bitrate::from_kbps(1500)));
        estimator.handle_timeout(start + 2001 * MS);
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(1000));
        estimator.set_cap(Some(Bitrate::from_kbps(300)));
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(300));
        estimator.set_cap(Some(Bitrate::ZERO));
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(1000), "no wish");
        estimator.set_cap(Some(Bitrate::from_kbps(1)));
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(100));
    }

    #[test]
    fn a_wish_does_not_count_after_a_loss() {
        let (mut estimator, start) = estimator(200);
        estimator.handle_report(start, 10, 100, RTT);
        estimator.set_cap(Some(Bitrate::from_kbps(1000)));
        estimator.handle_timeout(start + 100 * MS);
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(200));
    }

    #[test]
    fn it_rises_by_eight_percent_and_a_kilobit_per_second() {
        let (mut estimator, start) = estimator(200);
        let mut rates = Vec::new();
        for step in 0..=30 {
            let now = start + 100 * MS * step;
            if step % 10 == 0 {
                estimator.handle_report(now, 5, 100, RTT);
                rates.push(estimator.bitrate().get());
            }
            estimator.handle_timeout(now);
        }
        // Each from the lowest of the second before it, which is the one before.
        assert_eq!(rates, [217_000, 235_360, 255_189, 276_604]);
    }

    #[test]
    fn it_is_kept_from_two_to_ten_percent() {
        for fraction in [6, 25] {
            let (mut estimator, start) = estimator(1000);
            for step in 0..5 {
                estimator.handle_report(start + SECOND * step, fraction, 100, RTT);
            }
            assert_eq!(estimator.bitrate(), Bitrate::from_kbps(1000), "{fraction}");
        }
    }

    #[test]
    fn it_falls_by_half_the_loss_once_per_report() {
        let (mut estimator, start) = estimator(1000);
        estimator.handle_report(start, 128, 100, RTT);
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(750));
        for step in 1..5 {
            estimator.handle_timeout(start + SECOND * step);
        }
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(750), "the same report");
        estimator.handle_report(start + 5 * SECOND, 255, 100, RTT);
        assert_eq!(estimator.bitrate(), Bitrate::new(750_000 * 257 / 512 + 1));
    }

    #[test]
    fn it_falls_once_per_300_ms_and_round_trip() {
        let (mut estimator, start) = estimator(1000);
        estimator.handle_report(start, 128, 100, RTT);
        estimator.handle_report(start + 349 * MS, 128, 100, RTT);
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(750));
        estimator.handle_timeout(start + 350 * MS);
        assert_eq!(estimator.bitrate(), Bitrate::new(562_500), "when the time has come");
        estimator.handle_report(start + 800 * MS, 128, 100, None);
        assert_eq!(estimator.bitrate(), Bitrate::new(421_875));
    }

    /// The last part of a scenario of libwebrtc (`goog_cc_network_control_unittest.cc`).
    #[test]
    fn fifteen_percent_for_twenty_seconds_bring_a_megabit_below_300_kbit() {
        let (mut estimator, start) = estimator(1000);
        for step in 0..20 {
            estimator.handle_report(start + SECOND * step, 38, 100, RTT);
        }
        assert!((100_001..300_000).contains(&estimator.bitrate().get()), "{}", estimator.bitrate());
    }

    #[test]
    fn reports_on_few_packets_are_taken_together() {
        let (mut estimator, start) = estimator(1000);
        estimator.handle_report(start, 255, 5, RTT);
        estimator.handle_timeout(start);
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(1000));
        // A quarter of 20.
        estimator.handle_report(start + 10 * MS, 0, 15, RTT);
        assert_eq!(estimator.bitrate(), Bitrate::new(1_000_000 * (512 - 63) / 512));
    }

    #[test]
    fn it_stays_within_its_bounds() {
        let (mut estimator, start) = estimator(1000);
        for step in 0..40 {
            estimator.handle_report(start + SECOND * step, 0, 100, RTT);
        }
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(1500));
        for step in 40..80 {
            estimator.handle_report(start + SECOND * step, 255, 100, RTT);
        }
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(100));
    }

    #[test]
    fn it_does_not_rise_on_an_old_report_and_falls_when_none_come() {
        let (mut estimator, start) = estimator(500);
        estimator.handle_report(start, 0, 100, RTT);
        let mut rates = Vec::new();
        for step in 1..=180 {
            estimator.handle_timeout(start + 100 * MS * step);
            rates.push(estimator.bitrate().get());
        }
        // Every 100 ms: up for 6 s, the same until 15 s, then four falls by a fifth.
        assert!(rates[58] > rates[0] && rates[59..149].iter().all(|rate| *rate == rates[58]), "{rates:?}");
        let falls: Vec<u64> = rates[148..].iter().step_by(10).copied().collect();
        let expected = [1.0, 0.8, 0.64, 0.512].map(|part| (rates[58] as f64 * part).round() as u64);
        assert_eq!(falls, expected);
        estimator.handle_report(start + 20 * SECOND, 0, 100, RTT);
        assert!(estimator.bitrate().get() > rates[179], "a report ends it");
    }

    #[test]
    fn nothing_changes_before_the_first_report() {
        let (mut estimator, start) = estimator(200);
        for step in 0..60 {
            estimator.handle_timeout(start + SECOND * step);
        }
        assert_eq!(estimator.bitrate(), Bitrate::from_kbps(200));
    }

    #[test]
    fn the_lowest_rate_of_a_second_is_known_however_often_it_rises() {
        let start = Instant::now();
        let mut lowest = Lowest { rates: [(None, Bitrate::ZERO); HISTORY], len: 0 };
        for step in 0..100_u32 {
            lowest.push(start + 50 * MS * step, Bitrate::from_kbps(u64::from(step) + 1));
            let oldest = u64::from(step.saturating_sub(19)) + 1;
            let known = lowest.get().unwrap();
            assert!(known <= Bitrate::from_kbps(oldest), "{step}: {known} {oldest}");
        }
        lowest.push(start + 5 * SECOND, Bitrate::from_kbps(2));
        assert_eq!(lowest.get(), Some(Bitrate::from_kbps(2)));
        lowest.push(start + 6 * SECOND, Bitrate::from_kbps(9));
        lowest.push(start + 6 * SECOND, Bitrate::from_kbps(9));
        assert_eq!((lowest.get(), lowest.len), (Some(Bitrate::from_kbps(9)), 1));
    }
}
