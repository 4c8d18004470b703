//! What was sent and what of it was lost, in observations of a quarter of a second; the newest are kept, of fixed size.
//!
//! The time is that of sending. A packet reported lost and later received counts as received, if the observation that
//! it belongs to is still open; what is closed is not changed any more.

use std::time::Instant;

use sfu_wire::{Bitrate, DataSize, SeqNo};

use crate::gcc::loss_based::config::ObservationConfig;
use crate::twcc::PacketResult;

/// The most observations that a window has.
const MAX_WINDOW: usize = 15;
/// Lost packets are told apart by so many numbers. More than are sent during one observation, but for 8000 packets a
/// second; then a late packet may be taken for another.
const NUMBERS: usize = 2048;
/// From so many observations on, the highest and the lowest loss are left out of the average. (libwebrtc
/// `loss_based_bwe_v2.cc`)
const SPIKES_FROM: u64 = 4;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Observations {
    config: ObservationConfig,
    ring: [Observation; MAX_WINDOW],
    /// Of the newest observation, of the one before it, and so on.
    weights: [f64; MAX_WINDOW],
    /// How many there ever were.
    count: u64,
    open: Open,
    /// When the last packet of the newest observation was sent; before there is one, when the first packet was.
    newest: Option<Instant>,
    average_loss: f64,
}

/// What was sent within a quarter of a second or more.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Observation {
    size: DataSize,
    lost: DataSize,
    /// At which it was sent.
    pub(super) rate: Bitrate,
}

/// Becomes an observation when it is long enough.
#[derive(Debug)]
struct Open {
    size: DataSize,
    lost: DataSize,
    /// A bit per number: whether that packet is in `lost`.
    numbers: [u64; NUMBERS / 64],
}

impl Observation {
    /// Kilobytes that were lost.
    pub(super) fn lost(&self) -> f64 {
        self.lost.get() as f64 / 1e3
    }

    /// Kilobytes that arrived.
    pub(super) fn received(&self) -> f64 {
        (self.size - self.lost).get() as f64 / 1e3
    }

    /// Kilobytes that were sent.
    pub(super) fn size(&self) -> f64 {
        self.size.get() as f64 / 1e3
    }

    fn loss(&self) -> f64 {
        ratio(self.lost(), self.size())
    }
}

impl Observations {
    pub(super) fn new(config: ObservationConfig) -> Self {
        let config = ObservationConfig { window: config.window.clamp(2, MAX_WINDOW), ..config };
        let mut weights = [1.0; MAX_WINDOW];
        weights.iter_mut().zip(0..).for_each(|(weight, age)| *weight = config.age_weight.powi(age));
        let ring = [Observation::default(); MAX_WINDOW];
        Self { config, ring, weights, count: 0, open: Open::default(), newest: None, average_loss: 0.0 }
    }

    /// Whether there are enough to say anything.
    pub(super) const fn are_enough(&self) -> bool {
        self.count >= self.config.required
    }

    /// The part that is lost of what is sent, by weight.
    pub(super) const fn average_loss(&self) -> f64 {
        self.average_loss
    }

    /// Oldest first, each with its weight.
    pub(super) fn iter(&self) -> impl Iterator<Item = (f64, &Observation)> {
        let len = self.count.min(self.config.window as u64);
        (0..len).rev().filter_map(move |age| {
            let index = (self.count - 1 - age) % self.config.window as u64;
            Some((*self.weights.get(age as usize)?, self.ring.get(index as usize)?))
        })
    }

    /// Takes a report; gives the send time of its newest packet when that ends an observation.
    pub(super) fn add(&mut self, results: &[PacketResult]) -> Option<Instant> {
        for result in results {
            self.open.add(result);
        }
        let first = results.iter().map(|result| result.sent).min()?;
        let last = results.iter().map(|result| result.sent).max()?;
        let duration = last.saturating_duration_since(*self.newest.get_or_insert(first));
        if duration.is_zero() || duration < self.config.duration {
            return None;
        }
        self.newest = Some(last);
        let open = std::mem::take(&mut self.open);
        let index = (self.count % self.config.window as u64) as usize;
        if let Some(slot) = self.ring.get_mut(index) {
            *slot = Observation { size: open.size, lost: open.lost, rate: Bitrate::of(open.size, duration) };
        }
        self.count += 1;
        self.average_loss = self.average();
        Some(last)
    }

