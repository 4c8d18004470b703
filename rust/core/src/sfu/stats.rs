//! Counters, gathered when asked.

use std::time::Instant;

use super::Sfu;
use crate::arena::ConnectionId;
use crate::bandwidth::Bandwidth;
use crate::command::CommandError;
use crate::connection::{Connection, Progress};
use crate::id::{RoomId, SessionId, SubscriptionId, TrackId};
use crate::stats::{RelayStats, RoomStats, SessionStats, SfuStats, SubscriptionStats, TrackStats, TransportStats};
use crate::subscription::Wire;
use crate::transport::ConnectionState;

impl Sfu {
    /// Sessions that exist.
    pub fn sessions(&self) -> usize {
        self.sessions.len()
    }

    /// Rooms that exist.
    pub fn rooms(&self) -> usize {
        self.rooms.len()
    }

    /// Totals.
    pub fn stats(&self) -> SfuStats {
        SfuStats {
            rooms: self.rooms.len() as u64,
            sessions: self.sessions.len() as u64,
            tracks: self.tracks.len() as u64,
            subscriptions: self.subscriptions.len() as u64,
            channels: self.channels.len() as u64,
            datagrams_received: self.counts.datagrams_received,
            packets_sent: self.counts.sent.packets,
            bytes_sent: self.counts.sent.bytes,
            packets_received: self.counts.packets_received,
            bytes_received: self.counts.bytes_received,
            checks: self.counts.checks,
            keep_alives: self.counts.keep_alives,
            dtls: self.counts.dtls,
            dropped: self.counts.dropped,
            events_dropped: self.outbox.dropped(),
            relay: RelayStats {
                rooms: self.rooms.foreign_len() as u64,
                tracks: self.tracks.foreign_len() as u64,
                pending: self.pending.len() as u64,
                ..self.relay.stats
            },
            // Known to who sends, and runs.
            runs: Vec::new(),
            shards: Vec::new(),
        }
    }

    pub(super) fn room_stats(&mut self, now: Instant, id: RoomId) -> Result<RoomStats, CommandError> {
        let members = self.rooms.get(id).ok_or(CommandError::RoomClosed)?.sessions.clone();
        let sessions = members.iter().filter_map(|session| self.session_stats(now, *session).ok()).collect();
        Ok(RoomStats { room: id, sessions })
    }

    pub(super) fn session_stats(&mut self, now: Instant, id: SessionId) -> Result<SessionStats, CommandError> {
        let tracks = self.sessions.get(id).ok_or(CommandError::SessionClosed)?.tracks.clone();
        let tracks = tracks.iter().filter_map(|id| self.track_stats(now, *id)).collect();
        let session = self.sessions.get(id).ok_or(CommandError::SessionClosed)?;
        Ok(SessionStats {
            session: id,
            tracks,
            age: now.saturating_duration_since(session.joined),
            transports: session.connections.iter().filter_map(|(_, id)| self.transport_stats(*id)).collect(),
            subscriptions: session.subscriptions.iter().filter_map(|id| self.subscription_stats(*id)).collect(),
        })
    }

    fn transport_stats(&self, id: ConnectionId) -> Option<TransportStats> {
        let connection = self.connections.get(id)?;
        let transport = &connection.transport;
        let counters = transport.counters();
        Some(TransportStats {
            transport: connection.kind,
            state: state_of(connection),
            cipher: transport.profile(),
            remote: transport.path().map(|path| path.remote),
            local: transport.path().map(|path| path.local),
            bytes_received: counters.bytes_received,
            bytes_sent: counters.bytes_sent,
            packets_received: counters.packets_received,
            packets_sent: counters.packets_sent,
            dropped: {
                let mut dropped = counters.drops;
                dropped.unbound_stream += connection.unbound_packets;
                dropped
            },
            rtt: connection.rtt,
            estimate: connection.bandwidth.as_deref().map(Bandwidth::estimate),
        })
    }

    fn track_stats(&mut self, now: Instant, id: TrackId) -> Option<TrackStats> {
        let track = self.tracks.get_mut(id)?;
        Some(TrackStats {
            track: id,
            kind: track.kind,
            mid: track.mid,
            codec: track.codec?,
            muted: track.muted,
            encodings: track
                .encodings
                .iter_mut()
                .enumerate()
                .filter_map(|(spatial, encoding)| {
                    let ssrc = encoding.ssrc?;
                    let plis = encoding.keyframes.sent();
                    Some(encoding.stream.stats(now, encoding.rid, ssrc, spatial as u8, plis))
                })
                .collect(),
        })
    }

    fn subscription_stats(&self, id: SubscriptionId) -> Option<SubscriptionStats> {
        let subscription = self.subscriptions.get(id)?;
        let sent = subscription.send.stats();
        let bandwidth = self.connections.get(subscription.connection).and_then(|one| one.bandwidth.as_deref());
        let goal = bandwidth.and_then(Bandwidth::goal);
        Some(SubscriptionStats {
            subscription: id,
            track: subscription.track,
            mid: subscription.wire.as_ref().map(Wire::mid),
            ssrc: subscription.send.ssrc(),
            layer: subscription.forwarder.layer(),
            max_layer: subscription.max_layer,
            paused: subscription.paused,
            choice: subscription.share.map(|share| share.told(goal)),
            packets_sent: sent.packets_sent,
            bytes_sent: sent.bytes_sent,
            packets_retransmitted: sent.packets_retransmitted,
            nacks_received: sent.nacks_received,
            resends_refused: sent.refused,
            plis_received: subscription.plis_received,
            packets_lost: sent.packets_lost,
            jitter: sent.jitter,
            rtt: sent.rtt,
        })
    }
}

fn state_of(connection: &Connection) -> ConnectionState {
    match connection.progress {
        Progress::Idle | Progress::Waiting { .. } | Progress::HalfOpen { .. } => ConnectionState::Connecting,
        Progress::Connected => ConnectionState::Connected,
        Progress::Disconnected { .. } => ConnectionState::Disconnected,
    }
}
