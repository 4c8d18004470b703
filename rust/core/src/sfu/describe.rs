//! Descriptions in and out: what a negotiation changes in transports, tracks and subscriptions.

use std::collections::BTreeSet;
use std::time::Instant;

use sfu_transport::Egress;
use sfu_wire::Mid;

use super::Sfu;
use crate::arena::ConnectionId;
use crate::codec::Kind;
use crate::command::{CommandError, Description, IceCredentials, SdpType};
use crate::connection::{Connection, Progress};
use crate::demux::Demux;
use crate::event::{Event, SubscriptionProblem};
use crate::id::{SessionId, TrackId};
use crate::negotiation::{ReceiveParameters, Section, SendParameters, SenderStatus};
use crate::subscription::Wire;
use crate::timers::Timer;
use crate::transport::TransportKind;

impl Sfu {
    pub(super) fn receive(
        &mut self,
        now: Instant,
        session: SessionId,
        description: &Description,
        egress: &mut Egress,
    ) -> Result<Option<Description>, CommandError> {
        let id = self.connection_of(session, description.transport)?;
        let fresh = self.credentials();
        let Some(connection) = self.connections.get_mut(id) else { return Err(CommandError::SessionClosed) };
        let answer = match description.kind {
            SdpType::Offer => {
                let sdp = connection.negotiator.receive_offer(&description.sdp, &fresh)?;
                Some(Description { kind: SdpType::Answer, sdp, ..*description })
            }
            SdpType::Answer => {
                connection.negotiator.receive_answer(&description.sdp, description.id)?;
                None
            }
        };
        self.apply_transport(now, id);
        self.apply_sections(now, id);
        self.find_problems(now, id);
        self.share_audio_rtx(session);
        self.update_state(session);
        self.settle_negotiation(now, session);
        self.settle_transport(now, id, egress);
        Ok(answer)
    }

    /// ICE-lite learns addresses from authenticated checks; a candidate is only checked for its form.
    pub(super) fn add_candidate(
        &mut self,
        session: SessionId,
        transport: TransportKind,
        candidate: String,
    ) -> Result<(), CommandError> {
        self.connection_of(session, transport)?;
        let line = candidate.trim().trim_start_matches("a=");
        // Empty: end of candidates (RFC 8838 §10).
        let fields: Vec<&str> = line.strip_prefix("candidate:").unwrap_or(line).split_ascii_whitespace().collect();
        let well_formed = line.is_empty()
            || line == "end-of-candidates"
            || (fields.len() >= 8 && fields[5].parse::<u16>().is_ok() && fields[6] == "typ");
        if well_formed { Ok(()) } else { Err(CommandError::Candidate(candidate)) }
    }

    pub(super) fn restart_ice(
        &mut self,
        now: Instant,
        session: SessionId,
        transport: TransportKind,
        remote: &IceCredentials,
    ) -> Result<IceCredentials, CommandError> {
        let id = self.connection_of(session, transport)?;
        let fresh = self.credentials();
        let Some(connection) = self.connections.get_mut(id) else { return Err(CommandError::SessionClosed) };
        connection.negotiator.restart_ice(fresh.clone(), remote);
        self.apply_transport(now, id);
        Ok(fresh)
    }

    /// The new credentials count from the offer on: a peer may check with them before its answer is here.
    pub(super) fn offer_ice_restart(
        &mut self,
        now: Instant,
        session: SessionId,
        transport: TransportKind,
    ) -> Result<(), CommandError> {
        let id = self.connection_of(session, transport)?;
        let fresh = self.credentials();
        let Some(connection) = self.connections.get_mut(id) else { return Err(CommandError::SessionClosed) };
        connection.negotiator.offer_ice_restart(fresh)?;
        self.settle_negotiation(now, session);
        Ok(())
    }

