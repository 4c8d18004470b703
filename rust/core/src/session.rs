//! One connected peer: its transports, what it publishes and what it receives.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::arena::ConnectionId;
use crate::config::{Offers, SessionConfig};
use crate::id::{ChannelId, RoomId, SubscriptionId, TrackId};
use crate::transport::ConnectionState;
use crate::transport::TransportKind;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) room: RoomId,
    pub(crate) config: SessionConfig,
    pub(crate) joined: Instant,
    pub(crate) state: ConnectionState,
    /// One, or the publisher's and then the subscriber's (`Offers::Split`).
    pub(crate) connections: Vec<(TransportKind, ConnectionId)>,
    pub(crate) tracks: BTreeSet<TrackId>,
    pub(crate) subscriptions: BTreeSet<SubscriptionId>,
    pub(crate) channels: BTreeSet<ChannelId>,
    /// The `SectionsNeeded` that stands, so that it is not repeated.
    pub(crate) sections_needed: Option<(u32, u32)>,
}

impl Session {
    pub(crate) fn new(now: Instant, room: RoomId, config: SessionConfig) -> Self {
        Self {
            room,
            config,
            joined: now,
            state: ConnectionState::Connecting,
            connections: Vec::new(),
            tracks: BTreeSet::new(),
            subscriptions: BTreeSet::new(),
            channels: BTreeSet::new(),
            sections_needed: None,
        }
    }

    /// The transports that a session with these settings owns.
    pub(crate) fn transports(offers: Offers) -> &'static [TransportKind] {
        match offers {
            Offers::Either | Offers::Client => &[TransportKind::Main],
            Offers::Split => &[TransportKind::Publisher, TransportKind::Subscriber],
        }
    }

    pub(crate) fn connection(&self, kind: TransportKind) -> Option<ConnectionId> {
        self.connections.iter().find(|(known, _)| *known == kind).map(|(_, id)| *id)
    }

    /// The one that carries subscriptions and channels.
    pub(crate) fn sending_connection(&self) -> Option<ConnectionId> {
        self.connections.last().map(|(_, id)| *id)
    }
}
