//! What dividing a subscriber's bandwidth costs: microseconds of an allocation among 25 and 100 tracks, and how far
//! from the best it was at most: `cargo run --release -p sfu-core --example allocate`. The last line is JSON.
//!
//! Every other subscriber is in a meeting (sizes, roles, priorities and what is current differ), the others look at a
//! gallery of cameras that are nearly alike, which is the harder one. Budgets lie anywhere between nothing and enough.

#![allow(clippy::print_stdout, reason = "an example")]

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use sfu_core::allocate::{Allocator, Current, Demand, Demands, Point, Role};
use sfu_core::layer::Layer;
use sfu_wire::Bitrate;

/// Subscribers of each size. More than the caches hold of them.
const SUBSCRIBERS: usize = 1000;
/// Each is taken so often, one after the other; the median counts, so that what else the machine did does not.
const ROUNDS: usize = 5;
/// Of encodings with 180, 360 and 720 lines, in kilobits.
const RATES: [u64; 3] = [150, 500, 1700];
/// What three temporal layers take of it, in percent.
const SHARES: [u64; 3] = [40, 60, 100];

fn main() {
    let (mut json, mut worst, mut exact) = (String::new(), 0, 100.0_f64);
    for tracks in [25, 100] {
        let found = measure(tracks);
        let [median, p99] =
            [50, 99].map(|percent| found.times[(SUBSCRIBERS - 1) * percent / 100].as_nanos() as f64 / 1e3);
        println!(
            "{tracks:>4} tracks: {median:>6.1} us, p99 {p99:>6.1} us; {:.1} % the best, others at most {} ppm below",
            found.exact, found.worst_ppm
        );
        let _ = write!(json, "\"us_{tracks}_tracks\": {median:.1}, \"p99_us_{tracks}_tracks\": {p99:.1}, ");
        (worst, exact) = (worst.max(found.worst_ppm), exact.min(found.exact));
    }
    println!("{{{json}\"max_gap\": {:.4}, \"exact_percent\": {exact:.1}}}", worst as f64 / 1e4);
}

/// What came out for all subscribers.
struct Found {
    /// From the shortest on.
    times: Vec<Duration>,
    /// Percent of them for which nothing is better.
    exact: f64,
    worst_ppm: u64,
}

fn measure(tracks: usize) -> Found {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ tracks as u64);
    let subscribers: Vec<_> = (0..SUBSCRIBERS).map(|number| subscriber(&mut dice, tracks, number % 2 == 0)).collect();
    let mut times = vec![[Duration::ZERO; ROUNDS]; SUBSCRIBERS];
    let (mut exact, mut worst_ppm) = (0, 0);
    let mut allocator = Allocator::new();
    for round in 0..ROUNDS {
        (exact, worst_ppm) = (0, 0);
        for ((budget, demands), times) in subscribers.iter().zip(&mut times) {
            let began = Instant::now();
            let allocation = allocator.allocate(*budget, demands);
            times[round] = began.elapsed();
            exact += usize::from(allocation.certificate.is_exact());
            worst_ppm = worst_ppm.max(allocation.certificate.gap_ppm());
        }
    }
    let median = |mut times: [Duration; ROUNDS]| {
        times.sort_unstable();
        times[ROUNDS / 2]
    };
    let mut times: Vec<_> = times.into_iter().map(median).collect();
    times.sort_unstable();
    Found { times, exact: exact as f64 * 100.0 / SUBSCRIBERS as f64, worst_ppm }
}

fn subscriber(dice: &mut Dice, tracks: usize, meeting: bool) -> (Bitrate, Demands) {
    let (mut demands, mut all) = (Demands::new(), 0);
    for track in 0..tracks {
        let (demand, points) = if meeting { somebody(dice, track) } else { nearly_alike(dice) };
        all += points.iter().map(|point| point.rate.get()).max().unwrap_or(0);
        demands.push(demand, points);
    }
    (Bitrate::new(dice.below(all + 1)), demands)
}

/// One of a meeting.
fn somebody(dice: &mut Dice, track: usize) -> (Demand, Vec<Point>) {
    let role = match track {
        0 => Role::OnStage,
        1 if dice.below(2) == 0 => Role::Screen,
        _ => Role::Thumbnail,
    };
    let tiles = [None, Some((320, 180)), Some((480, 270)), Some((640, 360))];
    let tile = if role == Role::Thumbnail { tiles[dice.below(4) as usize] } else { None };
    let now = Layer { spatial: dice.below(3) as u8, temporal: dice.below(3) as u8 };
    let age = Duration::from_millis(dice.below(20_000));
    let current = match dice.below(8) {
        0 => None,
        1 => Some(Current { layer: None, age }),
        _ => Some(Current { layer: Some(now), age }),
    };
    let demand = Demand { role, priority: 1 + dice.below(3) as u8, tile, limit: None, current };
    let encodings = 1 + dice.below(3) as u8;
    (demand, camera(dice, encodings, 300, now).into_iter().filter(|_| dice.below(20) > 0).collect())
}

/// One of a gallery.
fn nearly_alike(dice: &mut Dice) -> (Demand, Vec<Point>) {
    (Demand { priority: 1, ..Demand::default() }, camera(dice, 3, 20, Layer::default()))
}

/// Its rates are so many thousandths off at most.
fn camera(dice: &mut Dice, encodings: u8, off: u64, now: Layer) -> Vec<Point> {
    let mut points = Vec::new();
    for (spatial, kbps) in (0..encodings).zip(RATES) {
        let thousandths = 1000 - off + dice.below(2 * off);
        for (temporal, percent) in (0..).zip(SHARES) {
            let wobble = 990 + dice.below(20);
            points.push(Point {
                layer: Layer { spatial, temporal },
                rate: Bitrate::new(kbps * percent * thousandths * wobble / 100_000),
                size: Some((320 << spatial, 180 << spatial)),
                millihertz: Some((7_500 << temporal) + dice.below(600) as u32 - 300),
                flowing: true,
                keyframe: spatial != now.spatial,
            });
        }
    }
    points
}

/// The same numbers in every run (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % sides
    }
}
