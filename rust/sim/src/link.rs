//! One direction of a network path: loss, a queue in front of a bottleneck, delay, jitter, reordering and duplicates.
//!
//! A link is told when a datagram enters and says when it comes out, if at all. Everything random comes from its seed.

use std::time::{Duration, Instant};

use sfu_wire::Bitrate;

use crate::random::Random;

/// Longer than this no datagram is held back to be overtaken: the traffic behind it may have ended.
const MAX_HOLD: Duration = Duration::from_millis(200);

/// Which datagrams vanish.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Loss {
    /// None.
    #[default]
    Never,
    /// Each with this probability, whatever happened to the others.
    Uniform(f64),
    /// Bursts (Gilbert-Elliott): in the bad state datagrams vanish with probability `lost`.
    Bursts {
        /// From the good state to the bad one, per datagram.
        begin: f64,
        /// And back; bursts have a mean length of 1/`end` datagrams.
        end: f64,
        /// In the bad state.
        lost: f64,
    },
}

/// Settings of a [`Link`]; the default is a perfect one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct LinkConfig {
    /// From one end to the other.
    pub delay: Duration,
    /// Up to so much more, without changing the order (NR-BPDV, RFC 8868 §4.5.1).
    pub jitter: Duration,
    /// What vanishes.
    pub loss: Loss,
    /// Probability that a datagram is overtaken.
    pub reorder: f64,
    /// By at most so many that entered behind it.
    pub reorder_by: u32,
    /// Probability that a datagram comes twice.
    pub duplicate: f64,
    /// Of the bottleneck; `None`: there is none.
    pub rate: Option<Bitrate>,
    /// What the queue in front of the bottleneck holds, as time; more is dropped from its tail.
    pub queue: Duration,
}

