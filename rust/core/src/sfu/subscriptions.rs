//! Who receives what, and up to which layer.

use std::time::Instant;

use sfu_transport::Egress;
use sfu_wire::Ssrc;

use super::Sfu;
use super::reports::publisher_label;
use super::sessions::first_sequence_number;
use crate::audio::Slot;
use crate::change::Change;
use crate::codec::Kind;
use crate::command::{CommandError, Reply};
use crate::connection::Progress;
use crate::event::{Event, LayerReason};
use crate::forward::Forwarder;
use crate::id::{SessionId, SubscriptionId, TrackId};
use crate::keyframe::PictureLoss;
use crate::layer::Layer;
use crate::negotiation::Sender;
use crate::stream::SendStream;
use crate::subscription::Subscription;

impl Sfu {
    pub(super) fn subscribe(
        &mut self,
        now: Instant,
        session: SessionId,
        track: TrackId,
        max_layer: Option<Layer>,
        egress: &mut Egress,
    ) -> Result<Reply, CommandError> {
        let subscriber = self.sessions.get(session).ok_or(CommandError::SessionClosed)?;
        let Some(source) = self.tracks.get(track).filter(|track| track.is_published()) else {
            return self.subscribe_later(now, session, track, max_layer);
        };
        if source.room != subscriber.room || source.session == session {
            return Err(CommandError::NotInRoom);
        }
        let mut subscribed = source.subscriptions.iter().filter_map(|id| self.subscriptions.get(*id));
        if subscribed.any(|subscription| subscription.session == session && subscription.slot.is_none()) {
            return Err(CommandError::AlreadySubscribed);
        }
        let id = self.add_subscription(now, session, track, max_layer).ok_or(CommandError::SessionClosed)?;
        // It is not to be heard twice.
        self.assign_slots_of(now, session);
        self.settle_negotiation(now, session);
        self.settle_track(now, track, egress);
        Ok(Reply::Subscription(id))
    }

    pub(super) fn unsubscribe(&mut self, now: Instant, id: SubscriptionId) -> Result<(), CommandError> {
        let subscription = self.subscriptions.get(id).ok_or(CommandError::SubscriptionEnded)?;
        let session = subscription.session;
        self.drop_subscription(id);
        self.assign_slots_of(now, session);
        self.settle_negotiation(now, session);
        Ok(())
    }

    pub(super) fn set_layer(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        max_layer: Option<Layer>,
        egress: &mut Egress,
    ) -> Result<(), CommandError> {
        let subscription = self.subscriptions.get_mut(id).ok_or(CommandError::SubscriptionEnded)?;
        subscription.set_max_layer(max_layer);
        subscription.change.decided(now, LayerReason::Chosen);
        let (track, connection) = (subscription.track, subscription.connection);
        self.divide_again(now, connection);
        self.settle_track(now, track, egress);
        Ok(())
    }

    pub(super) fn set_paused(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        paused: bool,
        egress: &mut Egress,
    ) -> Result<(), CommandError> {
        let subscription = self.subscriptions.get_mut(id).ok_or(CommandError::SubscriptionEnded)?;
        subscription.paused = paused;
        let connection = self.connections.get(subscription.connection);
        let connected = connection.is_some_and(|connection| connection.progress == Progress::Connected);
        subscription.forwarder.set_paused(paused || !connected);
        subscription.change.decided(now, LayerReason::Paused);
        let (track, connection) = (subscription.track, subscription.connection);
        self.divide_again(now, connection);
        self.settle_track(now, track, egress);
        Ok(())
    }

