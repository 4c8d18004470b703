//! Tracks that go to the application itself: taps are made, fed, emptied and ended.

use std::time::{Duration, Instant};

use sfu_transport::Egress;

use super::Sfu;
use super::batch::Waiting;
use crate::arena::{Arena, ConnectionId};
use crate::audio::{Found, Material, Recovered};
use crate::codec::{CodecName, Kind};
use crate::command::CommandError;
use crate::connection::Connection;
use crate::event::Event;
use crate::id::{TapId, TrackId};
use crate::layer::{Layer, Packet};
use crate::outbox::Outbox;
use crate::rewrite::Form;
use crate::stream::{Mark, PublisherClock};
use crate::tap::{CaptureSource, Captured, Source, Tap, TapFrames, patience};
use crate::timers::Timer;
use crate::track::Track;

/// So long what waits in a tap whose track has ended can be taken. Higher: an application that was busy loses nothing. Lower: one
/// that has forgotten its taps costs less memory.
const LINGER: Duration = Duration::from_secs(30);

impl Sfu {
    pub(super) fn tap(
        &mut self,
        now: Instant,
        id: TrackId,
        max_layer: Option<Layer>,
        capacity: usize,
    ) -> Result<TapId, CommandError> {
        let track = self.tracks.get_mut(id).filter(|track| track.is_published()).ok_or(CommandError::TrackEnded)?;
        let mut tap = Tap::new(id, track.kind, max_layer, capacity);
        tap.forwarder.set_muted(track.muted);
        tap.forwarder.set_available(track.activity.flowing(now));
        let tap = self.taps.insert_with(|_| tap);
        track.taps.push(tap);
        // Its publisher is asked for a keyframe with the next tick.
        self.timers.set(track.timer(), now);
        Ok(tap)
    }

    pub(super) fn untap(&mut self, now: Instant, id: TapId, egress: &mut Egress) -> Result<(), CommandError> {
        let tap = self.taps.remove(id).ok_or(CommandError::TapEnded)?;
        if let Some(track) = self.tracks.get_mut(tap.track) {
            track.taps.retain(|known| *known != id);
            self.settle_track(now, tap.track, egress);
        }
        Ok(())
    }

    pub(super) fn take_frames(
        &mut self,
        now: Instant,
        id: TapId,
        egress: &mut Egress,
    ) -> Result<TapFrames, CommandError> {
        let tap = self.taps.get_mut(id).ok_or(CommandError::TapEnded)?;
        let track = tap.track;
        let (frames, resumes) = tap.take(now);
        if frames.ended {
            self.taps.remove(id);
        }
        if resumes {
            self.settle_track(now, track, egress);
        }
        Ok(frames)
    }

    /// A packet for everybody who taps its track; whether something changed for them.
    pub(super) fn feed_taps(&mut self, now: Instant, id: TrackId, waiting: &Waiting<'_>) -> bool {
        let Some(track) = self.tracks.get(id).filter(|track| !track.taps.is_empty()) else { return false };
        let feed = Feed::new(now, track, &self.connections);
        feed.give(&mut self.taps, &mut self.outbox, (&waiting.packet, waiting.mark), |_| true)
    }

    /// What was missing and came in `packet`, for everybody who taps its track.
    pub(super) fn feed_recovered(&mut self, now: Instant, id: TrackId, packet: &Packet<'_>, recovered: &Recovered) {
        let Some(track) = self.tracks.get(id).filter(|track| !track.taps.is_empty()) else { return };
        let Some(encoding) = track.encodings.get(usize::from(packet.encoding)) else { return };
        let feed = Feed::new(now, track, &self.connections);
        let material = Material { packet: *packet, history: &encoding.history };
        for Found { back, seq, timestamp } in recovered.iter().copied() {
            let Some(payload) = material.payload(Form::Frame(back), None, &mut []) else { continue };
            let frame = Packet { seq, timestamp, marker: false, codec: CodecName::Opus, payload, ..*packet };
            // Nothing begins with what was missing.
            feed.give(&mut self.taps, &mut self.outbox, (&frame, Mark::END), |tap| tap.forwarder.encoding().is_some());
        }
    }

