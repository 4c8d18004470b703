//! Which encodings of a track flow.
//!
//! Judged against each other: a screen share may send a frame every five seconds, so silence alone says nothing; an encoding
//! has stopped when another one goes on without it.

use std::time::{Duration, Instant};

use crate::codec::Kind;
use crate::layer::Encodings;

/// An encoding has stopped when another brought so many packets groups in the meantime …
const MISSED: u16 = 4;
/// … for at least so long. Higher: fewer false alarms at low frame rates. Lower: a faster fallback.
const SILENCE: Duration = Duration::from_millis(700);
/// Arrivals closer together than this are one frame's.
const GROUP: Duration = Duration::from_millis(20);
/// A whole track has stalled after so long; a screen share at 0.2 fps has not.
const VIDEO_STALL: Duration = Duration::from_secs(8);
/// Discontinuous transmission still sends every 400 ms (RFC 7587 §3.1.3).
const AUDIO_STALL: Duration = Duration::from_secs(2);

const ENCODINGS: usize = Encodings::MAX as usize;

#[derive(Debug, Clone, Copy, Default)]
struct Heard {
    last: Option<Instant>,
    /// Packet groups of other encodings since then.
    missed: u16,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub struct Activity {
    stall: Duration,
    heard: [Heard; ENCODINGS],
    told_flowing: Encodings,
}

impl Activity {
    /// Nothing has come yet.
    pub fn new(kind: Kind) -> Self {
        let stall = match kind {
            Kind::Audio => AUDIO_STALL,
            Kind::Video => VIDEO_STALL,
        };
        Self { stall, heard: [Heard::default(); ENCODINGS], told_flowing: Encodings::default() }
    }

    /// A packet of `encoding` came.
    pub fn arrived(&mut self, now: Instant, encoding: usize) {
        let Some(heard) = self.heard.get_mut(encoding) else {
            return;
        };
        let group_goes_on = heard.last.is_some_and(|last| now < last + GROUP);
        self.told_flowing = self.told_flowing.with(encoding as u8);
        *heard = Heard { last: Some(now), missed: 0 };
        if group_goes_on {
            return;
        }
        for (other, heard) in self.heard.iter_mut().enumerate() {
            if other != encoding {
                heard.missed = heard.missed.saturating_add(1);
            }
        }
    }

    /// These encodings flow, as is known from elsewhere.
    pub fn assume(&mut self, now: Instant, flowing: Encodings) {
        self.heard = std::array::from_fn(|encoding| {
            let flows = flowing.contains(encoding as u8);
            Heard { last: flows.then_some(now), missed: 0 }
        });
        self.told_flowing = flowing;
    }

    /// The encodings have got other places: `to` tells the new one, `None` is gone.
    pub fn rearrange(&mut self, to: impl Fn(usize) -> Option<usize>) {
        let before = std::mem::replace(&mut self.heard, [Heard::default(); ENCODINGS]);
        let told = std::mem::take(&mut self.told_flowing);
        for (index, heard) in before.into_iter().enumerate() {
            let Some(moved) = to(index).filter(|moved| *moved < ENCODINGS) else { continue };
            self.heard[moved] = heard;
            if told.contains(index as u8) {
                self.told_flowing = self.told_flowing.with(moved as u8);
            }
        }
    }

    /// The encodings that flow, when a stop was not told yet: for each packet, so that a fallback does not wait for a timer.
    /// (A start tells of itself: the packet comes.)
    pub fn take_stop(&mut self, now: Instant) -> Option<Encodings> {
        let told = self.told_flowing;
        let suspect = |encoding: &u8| told.contains(*encoding) && self.heard[usize::from(*encoding)].missed >= MISSED;
        if !(0..Encodings::MAX).any(|encoding| suspect(&encoding)) {
            return None;
        }
        let flowing = self.flowing(now);
        self.told_flowing = flowing;
        (flowing != told).then_some(flowing)
    }

    /// The encodings that flow.
    pub fn flowing(&self, now: Instant) -> Encodings {
        (0..Encodings::MAX).filter(|encoding| self.flows(now, usize::from(*encoding))).collect()
    }

    /// Whether nothing at all has come for a while.
    pub fn is_stalled(&self, now: Instant) -> bool {
        self.heard.iter().filter_map(|heard| heard.last).max().is_none_or(|last| now >= last + self.stall)
    }

    fn flows(&self, now: Instant, encoding: usize) -> bool {
        let heard = self.heard[encoding];
        heard.last.is_some_and(|last| heard.missed < MISSED || now < last + SILENCE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn an_encoding_stops_when_another_goes_on_without_it_and_returns_with_a_packet() {
        let start = Instant::now();
        let mut activity = Activity::new(Kind::Video);
        activity.arrived(start, 0);
        activity.arrived(start, 1);
        for frame in 1..20 {
            activity.arrived(start + millis(frame * 66), 0);
        }
        assert_eq!(activity.flowing(start + millis(600)), [0, 1].into_iter().collect());
        assert_eq!(activity.flowing(start + millis(700)), [0].into_iter().collect());
        activity.arrived(start + millis(1300), 1);
        assert_eq!(activity.flowing(start + millis(1300)), [0, 1].into_iter().collect());
    }

    #[test]
    fn a_stop_is_told_once_with_the_packet_that_shows_it() {
        let start = Instant::now();
        let mut activity = Activity::new(Kind::Video);
        activity.arrived(start, 0);
        activity.arrived(start, 1);
        let mut told = Vec::new();
        for frame in 1..40 {
            let now = start + millis(frame * 50);
            activity.arrived(now, 0);
            told.extend(activity.take_stop(now).map(|flowing| (frame * 50, flowing)));
        }
        assert_eq!(told, [(700, [0].into_iter().collect())]);
    }

    #[test]
    fn a_screen_share_of_a_frame_in_five_seconds_flows() {
        let start = Instant::now();
        let mut activity = Activity::new(Kind::Video);
        for frame in 0..120 {
            let now = start + Duration::from_secs(5) * frame;
            for packet in 0..30 {
                activity.arrived(now + millis(packet), 0);
                activity.arrived(now + millis(packet + 10), 1);
            }
            for later in 0..5 {
                let now = now + Duration::from_secs(later);
                assert_eq!(activity.flowing(now), [0, 1].into_iter().collect());
                assert!(!activity.is_stalled(now));
            }
        }
    }

    #[test]
    fn a_track_without_packets_has_stalled() {
        let start = Instant::now();
        let mut activity = Activity::new(Kind::Audio);
        assert!(activity.is_stalled(start));
        activity.arrived(start, 0);
        assert!(!activity.is_stalled(start + millis(1900)));
        assert!(activity.is_stalled(start + millis(2000)));
        assert!(activity.flowing(start + Duration::from_mins(1)).contains(0), "there is nothing to compare it with");
    }
}
