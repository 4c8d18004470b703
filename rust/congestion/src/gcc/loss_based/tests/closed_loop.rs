//! Tests in which what is sent follows the estimate, and what is lost follows what is sent. Seeded; every figure is of
//! thirty seeds.

use std::time::{Duration, Instant};

use sfu_wire::rtcp::FeedbackTime;
use sfu_wire::{Bitrate, DataSize, SeqNo};

use crate::gcc::{AcknowledgedBitrate, LossBased, LossBasedConfig};
use crate::twcc::PacketResult;

/// Bits per second.
const CAPACITY: f64 = 2e6;
/// Of the path, in seconds; what would wait longer is dropped.
const QUEUE: f64 = 0.3;
/// One way, in seconds.
const DELAY: f64 = 0.05;
const PACKET: u64 = 1200;
/// Between reports, in seconds.
const INTERVAL: f64 = 0.05;
const SEEDS: u64 = 30;

#[derive(Clone, Copy)]
enum Loss {
    Never,
    Uniform(f64),
    /// Gilbert-Elliott: the part lost, the mean length of bursts.
    Bursts(f64, f64),
}

/// Sends at the estimate into a path of 2 Mbit/s.
struct Loop {
    estimator: LossBased,
    acknowledged: AcknowledgedBitrate,
    path: Path,
    delay_based: Bitrate,
}

struct Path {
    loss: Loss,
    random: u64,
    in_burst: bool,
    /// When the bottleneck is free, in seconds.
    free: f64,
}

/// A packet, and when the sender will know what became of it.
type Known = (f64, PacketResult);

impl Path {
    /// From 0 to 1 (splitmix64).
    fn unit(&mut self) -> f64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn loses(&mut self) -> bool {
        let chance = self.unit();
        match self.loss {
            Loss::Never => false,
            Loss::Uniform(part) => chance < part,
            Loss::Bursts(part, length) => {
                let end = 1.0 / length;
                let begin = end * part / (1.0 - part);
                self.in_burst = if self.in_burst { chance >= end } else { chance < begin };
                self.in_burst
            }
        }
    }

    fn send(&mut self, start: Instant, now: f64, seq: u64) -> Known {
        let queued = (self.free - now).max(0.0);
        let arrives = !self.loses() && queued < QUEUE;
        if arrives {
            self.free = self.free.max(now) + PACKET as f64 * 8.0 / CAPACITY;
        }
        let at = if arrives { self.free } else { now + queued } + DELAY;
        let result = PacketResult {
            seq: SeqNo::new(seq),
            sent: start + Duration::from_secs_f64(now),
            size: DataSize::new(PACKET),
            arrival: arrives.then(|| FeedbackTime::new((at * 4000.0) as i64)),
        };
        (at + DELAY, result)
    }
}

impl Loop {
    fn new(config: LossBasedConfig, loss: Loss, seed: u64) -> Self {
        let mut estimator = LossBased::new(config);
        estimator.set_bounds(Bitrate::from_kbps(30), Bitrate::from_kbps(10_000));
        estimator.set_estimate(Bitrate::from_kbps(300));
        let path = Path { loss, random: seed, in_burst: false, free: 0.0 };
        let delay_based = Bitrate::new(CAPACITY as u64);
        Self { estimator, acknowledged: AcknowledgedBitrate::new(), path, delay_based }
    }

    /// The estimate as a part of the capacity.
    fn estimate(&self) -> f64 {
        self.estimator.result().bitrate.map_or(0.0, |bitrate| bitrate.get() as f64) / CAPACITY
    }

    fn report(&mut self, results: &[PacketResult]) {
        self.acknowledged.handle_packets(results);
        if let Some(rate) = self.acknowledged.bitrate() {
            self.estimator.set_acknowledged(rate);
        }
        self.estimator.handle_report(results, Some(self.delay_based), false);
    }

