//! Tracks that go to the application itself: taps are made, fed, emptied and ended.

use std::time::Instant;

use sfu_transport::Egress;
use sfu_wire::Extension;

use super::Sfu;
use crate::codec::Kind;
use crate::command::CommandError;
use crate::event::Event;
use crate::id::{TapId, TrackId};
use crate::layer::{Layer, Packet, Reading};
use crate::tap::{Tap, TapFrames};
use crate::timers::Timer;

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
        self.timers.set(Timer::Connection(track.connection), now);
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
    pub(super) fn feed_taps(&mut self, now: Instant, id: TrackId, packet: &Packet<'_>) -> bool {
        let Some(track) = self.tracks.get(id).filter(|track| !track.taps.is_empty()) else { return false };
        let clock = self.connections.get(track.connection).map(|connection| connection.publisher_clock);
        let captured = |packet: &Packet<'_>| {
            let timeline = packet.timestamp as i64 + track.timestamps.offset(packet.encoding);
            clock?.unix(track.timestamps.moment(timeline)?)
        };
        let simulcast = track.encodings.len() > 1;
        let descriptor = track.parameters.extensions.id(Extension::DependencyDescriptor);
        let mut unsettled = false;
        for tap_id in &track.taps {
            let Some(tap) = self.taps.get_mut(*tap_id) else { continue };
            tap.feed(now, packet, &track.timestamps, captured(packet), simulcast);
            unsettled |= tap.forwarder.is_unsettled();
            // Pieces of a keyframe that had overtaken its first packet follow it now.
            if let Some((encoding, first, last)) = tap.forwarder.take_catch_up()
                && let Some(encoding) = track.encodings.get(usize::from(encoding))
            {
                for seq in first.get()..=last.get() {
                    let Some(stored) = encoding.history.get(sfu_wire::SeqNo::new(seq)) else { continue };
                    let value = stored.extensions().find(|(id, _)| Some(*id) == descriptor);
                    let reading = value.map_or(Reading::None, |(_, value)| encoding.dependencies.look_up(value));
                    let stored = stored.packet(last, reading.as_ref());
                    tap.feed(now, &stored, &track.timestamps, captured(&stored), simulcast);
                }
            }
            if tap.take_notice() {
                self.outbox.push(Event::TapReady(*tap_id));
            }
        }
        unsettled && track.kind == Kind::Video
    }

    pub(super) fn each_tap(&mut self, id: TrackId, mut act: impl FnMut(&mut Tap)) {
        let Some(track) = self.tracks.get(id) else { return };
        for tap in &track.taps {
            if let Some(tap) = self.taps.get_mut(*tap) {
                act(tap);
            }
        }
    }

    /// The track ends: what waits can still be taken.
    pub(super) fn end_taps(&mut self, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        for tap_id in std::mem::take(&mut track.taps) {
            let Some(tap) = self.taps.get_mut(tap_id) else { continue };
            tap.end();
            if tap.take_notice() {
                self.outbox.push(Event::TapReady(tap_id));
            }
        }
    }
}
