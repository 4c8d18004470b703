//! The rate that the queue's signal leads to: up by a share of itself or by steps, down to below what passes (libwebrtc
//! `aimd_rate_control.cc`; draft-ietf-rmcat-gcc-02 §5.5).
//!
//! While the queue is calm the rate grows; far from what the bottleneck was last seen to pass by 8 % a second, near it by about a packet
//! a round trip. When the queue grows it falls to 85 % of what was acknowledged, which drains it. Invariant: it never rises beyond one and a
//! half times what was acknowledged, except to what a probe measured.

use std::time::{Duration, Instant};

use sfu_wire::Bitrate;

use super::link_capacity::LinkCapacity;
use super::trendline::Usage;

/// What remains of the acknowledged rate when the queue grows. Higher: it drains more slowly. (libwebrtc `aimd_rate_control.cc`)
const BACK_OFF: f64 = 0.85;
/// What is taken off besides, so that little rates fall, too. (libwebrtc `aimd_rate_control.cc`)
const BACK_OFF_BY: Bitrate = Bitrate::from_kbps(5);
/// Growth a second far from the capacity. (libwebrtc `aimd_rate_control.cc`)
const GROWTH: f64 = 1.08;
/// At least so much at a time, in bits a second. (libwebrtc `aimd_rate_control.cc`)
const LEAST_GROWTH: f64 = 1000.0;
/// At least so much a second near the capacity, in bits a second. (libwebrtc `aimd_rate_control.cc`)
const LEAST_STEP: f64 = 4000.0;
/// No rate is above so many times the acknowledged one … (libwebrtc `aimd_rate_control.cc`)
const AHEAD: f64 = 1.5;
/// … and this. (libwebrtc `aimd_rate_control.cc`)
const AHEAD_BY: Bitrate = Bitrate::from_kbps(10);
/// Before the first overuse the acknowledged rate becomes the estimate after so long. (libwebrtc `aimd_rate_control.cc`)
const BEGINNING: Duration = Duration::from_secs(5);
/// How often it falls: once a round trip, within these bounds. (libwebrtc `aimd_rate_control.cc`)
const FALL_EVERY: (Duration, Duration) = (Duration::from_millis(10), Duration::from_millis(200));
/// Sooner when less than this share of the estimate passes. (libwebrtc `aimd_rate_control.cc`)
const COLLAPSE: f64 = 0.5;
/// Before any is measured. (libwebrtc `aimd_rate_control.cc`)
const ROUND_TRIP: Duration = Duration::from_millis(200);
/// On top of the round trip: how long overuse takes to be seen. (libwebrtc `aimd_rate_control.cc`)
const RESPONSE: Duration = Duration::from_millis(100);
/// A step is taken in so many of both. (libwebrtc `aimd_rate_control.cc`)
const RESPONSES: f64 = 2.0;
/// What a step near the capacity is counted in: packets of a frame at 30 a second. (libwebrtc `aimd_rate_control.cc`)
const FRAMES_PER_SECOND: f64 = 30.0;
const PACKET_BITS: f64 = 1200.0 * 8.0;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Hold,
    Increase,
    Decrease,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Aimd {
    rate: Bitrate,
    min: Bitrate,
    /// A rate was measured, given or fallen to: [`Self::rate`] is more than a beginning.
    is_known: bool,
    phase: Phase,
    acknowledged: Bitrate,
    first_acknowledged: Option<Instant>,
    changed: Option<Instant>,
    link: LinkCapacity,
    rtt: Duration,
}

impl Aimd {
    /// That begins at `start` and never goes below `min`.
    pub(super) fn new(start: Bitrate, min: Bitrate) -> Self {
        Self {
            rate: start,
            min,
            is_known: false,
            phase: Phase::Hold,
            acknowledged: start,
            first_acknowledged: None,
            changed: None,
            link: LinkCapacity::default(),
            rtt: ROUND_TRIP,
        }
    }

    /// The rate, once there is more than a beginning.
    pub(super) fn rate(&self) -> Option<Bitrate> {
        self.is_known.then_some(self.rate)
    }

    /// The round trip was measured.
    pub(super) const fn set_rtt(&mut self, rtt: Duration) {
        self.rtt = rtt;
    }

