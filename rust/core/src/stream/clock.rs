//! Where the timestamps of a track's encodings meet: one timeline per track, in ticks of the RTP clock.
//!
//! Each encoding counts from a random start (RFC 3550 §5.1). Sender reports tie each to the publisher's clock and so to each
//! other, exactly, as do capture times in packets (abs-capture-time); before them arrival times do, roughly. Invariant: one
//! encoding, the reference, never moves on the timeline, so what a report corrects is how the others stand to it.

use std::time::Instant;

use sfu_wire::NtpTime;

use crate::codec::Kind;

/// A track has no more encodings than [`Encodings`](crate::layer::Encodings) holds.
const ENCODINGS: usize = 8;

/// When the reference has not reported for so long and another encoding does, that one takes over.
const REFERENCE_TIMEOUT_NANOS: i64 = 10_000_000_000;

/// A publisher's clock that moves by more than this against its own media was set.
const CLOCK_STEP_SECONDS: i64 = 1;

/// What tied a timestamp to the publisher's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    CaptureTime,
    SenderReport,
}

/// One moment in the publisher's clock and in an encoding's timestamps.
#[derive(Debug, Clone, Copy)]
struct Tie {
    ntp: NtpTime,
    timestamp: i64,
    source: Source,
}

#[derive(Debug, Clone, Copy, Default)]
struct Place {
    /// Timeline minus timestamp.
    offset: Option<i64>,
    tie: Option<Tie>,
    newest: Option<(i64, Instant)>,
}

/// What a [`TimestampMap`] has learnt, for another one to go on with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct TimestampState {
    /// By encoding.
    pub(crate) places: [PlaceState; ENCODINGS],
    pub(crate) reference: Option<u8>,
    /// One moment in the publisher's clock and on the timeline.
    pub(crate) anchor: Option<(NtpTime, i64)>,
}

/// Of one encoding.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct PlaceState {
    /// Timeline minus timestamp.
    pub(crate) offset: Option<i64>,
    /// The publisher's clock and the timestamp, and whether a sender report told.
    pub(crate) tie: Option<(NtpTime, i64, bool)>,
}

/// See the module's text.
#[derive(Debug, Clone)]
pub struct TimestampMap {
    rate: i64,
    places: [Place; ENCODINGS],
    reference: Option<usize>,
    /// One moment in the publisher's clock and on the timeline.
    anchor: Option<(NtpTime, i64)>,
}

impl TimestampMap {
    /// Knows nothing yet.
    pub fn new(kind: Kind) -> Self {
        let rate = match kind {
            Kind::Audio => 48_000,
            Kind::Video => 90_000,
        };
        Self { rate, places: [Place::default(); ENCODINGS], reference: None, anchor: None }
    }

    /// A packet of `encoding` with this extended timestamp came.
    pub fn arrived(&mut self, now: Instant, encoding: usize, timestamp: u64) {
        let timestamp = timestamp as i64;
        let placed = self.places.get(encoding).is_none_or(|place| place.offset.is_some());
        let expected = if placed { None } else { self.by_arrival(now) };
        let Some(place) = self.places.get_mut(encoding) else {
            return;
        };
        if place.newest.is_none_or(|(newest, _)| timestamp > newest) {
            place.newest = Some((timestamp, now));
        }
        if place.offset.is_none() {
            place.offset = Some(expected.map_or(0, |timeline| timeline - timestamp));
            self.reference = self.reference.or(Some(encoding));
            self.settle(encoding);
        }
    }

    /// The publisher's sender report for `encoding` names one moment in both clocks.
    pub fn reported(&mut self, encoding: usize, ntp: NtpTime, timestamp: u64) {
        self.tie(encoding, Tie { ntp, timestamp: timestamp as i64, source: Source::SenderReport });
    }

    /// A packet of `encoding` says when it was captured, in the clock of the sender reports. That counts until one of them comes: they
    /// are of whole nanoseconds, capture times often of whole milliseconds. What cannot be true is of another clock.
    pub fn captured(&mut self, encoding: usize, ntp: NtpTime, timestamp: u64) {
        let timestamp = timestamp as i64;
        let Some(place) = self.places.get(encoding) else { return };
        let reported = place.tie.is_some_and(|tie| tie.source == Source::SenderReport);
        let strange = match (place.offset, self.at(ntp)) {
            (Some(offset), Some(timeline)) => (timeline - timestamp - offset).abs() > CLOCK_STEP_SECONDS * self.rate,
            _ => false,
        };
        if !reported && !strange {
            self.tie(encoding, Tie { ntp, timestamp, source: Source::CaptureTime });
        }
    }

    /// The encodings have got other places: `to` tells the new one, `None` is gone.
    pub fn rearrange(&mut self, to: impl Fn(usize) -> Option<usize>) {
        let before = std::mem::replace(&mut self.places, [Place::default(); ENCODINGS]);
        for (index, place) in before.into_iter().enumerate() {
            if let Some(moved) = to(index).and_then(|index| self.places.get_mut(index)) {
                *moved = place;
            }
        }
        self.reference = self.reference.and_then(to);
    }

