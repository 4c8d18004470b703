//! How the way changes from one group of packets to the next (libwebrtc `inter_arrival_delta.cc`).
//!
//! Packets that left within [`GROUP`] of each other are one group: pacing sends them as a burst, and inside a burst arrivals tell the
//! bottleneck's rate, not its queue. What counts is how much later than before a group was complete, compared with how much later
//! it left. Invariant: a group is judged once, when the first packet of the next one is reported.

use std::time::{Duration, Instant};

use sfu_wire::rtcp::FeedbackTime;

use crate::twcc::PacketResult;

/// Higher: fewer, steadier samples. Lower: bursts of a pacer are torn apart. (libwebrtc `delay_based_bwe.cc`)
const GROUP: Duration = Duration::from_millis(5);
/// Packets that arrive this close behind each other and have caught up were held back together, and belong together.
/// (libwebrtc `inter_arrival_delta.cc`)
const BURST: i64 = 5_000;
/// No burst is longer. (libwebrtc `inter_arrival_delta.cc`)
const LONGEST_BURST: i64 = 100_000;
/// The receiver's clock has jumped when it is this much ahead of ours between two groups. (libwebrtc `inter_arrival_delta.cc`)
const CLOCK_JUMP: i64 = 3_000_000;
/// So many groups that arrived before the one before them, and everything begins anew. (libwebrtc `inter_arrival_delta.cc`)
const MAX_REORDERED: u32 = 3;

/// From one group to the next.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Delta {
    /// How much later it left, in milliseconds.
    pub(super) sent: f64,
    /// How much later it was complete at the receiver, in milliseconds.
    pub(super) arrived: f64,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    first_sent: Instant,
    last_sent: Instant,
    first_arrival: FeedbackTime,
    complete: FeedbackTime,
    /// When its last packet was reported, by our clock.
    reported: Instant,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Groups {
    previous: Option<Group>,
    current: Option<Group>,
    reordered: u32,
}

impl Groups {
    /// A packet that has arrived at `arrival` was reported. `Some`: it begins a group, and there are two before it to compare.
    pub(super) fn add(&mut self, now: Instant, packet: &PacketResult, arrival: FeedbackTime) -> Option<Delta> {
        let Some(current) = &mut self.current else {
            self.current = Some(Group::of(now, packet.sent, arrival));
            return None;
        };
        if packet.sent < current.first_sent {
            return None;
        }
        if !current.ends_before(packet.sent, arrival) {
            current.last_sent = current.last_sent.max(packet.sent);
            (current.complete, current.reported) = (arrival, now);
            return None;
        }
        let done = *current;
        let delta = match self.previous {
            Some(previous) => self.compare(&previous, &done)?,
            None => None,
        };
        (self.previous, self.current) = (Some(done), Some(Group::of(now, packet.sent, arrival)));
        delta
    }

    /// The outer `None`: everything begins anew, or the group is not to be believed.
    #[allow(clippy::option_option)]
    fn compare(&mut self, previous: &Group, group: &Group) -> Option<Option<Delta>> {
        let arrived = group.complete.micros_since(previous.complete);
        let reported = group.reported.saturating_duration_since(previous.reported).as_micros() as i64;
        if arrived - reported >= CLOCK_JUMP {
            *self = Self::default();
            return None;
        }
        if arrived < 0 {
            self.reordered += 1;
            if self.reordered >= MAX_REORDERED {
                *self = Self::default();
            }
            return None;
        }
        self.reordered = 0;
        let sent = group.last_sent.saturating_duration_since(previous.last_sent);
        Some(Some(Delta { sent: sent.as_secs_f64() * 1e3, arrived: arrived as f64 / 1e3 }))
    }
}

impl Group {
    const fn of(now: Instant, sent: Instant, arrival: FeedbackTime) -> Self {
        Self { first_sent: sent, last_sent: sent, first_arrival: arrival, complete: arrival, reported: now }
    }

    /// Whether a packet that left at `sent`, no earlier than the group, begins the next one.
    fn ends_before(&self, sent: Instant, arrival: FeedbackTime) -> bool {
        !self.is_burst_with(sent, arrival) && sent.saturating_duration_since(self.first_sent) > GROUP
    }

