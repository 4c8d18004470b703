//! Sessions join and leave.

use std::collections::{BTreeSet, HashMap};
use std::time::Instant;

use sfu_congestion::{TwccReceiver, TwccSender};
use sfu_transport::{DtlsRole, Egress, Random, Transport, TransportConfig};
use sfu_wire::{ExtensionMap, SeqNo, Ssrc};

use super::Sfu;
use crate::arena::ConnectionId;
use crate::command::{CommandError, IceCredentials, Reply};
use crate::config::{Offers, SessionConfig};
use crate::connection::{Connection, Progress};
use crate::demux::ufrag_of;
use crate::event::{CloseReason, Event};
use crate::id::{RoomId, SessionId};
use crate::nack::responder::LookUps;
use crate::negotiation::{Negotiator, NegotiatorConfig, NegotiatorRole};
use crate::relay::Message;
use crate::replaced::Replaced;
use crate::session::Session;
use crate::stream::PublisherClock;
use crate::timers::Timer;
use crate::transport::ConnectionState;
use crate::transport::TransportKind;

impl Sfu {
    pub(super) fn join(&mut self, now: Instant, room: RoomId, config: SessionConfig) -> Result<Reply, CommandError> {
        if !self.is_home(room) {
            return self.enter(now, room, config);
        }
        self.admit(room)?;
        let id = self.sessions.insert_with(|_| Session::new(now, room, config));
        self.seat(now, id);
        Ok(Reply::Session(id))
    }

    /// Whether somebody may join.
    pub(super) fn admit(&self, room: RoomId) -> Result<(), CommandError> {
        let target = self.rooms.get(room).filter(|_| self.is_home(room)).ok_or(CommandError::RoomClosed)?;
        if target.is_full() { Err(CommandError::RoomFull(target.sessions.len() as u32)) } else { Ok(()) }
    }

    /// Gives a session that was let in its transports and its subscriptions.
    pub(super) fn seat(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(id) else { return };
        let (room, offers, auto_subscribe) = (session.room, session.config.offers, session.config.auto_subscribe);
        for kind in Session::transports(offers) {
            let connection = self.connect(now, room, id, *kind, offers);
            if let Some(session) = self.sessions.get_mut(id) {
                session.connections.push((*kind, connection));
            }
        }
        let mut tracks = Vec::new();
        if let Some(target) = self.rooms.get_mut(room) {
            target.sessions.insert(id);
            tracks.extend(target.tracks.iter().copied());
        }
        if auto_subscribe {
            for track in tracks {
                if !self.is_in_slots(track) {
                    self.add_subscription(now, id, track, None);
                }
            }
            self.add_slots(now, id);
            self.settle_negotiation(now, id);
        }
    }

    pub(super) fn leave(&mut self, now: Instant, id: SessionId, egress: &mut Egress) -> Result<(), CommandError> {
        self.sessions.get(id).ok_or(CommandError::SessionClosed)?;
        self.close_session(now, id, CloseReason::Requested, egress);
        Ok(())
    }

    /// Ends a session; those who were subscribed to its tracks renegotiate.
    pub(super) fn close_session(&mut self, now: Instant, id: SessionId, reason: CloseReason, egress: &mut Egress) {
        for subscriber in self.end_session(now, id, reason, egress) {
            self.settle_negotiation(now, subscriber);
        }
    }

    /// Ends a session and all that hangs on it: the peer's transports are closed, the others in the room lose its tracks. Tells
    /// who lost one.
    pub(super) fn end_session(
        &mut self,
        now: Instant,
        id: SessionId,
        reason: CloseReason,
        egress: &mut Egress,
    ) -> BTreeSet<SessionId> {
        let Some(session) = self.sessions.remove(id) else { return BTreeSet::new() };
        if let Some(room) = self.rooms.get_mut(session.room) {
            room.sessions.remove(&id);
            room.slots.iter_mut().for_each(|slots| slots.remove_session(id));
        }
        for channel in session.channels {
            self.channels.remove(channel);
        }
        for subscription in session.subscriptions {
            self.drop_subscription(subscription);
        }
        let affected = session.tracks.into_iter().flat_map(|track| self.drop_track(now, track)).collect();
        for (_, connection) in session.connections {
            self.disconnect(now, connection, egress);
        }
        self.forsake(id);
        if !self.is_home(session.room) {
            self.relay.send(session.room.shard(), &Message::Leave { room: session.room, session: id });
            self.release_room(now, session.room);
        }
        self.outbox.push(Event::SessionClosed(id, reason));
        affected
    }