    /// The stream of `encoding` started anew: its reports no longer hold. What it was to others stays until the next one.
    pub fn restarted(&mut self, encoding: usize) {
        if let Some(place) = self.places.get_mut(encoding) {
            place.tie = None;
        }
        if self.reference == Some(encoding) {
            self.reference = None;
        }
    }

    /// What was learnt so far, but for arrivals.
    pub(crate) fn state(&self) -> TimestampState {
        TimestampState {
            places: self.places.map(|place| PlaceState {
                offset: place.offset,
                tie: place.tie.map(|tie| (tie.ntp, tie.timestamp, tie.source == Source::SenderReport)),
            }),
            reference: self.reference.map(|reference| reference as u8),
            anchor: self.anchor,
        }
    }

    /// Goes on with what another one has learnt.
    pub(crate) fn adopt(&mut self, state: &TimestampState) {
        for (place, state) in self.places.iter_mut().zip(&state.places) {
            place.offset = state.offset;
            place.tie = state.tie.map(|(ntp, timestamp, reported)| Tie {
                ntp,
                timestamp,
                source: if reported { Source::SenderReport } else { Source::CaptureTime },
            });
        }
        self.reference = state.reference.map(usize::from).filter(|reference| *reference < ENCODINGS);
        self.anchor = state.anchor;
    }

    /// Whether an encoding has its place on the timeline.
    pub(crate) fn is_placed(&self, encoding: usize) -> bool {
        self.places.get(encoding).is_some_and(|place| place.offset.is_some())
    }

    /// What to add to an extended timestamp of `encoding` to be on the timeline.
    pub fn offset(&self, encoding: u8) -> i64 {
        self.places.get(usize::from(encoding)).and_then(|place| place.offset).unwrap_or(0)
    }

    /// Where the timeline stands at a moment of the publisher's clock, once a sender report came.
    pub fn at(&self, ntp: NtpTime) -> Option<i64> {
        let (anchor, timeline) = self.anchor?;
        Some(timeline + ticks(ntp.nanos_since(anchor), self.rate))
    }

    /// The moment of the publisher's clock at which the timeline stands there, once a sender report came.
    pub fn moment(&self, timeline: i64) -> Option<NtpTime> {
        let (anchor, at) = self.anchor?;
        let fixed = (i128::from(timeline - at) << 32) / i128::from(self.rate);
        Some(NtpTime::new(anchor.get().wrapping_add(fixed as u64)))
    }

    /// Where the timeline stands now, judged by the last packet.
    pub fn by_arrival(&self, now: Instant) -> Option<i64> {
        let newest = self.places.iter().filter_map(|place| {
            let ((timestamp, arrival), offset) = (place.newest?, place.offset?);
            Some((arrival, timestamp + offset))
        });
        let (arrival, timeline) = newest.max()?;
        Some(timeline + ticks(now.saturating_duration_since(arrival).as_nanos() as i64, self.rate))
    }

    /// When the last packet came.
    pub fn last_arrival(&self) -> Option<Instant> {
        self.places.iter().filter_map(|place| place.newest).map(|(_, arrival)| arrival).max()
    }

    fn tie(&mut self, encoding: usize, tie: Tie) {
        let rate = self.rate;
        let Some(place) = self.places.get_mut(encoding) else {
            return;
        };
        let clock_was_set = place.tie.filter(|last| last.source == tie.source).is_some_and(|last| {
            let error = ticks(tie.ntp.nanos_since(last.ntp), rate) - (tie.timestamp - last.timestamp);
            error.abs() > CLOCK_STEP_SECONDS * rate
        });
        place.tie = Some(tie);
        if clock_was_set {
            self.forget_ties(encoding);
        }
        self.settle(encoding);
    }

    /// Draws the conclusions from what is known of `encoding`: it moves the anchor, or the anchor moves it.
    fn settle(&mut self, encoding: usize) {
        let Place { offset: Some(offset), tie: Some(Tie { ntp, timestamp, .. }), .. } = self.places[encoding] else {
            return;
        };
        if self.anchor.is_some() && self.reference.is_none() {
            self.reference = Some(encoding);
            self.place_by_anchor(encoding);
        } else if self.may_anchor(encoding, ntp) {
            self.reference = Some(encoding);
            self.anchor = Some((ntp, timestamp + offset));
        }
        for other in 0..ENCODINGS {
            if self.reference != Some(other) {
                self.place_by_anchor(other);
            }
        }
    }

    fn may_anchor(&self, encoding: usize, ntp: NtpTime) -> bool {
        let Some((standing, _)) = self.anchor else {
            return true;
        };
        self.reference == Some(encoding) || ntp.nanos_since(standing) > REFERENCE_TIMEOUT_NANOS
    }

    fn place_by_anchor(&mut self, encoding: usize) {
        if let Place { offset: Some(_), tie: Some(Tie { ntp, timestamp, .. }), .. } = self.places[encoding]
            && let Some(timeline) = self.at(ntp)
        {
            self.places[encoding].offset = Some(timeline - timestamp);
        }
    }

