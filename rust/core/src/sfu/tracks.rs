//! Tracks appear with their section, are published with their first packet, and end.

use std::time::{Duration, Instant};

use sfu_transport::Egress;
use sfu_wire::Mid;

use super::Sfu;
use crate::arena::ConnectionId;
use crate::codec::{CodecName, Kind};
use crate::command::CommandError;
use crate::dump::Dump;
use crate::event::{Event, LayerReason, SubscriptionProblem, TrackPublished};
use crate::id::{SessionId, TrackId};
use crate::layer::Encodings;
use crate::negotiation::ReceiveParameters;
use crate::track::{Origin, Track};

impl Sfu {
    pub(super) fn add_track(&mut self, id: ConnectionId, mid: Mid, kind: Kind, parameters: ReceiveParameters) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(session) = self.sessions.get_mut(connection.session) else { return };
        let owner = (session.room, connection.session, Origin::Connection(id));
        let red = self.rooms.get(session.room).map_or(0, |room| room.config.red);
        let track = self.tracks.insert_with(|_| Track { red, ..Track::new(owner, mid, kind, parameters) });
        connection.tracks.push((mid, track));
        session.tracks.insert(track);
    }

    /// Announces a track and subscribes those who want everything.
    pub(super) fn publish(&mut self, now: Instant, id: TrackId, codec: CodecName) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        track.codec = Some(codec);
        self.outbox.push(Event::TrackPublished(TrackPublished {
            room: track.room,
            session: track.session,
            track: id,
            kind: track.kind,
            mid: track.mid,
            codec,
            rids: track.encodings.iter().filter_map(|encoding| encoding.rid).collect(),
            msid: track.parameters.msid.clone(),
        }));
        self.announce(id);
        self.offer_to_all(now, id);
    }

    /// A published track joins those of its room; whoever wants everything is subscribed.
    pub(super) fn offer_to_all(&mut self, now: Instant, id: TrackId) {
        let Some(track) = self.tracks.get(id) else { return };
        let owner = track.session;
        let Some(room) = self.rooms.get_mut(track.room) else { return };
        room.tracks.insert(id);
        if room.has_slots_for(track.kind) {
            return;
        }
        let subscribers: Vec<SessionId> = room.sessions.iter().copied().filter(|session| *session != owner).collect();
        for session in subscribers {
            if self.sessions.get(session).is_some_and(|session| session.config.auto_subscribe) {
                self.add_subscription(now, session, id, None);
                self.settle_negotiation(now, session);
            }
        }
    }

    /// The publisher switched to another codec in the middle; who cannot receive it is told, once: a publisher that goes back
    /// and forth with each packet must not fill the event queue. What is to be negotiated for it waits for the next report.
    pub(super) fn change_codec(&mut self, id: TrackId, codec: CodecName) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        track.codec = Some(codec);
        for subscription_id in &track.subscriptions {
            let subscription = self.subscriptions.get_mut(*subscription_id);
            let Some(subscription) = subscription.filter(|subscription| subscription.slot.is_none()) else { continue };
            if let Some(connection) = self.connections.get_mut(subscription.connection) {
                connection.negotiator.change_codec(*subscription_id, codec, &track.fmtp);
            }
            let problem = SubscriptionProblem::CodecUnsupported(codec);
            let lacks = subscription.wire.as_ref().is_some_and(|wire| wire.way(codec, false).is_none());
            if lacks && subscription.problem.as_ref() != Some(&problem) {
                subscription.problem = Some(problem.clone());
                self.outbox.push(Event::SubscriptionFailed {
                    session: subscription.session,
                    subscription: *subscription_id,
                    track: id,
                    problem,
                });
            }
        }
    }

    /// The publisher may have gone back to a codec that was negotiated: who could not receive it is told. With the reports, thus
    /// at most once a second.
    pub(super) fn find_playable(&mut self, now: Instant, id: TrackId) {
        let Some(track) = self.tracks.get(id) else { return };
        let Some(codec) = track.codec else { return };
        let mut playable = Vec::new();
        for subscription_id in &track.subscriptions {
            let Some(subscription) = self.subscriptions.get_mut(*subscription_id) else { continue };
            let unsupported = matches!(subscription.problem, Some(SubscriptionProblem::CodecUnsupported(_)));
            let Some(wire) = subscription.wire.as_ref().filter(|wire| unsupported && wire.way(codec, false).is_some())
            else {
                continue;
            };
            let Some(connection) = self.connections.get(subscription.connection) else { continue };
            self.outbox.push(Event::Subscribed {
                session: subscription.session,
                subscription: *subscription_id,
                track: id,
                mid: wire.mid(),
                transport: connection.kind,
            });
            subscription.problem = None;
            playable.push(*subscription_id);
        }
        for subscription in playable {
            self.want_keyframe_soon(now, subscription);
        }
    }

    /// Ends a track; tells which sessions were subscribed, for the caller to settle.
    pub(super) fn drop_track(&mut self, now: Instant, id: TrackId) -> Vec<SessionId> {
        self.leave_place(now, id);
        self.finish_dump(id);
        self.end_taps(now, id);
        let Some(track) = self.tracks.get(id) else { return Vec::new() };
        let subscriptions = track.subscriptions.clone();
        let mut subscribers = Vec::with_capacity(subscriptions.len());
        for subscription in subscriptions {
            subscribers.extend(self.subscriptions.get(subscription).map(|subscription| subscription.session));
            self.drop_subscription(subscription);
        }
        let Some(track) = self.tracks.remove(id) else { return subscribers };
        match &track.origin {
            Origin::Connection(connection) => {
                if let Some(connection) = self.connections.get_mut(*connection) {
                    connection.tracks.retain(|(_, known)| *known != id);
                    connection.bindings.retain(|_, binding| binding.track != id);
                }
            }
            Origin::Relay(inlet) => {
                self.timers.remove(track.timer());
                self.relay.forget(inlet.replica, track.session);
            }
        }
        self.relay.stats.outlets -= track.outlets.len() as u64;
        if track.is_published() {
            self.tell_end(track.room, id);
        }
        if let Some(session) = self.sessions.get_mut(track.session) {
            session.tracks.remove(&id);
        }
        if let Some(room) = self.rooms.get_mut(track.room) {
            room.speakers.remove(id);
            if room.tracks.remove(&id) && track.connection().is_some() {
                self.outbox.push(Event::TrackUnpublished { room: track.room, session: track.session, track: id });
            }
        }
        subscribers
    }

    pub(super) fn set_muted(
        &mut self,
        now: Instant,
        id: TrackId,
        muted: bool,
        egress: &mut Egress,
    ) -> Result<(), CommandError> {
        self.tracks.get(id).filter(|track| track.is_published()).ok_or(CommandError::TrackEnded)?;
        self.mute(now, id, muted, egress);
        self.announce_change(id);
        Ok(())
    }

    /// Mutes a track for its subscribers, or no longer.
    pub(super) fn mute(&mut self, now: Instant, id: TrackId, muted: bool, egress: &mut Egress) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        track.muted = muted;
        for subscription in &track.subscriptions {
            if let Some(subscription) = self.subscriptions.get_mut(*subscription) {
                subscription.forwarder.set_muted(muted);
                subscription.change.decided(now, LayerReason::Muted);
            }
        }
        self.each_tap(id, |tap| tap.forwarder.set_muted(muted));
        self.divide_again_around(now, id);
        self.settle_track(now, id, egress);
    }

    /// Tells whoever takes a track which of its encodings flow.
    pub(super) fn set_available(&mut self, id: TrackId, flowing: Encodings) {
        let Some(track) = self.tracks.get(id) else { return };
        for subscription in &track.subscriptions {
            if let Some(subscription) = self.subscriptions.get_mut(*subscription) {
                subscription.forwarder.set_available(flowing);
            }
        }
        self.each_tap(id, |tap| tap.forwarder.set_available(flowing));
    }

    pub(super) fn dump(
        &mut self,
        now: Instant,
        id: TrackId,
        duration: Duration,
        max_bytes: usize,
    ) -> Result<(), CommandError> {
        self.finish_dump(id);
        let track = self.tracks.get_mut(id).filter(|track| track.is_published()).ok_or(CommandError::TrackEnded)?;
        let dump = Dump::new(now, duration, max_bytes);
        self.timers.set(track.timer(), dump.end());
        track.dump = Some(dump);
        Ok(())
    }

    /// Ends a dump that runs.
    pub(super) fn finish_dump(&mut self, id: TrackId) {
        if let Some(dump) = self.tracks.get_mut(id).and_then(|track| track.dump.take()) {
            self.outbox.push(Event::Dump { track: id, bytes: dump.finish(), last: true });
        }
    }
}