    /// Tells the application when the worst state of a session's transports changed.
    pub(super) fn update_state(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let worst = session.connections.iter().filter_map(|(_, connection)| {
            match self.connections.get(*connection)?.progress {
                // A transport that is not needed yet does not count.
                Progress::Idle => None,
                Progress::Waiting { .. } | Progress::HalfOpen { .. } => Some(ConnectionState::Connecting),
                Progress::Connected => Some(ConnectionState::Connected),
                Progress::Disconnected { .. } => Some(ConnectionState::Disconnected),
            }
        });
        // Disconnected is worse than connecting, which is worse than connected.
        let rank = |state: &ConnectionState| match state {
            ConnectionState::Connected => 0,
            ConnectionState::Connecting => 1,
            ConnectionState::Disconnected => 2,
            ConnectionState::Closed => 3,
        };
        let state = worst.max_by_key(rank).unwrap_or(ConnectionState::Connecting);
        if state != session.state {
            session.state = state;
            self.outbox.push(Event::ConnectionStateChanged(id, state));
        }
    }

    fn connect(
        &mut self,
        now: Instant,
        room: RoomId,
        session: SessionId,
        kind: TransportKind,
        offers: Offers,
    ) -> ConnectionId {
        let credentials = self.credentials();
        let transport = Transport::new(TransportConfig {
            ufrag: credentials.ufrag.clone(),
            pwd: credentials.pwd.clone(),
            certificate: self.config.certificate.clone(),
            role: DtlsRole::Passive,
            consent_timeout: self.config.consent_timeout,
            channel_buffer: self.config.channel_buffer,
        });
        let negotiator = Negotiator::new(self.negotiator_config(room, session, kind, offers, credentials.clone()));
        let rtcp_ssrc = Ssrc::new(self.random.u32());
        let twcc_sender = TwccSender::new();
        // Each may be due with all others: a forwarded packet allocates nothing.
        self.reporting.reserve(self.connections.len() + 1);
        let id = self.connections.insert_with(|_| Connection {
            session,
            kind,
            transport,
            negotiator,
            progress: Progress::Idle,
            bandwidth: None,
            ufrags: vec![credentials.ufrag.clone()],
            rtcp_ssrc,
            reduced_reports: false,
            extensions: ExtensionMap::default(),
            bindings: HashMap::new(),
            replaced: Replaced::default(),
            tracks: Vec::new(),
            outgoing: HashMap::new(),
            subscriptions: Vec::new(),
            channels: HashMap::new(),
            twcc_receiver: TwccReceiver::new(),
            twcc_sender,
            publisher_clock: PublisherClock::default(),
            next_report: now,
            next_nack: None,
            rtt: None,
            look_ups: LookUps::default(),
            unbound_packets: 0,
        });
        self.demux.add_ufrag(&credentials.ufrag, id);
        id
    }

    fn negotiator_config(
        &mut self,
        room: RoomId,
        session: SessionId,
        kind: TransportKind,
        offers: Offers,
        credentials: IceCredentials,
    ) -> NegotiatorConfig {
        let codecs = self.rooms.get(room).map(|room| room.config.clone()).unwrap_or_default();
        let (audio, video, label) = self.sessions.get(session).map_or((false, false, String::new()), |session| {
            (session.config.publish_audio, session.config.publish_video, session.config.label.clone())
        });
        let receives = kind != TransportKind::Subscriber;
        NegotiatorConfig {
            fingerprint: self.config.certificate.fingerprint().to_string(),
            candidates: self.config.candidates.clone(),
            credentials,
            audio_codecs: codecs.audio_codecs,
            video_codecs: codecs.video_codecs,
            publish_audio: audio && receives,
            publish_video: video && receives,
            role: match (offers, kind) {
                (Offers::Either, _) => NegotiatorRole::Either,
                (Offers::Split, TransportKind::Subscriber) => NegotiatorRole::ServerOffers,
                (Offers::Client | Offers::Split, _) => NegotiatorRole::ClientOffers,
            },
            label,
            session_id: self.random.u64() >> 2,
        }
    }

    /// Fresh local credentials; the user fragment begins with the shard, so that any shard can hand a first contact over.
    pub(super) fn credentials(&mut self) -> IceCredentials {
        let ufrag = ufrag_of(self.config.shard, &self.random.ice_string(6));
        IceCredentials { ufrag, pwd: self.random.ice_string(24) }
    }

    fn disconnect(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let Some(mut connection) = self.connections.remove(id) else { return };
        if matches!(connection.progress, Progress::HalfOpen { .. }) {
            self.counts.half_open -= 1;
        }
        connection.transport.close(now, egress);
        self.timers.remove(Timer::Connection(id));
        for ufrag in &connection.ufrags {
            self.demux.remove_ufrag(ufrag);
        }
        for path in connection.transport.paths() {
            self.demux.remove_path(&path, id);
        }
    }
}

/// Random numbers for one outgoing stream.
pub(super) fn first_sequence_number(random: &mut Random) -> SeqNo {
    // Below 2^15, so that neither end guesses a rollover while the first packets are lost (RFC 3711 §3.3.1).
    SeqNo::new(random.below(1 << 15))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_begin_where_no_receiver_guesses_a_rollover() {
        let mut random = Random::new([7; 32]);
        let begun: Vec<SeqNo> = (0..1000).map(|_| first_sequence_number(&mut random)).collect();
        assert!(begun.iter().all(|seq| seq.get() < 1 << 15), "RFC 3711 §3.3.1");
        assert!(begun.iter().any(|seq| *seq != begun[0]));
    }
}
