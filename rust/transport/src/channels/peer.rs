//! What comes from the peer: channels that it opens, messages, acknowledgements, and resets.

use std::time::Instant;

use super::dcep::Dcep;
use super::{Channel, ChannelEvent, Channels, MAX_CHANNELS, MAX_NAME, MAX_STREAM, State, StreamId, ppid};
use crate::sctp::{MAX_MESSAGE_SIZE, SctpEvent};

impl Channels {
    pub(super) fn handle_event(&mut self, now: Instant, event: SctpEvent) {
        match event {
            SctpEvent::Packet(_) => {}
            SctpEvent::Connected => log::debug!("an SCTP association is up"),
            SctpEvent::Closed => self.end(),
            SctpEvent::Message { stream, ppid: ppid::DCEP, payload } => self.handle_dcep(now, stream, &payload),
            SctpEvent::Message { stream, ppid, payload } => self.handle_message(now, stream, ppid, payload),
            SctpEvent::PeerReset(mut streams) => {
                if streams.is_empty() {
                    // RFC 6525 §4.1: none listed is all of them.
                    streams.extend(self.table.keys());
                }
                for stream in streams {
                    self.handle_peer_reset(now, stream);
                }
            }
            SctpEvent::ResetDone(streams) => {
                for stream in streams {
                    self.handle_reset_done(stream);
                }
            }
            SctpEvent::BufferLow => self.wake_blocked(),
        }
    }

    fn handle_dcep(&mut self, now: Instant, stream: u16, payload: &[u8]) {
        match (Dcep::parse(payload), self.table.contains_key(&stream)) {
            (Some(Dcep::Open(parameters)), false)
                if self.table.len() < MAX_CHANNELS && stream <= MAX_STREAM && parameters.is_named_within(MAX_NAME) =>
            {
                self.table
                    .insert(stream, Channel { parameters: parameters.clone(), state: State::Open, blocked: false });
                self.send_dcep(now, stream, &Dcep::Ack);
                self.events.push_back(ChannelEvent::Opened {
                    stream: StreamId::new(stream),
                    parameters,
                    by_peer: true,
                });
            }
            (Some(Dcep::Ack), true) => self.note_acknowledged(stream),
            (message, _) => {
                log::debug!("a DCEP message is refused: {message:?}");
                if !self.table.contains_key(&stream) {
                    self.reset(now, stream);
                }
            }
        }
    }

    fn handle_message(&mut self, now: Instant, stream: u16, ppid: u32, payload: Vec<u8>) {
        let (binary, payload) = match ppid {
            ppid::TEXT => (false, payload),
            ppid::BINARY => (true, payload),
            ppid::TEXT_EMPTY => (false, Vec::new()),
            ppid::BINARY_EMPTY => (true, Vec::new()),
            _ => return,
        };
        // Whoever sends on a channel knows it, should the ACK be late.
        self.note_acknowledged(stream);
        let Some(channel) = self.table.get(&stream) else {
            return;
        };
        match channel.state {
            State::Open | State::Draining if payload.len() <= MAX_MESSAGE_SIZE => {
                self.events.push_back(ChannelEvent::Message { stream: StreamId::new(stream), binary, payload });
            }
            State::Open => {
                log::debug!("a channel is closed: a message of {} bytes is too large", payload.len());
                if let Err(error) = self.close(now, StreamId::new(stream)) {
                    log::debug!("closing a channel: {error}");
                }
            }
            _ => {}
        }
    }

    fn note_acknowledged(&mut self, stream: u16) {
        if let Some(channel) = self.table.get_mut(&stream)
            && channel.state == State::Opening
        {
            channel.state = State::Open;
            let parameters = channel.parameters.clone();
            self.events.push_back(ChannelEvent::Opened { stream: StreamId::new(stream), parameters, by_peer: false });
        }
    }

    /// RFC 8831 §6.7: the peer's reset of its direction is answered by the reset of ours.
    fn handle_peer_reset(&mut self, now: Instant, stream: u16) {
        let Some(channel) = self.table.get_mut(&stream) else {
            return;
        };
        match channel.state {
            State::Resetting { ours_done: true, .. } => {
                self.table.remove(&stream);
            }
            State::Resetting { ours_done: false, .. } => {
                channel.state = State::Resetting { ours_done: false, theirs_done: true };
            }
            State::Requested => {}
            State::Opening | State::Open | State::Draining => {
                channel.state = State::Resetting { ours_done: false, theirs_done: true };
                self.events.push_back(ChannelEvent::Closed(StreamId::new(stream)));
                if !self.reset(now, stream) {
                    self.table.remove(&stream);
                }
            }
        }
    }

    fn handle_reset_done(&mut self, stream: u16) {
        let Some(channel) = self.table.get_mut(&stream) else {
            return;
        };
        match channel.state {
            State::Resetting { theirs_done: true, .. } => {
                // `Closed` went out with the peer's reset, unless both sides closed at a time.
                self.table.remove(&stream);
            }
            State::Resetting { theirs_done: false, .. } => {
                channel.state = State::Resetting { ours_done: true, theirs_done: false };
            }
            _ => {}
        }
    }
}
