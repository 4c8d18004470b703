//! How a shard's thread does: what it takes in and gives out, its share of a processor, and how long anything had to wait.
//!
//! A stall is the longest time that something was ready and the thread did not take it: a datagram by the kernel's stamp, a
//! timer by its deadline, or whatever came during a long turn. It is kept for ten seconds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_core::stats::ShardStats;

use super::gauge::Gauge;
use crate::sys::thread_cpu_time;

/// What the rates are measured over, at least.
const WINDOW: Duration = Duration::from_secs(1);
/// For so many windows a stall is told.
const STALLS: usize = 10;

/// See the module's text.
pub(super) struct Pulse {
    gauge: Arc<Gauge>,
    /// When the running turn began.
    turn: Instant,
    /// When the running window began, and the thread's time on a processor then.
    window: Instant,
    cpu: Duration,
    received: u64,
    sent: u64,
    /// The longest of each window, the running one first.
    stalls: [Duration; STALLS],
    /// Of the last whole window.
    last: Rates,
}

#[derive(Default)]
struct Rates {
    received: f64,
    sent: f64,
    busy: f64,
}

impl Pulse {
    pub(super) fn new(now: Instant, gauge: Arc<Gauge>) -> Self {
        Self {
            gauge,
            turn: now,
            window: now,
            cpu: thread_cpu_time(),
            received: 0,
            sent: 0,
            stalls: [Duration::ZERO; STALLS],
            last: Rates::default(),
        }
    }

    pub(super) fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// A turn begins.
    pub(super) fn begin(&mut self, now: Instant) {
        self.gauge.begin(now);
        self.turn = now;
        if now >= self.window + WINDOW {
            self.close(now, thread_cpu_time());
        }
    }

    /// Something that was ready had to wait for so long.
    pub(super) fn waited(&mut self, time: Duration) {
        self.stalls[0] = self.stalls[0].max(time);
    }

    /// So many datagrams came in.
    pub(super) fn received(&mut self, datagrams: usize) {
        self.received += datagrams as u64;
    }

    /// So many datagrams go out.
    pub(super) fn sent(&mut self, datagrams: usize) {
        self.sent += datagrams as u64;
    }

    /// The turn is over.
    pub(super) fn end(&mut self, now: Instant) {
        self.waited(now.saturating_duration_since(self.turn));
        self.gauge.end();
    }

    /// Adds what is known here.
    pub(super) fn tell(&self, stats: &mut ShardStats) {
        stats.received_per_second = self.last.received;
        stats.sent_per_second = self.last.sent;
        stats.busy = self.last.busy;
        stats.stall = self.stalls.iter().copied().max().unwrap_or_default();
    }

    /// A window is over. One in which the thread slept is as long as that.
    fn close(&mut self, now: Instant, cpu: Duration) {
        let time = now.saturating_duration_since(self.window);
        let rate = |count: u64| count as f64 / time.as_secs_f64();
        let busy = cpu.saturating_sub(self.cpu).as_secs_f64() / time.as_secs_f64();
        self.last = Rates { received: rate(self.received), sent: rate(self.sent), busy };
        self.gauge.set_busy(busy);
        (self.window, self.cpu, self.received, self.sent) = (now, cpu, 0, 0);
        let windows = (time.as_secs() as usize).min(STALLS);
        self.stalls.rotate_right(windows % STALLS);
        self.stalls[..windows].fill(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn told(pulse: &Pulse) -> ShardStats {
        let mut stats = ShardStats::default();
        pulse.tell(&mut stats);
        stats
    }

    #[test]
    fn rates_are_those_of_the_last_second() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start, Arc::new(Gauge::new(start)));
        pulse.received(500);
        pulse.sent(2000);
        assert!(told(&pulse).received_per_second.abs() < f64::EPSILON, "nothing is known yet");
        let cpu = pulse.cpu;
        pulse.close(start + 2 * SECOND, cpu + SECOND / 2);
        let stats = told(&pulse);
        assert!((stats.received_per_second - 250.0).abs() < 1e-6 && (stats.sent_per_second - 1000.0).abs() < 1e-6);
        assert!((stats.busy - 0.25).abs() < 1e-6);
        assert_eq!(pulse.gauge().busy_permille(), 250);
        pulse.close(start + 3 * SECOND, cpu + SECOND / 2);
        assert!(told(&pulse).sent_per_second.abs() < f64::EPSILON);
    }

    #[test]
    fn a_stall_is_told_for_ten_seconds() {
        let start = Instant::now();
        let mut pulse = Pulse::new(start, Arc::new(Gauge::new(start)));
        pulse.begin(start);
        pulse.end(start + SECOND / 4);
        pulse.waited(SECOND / 8);
        let cpu = pulse.cpu;
        for second in 1..=9 {
            pulse.close(start + second * SECOND, cpu);
            pulse.waited(SECOND / 100);
            assert_eq!(told(&pulse).stall, SECOND / 4, "after {second} s");
        }
        pulse.close(start + 10 * SECOND, cpu);
        assert_eq!(told(&pulse).stall, SECOND / 100);
        pulse.close(start + 100 * SECOND, cpu);
        assert_eq!(told(&pulse).stall, Duration::ZERO, "it slept");
    }
}