    /// The estimates of a minute after each report.
    fn run(mut self) -> Vec<f64> {
        let start = super::any_time();
        let (mut next, mut seq) = (0.0, 0);
        let mut flying: Vec<Known> = Vec::new();
        let mut estimates = Vec::new();
        for tick in 1..=1200 {
            let now = f64::from(tick) * INTERVAL;
            while next < now {
                flying.push(self.path.send(start, next, seq));
                seq += 1;
                next += PACKET as f64 * 8.0 / (self.estimate().max(0.05) * CAPACITY);
            }
            let known = flying.iter().take_while(|(known, _)| *known <= now).count();
            let results: Vec<PacketResult> = flying.drain(..known).map(|(_, result)| result).collect();
            self.report(&results);
            estimates.push(self.estimate());
        }
        estimates
    }
}

/// Of estimates: at 20 s, their mean from then on, the lowest from then on; each sorted over the seeds.
struct Figures {
    at_20: Vec<f64>,
    mean: Vec<f64>,
    low: Vec<f64>,
}

impl Figures {
    fn of(config: LossBasedConfig, loss: Loss) -> Self {
        let runs: Vec<Vec<f64>> = (0..SEEDS).map(|seed| Loop::new(config, loss, seed).run()).collect();
        let sorted = |figure: fn(&[f64]) -> f64| {
            let mut values: Vec<f64> = runs.iter().map(|run| figure(&run[400..])).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let figures = Self {
            at_20: sorted(|run| run[0]),
            mean: sorted(|run| run.iter().sum::<f64>() / run.len() as f64),
            low: sorted(|run| run.iter().copied().fold(f64::INFINITY, f64::min)),
        };
        for (name, values) in [("at 20 s", &figures.at_20), ("mean", &figures.mean), ("low", &figures.low)] {
            println!("{name}: {:.3} to {:.3}, median {:.3}", values[0], values[29], values[15]);
        }
        figures
    }
}

#[test]
fn one_percent_of_loss_costs_nothing() {
    let figures = Figures::of(LossBasedConfig::default(), Loss::Uniform(0.01));
    assert!(figures.mean[0] > 0.99 && figures.low[0] > 0.95);
}

#[test]
fn five_percent_of_loss_costs_little() {
    let figures = Figures::of(LossBasedConfig::default(), Loss::Uniform(0.05));
    assert!(figures.mean[0] > 0.9 && figures.low[0] > 0.8);
}

#[test]
fn five_percent_in_bursts_of_five_leaves_seventy_percent() {
    let figures = Figures::of(LossBasedConfig::default(), Loss::Bursts(0.05, 5.0));
    assert!(figures.at_20[0] > 0.7 && figures.mean[0] > 0.9);
}

/// The upper bound of the pinned set is at a loss of 10 % just these 2 Mbit/s, so every second in which more is lost by
/// chance costs.
#[test]
fn ten_percent_of_loss_leaves_eighty_percent_in_the_mean() {
    let figures = Figures::of(LossBasedConfig::default(), Loss::Uniform(0.1));
    assert!(figures.at_20[15] > 0.8 && figures.mean[15] > 0.8);
    assert!(figures.mean[0] > 0.65 && figures.low[0] > 0.35, "and never collapses");
}

#[test]
fn ten_percent_of_loss_leaves_eighty_percent_always_with_an_upper_bound_half_as_high_again() {
    let mut config = LossBasedConfig::default();
    config.bounds.upper_balance = Bitrate::from_kbps(150);
    let figures = Figures::of(config, Loss::Uniform(0.1));
    assert!(figures.at_20[15] > 0.9 && figures.mean[0] > 0.8);
}

#[test]
fn a_path_that_drops_what_is_too_much_is_not_flooded() {
    let mut flooded = Loop::new(LossBasedConfig::default(), Loss::Never, 0);
    flooded.delay_based = Bitrate::new(2 * CAPACITY as u64);
    let estimates = flooded.run();
    let mean = estimates[400..].iter().sum::<f64>() / 800.0;
    let high = estimates[400..].iter().copied().fold(0.0, f64::max);
    println!("mean {mean:.3}, highest {high:.3}");
    assert!((0.9..1.15).contains(&mean) && high < 1.5);
}