    /// Without the highest and the lowest, which may be chance; unless the highest came with a burst of sending, which
    /// explains it.
    fn average(&self) -> f64 {
        let (mut size, mut lost) = (0.0, 0.0);
        let mut highest: Option<(f64, &Observation)> = None;
        let mut lowest: Option<(f64, &Observation)> = None;
        for (weight, observation) in self.iter() {
            size += weight * observation.size();
            lost += weight * observation.lost();
            let loss = observation.loss();
            if loss > highest.map_or(0.0, |(_, highest)| highest.loss()) {
                highest = Some((weight, observation));
            }
            if loss < lowest.map_or(1.0, |(_, lowest)| lowest.loss()) {
                lowest = Some((weight, observation));
            }
        }
        let burst = highest.is_some_and(|(_, highest)| {
            self.median_rate().get() as f64 * self.config.burst_factor <= highest.rate.get() as f64
        });
        if burst || self.count < SPIKES_FROM {
            return ratio(lost, size);
        }
        let (mut rest_size, mut rest_lost) = (size, lost);
        for (weight, spike) in [highest, lowest].into_iter().flatten() {
            rest_size -= weight * spike.size();
            rest_lost -= weight * spike.lost();
        }
        // A window of two has nothing else.
        if rest_size < size * 1e-9 { ratio(lost, size) } else { ratio(rest_lost.max(0.0), rest_size) }
    }

    fn median_rate(&self) -> Bitrate {
        let mut rates = [Bitrate::ZERO; MAX_WINDOW];
        let sent = self.iter().map(|(_, observation)| observation.rate).filter(|rate| *rate > Bitrate::ZERO);
        let len = rates.iter_mut().zip(sent).map(|(slot, rate)| *slot = rate).count();
        let Some(rates) = rates.get_mut(..len) else {
            return Bitrate::ZERO;
        };
        rates.sort_unstable();
        let upper = rates.get(len / 2).copied().unwrap_or_default();
        let lower = rates.get(len.saturating_sub(1) / 2).copied().unwrap_or_default();
        Bitrate::new(u64::midpoint(lower.get(), upper.get()))
    }
}

impl Default for Open {
    fn default() -> Self {
        Self { size: DataSize::ZERO, lost: DataSize::ZERO, numbers: [0; NUMBERS / 64] }
    }
}

impl Open {
    fn add(&mut self, result: &PacketResult) {
        let was_lost = self.mark(result.seq, result.arrival.is_none());
        match (was_lost, result.arrival) {
            (false, None) => {
                self.size += result.size;
                self.lost += result.size;
            }
            (false, Some(_)) => self.size += result.size,
            (true, Some(_)) => self.lost = self.lost - result.size,
            (true, None) => {}
        }
    }

    /// Sets whether packet `seq` is lost; gives whether it was.
    fn mark(&mut self, seq: SeqNo, lost: bool) -> bool {
        let number = seq.get() as usize % NUMBERS;
        let Some(word) = self.numbers.get_mut(number / 64) else {
            return false;
        };
        let bit = 1 << (number % 64);
        let was_lost = *word & bit != 0;
        *word = if lost { *word | bit } else { *word & !bit };
        was_lost
    }
}

fn ratio(part: f64, whole: f64) -> f64 {
    if whole > 0.0 { part / whole } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sfu_wire::rtcp::FeedbackTime;

    use super::*;

    /// The average loss after observations of one packet each, of which so many parts in a hundred are lost, at so many
    /// kilobytes.
    fn average(observed: &[(u64, u64)]) -> f64 {
        let start = Instant::now();
        let mut observations = Observations::new(ObservationConfig::default());
        let result = |seq: usize, size: u64, arrives: bool| PacketResult {
            seq: SeqNo::new(seq as u64),
            sent: start + Duration::from_millis(250) * (seq as u32 / 2),
            size: DataSize::new(size),
            arrival: arrives.then_some(FeedbackTime::new(0)),
        };
        observations.add(&[result(0, 0, true)]);
        for (index, &(lost, kilobytes)) in observed.iter().enumerate() {
            let seq = 2 * index + 2;
            let results =
                [result(seq, kilobytes * 10 * lost, false), result(seq + 1, kilobytes * 10 * (100 - lost), true)];
            assert!(observations.add(&results).is_some());
        }
        (observations.average_loss() * 1e4).round() / 1e2
    }

    #[test]
    fn a_loss_weighs_less_the_older_it_is() {
        // Weights of 1, 0.9 and 0.81.
        assert!((average(&[(0, 10), (0, 10), (100, 10)]) - 36.9).abs() < 1e-9);
        assert!((average(&[(100, 10), (0, 10), (0, 10)]) - 29.89).abs() < 1e-9);
    }

    #[test]
    fn the_highest_and_the_lowest_of_four_are_chance() {
        assert!((average(&[(10, 10), (10, 10), (90, 10), (0, 10)]) - 10.0).abs() < 1e-9);
        assert!(average(&[(10, 10), (10, 10), (90, 20), (0, 10)]) > 40.0, "unless more was sent");
    }

    #[test]
    fn what_is_older_than_the_window_is_forgotten() {
        let mut observed = vec![(100, 10); 20];
        observed.extend([(0, 10); 15]);
        assert!(average(&observed).abs() < 1e-9);
    }
}
