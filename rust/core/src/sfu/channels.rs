//! Data channels: ids for the application over streams of an association.

use std::time::Instant;

use sfu_transport::{ChannelError, ChannelEvent, ChannelParameters, Egress};

use super::Sfu;
use crate::arena::ConnectionId;
use crate::channel::Channel;
use crate::command::{ChannelConfig, CommandError};
use crate::event::Event;
use crate::id::{ChannelId, SessionId};

/// The largest message (RFC 8841 `max-message-size` that we announce).
const MAX_MESSAGE: usize = 256 * 1024;

impl Sfu {
    pub(super) fn open_channel(
        &mut self,
        now: Instant,
        session_id: SessionId,
        config: ChannelConfig,
        egress: &mut Egress,
    ) -> Result<ChannelId, CommandError> {
        let parameters = ChannelParameters {
            label: config.label,
            protocol: config.protocol,
            ordered: config.ordered,
            max_retransmits: config.max_retransmits,
            max_lifetime: config.max_lifetime,
        };
        let session = self.sessions.get_mut(session_id).ok_or(CommandError::SessionClosed)?;
        let id = session.sending_connection().ok_or(CommandError::SessionClosed)?;
        let connection = self.connections.get_mut(id).ok_or(CommandError::SessionClosed)?;
        let stream = connection.transport.open_channel(now, parameters).map_err(|_| CommandError::ChannelClosed)?;
        let channel = self.channels.insert_with(|_| Channel { connection: id, stream });
        connection.negotiator.want_data();
        connection.channels.insert(stream, channel);
        session.channels.insert(channel);
        self.settle_transport(now, id, egress);
        self.settle_negotiation(now, session_id);
        Ok(channel)
    }

    pub(super) fn send_message(
        &mut self,
        now: Instant,
        channel: ChannelId,
        binary: bool,
        payload: Vec<u8>,
        egress: &mut Egress,
    ) -> Result<bool, CommandError> {
        if payload.len() > MAX_MESSAGE {
            return Err(CommandError::MessageTooLarge(payload.len()));
        }
        let channel = *self.channels.get(channel).ok_or(CommandError::ChannelClosed)?;
        let connection = self.connections.get_mut(channel.connection).ok_or(CommandError::ChannelClosed)?;
        let taken =
            connection.transport.send_message(now, channel.stream, binary, payload).map_err(|error| match error {
                ChannelError::MessageTooLarge { len, .. } => CommandError::MessageTooLarge(len),
                _ => CommandError::ChannelClosed,
            })?;
        self.settle_transport(now, channel.connection, egress);
        Ok(taken)
    }

    pub(super) fn close_channel(
        &mut self,
        now: Instant,
        channel: ChannelId,
        egress: &mut Egress,
    ) -> Result<(), CommandError> {
        let channel = *self.channels.get(channel).ok_or(CommandError::ChannelClosed)?;
        let connection = self.connections.get_mut(channel.connection).ok_or(CommandError::ChannelClosed)?;
        connection.transport.close_channel(now, channel.stream).map_err(|_| CommandError::ChannelClosed)?;
        self.settle_transport(now, channel.connection, egress);
        Ok(())
    }

    pub(super) fn channel_event(&mut self, id: ConnectionId, event: ChannelEvent) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        match event {
            ChannelEvent::Opened { stream, parameters, by_peer } => {
                let session_id = connection.session;
                let channel = *connection
                    .channels
                    .entry(stream)
                    .or_insert_with(|| self.channels.insert_with(|_| Channel { connection: id, stream }));
                if let Some(session) = self.sessions.get_mut(session_id) {
                    session.channels.insert(channel);
                }
                self.outbox.push(Event::ChannelOpened {
                    session: session_id,
                    channel,
                    label: parameters.label,
                    protocol: parameters.protocol,
                    ordered: parameters.ordered,
                    by_peer,
                });
            }
            ChannelEvent::Message { stream, binary, payload } => {
                if let Some(channel) = connection.channels.get(&stream) {
                    self.outbox.push(Event::ChannelMessage { channel: *channel, binary, payload });
                }
            }
            ChannelEvent::Writable(stream) => {
                if let Some(channel) = connection.channels.get(&stream) {
                    self.outbox.push(Event::ChannelWritable(*channel));
                }
            }
            ChannelEvent::Closed(stream) => {
                let Some(channel) = connection.channels.remove(&stream) else { return };
                self.channels.remove(channel);
                if let Some(session) = self.sessions.get_mut(connection.session) {
                    session.channels.remove(&channel);
                }
                self.outbox.push(Event::ChannelClosed(channel));
            }
        }
    }
}
