//! The estimate from delay alone: groups, their trend, the rate that follows (libwebrtc `delay_based_bwe.cc`).
//!
//! Invariant: only a report that tells of an arrival moves the rate.

use std::time::{Duration, Instant};

use sfu_wire::{Bitrate, rtcp::FeedbackTime};

use super::aimd::Aimd;
use super::groups::Groups;
use super::standing::{Queue, Standing};
use super::trendline::{Trendline, Usage};
use crate::twcc::PacketResult;

/// After so long without a packet what was learnt of the queue is forgotten. (libwebrtc `delay_based_bwe.cc`)
const FORGOTTEN: Duration = Duration::from_secs(2);
/// What is taken back of falls that were in vain: as much as one fall leaves.
const TAKEN_BACK: f64 = 0.85;

/// For so long after a probe was reported a queue that grows is its own, and the trend looks away. What it leaves drains meanwhile even where a
/// tenth of the way is free. Longer: a drop of the way that coincides is seen later, by the queue that
/// stands. Shorter: each probe into a full way costs 15 % of the rate. (Ours: libwebrtc's senders probe only while little is sent.)
const EXCUSED: Duration = Duration::from_millis(250);

/// See the module's text.
#[derive(Debug)]
pub(super) struct DelayBased {
    groups: Groups,
    trend: Trendline,
    standing: Standing,
    /// The rate before a standing queue lowered it.
    unfallen: Option<Bitrate>,
    aimd: Aimd,
    last: Option<Instant>,
    before: Usage,
    /// Until when a probe excuses a queue.
    excused: Option<Instant>,
}

impl DelayBased {
    pub(super) fn new(start: Bitrate, min: Bitrate) -> Self {
        Self {
            groups: Groups::default(),
            trend: Trendline::new(),
            standing: Standing::new(),
            unfallen: None,
            aimd: Aimd::new(start, min),
            last: None,
            before: Usage::Normal,
            excused: None,
        }
    }

    /// The estimate.
    pub(super) fn rate(&self) -> Option<Bitrate> {
        self.aimd.rate()
    }

    /// What the queue does.
    pub(super) const fn usage(&self) -> Usage {
        self.trend.usage()
    }

    /// Whether a queue grows, or stands and a fall is to show that it is ours.
    pub(super) fn is_congested(&self) -> bool {
        self.usage() == Usage::Over || self.standing.is_watched()
    }

    pub(super) const fn set_rtt(&mut self, rtt: Duration) {
        self.aimd.set_rtt(rtt);
    }

    /// A packet of a probe was reported.
    pub(super) fn handle_probe(&mut self, now: Instant) {
        self.excused = Some(now + EXCUSED);
    }

    /// A report told of `packets`, in the order of their arrival; meanwhile `acknowledged` passes, and a probe measured `probed`. Whether the
    /// queue had shrunk and is calm now, which is a good time to probe.
    pub(super) fn update(
        &mut self,
        now: Instant,
        packets: &[PacketResult],
        acknowledged: Option<Bitrate>,
        probed: Option<Bitrate>,
    ) -> bool {
        let mut recovered = false;
        let mut told = false;
        for (packet, arrival) in packets.iter().filter_map(|packet| Some((packet, packet.arrival?))) {
            told = true;
            self.add(now, packet, arrival);
            recovered |= self.before == Usage::Under && self.usage() == Usage::Normal;
            self.before = self.usage();
        }
        if told {
            self.follow(now, acknowledged, probed);
        }
        recovered
    }

    /// The rate follows what is known of the queue now.
    fn follow(&mut self, now: Instant, acknowledged: Option<Bitrate>, probed: Option<Bitrate>) {
        match self.standing.ends(now) {
            Queue::Ours(passes) => {
                self.unfallen = self.unfallen.or(self.aimd.rate());
                self.aimd.fall(now, passes);
            }
            Queue::NotOurs => {
                if let Some(rate) = self.unfallen.take() {
                    self.aimd.set(now, rate * TAKEN_BACK);
                }
            }
            Queue::Calm => self.follow_trend(now, acknowledged, probed),
        }
        if self.usage() == Usage::Normal && !self.standing.is_watched() {
            self.unfallen = None;
        }
    }

    fn add(&mut self, now: Instant, packet: &PacketResult, arrival: FeedbackTime) {
        if self.last.is_some_and(|last| now.saturating_duration_since(last) > FORGOTTEN) {
            (self.groups, self.trend) = (Groups::default(), Trendline::new());
        }
        self.last = Some(now);
        self.standing.add(now, packet, arrival);
        let delta = self.groups.add(now, packet, arrival);
        if self.excused.is_some_and(|until| now < until) {
            self.trend.forget();
        } else if let Some(delta) = delta {
            self.trend.add(delta, arrival);
        }
    }

    fn follow_trend(&mut self, now: Instant, acknowledged: Option<Bitrate>, probed: Option<Bitrate>) {
        match (self.usage(), acknowledged) {
            (Usage::Over, Some(rate)) => {
                if self.aimd.may_fall(now, rate) {
                    self.aimd.update(now, Usage::Over, acknowledged);
                }
            }
            (Usage::Over, None) => {
                if self.aimd.may_fall_blindly(now)
                    && let Some(rate) = self.aimd.rate()
                {
                    self.aimd.set(now, rate * 0.5);
                }
            }
            (usage, _) => match probed {
                Some(rate) => self.aimd.set(now, rate),
                None => self.aimd.update(now, usage, acknowledged),
            },
        }
    }
}
