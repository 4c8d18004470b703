//! The rate at which packets arrive at the receiver, from the reports on them.
//!
//! Arrivals are counted in windows; each full window is a sample, and a Bayesian average weighs samples the less the
//! further they are from what is believed. Invariant: the estimate is never below [`FLOOR`], so a sample can always be
//! compared with it.

use std::time::{Duration, Instant};

use sfu_wire::rtcp::FeedbackTime;
use sfu_wire::{Bitrate, DataSize};

use crate::twcc::PacketResult;

/// Of the first sample. Higher: later, and truer. Lower: the first burst of a stream is taken for its rate.
/// (libwebrtc `bitrate_estimator.cc`)
const FIRST_WINDOW: Duration = Duration::from_millis(500);
/// Of all others. Higher: slower to see a change. Lower: frames of a video look like changes of its rate.
/// (libwebrtc `bitrate_estimator.cc`)
const WINDOW: Duration = Duration::from_millis(150);
/// How doubtful a sample is that differs from the estimate by the whole of it.
/// Higher: smoother. Lower: follows faster. (libwebrtc `bitrate_estimator.cc`)
const UNCERTAINTY: f64 = 10.0;
/// The same for a small sample below the estimate. Higher: pauses of a stream lower the estimate less. Lower: a stream
/// that ends is noticed sooner. (str0m; libwebrtc has it as `scale_small`, by default no different from others.)
const SMALL_UNCERTAINTY: f64 = 25.0;
/// A sample with fewer bytes is small: one or two packets say more about the sender than about the path. (str0m)
const SMALL_SAMPLE: DataSize = DataSize::new(2000);
/// What a sample adds to the variance of the estimate: rates change. Higher: follows faster. Lower: smoother.
/// (libwebrtc `bitrate_estimator.cc`)
const VARIANCE_PER_SAMPLE: f64 = 5.0;
/// Variance of the first estimate. (libwebrtc `bitrate_estimator.cc`)
const FIRST_VARIANCE: f64 = 50.0;
/// What the end of a time of little to send adds to the variance, so that the next samples count nearly in full.
/// (libwebrtc `bitrate_estimator.cc`)
const VARIANCE_OF_A_NEW_RATE: f64 = 200.0;
/// Below it nothing is estimated: doubt is relative to the estimate, which therefore is not zero. (libwebrtc
/// `bwe_defines.h`: the least rate of any estimator.)
const FLOOR: f64 = 5_000.0;

/// The acknowledged bitrate of one transport: [`handle_packets`](Self::handle_packets) puts in,
/// [`bitrate`](Self::bitrate) takes out.
#[derive(Debug)]
pub(super) struct AcknowledgedBitrate {
    /// Bits per second.
    estimate: Option<f64>,
    variance: f64,
    window: Window,
    /// Since when there is enough to send again, until a packet sent after that is reported.
    application_limited_ended: Option<Instant>,
}

/// Arrivals since the last sample.
#[derive(Debug, Default)]
struct Window {
    size: DataSize,
    /// How much of the window has passed.
    micros: i64,
    newest: Option<FeedbackTime>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    /// Bits per second.
    rate: f64,
    is_small: bool,
}

impl Default for AcknowledgedBitrate {
    fn default() -> Self {
        Self { estimate: None, variance: FIRST_VARIANCE, window: Window::default(), application_limited_ended: None }
    }
}

impl AcknowledgedBitrate {
    /// Knows nothing before half a second of arrivals.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Takes a report's packets, sorted by arrival; lost ones among them are passed over.
    pub(super) fn handle_packets(&mut self, results: &[PacketResult]) {
        for result in results {
            let Some(arrival) = result.arrival else {
                continue;
            };
            if self.application_limited_ended.is_some_and(|ended| result.sent > ended) {
                self.variance += VARIANCE_OF_A_NEW_RATE;
                self.application_limited_ended = None;
            }
            let length = if self.estimate.is_none() { FIRST_WINDOW } else { WINDOW };
            if let Some(sample) = self.window.add(arrival, result.size, length) {
                self.learn(sample);
            }
        }
    }