    /// Makes a subscription and queues its section; the caller settles the negotiation.
    pub(super) fn add_subscription(
        &mut self,
        now: Instant,
        session: SessionId,
        track: TrackId,
        max_layer: Option<Layer>,
    ) -> Option<SubscriptionId> {
        let source = self.tracks.get(track)?;
        let (kind, codec) = (source.kind, source.codec?);
        let id = self.insert_subscription(now, session, track, (kind, max_layer), None)?;
        let source = self.tracks.get_mut(track)?;
        source.subscriptions.push(id);
        let subscription = self.subscriptions.get_mut(id)?;
        subscription.forwarder.set_muted(source.muted);
        subscription.forwarder.set_available(source.activity.flowing(now));
        // Tracks of one source stay in step (audio with its video), unrelated ones do not wait for each other: the stream
        // repeats the publisher's grouping.
        let label = publisher_label(source, &self.sessions);
        let (stream, _) = &source.parameters.msid;
        let sender = Sender {
            subscription: id,
            kind,
            codec,
            ssrc: subscription.send.ssrc(),
            rtx_ssrc: Some(subscription.send.rtx_ssrc()),
            stream: format!("{label}.{stream}"),
            track: format!("{:x}", track.get()),
            fmtp: source.fmtp.to_string(),
        };
        self.connections.get_mut(subscription.connection)?.negotiator.add_sender(sender);
        self.carry(track);
        self.want_keyframe_soon(now, id);
        self.set_apart(track, session, true);
        Some(id)
    }

    /// Makes a subscription that stands with its subscriber, and not yet with a track.
    pub(super) fn insert_subscription(
        &mut self,
        now: Instant,
        session: SessionId,
        track: TrackId,
        (kind, max_layer): (Kind, Option<Layer>),
        slot: Option<Slot>,
    ) -> Option<SubscriptionId> {
        let subscriber = self.sessions.get_mut(session)?;
        let connection_id = subscriber.sending_connection()?;
        let connection = self.connections.get_mut(connection_id)?;
        let ssrc = Ssrc::new(self.random.u32());
        let rtx = Ssrc::new(self.random.u32());
        let mut forwarder = Forwarder::new(kind, first_sequence_number(&mut self.random), self.random.u32());
        forwarder.set_max_layer(max_layer);
        forwarder.set_paused(connection.progress != Progress::Connected);
        let send = SendStream::new(kind, ssrc, rtx, first_sequence_number(&mut self.random));
        let id = self.subscriptions.insert_with(|_| Subscription {
            session,
            track,
            slot,
            connection: connection_id,
            forwarder,
            send,
            wire: None,
            max_layer,
            paused: false,
            share: None,
            plis_received: 0,
            change: Change::new(now),
            picture_loss: PictureLoss::default(),
            problem: None,
        });
        subscriber.subscriptions.insert(id);
        connection.subscriptions.push(id);
        // Reports and requests are about the media; nothing is asked about its retransmissions.
        connection.outgoing.insert(ssrc, id);
        Some(id)
    }

    /// Removes a subscription everywhere; the caller settles the subscriber's negotiation.
    pub(super) fn drop_subscription(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.remove(id) else { return };
        if let Some(track) = self.tracks.get_mut(subscription.track) {
            track.subscriptions.retain(|known| *known != id);
        }
        self.carry(subscription.track);
        if let Some(session) = self.sessions.get_mut(subscription.session) {
            session.subscriptions.remove(&id);
        }
        if let Some(connection) = self.connections.get_mut(subscription.connection) {
            connection.subscriptions.retain(|known| *known != id);
            connection.outgoing.remove(&subscription.send.ssrc());
            for ssrc in [subscription.send.ssrc(), subscription.send.rtx_ssrc()] {
                connection.transport.forget(ssrc);
            }
            // Divided again with the next report, which need not be waited for: the others had what fitted beside it.
            if let Some(bandwidth) = &mut connection.bandwidth {
                bandwidth.set_stale();
            }
            connection.negotiator.remove_sender(id);
        }
        if subscription.slot.is_some() {
            let room = self.sessions.get(subscription.session).map(|session| session.room);
            if let Some(slots) = room.and_then(|room| self.rooms.get_mut(room)?.slots.as_mut()) {
                slots.remove_section(subscription.session, id);
            }
            return;
        }
        self.set_apart(subscription.track, subscription.session, false);
        self.outbox.push(Event::Unsubscribed {
            session: subscription.session,
            subscription: id,
            track: subscription.track,
        });
    }
}
