//! A sender, a bottleneck and a receiver in virtual time, around an estimator.
//!
//! The sender sends packets of 1200 bytes at the estimate, at most at what its source makes; every 5 ms, as a pacer would. The
//! bottleneck has a rate, a queue with an end, a delay and random losses. The receiver reports every 50 ms.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sfu_congestion::probe::SentProbe;
use sfu_congestion::{BandwidthEstimator, PacketResult};
use sfu_wire::rtcp::FeedbackTime;
use sfu_wire::{Bitrate, DataSize, SeqNo};

const PACKET: u64 = 1200;
const TICK: Duration = Duration::from_millis(5);
const REPORT_EVERY: Duration = Duration::from_millis(50);

/// The way; any of it may change while it is played.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Way {
    pub(crate) rate: Bitrate,
    /// From one end to the other, queue excluded; as long back.
    pub(crate) delay: Duration,
    /// What the queue holds at most, as time at the rate.
    pub(crate) queue: Duration,
    /// Of a million packets.
    pub(crate) loss: u32,
    /// Losses come in bursts of so many on average.
    pub(crate) burst: u32,
    /// Reports arrive.
    pub(crate) reports: bool,
}

impl Way {
    pub(crate) const fn new(kbps: u64, delay_ms: u64) -> Self {
        Self {
            rate: Bitrate::from_kbps(kbps),
            delay: Duration::from_millis(delay_ms),
            queue: Duration::from_millis(300),
            loss: 0,
            burst: 1,
            reports: true,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct InFlight {
    result: PacketResult,
    arrives: Option<Instant>,
}

/// See the module's text.
pub(crate) struct Call<E> {
    pub(crate) estimator: E,
    pub(crate) way: Way,
    /// The most that the source makes.
    pub(crate) source: Bitrate,
    pub(crate) now: Instant,
    start: Instant,
    next: u64,
    budget: f64,
    free: Instant,
    /// When the last packet of a probe leaves.
    probing: Instant,
    unreported: VecDeque<InFlight>,
    reports: VecDeque<(Instant, Vec<PacketResult>)>,
    next_report: Instant,
    random: u64,
    is_losing: bool,
    /// Bytes that arrived, and the longest time that a packet stood in the queue, since [`Self::measure`].
    arrived: u64,
    longest: Duration,
    since: Instant,
}

/// What was seen since the last measurement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) rate: Bitrate,
    pub(crate) longest_queue: Duration,
}

impl<E: BandwidthEstimator> Call<E> {
    pub(crate) fn new(now: Instant, estimator: E, way: Way, seed: u64) -> Self {
        Self {
            estimator,
            way,
            source: Bitrate::from_kbps(1_000_000),
            now,
            start: now,
            next: 0,
            budget: 0.0,
            free: now,
            probing: now,
            unreported: VecDeque::new(),
            reports: VecDeque::new(),
            next_report: now + REPORT_EVERY,
            random: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            is_losing: false,
            arrived: 0,
            longest: Duration::ZERO,
            since: now,
        }
    }

    pub(crate) fn kbps(&self) -> u64 {
        self.estimator.estimate().get() / 1000
    }

    pub(crate) fn play(&mut self, time: Duration) {
        self.play_with(time, |_| {});
    }

    /// Calls `look` after every step.
    pub(crate) fn play_with(&mut self, time: Duration, mut look: impl FnMut(&mut Self)) {
        let end = self.now + time;
        while self.now < end {
            self.now += TICK;
            self.step();
            look(self);
        }
    }

    pub(crate) fn measure(&mut self) -> Seen {
        let rate = Bitrate::of(DataSize::new(self.arrived), self.now - self.since);
        let seen = Seen { rate, longest_queue: self.longest };
        (self.arrived, self.longest, self.since) = (0, Duration::ZERO, self.now);
        seen
    }

    fn step(&mut self) {
        let now = self.now;
        while self.reports.front().is_some_and(|(at, _)| *at <= now)
            && let Some((_, mut results)) = self.reports.pop_front()
        {
            self.estimator.handle_feedback(now, &mut results);
        }
        if self.estimator.poll_timeout().is_some_and(|due| due <= now) {
            self.estimator.handle_timeout(now);
        }
        while let Some(plan) = self.estimator.poll_probe() {
            let first = SeqNo::new(self.next);
            // As the pacer asks for padding: no more than the plan says, in packets that are small where that is little.
            let size = (plan.min_size().get() / u64::from(plan.min_packets)).min(PACKET);
            let packets = plan.min_size().get().div_ceil(size);
            // Evenly over its time, one probe behind the other.
            let gap = Duration::from_secs_f64(size as f64 * 8.0 / plan.target.get() as f64);
            for _ in 0..packets {
                self.probing = self.probing.max(now) + gap;
                self.send(self.probing, size);
            }
            let last = SeqNo::new(self.next - 1);
            self.estimator.handle_probe(now, SentProbe { plan, first, last });
        }
        self.budget += self.estimator.estimate().min(self.source).get() as f64 / 8.0 * TICK.as_secs_f64();
        while self.budget >= PACKET as f64 {
            self.budget -= PACKET as f64;
            self.send(now, PACKET);
        }
        if now >= self.next_report {
            self.next_report += REPORT_EVERY;
            self.report();
        }
    }

    fn send(&mut self, at: Instant, size: u64) {
        self.estimator.handle_sent(self.now, DataSize::new(size));
        let result = PacketResult { seq: SeqNo::new(self.next), sent: at, size: DataSize::new(size), arrival: None };
        self.next += 1;
        let waits = self.free.saturating_duration_since(at);
        let arrives = if waits > self.way.queue || self.loses() {
            None
        } else {
            let takes = Duration::from_secs_f64(size as f64 * 8.0 / self.way.rate.get() as f64);
            self.free = self.free.max(at) + takes;
            self.longest = self.longest.max(waits);
            Some(self.free + self.way.delay)
        };
        self.unreported.push_back(InFlight { result, arrives });
    }

    /// Gilbert's model: once it loses, it does so for [`Way::burst`] packets on average.
    fn loses(&mut self) -> bool {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        let draw = (self.random >> 11) as f64 / (1_u64 << 53) as f64;
        let share = f64::from(self.way.loss) / 1e6;
        let leave = 1.0 / f64::from(self.way.burst);
        let enter = if share < 1.0 { leave * share / (1.0 - share) } else { 1.0 };
        self.is_losing = if self.is_losing && self.way.burst > 1 { draw >= leave } else { draw < enter };
        self.is_losing
    }

    fn report(&mut self) {
        let mut results = Vec::new();
        // Lost packets are told of once a later one has arrived.
        while let Some(index) =
            self.unreported.iter().rposition(|packet| packet.arrives.is_some_and(|at| at <= self.now))
        {
            for packet in self.unreported.drain(..=index) {
                let arrival = packet.arrives.map(|at| (at - self.start).as_micros() as i64 / FeedbackTime::TICK_MICROS);
                self.arrived += if arrival.is_some() { packet.result.size.get() } else { 0 };
                results.push(PacketResult { arrival: arrival.map(FeedbackTime::new), ..packet.result });
            }
        }
        if self.way.reports && !results.is_empty() {
            self.reports.push_back((self.now + self.way.delay, results));
        }
    }
}
