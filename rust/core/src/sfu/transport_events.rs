//! What a transport reports becomes the state of its session.

use std::time::Instant;

use sfu_transport::{Egress, TransportClose, TransportEvent};

use super::Sfu;
use crate::arena::ConnectionId;
use crate::connection::Progress;
use crate::event::CloseReason;
use crate::timers::Timer;

impl Sfu {
    /// The first authenticated check of a connection: its handshake is under way from here on.
    fn first_contact(&mut self, now: Instant, id: ConnectionId) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if let Progress::Waiting { deadline } = connection.progress {
            connection.progress = Progress::HalfOpen { deadline };
            self.counts.half_open += 1;
            self.timers.set(Timer::Connection(id), now);
        }
    }

    /// Drains a transport's events and sets its next deadline.
    pub(super) fn settle_transport(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        while let Some(event) = self.connections.get_mut(id).and_then(|connection| connection.transport.poll_event()) {
            self.transport_event(now, id, event, egress);
        }
        if let Some(deadline) = self.connections.get(id).and_then(|connection| connection.transport.poll_timeout()) {
            self.timers.set(Timer::Connection(id), deadline);
        }
    }

    fn transport_event(&mut self, now: Instant, id: ConnectionId, event: TransportEvent, egress: &mut Egress) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let session = connection.session;
        match event {
            TransportEvent::Connected { .. } => {
                if matches!(connection.progress, Progress::HalfOpen { .. }) {
                    self.counts.half_open -= 1;
                }
                connection.progress = Progress::Connected;
                // Reports count from here, not from whatever deadline the handshake has left.
                self.timers.set(Timer::Connection(id), now);
                self.update_state(session);
                self.hold_subscriptions(now, id, egress);
            }
            TransportEvent::Disconnected => {
                if connection.progress == Progress::Connected {
                    let deadline = now + self.config.close_timeout;
                    connection.progress = Progress::Disconnected { deadline };
                    self.timers.set(Timer::Connection(id), deadline);
                    self.update_state(session);
                    self.hold_subscriptions(now, id, egress);
                }
            }
            TransportEvent::Reconnected => {
                if matches!(connection.progress, Progress::Disconnected { .. }) {
                    connection.progress = Progress::Connected;
                    self.update_state(session);
                    self.hold_subscriptions(now, id, egress);
                }
            }
            TransportEvent::PathAdded(path) => {
                self.demux.add_path(path, id);
                self.first_contact(now, id);
            }
            TransportEvent::PathRemoved(path) => self.demux.remove_path(&path, id),
            TransportEvent::PathChanged(path) => {
                log::debug!("connection {id:?}: the path is now {path:?}");
                // What was learnt is the other way's; what was divided stands until there is something to divide again.
                connection.bandwidth = None;
            }
            TransportEvent::UfragRetired(ufrag) => {
                connection.ufrags.retain(|known| *known != ufrag);
                self.demux.remove_ufrag(&ufrag);
            }
            TransportEvent::Closed(reason) => {
                let reason = match reason {
                    TransportClose::PeerClosed => CloseReason::PeerClosed,
                    TransportClose::FingerprintMismatch => CloseReason::FingerprintMismatch,
                    TransportClose::HandshakeFailed(text) => CloseReason::HandshakeFailed(text),
                    other => CloseReason::HandshakeFailed(format!("{other:?}")),
                };
                self.close_session(now, session, reason, egress);
            }
            TransportEvent::Channel(event) => self.channel_event(id, event),
            event => log::debug!("connection {id:?}: {event:?}"),
        }
    }

    /// While the path is not there nothing is numbered for it; when it is, video starts with a keyframe.
    fn hold_subscriptions(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let Some(connection) = self.connections.get(id) else { return };
        let connected = connection.progress == Progress::Connected;
        let subscriptions = connection.subscriptions.clone();
        for subscription in subscriptions {
            let Some(subscription) = self.subscriptions.get_mut(subscription) else { continue };
            subscription.forwarder.set_paused(subscription.paused || !connected);
            let track = subscription.track;
            self.settle_track(now, track, egress);
        }
    }
}