    /// A probe has measured `rate`, or another part of the estimator knows better.
    pub(super) fn set(&mut self, now: Instant, rate: Bitrate) {
        self.is_known = true;
        self.rate = rate.max(self.min);
        self.changed = Some(now);
    }

    /// Whether the rate may fall again while only `acknowledged` passes: once a round trip, or at once when it has collapsed.
    pub(super) fn may_fall(&self, now: Instant, acknowledged: Bitrate) -> bool {
        let every = self.rtt.clamp(FALL_EVERY.0, FALL_EVERY.1);
        let waited = self.changed.is_none_or(|changed| now.saturating_duration_since(changed) >= every);
        waited || (self.is_known && acknowledged < self.rate * COLLAPSE)
    }

    /// Whether it may fall when nothing was acknowledged yet.
    pub(super) fn may_fall_blindly(&self, now: Instant) -> bool {
        self.is_known && self.may_fall(now, self.rate * COLLAPSE)
    }

    /// The queue does `usage` while `acknowledged` passes.
    pub(super) fn update(&mut self, now: Instant, usage: Usage, acknowledged: Option<Bitrate>) {
        if !self.is_known
            && let Some(acknowledged) = acknowledged
        {
            let first = *self.first_acknowledged.get_or_insert(now);
            if now.saturating_duration_since(first) > BEGINNING {
                (self.rate, self.is_known) = (acknowledged, true);
            }
        }
        self.acknowledged = acknowledged.unwrap_or(self.acknowledged);
        if self.is_known || usage == Usage::Over {
            self.turn(now, usage);
            match self.phase {
                Phase::Hold => {}
                Phase::Increase => self.increase(now),
                Phase::Decrease => self.decrease(now),
            }
            self.rate = self.rate.max(self.min);
        }
    }

    fn turn(&mut self, now: Instant, usage: Usage) {
        self.phase = match usage {
            // A queue that shrinks is left to.
            Usage::Under => Phase::Hold,
            Usage::Over => Phase::Decrease,
            Usage::Normal if self.phase == Phase::Hold => {
                self.changed = Some(now);
                Phase::Increase
            }
            Usage::Normal => self.phase,
        };
    }

    fn increase(&mut self, now: Instant) {
        if self.link.bounds().is_some_and(|(_, high)| self.acknowledged > high) {
            self.link.reset();
        }
        let limit = self.acknowledged * AHEAD + AHEAD_BY;
        if self.rate < limit {
            let passed = self.changed.map(|changed| now.saturating_duration_since(changed).as_secs_f64());
            let rate = self.rate.get() as f64;
            let growth = if self.link.rate().is_some() {
                self.step_per_second() * passed.unwrap_or(0.0)
            } else {
                let share = passed.map_or(GROWTH, |passed| GROWTH.powf(passed.min(1.0)));
                (rate * (share - 1.0)).max(LEAST_GROWTH)
            };
            self.rate = Bitrate::new((rate + growth) as u64).min(limit);
        }
        self.changed = Some(now);
    }

    /// The queue is too long, and `passes` is what leaves it.
    pub(super) fn fall(&mut self, now: Instant, passes: Bitrate) {
        self.acknowledged = passes;
        self.decrease(now);
        self.rate = self.rate.max(self.min);
    }

    fn decrease(&mut self, now: Instant) {
        let mut lower = self.acknowledged * BACK_OFF;
        if lower > BACK_OFF_BY {
            lower = lower - BACK_OFF_BY;
        }
        if lower > self.rate
            && let Some(link) = self.link.rate()
        {
            lower = link * BACK_OFF;
        }
        self.rate = self.rate.min(lower);
        if self.link.bounds().is_some_and(|(low, _)| self.acknowledged < low) {
            self.link.reset();
        }
        self.is_known = true;
        self.link.overused(self.acknowledged);
        // Until the queue is normal again.
        self.phase = Phase::Hold;
        self.changed = Some(now);
    }