    /// From `now` on there is enough to send: expect the rate to change with the first packet that leaves later.
    pub(super) const fn application_limited_ended(&mut self, now: Instant) {
        self.application_limited_ended = Some(now);
    }

    /// The estimate; `None` before the first window has passed.
    pub(super) fn bitrate(&self) -> Option<Bitrate> {
        self.estimate.map(|rate| Bitrate::new(rate.round() as u64))
    }

    fn learn(&mut self, sample: Sample) {
        let Some(estimate) = self.estimate else {
            self.estimate = Some(sample.rate.max(FLOOR));
            return;
        };
        let scale = if sample.is_small && sample.rate < estimate { SMALL_UNCERTAINTY } else { UNCERTAINTY };
        // Relative to the estimate, not to the sample: a rise is doubted more than a fall to the same part.
        // (libwebrtc's `symmetry_cap` of zero)
        let doubt = (scale * (estimate - sample.rate) / estimate).powi(2);
        let variance = self.variance + VARIANCE_PER_SAMPLE;
        let learnt = (doubt * estimate + variance * sample.rate) / (doubt + variance);
        self.estimate = Some(learnt.max(FLOOR));
        self.variance = doubt * variance / (doubt + variance);
    }
}

impl Window {
    /// Counts an arrival; gives a sample of what came before it when the window of `length` is full.
    fn add(&mut self, arrival: FeedbackTime, size: DataSize, length: Duration) -> Option<Sample> {
        let length = length.as_micros() as i64;
        let passed = self.newest.map_or(0, |newest| arrival.micros_since(newest));
        if passed < 0 {
            // An older report overtaken by a newer one, or another clock: nothing that is known belongs to it.
            *self = Self::default();
        } else {
            self.micros += passed;
            if passed > length {
                // A pause of the sender is not a low rate of the path: count from its end. (libwebrtc keeps the phase
                // of the window, so that the first sample after a pause is too low.)
                self.size = DataSize::ZERO;
                self.micros = 0;
            }
        }
        self.newest = Some(arrival);
        let sample = (self.micros >= length).then(|| self.take(length));
        self.size += size;
        sample
    }

