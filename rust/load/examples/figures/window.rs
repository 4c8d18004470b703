//! A stretch of time in which a server's work is measured.

use std::thread;
use std::time::{Duration, Instant};

use sfu_core::stats::SfuStats;
use sfu_load::PeerId;

use crate::Figures;
use crate::live::shard_cpu;
use crate::support::House;

/// Between looks into the peers' sockets. Nobody waits in the kernel for a datagram: waking a reader is dear, and how often it
/// happens is chance. The limit's reader does the same (rust/limit).
const READ_EVERY: Duration = Duration::from_millis(1);

/// Turns for so long; the sockets are looked into at intervals.
pub(crate) fn run_polled(house: &mut House, duration: Duration) {
    house.patience = Duration::ZERO;
    let end = Instant::now() + duration;
    while Instant::now() < end {
        thread::sleep(READ_EVERY);
        house.turn();
    }
}

/// What happened in it.
pub(crate) struct Window {
    before: SfuStats,
    after: SfuStats,
    /// Time of the server's threads on a processor.
    pub(crate) cpu: Duration,
    pub(crate) elapsed: Duration,
    came: Received,
}

/// By the peers that count, all together.
#[derive(Clone, Copy, Default)]
struct Received {
    packets: u64,
    expected: u64,
    bytes: u64,
}

impl Window {
    /// `every_second`: what goes on meanwhile.
    pub(crate) fn take(
        house: &mut House,
        counting: &[PeerId],
        seconds: u64,
        mut every_second: impl FnMut(&mut House, u64),
    ) -> Self {
        let (before, received_before) = (house.stats(), received(house, counting));
        let (cpu, at) = (shard_cpu(), Instant::now());
        for second in 0..seconds {
            every_second(house, second);
            run_polled(house, Duration::from_secs(1));
        }
        let (cpu, elapsed) = (shard_cpu().saturating_sub(cpu), at.elapsed());
        let (after, received_after) = (house.stats(), received(house, counting));
        Self { before, after, cpu, elapsed, came: received_after - received_before }
    }

    /// RTP packets that the server sent.
    pub(crate) fn packets(&self) -> f64 {
        (self.after.packets_sent - self.before.packets_sent) as f64
    }

    /// RTP packets that the server took in.
    pub(crate) fn packets_in(&self) -> f64 {
        (self.after.packets_received - self.before.packets_received) as f64
    }

    pub(crate) fn ns_per_packet(&self) -> f64 {
        self.cpu.as_nanos() as f64 / self.packets()
    }

    /// Of what the counting peers should have got.
    pub(crate) fn loss(&self) -> f64 {
        1.0 - self.came.packets as f64 / self.came.expected as f64
    }

    pub(crate) fn bytes_per_packet(&self) -> f64 {
        self.came.bytes as f64 / self.came.packets as f64
    }

    /// What every such figure tells.
    pub(crate) fn figures(&self) -> Figures {
        let (ns, seconds) = (self.ns_per_packet(), self.elapsed.as_secs_f64());
        let mut figures = vec![
            ("ns_per_packet", ns),
            ("kpps_per_core", 1e6 / ns),
            ("packets_per_second", self.packets() / seconds),
            ("packets_in_per_second", self.packets_in() / seconds),
            ("core_percent", 100.0 * self.cpu.as_secs_f64() / seconds),
        ];
        figures.extend(self.shares_of_runs());
        figures
    }

    /// Of all datagrams: how many percent left in messages of so many.
    fn shares_of_runs(&self) -> Figures {
        const BOUNDS: [(&str, usize, usize); 6] = [
            ("percent_in_runs_of_1", 1, 1),
            ("percent_in_runs_of_2_to_3", 2, 3),
            ("percent_in_runs_of_4_to_7", 4, 7),
            ("percent_in_runs_of_8", 8, 8),
            ("percent_in_runs_of_9_to_16", 9, 16),
            ("percent_in_runs_of_17_and_more", 17, usize::MAX),
        ];
        let datagrams = |first: usize, last: usize| {
            let runs = self.after.runs.iter().zip(&self.before.runs).zip(1..);
            let runs = runs.filter(|(_, len)| (first..=last).contains(len));
            runs.map(|((after, before), len)| (after - before) as f64 * len as f64).sum::<f64>()
        };
        let all = datagrams(1, usize::MAX);
        BOUNDS.map(|(name, first, last)| (name, 100.0 * datagrams(first, last) / all)).to_vec()
    }
}

impl std::ops::Sub for Received {
    type Output = Self;

    fn sub(self, before: Self) -> Self {
        Self {
            packets: self.packets - before.packets,
            expected: self.expected - before.expected,
            bytes: self.bytes - before.bytes,
        }
    }
}

fn received(house: &House, counting: &[PeerId]) -> Received {
    counting.iter().fold(Received::default(), |sum, peer| {
        let tally = house.swarm.peer(*peer).unwrap().tally();
        Received {
            packets: sum.packets + tally.packets,
            expected: sum.expected + tally.expected,
            bytes: sum.bytes + tally.bytes,
        }
    })
}