    /// Sends the offers that are due and tells a client that must offer how many sections it lacks.
    pub(super) fn settle_negotiation(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id) else { return };
        let sending = session.sending_connection();
        for (kind, connection_id) in &session.connections {
            let Some(connection) = self.connections.get_mut(*connection_id) else { continue };
            if let Some((offer, sdp)) = connection.negotiator.poll_offer() {
                if let Some(offered) = connection.negotiator.offered_credentials().cloned() {
                    accept_credentials(connection, *connection_id, &offered, &mut self.demux);
                }
                let description = Description { transport: *kind, kind: SdpType::Offer, sdp, id: Some(offer) };
                self.outbox.push(Event::OfferReady(id, description));
                if connection.progress == Progress::Idle {
                    let deadline = now + self.config.connect_timeout;
                    connection.progress = Progress::Waiting { deadline };
                    self.timers.set(Timer::Connection(*connection_id), deadline);
                }
            }
            // With none missing there are free ones, which the client's next offer puts to use.
            let wanted = connection.negotiator.wants_client_offer();
            let needed = wanted.then(|| connection.negotiator.missing_sections());
            if sending == Some(*connection_id) && needed != session.sections_needed {
                session.sections_needed = needed;
                if let Some((audio, video)) = needed {
                    self.outbox.push(Event::SectionsNeeded { session: id, audio, video });
                }
            }
        }
    }

    /// What a client shows on the transport that it offers holds for the one that the server offers.
    fn share_audio_rtx(&mut self, session: SessionId) {
        let Some(session) = self.sessions.get(session) else { return };
        let mut known = session.connections.iter().filter_map(|(_, id)| self.connections.get(*id));
        if known.any(|connection| connection.negotiator.takes_audio_rtx()) {
            for (_, id) in &session.connections {
                if let Some(connection) = self.connections.get_mut(*id) {
                    connection.negotiator.offer_audio_rtx();
                }
            }
        }
    }

    pub(super) fn connection_of(&self, session: SessionId, kind: TransportKind) -> Result<ConnectionId, CommandError> {
        let session = self.sessions.get(session).ok_or(CommandError::SessionClosed)?;
        session.connection(kind).ok_or(CommandError::NoSuchTransport(kind))
    }

    /// Hands the peer's credentials and fingerprints to the transport.
    fn apply_transport(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let agreed = connection.negotiator.credentials().clone();
        accept_credentials(connection, id, &agreed, &mut self.demux);
        let Some(remote) = connection.negotiator.remote() else { return };
        connection.transport.set_remote(now, remote.to_transport());
        if connection.progress == Progress::Idle {
            let deadline = now + self.config.connect_timeout;
            connection.progress = Progress::Waiting { deadline };
            self.timers.set(Timer::Connection(id), deadline);
        }
    }

    /// Makes tracks and subscriptions follow the negotiated sections.
    fn apply_sections(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let sections: Vec<Section> = connection.negotiator.sections().to_vec();
        for parameters in sections.iter().filter_map(|section| section.receive.as_ref()) {
            for (number, extension) in parameters.extensions.iter() {
                connection.extensions.insert(number, extension);
            }
        }
        connection.reduced_reports = sections.iter().filter_map(Section::takes_reduced_reports).all(|takes| takes);
        let ended: Vec<_> = connection
            .tracks
            .iter()
            .filter(|(mid, _)| !sections.iter().any(|section| section.mid == *mid && section.receive.is_some()))
            .map(|(_, track)| *track)
            .collect();
        let affected: BTreeSet<SessionId> = ended.into_iter().flat_map(|track| self.drop_track(now, track)).collect();
        for section in sections {
            if let (Some(parameters), Some(kind)) = (section.receive, section.kind.media()) {
                self.apply_receive(now, id, section.mid, kind, parameters);
            }
            if let Some(parameters) = section.send {
                self.apply_send(now, id, section.mid, &parameters);
            }
        }
        for session in affected {
            self.settle_negotiation(now, session);
        }
    }

    /// Tells of subscriptions that this client cannot or will not receive.
    fn find_problems(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let session = connection.session;
        let mut slots_fail = false;
        for subscription_id in &connection.subscriptions {
            let Some(subscription) = self.subscriptions.get_mut(*subscription_id) else { continue };
            let track = subscription.track;
            let problem = match connection.negotiator.sender_status(*subscription_id) {
                Some(SenderStatus::Unsupported) => {
                    self.tracks.get(track).and_then(|track| track.codec).map(SubscriptionProblem::CodecUnsupported)
                }
                Some(SenderStatus::Rejected) => Some(SubscriptionProblem::Rejected),
                _ => None,
            };
            if problem.is_some() && problem != subscription.problem {
                subscription.problem.clone_from(&problem);
                if subscription.slot.is_some() {
                    slots_fail = true;
                    continue;
                }
                self.outbox.extend(problem.map(|problem| Event::SubscriptionFailed {
                    session,
                    subscription: *subscription_id,
                    track,
                    problem,
                }));
            }
        }
        if slots_fail {
            self.assign_slots_of(now, session);
        }
    }

    fn apply_receive(&mut self, now: Instant, id: ConnectionId, mid: Mid, kind: Kind, parameters: ReceiveParameters) {
        let Some(connection) = self.connections.get(id) else { return };
        match connection.track_of_mid(mid) {
            Some(track) => self.renegotiate_track(now, id, track, parameters),
            None => self.add_track(id, mid, kind, parameters),
        }
    }

    /// When encodings come in between or go, the others have other places: everybody who has one by its place is told.
    fn renegotiate_track(&mut self, now: Instant, id: ConnectionId, track_id: TrackId, parameters: ReceiveParameters) {
        let Some(track) = self.tracks.get_mut(track_id) else { return };
        let is_told = track.is_told_alike(&parameters);
        let moves = track.renegotiate(parameters);
        if !is_told {
            self.announce_change(track_id);
        }
        let Some(moves) = moves else { return };
        if let Some(connection) = self.connections.get_mut(id) {
            connection.bindings.retain(|_, binding| {
                let moved = if binding.track == track_id { moves.to(binding.encoding) } else { Some(binding.encoding) };
                binding.encoding = moved.unwrap_or_default();
                moved.is_some()
            });
        }
        self.encodings_moved(now, track_id);
    }

    /// Whoever takes a track whose encodings have got other places begins anew.
    pub(super) fn encodings_moved(&mut self, now: Instant, id: TrackId) {
        let Some(track) = self.tracks.get(id) else { return };
        let flowing = track.activity.flowing(now);
        for subscription in &track.subscriptions {
            if let Some(subscription) = self.subscriptions.get_mut(*subscription) {
                subscription.send.forget_sent();
                subscription.forwarder.restart();
            }
        }
        self.timers.set(track.timer(), now);
        self.each_tap(id, |tap| tap.forwarder.restart());
        self.set_available(id, flowing);
    }

    fn apply_send(&mut self, now: Instant, id: ConnectionId, mid: Mid, parameters: &SendParameters) {
        let Some(connection) = self.connections.get(id) else { return };
        let (session, transport) = (connection.session, connection.kind);
        let subscription_id = parameters.subscription;
        let Some(subscription) = self.subscriptions.get_mut(subscription_id) else { return };
        let track = subscription.track;
        let stands = subscription.wire.as_ref().is_some_and(|wire| wire.mid() == mid) && subscription.problem.is_none();
        subscription.wire = Some(Wire::new(mid, parameters));
        subscription.send.set_repairs(parameters.codecs.iter().any(|codec| codec.rtx.is_some()));
        self.divide_again(now, id);
        let Some(subscription) = self.subscriptions.get_mut(subscription_id) else { return };
        if stands || !parameters.codec_supported() {
            return;
        }
        subscription.problem = None;
        if subscription.slot.is_some() {
            self.open_slot(now, subscription_id);
            return;
        }
        self.outbox.push(Event::Subscribed { session, subscription: subscription_id, track, mid, transport });
        self.want_keyframe_soon(now, subscription_id);
    }
}

/// Takes local credentials for valid, once. In an ICE restart both user fragments lead here, until the transport forgets
/// the old one; those of an offer that met a client's stay for the next offer.
fn accept_credentials(connection: &mut Connection, id: ConnectionId, local: &IceCredentials, demux: &mut Demux) {
    if !connection.ufrags.contains(&local.ufrag) {
        connection.transport.restart_ice(local.ufrag.clone(), local.pwd.clone());
        connection.ufrags.push(local.ufrag.clone());
        demux.add_ufrag(&local.ufrag, id);
    }
}