    fn forget_ties(&mut self, but: usize) {
        for (encoding, place) in self.places.iter_mut().enumerate() {
            if encoding != but {
                place.tie = None;
            }
        }
        self.anchor = None;
        self.reference = Some(but);
    }
}

fn ticks(nanos: i64, rate: i64) -> i64 {
    (i128::from(nanos) * i128::from(rate) / 1_000_000_000) as i64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn ntp(millis: u64) -> NtpTime {
        NtpTime::from_unix(Duration::from_millis(1_700_000_000_000 + millis))
    }

    fn timeline(map: &TimestampMap, encoding: u8, timestamp: u64) -> i64 {
        timestamp as i64 + map.offset(encoding)
    }

    #[test]
    fn arrival_places_an_encoding_until_reports_do() {
        let start = Instant::now();
        let mut map = TimestampMap::new(Kind::Video);
        map.arrived(start, 0, 1_000_000);
        assert_eq!(timeline(&map, 0, 1_000_000), 1_000_000, "the first is the reference");
        // Captured at the same time as the first and 40 ms longer on its way.
        map.arrived(start + Duration::from_millis(40), 1, 77);
        assert_eq!(timeline(&map, 1, 77), 1_003_600);
        map.reported(0, ntp(0), 1_000_000);
        map.reported(1, ntp(0), 77);
        assert_eq!(timeline(&map, 1, 77), 1_000_000);
        assert_eq!(timeline(&map, 0, 1_000_000), 1_000_000, "the reference does not move");
    }

    #[test]
    fn reports_before_packets_and_in_any_order_are_kept() {
        let start = Instant::now();
        let mut map = TimestampMap::new(Kind::Video);
        map.reported(1, ntp(500), 45_000);
        map.reported(0, ntp(0), 9_000_000);
        map.arrived(start, 0, 9_000_000);
        map.reported(0, ntp(1000), 9_090_000);
        map.arrived(start + SECOND, 1, 90_000);
        assert_eq!(timeline(&map, 1, 45_000), 9_045_000);
    }

    #[test]
    fn capture_times_tie_encodings_until_reports_do() {
        let start = Instant::now();
        let mut map = TimestampMap::new(Kind::Video);
        map.arrived(start, 0, 1_000_000);
        map.arrived(start + Duration::from_millis(40), 1, 77);
        map.captured(0, ntp(0), 1_000_000);
        assert_eq!(map.at(ntp(1000)), Some(1_090_000));
        map.captured(1, ntp(0), 77);
        assert_eq!(timeline(&map, 1, 77), 1_000_000, "not as it arrived");
        map.reported(1, ntp(1000), 90_050);
        assert_eq!(timeline(&map, 1, 90_050), 1_090_000);
        map.captured(1, ntp(2000), 180_077);
        assert_eq!(timeline(&map, 1, 180_050), 1_180_000, "the report counts");
    }

    #[test]
    fn capture_times_of_another_clock_than_the_reports_move_nothing() {
        let start = Instant::now();
        let mut map = TimestampMap::new(Kind::Video);
        map.arrived(start, 0, 0);
        map.arrived(start, 1, 0);
        map.reported(0, ntp(0), 0);
        map.captured(1, ntp(3_600_000), 3000);
        assert_eq!((map.offset(1), map.at(ntp(1000))), (0, Some(90_000)));
    }

    #[test]
    fn a_reference_that_fell_silent_is_replaced_without_a_jump() {
        let start = Instant::now();
        let mut map = TimestampMap::new(Kind::Video);
        map.arrived(start, 0, 0);
        map.arrived(start, 1, 0);
        map.reported(0, ntp(0), 0);
        map.reported(1, ntp(0), 0);
        // The clock of the media drifts 900 ticks in 20 s against the publisher's.
        let drifted = 20 * 90_000 + 900;
        map.reported(1, ntp(20_000), drifted);
        assert_eq!(timeline(&map, 1, drifted), drifted as i64);
    }

    #[test]
    fn a_restarted_encoding_is_placed_by_its_next_report() {
        let start = Instant::now();
        let mut map = TimestampMap::new(Kind::Video);
        map.arrived(start, 0, 0);
        map.reported(0, ntp(0), 0);
        map.restarted(0);
        map.reported(0, ntp(2000), 180_450);
        assert_eq!(timeline(&map, 0, 180_450), 180_000, "450 ticks of error in the restart are found");
    }

    #[test]
    fn a_publishers_clock_that_was_set_moves_nothing() {
        let start = Instant::now();
        let mut map = TimestampMap::new(Kind::Video);
        map.arrived(start, 0, 0);
        map.arrived(start, 1, 0);
        map.reported(0, ntp(0), 0);
        map.reported(1, ntp(0), 0);
        map.reported(0, ntp(3_600_000), 90_000);
        map.reported(1, ntp(3_600_000), 90_000);
        assert_eq!((map.offset(0), map.offset(1)), (0, 0));
        assert_eq!(map.at(ntp(3_601_000)), Some(180_000));
    }
}