    fn take(&mut self, length: i64) -> Sample {
        let size = std::mem::take(&mut self.size);
        self.micros -= length;
        Sample { rate: size.get() as f64 * 8e6 / length as f64, is_small: size < SMALL_SAMPLE }
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::SeqNo;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// Sends packets of one size at one distance, each of which arrives 20 ms later.
    struct Source {
        start: Instant,
        millis: u64,
        estimator: AcknowledgedBitrate,
    }

    impl Source {
        fn new() -> Self {
            Self { start: Instant::now(), millis: 0, estimator: AcknowledgedBitrate::new() }
        }

        /// With an estimate of 800 kbit/s, and a window that has just begun.
        fn at_800_kbps() -> Self {
            let mut source = Self::new();
            source.send_for(500, 1000);
            source.send_for(10, 0);
            assert_eq!(source.estimator.bitrate(), Some(Bitrate::from_kbps(800)));
            source.millis -= 10;
            source
        }

        fn now(&self) -> Instant {
            self.start + MS * self.millis as u32
        }

        fn result(&self, size: u64) -> PacketResult {
            PacketResult {
                seq: SeqNo::new(self.millis),
                sent: self.now(),
                size: DataSize::new(size),
                arrival: Some(FeedbackTime::new((self.millis as i64 + 20) * 4)),
            }
        }

        /// A packet of `size` bytes every 10 ms.
        fn send_for(&mut self, millis: u64, size: u64) {
            for _ in 0..millis / 10 {
                self.estimator.handle_packets(&[self.result(size)]);
                self.millis += 10;
            }
        }

        /// One full window at `size` bytes every 10 ms, and the packet behind it, which makes it a sample.
        fn sample(&mut self, size: u64) -> u64 {
            self.send_for(150, size);
            self.estimator.handle_packets(&[self.result(0)]);
            self.estimator.bitrate().expect("there is an estimate").get()
        }
    }

    #[test]
    fn the_first_estimate_is_the_rate_of_the_first_half_second() {
        let mut source = Source::new();
        source.send_for(500, 1000);
        assert_eq!(source.estimator.bitrate(), None);
        source.send_for(10, 1000);
        assert_eq!(source.estimator.bitrate(), Some(Bitrate::from_kbps(800)));
    }

    #[test]
    fn a_fall_is_followed_faster_than_a_rise() {
        // Half the rate is doubted by 5² = 25, twice the rate by 10² = 100; both against a variance of 55.
        assert_eq!(Source::at_800_kbps().sample(500), 525_000);
        assert_eq!(Source::at_800_kbps().sample(2000), 1_083_871);
    }

    #[test]
    fn the_rate_is_reached_within_two_seconds() {
        let mut source = Source::at_800_kbps();
        let rates: Vec<u64> = (0..13).map(|_| source.sample(2000)).collect();
        assert!(rates.is_sorted() && rates[12] > 1_520_000, "{rates:?}");
    }

    #[test]
    fn packets_sent_after_a_time_of_little_to_send_count_nearly_in_full() {
        let mut source = Source::at_800_kbps();
        source.estimator.application_limited_ended(source.now());
        assert_eq!(source.sample(2000), 1_374_648);
        assert_eq!(source.estimator.application_limited_ended, None, "once only");
    }

    #[test]
    fn packets_sent_before_it_count_as_ever() {
        let mut source = Source::at_800_kbps();
        source.estimator.application_limited_ended(source.now() + 150 * MS);
        assert_eq!(source.sample(2000), 1_083_871);
    }

    #[test]
    fn a_window_of_few_bytes_hardly_lowers_the_estimate() {
        // 1950 B and 2100 B within a window; the first is small, and doubted by 25 instead of 10.
        let small = Source::at_800_kbps().sample(130);
        let enough = Source::at_800_kbps().sample(140);
        assert!(small > 720_000 && enough < 520_000, "{small} {enough}");
    }

    #[test]
    fn a_window_of_few_bytes_raises_the_estimate_as_any_other() {
        let mut source = Source::new();
        source.send_for(500, 50);
        source.estimator.handle_packets(&[source.result(0)]);
        assert_eq!(source.estimator.bitrate(), Some(Bitrate::from_kbps(40)));
        // 96 kbit/s is doubted by 14² = 196 against 55.
        assert_eq!(source.sample(120), 52_271);
    }

    #[test]
    fn a_pause_is_no_sample() {
        let mut source = Source::at_800_kbps();
        source.send_for(100, 1000);
        source.millis += 10_000;
        source.send_for(10, 1000);
        assert_eq!(source.estimator.bitrate(), Some(Bitrate::from_kbps(800)));
        source.send_for(150, 1000);
        assert_eq!(source.estimator.bitrate(), Some(Bitrate::from_kbps(800)), "a whole window after the pause");
    }

    #[test]
    fn a_report_from_the_past_begins_a_new_window() {
        let mut source = Source::at_800_kbps();
        source.send_for(140, 5000);
        source.millis -= 100;
        assert_eq!(source.sample(1000), 800_000, "nothing of the 5000 B packets is in it");
    }

    #[test]
    fn lost_packets_do_not_count() {
        let mut source = Source::at_800_kbps();
        let lost = PacketResult { arrival: None, ..source.result(50_000) };
        source.estimator.handle_packets(&[lost, lost]);
        assert_eq!(source.sample(1000), 800_000);
    }

    #[test]
    fn the_estimate_stays_a_number_however_little_arrives() {
        let mut source = Source::new();
        source.send_for(3000, 0);
        assert_eq!(source.estimator.bitrate(), Some(Bitrate::from_kbps(5)));
        source.send_for(3000, 1000);
        assert!(source.estimator.bitrate().unwrap() > Bitrate::from_kbps(5));
    }

    #[test]
    fn the_wrap_of_the_arrival_clock_is_no_gap() {
        let cycle = 1_i64 << 32;
        let mut source = Source::new();
        for step in 0..60_i64 {
            let ticks = (cycle - 100 + step * 40) % cycle;
            let result = PacketResult { arrival: Some(FeedbackTime::new(ticks)), ..source.result(1000) };
            source.estimator.handle_packets(&[result]);
        }
        assert_eq!(source.estimator.bitrate(), Some(Bitrate::from_kbps(800)));
    }
}