    fn is_burst_with(&self, sent: Instant, arrival: FeedbackTime) -> bool {
        let later_sent = sent.saturating_duration_since(self.last_sent).as_micros() as i64;
        if later_sent == 0 {
            return true;
        }
        let later_arrived = arrival.micros_since(self.complete);
        later_arrived < later_sent && later_arrived <= BURST && arrival.micros_since(self.first_arrival) < LONGEST_BURST
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::{DataSize, SeqNo};

    use super::*;

    /// A packet that left and arrived at these milliseconds, reported at once.
    fn add(groups: &mut Groups, start: Instant, sent: u64, arrived: i64) -> Option<Delta> {
        let arrival = FeedbackTime::new(arrived * 1000 / FeedbackTime::TICK_MICROS);
        let sent = start + Duration::from_millis(sent);
        let packet = PacketResult { seq: SeqNo::new(0), sent, size: DataSize::new(1200), arrival: Some(arrival) };
        groups.add(start + Duration::from_millis(arrived.unsigned_abs()), &packet, arrival)
    }

    #[test]
    fn a_group_is_compared_with_the_one_before_when_the_next_begins() {
        let (mut groups, start) = (Groups::default(), Instant::now());
        assert_eq!(add(&mut groups, start, 0, 50), None);
        assert_eq!(add(&mut groups, start, 3, 54), None, "the same group");
        assert_eq!(add(&mut groups, start, 20, 75), None, "only one before it");
        assert_eq!(add(&mut groups, start, 24, 81), None);
        let delta = add(&mut groups, start, 40, 95);
        assert_eq!(delta, Some(Delta { sent: 21.0, arrived: 27.0 }));
    }

    #[test]
    fn what_was_held_back_together_is_one_group() {
        let (mut groups, start) = (Groups::default(), Instant::now());
        // A link that delivers every 40 ms, as mobile ones do.
        for (sent, arrived) in [(0, 60), (10, 61), (20, 62), (30, 63)] {
            assert_eq!(add(&mut groups, start, sent, arrived), None);
        }
        for (sent, arrived) in [(40, 100), (50, 101), (60, 102), (70, 103)] {
            assert_eq!(add(&mut groups, start, sent, arrived), None, "one group is complete, so no delta");
        }
        assert_eq!(add(&mut groups, start, 80, 140), Some(Delta { sent: 40.0, arrived: 40.0 }));
    }

    #[test]
    fn a_burst_has_an_end() {
        let (mut groups, start) = (Groups::default(), Instant::now());
        let deltas = (0..60).filter_map(|n| add(&mut groups, start, n * 10, 600 + n as i64 * 4)).count();
        assert_eq!(deltas, 1, "groups of at most 100 ms: 25 packets each, of which the first two make a delta");
    }

    #[test]
    fn a_jump_of_the_receivers_clock_begins_anew() {
        let (mut groups, start) = (Groups::default(), Instant::now());
        for (sent, arrived) in [(0, 50), (20, 70)] {
            add(&mut groups, start, sent, arrived);
        }
        let arrival = |ms: i64| FeedbackTime::new(ms * 1000 / FeedbackTime::TICK_MICROS);
        let mut at = |sent: u64, arrived: i64| {
            let sent = start + Duration::from_millis(sent);
            let packet = PacketResult { seq: SeqNo::new(0), sent, size: DataSize::new(1), arrival: None };
            groups.add(sent + Duration::from_millis(50), &packet, arrival(arrived))
        };
        assert!(at(40, 5090).is_some(), "the group before the jump is fine");
        assert_eq!(at(60, 5110), None, "the one behind it is 5 s late");
        assert_eq!(at(80, 5130), None);
        assert_eq!(at(100, 5150), None);
        assert_eq!(at(120, 5170), Some(Delta { sent: 20.0, arrived: 20.0 }));
    }

    #[test]
    fn overtaken_packets_are_left_out_and_three_overtaken_groups_begin_anew() {
        let (mut groups, start) = (Groups::default(), Instant::now());
        for (sent, arrived) in [(100, 200), (120, 220)] {
            assert_eq!(add(&mut groups, start, sent, arrived), None);
        }
        assert_eq!(add(&mut groups, start, 110, 221), None, "left before the group began");
        assert_eq!(add(&mut groups, start, 140, 240), Some(Delta { sent: 20.0, arrived: 20.0 }));
        for sent in [160, 180, 200, 220, 240] {
            assert!(add(&mut groups, start, sent, 100).is_none_or(|delta| delta.arrived >= 0.0));
        }
    }
}
