//! The controller, a pacer and the estimator together, over a path of one bottleneck in virtual time.

use std::time::Instant;

use sfu_wire::rtcp::FeedbackTime;

use super::*;
use crate::twcc::PacketResult;

const MS: Duration = Duration::from_millis(1);
/// From sending to the report, beside the queue.
const ROUND_TRIP: Duration = Duration::from_millis(150);
const MAX_PACKET: u64 = 1200;

struct Path {
    start: Instant,
    rate: Bitrate,
    free_at: Instant,
    longest_queue: Duration,
    next_seq: SeqNo,
}

impl Path {
    fn new(start: Instant, kbps: u64) -> Self {
        let rate = Bitrate::from_kbps(kbps);
        Self { start, rate, free_at: start, longest_queue: Duration::ZERO, next_seq: SeqNo::new(0) }
    }

    fn carry(&mut self, sent: Instant, bytes: u64) -> PacketResult {
        let begins = self.free_at.max(sent);
        self.free_at = begins + Duration::from_secs_f64(bytes as f64 * 8.0 / self.rate.get() as f64);
        self.longest_queue = self.longest_queue.max(self.free_at - sent);
        let ticks = (self.free_at - self.start).as_micros() as i64 / FeedbackTime::TICK_MICROS;
        let seq = self.next_seq;
        self.next_seq = seq.next();
        PacketResult { seq, sent, size: DataSize::new(bytes), arrival: Some(FeedbackTime::new(ticks)) }
    }

    /// Sends the probe as a pacer does: in bursts, each of what the target allows until the next.
    fn send(&mut self, from: Instant, plan: ProbePlan) -> (SentProbe, Vec<PacketResult>) {
        let first = self.next_seq;
        let burst = plan.target.size_in(plan.min_delta).get();
        let (mut results, mut bytes) = (Vec::new(), 0);
        while bytes < plan.min_size().get() || results.len() < plan.min_packets as usize {
            let now = from + Duration::from_secs_f64(bytes as f64 * 8.0 / plan.target.get() as f64);
            let mut left = burst;
            while left > 0 {
                let size = left.min(MAX_PACKET);
                results.push(self.carry(now, size));
                left -= size;
            }
            bytes += burst;
        }
        let last = SeqNo::new(self.next_seq.get() - 1);
        (SentProbe { plan, first, last }, results)
    }
}

/// Probes for so long; the estimate is what probes show. Gives it in kbit/s, and when it last changed.
fn run(
    controller: &mut ProbeController,
    path: &mut Path,
    (mut now, mut kbps): (Instant, u64),
    wait: Duration,
) -> (u64, Duration) {
    let start = now;
    let mut estimator = ProbeEstimator::new();
    let mut changed = Duration::ZERO;
    while now - start < wait {
        let plans: Vec<_> = std::iter::from_fn(|| controller.poll_probe()).collect();
        let mut sent_at = now;
        for plan in &plans {
            let (probe, results) = path.send(sent_at, *plan);
            sent_at = results.last().map_or(sent_at, |result| result.sent);
            for result in &results {
                estimator.add(&probe, result);
            }
            if let Some(rate) = estimator.take_last() {
                now = sent_at + ROUND_TRIP;
                kbps = rate.get() / 1000;
                changed = now - start;
                controller.handle_estimate(now, rate, LimitedBy::Delay);
            }
        }
        if plans.is_empty() {
            now = controller.poll_timeout().unwrap_or(start + wait).max(now + MS);
            controller.handle_timeout(now);
        }
    }
    (kbps, changed)
}

fn controller(now: Instant, start: u64) -> ProbeController {
    let mut controller = ProbeController::new(ProbeConfig { periodic: false, repeat_initial: false });
    controller.set_bounds(
        now,
        Bitrate::from_kbps(100),
        Some(Bitrate::from_kbps(start)),
        Some(Bitrate::from_kbps(50_000)),
    );
    controller.handle_available(now, true);
    controller
}

#[test]
fn the_start_finds_the_capacity_in_a_second() {
    for (capacity, low, high) in [(400, 340, 400), (1_000, 900, 1_000), (2_500, 2_250, 2_500), (10_000, 9_000, 10_000)]
    {
        let now = Instant::now();
        let mut path = Path::new(now, capacity);
        let (found, took) = run(&mut controller(now, 300), &mut path, (now, 300), 3000 * MS);
        assert!((low..=high).contains(&found), "{found} of {capacity}");
        assert!(took < 1000 * MS, "{took:?}");
        assert!(path.longest_queue < 100 * MS, "{:?}", path.longest_queue);
    }
}

#[test]
fn a_layer_that_fits_is_found_and_one_that_does_not_costs_little() {
    for (capacity, reached) in [(5_000, true), (1_900, true), (1_000, false), (560, false)] {
        let now = Instant::now();
        let mut path = Path::new(now, capacity);
        let mut controller = controller(now, 540);
        while controller.poll_probe().is_some() {}
        controller.handle_timeout(now + 1000 * MS);
        let now = now + 1000 * MS;
        controller.set_application_limited(now, Some(now));
        controller.want(now, Bitrate::from_kbps(1_870));
        let (found, _) = run(&mut controller, &mut path, (now, 540), 1500 * MS);
        assert_eq!(found * 100 >= 1_870 * 95, reached, "{found} of {capacity}");
        assert!(found <= capacity, "{found} of {capacity}");
        assert!(path.longest_queue < 50 * MS, "{:?}", path.longest_queue);
    }
}