impl LinkConfig {
    /// Nothing but a delay.
    pub fn delayed(delay: Duration) -> Self {
        Self { delay, ..Self::default() }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Link {
    config: LinkConfig,
    random: Random,
    /// In the bad state of [`Loss::Bursts`].
    in_burst: bool,
    /// When the bottleneck is free.
    free_at: Option<Instant>,
    /// The latest arrival of those that keep their order.
    newest: Option<Instant>,
    held: Vec<Held>,
    lost: u64,
    lost_bytes: u64,
}

/// A datagram that waits to be overtaken.
#[derive(Debug)]
struct Held {
    entered: Instant,
    behind: u64,
    datagram: Vec<u8>,
}

impl Link {
    /// An empty link.
    pub const fn new(config: LinkConfig, random: Random) -> Self {
        Self { config, random, in_burst: false, free_at: None, newest: None, held: Vec::new(), lost: 0, lost_bytes: 0 }
    }

    /// Changes the settings for what enters from now on.
    pub const fn set_config(&mut self, config: LinkConfig) {
        self.config = config;
    }

    /// The settings.
    pub const fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// How many datagrams vanished, in the queue or by loss.
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// How many bytes they had.
    pub const fn lost_bytes(&self) -> u64 {
        self.lost_bytes
    }

    /// A datagram enters at `now`; `arrive` is called for each that is on its way with the time of its arrival.
    pub fn send(&mut self, now: Instant, datagram: Vec<u8>, mut arrive: impl FnMut(Instant, Vec<u8>)) {
        if self.config == LinkConfig::default() && self.held.is_empty() {
            return arrive(now, datagram);
        }
        self.pass_held(now, &mut arrive);
        if self.loses() {
            self.count_lost(&datagram);
            return;
        }
        let Some(through) = self.pass_bottleneck(now, datagram.len()) else {
            self.count_lost(&datagram);
            return;
        };
        if self.random.chance(self.config.duplicate) {
            let at = self.arrival(through);
            arrive(at, datagram.clone());
        }
        if self.config.reorder_by > 0 && self.random.chance(self.config.reorder) {
            let behind = 1 + self.random.below(u64::from(self.config.reorder_by));
            self.held.push(Held { entered: through, behind, datagram });
            return;
        }
        let at = self.arrival(through);
        arrive(at, datagram);
    }

    const fn count_lost(&mut self, datagram: &[u8]) {
        self.lost += 1;
        self.lost_bytes += datagram.len() as u64;
    }

    /// Counts down for those that wait, and lets go who was overtaken often enough.
    fn pass_held(&mut self, now: Instant, arrive: &mut impl FnMut(Instant, Vec<u8>)) {
        let mut index = 0;
        while let Some(held) = self.held.get_mut(index) {
            held.behind -= 1;
            if held.behind == 0 || now.saturating_duration_since(held.entered) > MAX_HOLD {
                let held = self.held.remove(index);
                arrive(self.newest.unwrap_or(now).max(now + self.config.delay), held.datagram);
            } else {
                index += 1;
            }
        }
    }

    fn loses(&mut self) -> bool {
        match self.config.loss {
            Loss::Never => false,
            Loss::Uniform(probability) => self.random.chance(probability),
            Loss::Bursts { begin, end, lost } => {
                let changes = self.random.chance(if self.in_burst { end } else { begin });
                self.in_burst ^= changes;
                self.in_burst && self.random.chance(lost)
            }
        }
    }

    /// When the last bit is through; `None`: the queue is full.
    fn pass_bottleneck(&mut self, now: Instant, len: usize) -> Option<Instant> {
        let Some(rate) = self.config.rate else { return Some(now) };
        let begins = self.free_at.map_or(now, |free| free.max(now));
        if begins.saturating_duration_since(now) > self.config.queue {
            return None;
        }
        let nanos = (len as u64 * 8).saturating_mul(1_000_000_000) / rate.get().max(1);
        let through = begins + Duration::from_nanos(nanos);
        self.free_at = Some(through);
        Some(through)
    }

    fn arrival(&mut self, through: Instant) -> Instant {
        let jitter = self.config.jitter.mul_f64(self.random.unit());
        let at = through + self.config.delay + jitter;
        let at = self.newest.map_or(at, |newest| newest.max(at));
        self.newest = Some(at);
        at
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(config: LinkConfig, count: u32) -> Vec<(Duration, u32)> {
        let start = Instant::now();
        let mut link = Link::new(config, Random::new(3));
        let mut arrived = Vec::new();
        for n in 0..count {
            let now = start + Duration::from_millis(u64::from(n));
            link.send(now, n.to_be_bytes().to_vec(), |at, bytes| {
                arrived.push((at - start, u32::from_be_bytes(bytes.try_into().unwrap())));
            });
        }
        arrived.sort_by_key(|(at, _)| *at);
        arrived
    }

    #[test]
    fn a_perfect_link_passes_everything_at_once() {
        let arrived = run(LinkConfig::default(), 100);
        assert!(arrived.iter().all(|(at, n)| *at == Duration::from_millis(u64::from(*n))));
        assert_eq!(arrived.len(), 100);
    }

    #[test]
    fn jitter_delays_and_keeps_the_order() {
        let delay = Duration::from_millis(20);
        let arrived = run(LinkConfig { jitter: Duration::from_millis(30), ..LinkConfig::delayed(delay) }, 500);
        assert!(arrived.windows(2).all(|pair| pair[0].1 < pair[1].1));
        assert!(arrived.iter().all(|(at, n)| (20..=80).contains(&(at.as_millis() as i64 - i64::from(*n)))));
    }

    #[test]
    fn nobody_is_overtaken_by_more_than_the_limit() {
        let config = LinkConfig { reorder: 0.1, reorder_by: 30, ..LinkConfig::delayed(Duration::from_millis(10)) };
        let arrived = run(config, 5000);
        let behind = |index: usize| arrived[..index].iter().filter(|(_, n)| *n > arrived[index].1).count();
        let most = (0..arrived.len()).map(behind).max().unwrap();
        assert!((20..=30).contains(&most), "{most}");
    }

    #[test]
    fn bursts_lose_in_a_row() {
        let bursts = run(
            LinkConfig { loss: Loss::Bursts { begin: 0.01, end: 0.2, lost: 1.0 }, ..LinkConfig::default() },
            20_000,
        );
        let lost = 20_000 - bursts.len();
        let runs = bursts.windows(2).filter(|pair| pair[1].1 - pair[0].1 > 1).count();
        assert!((600..1400).contains(&lost) && (3..8).contains(&(lost / runs)), "{lost} in {runs} runs");
    }

    #[test]
    fn of_ten_one_comes_twice() {
        let arrived = run(LinkConfig { duplicate: 0.1, ..LinkConfig::delayed(Duration::from_millis(10)) }, 5000);
        let twice = (0..5000).filter(|n| arrived.iter().filter(|(_, arrived)| arrived == n).count() == 2).count();
        assert_eq!(arrived.len(), 5000 + twice);
        assert!((400..600).contains(&twice), "{twice}");
    }

    #[test]
    fn a_full_queue_drops_its_tail() {
        // 4 bytes a millisecond are 32 kbit/s: half of that passes, behind a queue of 50 ms.
        let config =
            LinkConfig { rate: Some(Bitrate::new(16_000)), queue: Duration::from_millis(50), ..LinkConfig::default() };
        let arrived = run(config, 2000);
        assert!((1000..1100).contains(&arrived.len()), "{}", arrived.len());
        let late = arrived.iter().map(|(at, n)| at.as_millis() as u64 - u64::from(*n)).max().unwrap();
        assert!((50..=55).contains(&late), "{late} ms");
    }
}