    /// What a packet more in [`RESPONSES`] response times makes, in bits a second for each second.
    fn step_per_second(&self) -> f64 {
        let frame = self.rate.get() as f64 / FRAMES_PER_SECOND;
        let packet = frame / (frame / PACKET_BITS).ceil().max(1.0);
        (packet / (RESPONSES * (self.rtt + RESPONSE).as_secs_f64())).max(LEAST_STEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    const fn kbps(rate: u64) -> Bitrate {
        Bitrate::from_kbps(rate)
    }

    /// The rate after an update.
    fn update(aimd: &mut Aimd, now: Instant, usage: Usage, acknowledged: Bitrate) -> Option<Bitrate> {
        aimd.update(now, usage, Some(acknowledged));
        aimd.rate()
    }

    fn aimd(rate: u64) -> (Aimd, Instant) {
        let (mut aimd, start) = (Aimd::new(kbps(300), kbps(5)), Instant::now());
        aimd.set(start, kbps(rate));
        (aimd, start)
    }

    #[test]
    fn it_grows_by_eight_percent_a_second_and_by_a_kilobit_at_least() {
        let (mut aimd, start) = aimd(1000);
        update(&mut aimd, start, Usage::Normal, kbps(5000));
        for step in 1..=10 {
            update(&mut aimd, start + step * 100 * MS, Usage::Normal, kbps(5000));
        }
        let rate = aimd.rate().unwrap().get();
        assert!((1_080_000..=1_083_000).contains(&rate), "{rate}");
        let (mut little, start) = self::aimd(30);
        update(&mut little, start, Usage::Normal, kbps(100));
        assert_eq!(update(&mut little, start + 10 * MS, Usage::Normal, kbps(100)), Some(kbps(32)));
    }

    #[test]
    fn no_more_than_half_ahead_of_what_is_acknowledged() {
        let (mut aimd, start) = aimd(1000);
        for step in 0..200 {
            update(&mut aimd, start + step * 100 * MS, Usage::Normal, kbps(800));
        }
        assert_eq!(aimd.rate(), Some(kbps(1210)));
        aimd.set(start, kbps(3000));
        for step in 200..220 {
            update(&mut aimd, start + step * 100 * MS, Usage::Normal, kbps(800));
        }
        assert_eq!(aimd.rate(), Some(kbps(3000)), "what is above already stays");
    }

    #[test]
    fn overuse_leaves_85_percent_of_what_passes_once_a_round_trip() {
        let (mut aimd, start) = aimd(1000);
        aimd.set_rtt(100 * MS);
        assert!(aimd.may_fall(start + 100 * MS, kbps(800)));
        assert_eq!(update(&mut aimd, start + 100 * MS, Usage::Over, kbps(800)), Some(kbps(675)));
        assert!(!aimd.may_fall(start + 150 * MS, kbps(500)));
        assert!(aimd.may_fall(start + 150 * MS, kbps(337)), "less than half passes");
        assert!(aimd.may_fall(start + 200 * MS, kbps(500)));
        assert_eq!(update(&mut aimd, start + 300 * MS, Usage::Under, kbps(800)), Some(kbps(675)), "it drains");
    }

    #[test]
    fn near_the_capacity_it_takes_steps_of_a_packet() {
        let (mut aimd, start) = aimd(1000);
        aimd.set_rtt(100 * MS);
        update(&mut aimd, start, Usage::Over, kbps(1000));
        update(&mut aimd, start, Usage::Normal, kbps(1000));
        let rate = update(&mut aimd, start + 1000 * MS, Usage::Normal, kbps(1000)).unwrap().get();
        // 845 kbit/s at 30 frames a second are 3 packets of 9389 bits, one each 400 ms.
        assert!((867_000..869_000).contains(&rate), "{rate}");
        let far = update(&mut aimd, start + 2000 * MS, Usage::Normal, kbps(2000)).unwrap().get();
        assert!(far > rate + 60_000, "beyond the capacity that was seen it grows by its share again: {far}");
    }

    #[test]
    fn without_overuse_what_is_acknowledged_becomes_the_rate_after_a_while() {
        let (mut aimd, start) = (Aimd::new(kbps(300), kbps(5)), Instant::now());
        assert_eq!(update(&mut aimd, start, Usage::Normal, kbps(450)), None);
        assert_eq!(update(&mut aimd, start + 5000 * MS, Usage::Normal, kbps(450)), None);
        assert_eq!(update(&mut aimd, start + 5001 * MS, Usage::Normal, kbps(450)), Some(kbps(451)));
    }

    #[test]
    fn it_never_goes_below_its_minimum() {
        let (mut aimd, start) = aimd(100);
        assert_eq!(update(&mut aimd, start, Usage::Over, Bitrate::new(100)), Some(kbps(5)));
    }
}