    pub(super) fn each_tap(&mut self, id: TrackId, mut act: impl FnMut(&mut Tap)) {
        let Some(track) = self.tracks.get(id) else { return };
        for tap in &track.taps {
            if let Some(tap) = self.taps.get_mut(*tap) {
                act(tap);
            }
        }
    }

    /// The track ends: what waits can still be taken, for a while.
    pub(super) fn end_taps(&mut self, now: Instant, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        for tap_id in std::mem::take(&mut track.taps) {
            let Some(tap) = self.taps.get_mut(tap_id) else { continue };
            tap.end();
            if tap.take_notice() {
                self.outbox.push(Event::TapReady(tap_id));
            }
            self.ended_taps.push_back((now + LINGER, tap_id));
            self.timers.set(Timer::EndedTaps, now + LINGER);
        }
    }

    /// Ended taps that nobody has emptied in time are gone.
    pub(super) fn tick_ended_taps(&mut self, now: Instant) {
        while let Some((until, tap)) = self.ended_taps.front().copied() {
            if until > now {
                self.timers.set(Timer::EndedTaps, until);
                return;
            }
            self.taps.remove(tap);
            self.ended_taps.pop_front();
        }
    }
}

/// How packets of one track reach its taps.
pub(super) struct Feed<'a> {
    now: Instant,
    track: &'a Track,
    clock: Option<PublisherClock>,
    source: Source<'a>,
}

impl<'a> Feed<'a> {
    pub(super) fn new(now: Instant, track: &'a Track, connections: &Arena<ConnectionId, Connection>) -> Self {
        let connection = track.connection().and_then(|connection| connections.get(connection));
        let rtt = connection.and_then(|connection| connection.rtt);
        let round_trip = track.encodings.iter().map(|encoding| encoding.stream.round_trip(rtt)).max();
        let source = Source {
            clock: &track.timestamps,
            simulcast: track.encodings.len() > 1,
            patience: patience(track.kind, round_trip.filter(|_| track.parameters.nack)),
        };
        Self { now, track, clock: connection.map(|connection| connection.publisher_clock), source }
    }

    /// Gives a packet to those taps that are `meant`; whether something changed for them.
    pub(super) fn give(
        &self,
        taps: &mut Arena<TapId, Tap>,
        outbox: &mut Outbox,
        (packet, mark): (&Packet<'_>, Mark),
        meant: impl Fn(&Tap) -> bool,
    ) -> bool {
        let mut unsettled = false;
        for id in &self.track.taps {
            let Some(tap) = taps.get_mut(*id).filter(|tap| meant(tap)) else { continue };
            tap.feed(self.now, packet, self.captured(packet), &self.source);
            unsettled |= tap.forwarder.is_unsettled();
            self.catch_up(tap, mark);
            if tap.take_notice() {
                outbox.push(Event::TapReady(*id));
            }
        }
        unsettled && self.track.kind == Kind::Video
    }

    /// Pieces of a keyframe that had overtaken its first packet follow it now.
    fn catch_up(&self, tap: &mut Tap, mark: Mark) {
        let Some(missed) = tap.forwarder.take_catch_up() else { return };
        self.track.look_back(missed, mark, |packet, _| tap.feed(self.now, packet, self.captured(packet), &self.source));
    }

    /// By what the publisher says of its frames, else by its sender reports.
    fn captured(&self, packet: &Packet<'_>) -> Option<Captured> {
        let timeline = packet.timestamp as i64 + self.track.timestamps.offset(packet.encoding);
        let (ntp, by) = match self.track.capture_times.at(timeline) {
            Some(ntp) => (ntp, CaptureSource::AbsCaptureTime),
            None => (self.track.timestamps.moment(timeline)?, CaptureSource::SenderReport),
        };
        Some(Captured { at: self.clock?.unix(ntp)?, by })
    }
}
