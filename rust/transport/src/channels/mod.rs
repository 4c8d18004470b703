//! Data channels (RFC 8831): SCTP streams in pairs, opened by DCEP and closed by resetting both directions.
//!
//! The side that is DTLS client opens on even stream ids, the server on odd ones, so ids never collide (RFC 8832 §6).
//! Invariant: what waits for the peer is bounded; a message beyond the bound is refused with `false`, and
//! [`ChannelEvent::Writable`] tells when to try again. The association exists only once it was negotiated.

mod dcep;
mod event;
mod parameters;
mod peer;
mod ppid;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use crate::dtls::DtlsRole;
use crate::sctp::{MAX_MESSAGE_SIZE, Reliability, Sctp, SctpEndpoint, SctpEvent, SctpSendError};

use dcep::Dcep;
pub use event::{ChannelError, ChannelEvent, SctpParameters, StreamId};
pub use parameters::ChannelParameters;

/// Channels of one peer. Higher: more memory that a peer can make us hold. Chromium opens at most 1024.
const MAX_CHANNELS: usize = 1024;
/// Bytes of a label and of a protocol that a peer may give. Higher: more memory that it can make us hold, this much for each
/// channel. Lower: names that somebody uses are refused.
const MAX_NAME: usize = 4096;
/// RFC 8831 §6.2: id 65535 is not used.
const MAX_STREAM: u16 = 65534;

/// The SCTP port that our SDP announces.
pub const SCTP_PORT: u16 = 5000;

/// The channels of one transport.
///
/// `handle_*` puts in; [`Channels::poll_packet`] then takes out until it is empty, and [`Channels::poll_event`] after it.
#[derive(Debug)]
pub struct Channels {
    role: DtlsRole,
    /// Bound of what waits to be sent.
    buffer: usize,
    /// The largest message that the peer takes.
    max_message_size: usize,
    association: Association,
    table: BTreeMap<u16, Channel>,
    events: VecDeque<ChannelEvent>,
}

#[derive(Debug)]
enum Association {
    /// Not negotiated, or DTLS is not there yet.
    Idle,
    Running(Box<Sctp>),
    Over,
}

#[derive(Debug)]
struct Channel {
    parameters: ChannelParameters,
    state: State,
    /// A message was refused; tell when there is room.
    blocked: bool,
}

/// In the order of a channel's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Opened by us before there was an association.
    Requested,
    /// OPEN is sent, ACK is not here.
    Opening,
    Open,
    /// Closed by us; what waits is still sent.
    Draining,
    /// One direction or both are being reset.
    Resetting {
        ours_done: bool,
        theirs_done: bool,
    },
}

impl Channels {
    /// No channels yet; `buffer` bounds the bytes that wait to be sent.
    pub fn new(role: DtlsRole, buffer: usize) -> Self {
        Self {
            role,
            buffer,
            max_message_size: MAX_MESSAGE_SIZE,
            association: Association::Idle,
            table: BTreeMap::new(),
            events: VecDeque::new(),
        }
    }

    /// DTLS is there and SCTP negotiated: connects and sends what was opened before. Later calls only update the peer's
    /// limit.
    pub fn start(&mut self, now: Instant, remote: SctpParameters) {
        self.max_message_size = match remote.max_message_size {
            0 => MAX_MESSAGE_SIZE,
            size => size.min(MAX_MESSAGE_SIZE),
        };
        if matches!(self.association, Association::Idle) {
            let mut sctp = Box::new(Sctp::new(now, SCTP_PORT, remote.port, self.buffer));
            sctp.connect(now);
            self.association = Association::Running(sctp);
            let requested: Vec<u16> =
                self.table.iter().filter(|(_, c)| c.state == State::Requested).map(|(&s, _)| s).collect();
            for stream in requested {
                self.send_open(now, stream);
            }
            self.wake_blocked();
        }
    }

    /// Opens a channel; `Opened` follows. Messages may be sent as soon as the association exists.
    pub fn open(&mut self, now: Instant, parameters: ChannelParameters) -> Result<StreamId, ChannelError> {
        let stream = self.free_stream()?;
        self.table.insert(stream, Channel { parameters, state: State::Requested, blocked: false });
        match self.association {
            Association::Idle => {}
            Association::Running(_) => self.send_open(now, stream),
            Association::Over => self.finish(stream),
        }
        Ok(StreamId::new(stream))
    }

    /// Sends a message, or refuses it with `false` when too much waits already; `Writable` follows then.
    pub fn send(
        &mut self,
        now: Instant,
        stream: StreamId,
        binary: bool,
        payload: Vec<u8>,
    ) -> Result<bool, ChannelError> {
        let (len, max) = (payload.len(), self.max_message_size);
        let buffered = self.total_buffered();
        let channel = self.table.get_mut(&stream.get()).ok_or(ChannelError::Closed)?;
        if len > max {
            return Err(ChannelError::MessageTooLarge { len, max });
        }
        let reliability = match channel.state {
            // RFC 8832 §6: in order until the peer surely knows the channel.
            State::Opening => Reliability { unordered: false, ..channel.parameters.reliability() },
            State::Open => channel.parameters.reliability(),
            State::Requested => {
                channel.blocked = true;
                return Ok(false);
            }
            State::Draining | State::Resetting { .. } => return Err(ChannelError::Closed),
        };
        let Association::Running(sctp) = &mut self.association else {
            return Err(ChannelError::Closed);
        };
        if buffered >= self.buffer {
            channel.blocked = true;
            return Ok(false);
        }
        let (ppid, payload) = match (binary, payload.is_empty()) {
            (false, false) => (ppid::TEXT, payload),
            (true, false) => (ppid::BINARY, payload),
            (false, true) => (ppid::TEXT_EMPTY, vec![0]),
            (true, true) => (ppid::BINARY_EMPTY, vec![0]),
        };
        match sctp.send(now, stream.get(), ppid, payload, reliability) {
            Ok(()) => Ok(true),
            Err(SctpSendError::Full) => {
                channel.blocked = true;
                Ok(false)
            }
            Err(SctpSendError::Closed) => Err(ChannelError::Closed),
        }
    }

    /// Closes a channel once what waits is sent; `Closed` follows.
    pub fn close(&mut self, now: Instant, stream: StreamId) -> Result<(), ChannelError> {
        let channel = self.table.get_mut(&stream.get()).ok_or(ChannelError::Closed)?;
        match channel.state {
            State::Requested => self.finish(stream.get()),
            State::Opening | State::Open => {
                channel.state = State::Draining;
                self.reset_drained(now);
            }
            State::Draining | State::Resetting { .. } => return Err(ChannelError::Closed),
        }
        Ok(())
    }

    /// Bytes that wait to be sent on a channel.
    pub fn buffered(&self, stream: StreamId) -> usize {
        match &self.association {
            Association::Running(sctp) => sctp.buffered(stream.get()),
            _ => 0,
        }
    }

    /// How many channels exist.
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether no channel exists.
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// An SCTP packet from the peer.
    pub fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        if let Association::Running(sctp) = &mut self.association {
            sctp.handle_packet(now, packet);
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        if let Association::Running(sctp) = &mut self.association {
            sctp.handle_timeout(now);
        }
    }

    /// The transport closes: the association is aborted (as browsers do, so that the peer knows at once), all channels
    /// end. Drain packets afterwards.
    pub fn abort(&mut self, now: Instant) {
        if let Association::Running(sctp) = &mut self.association {
            sctp.abort(now);
        }
    }

    /// The next SCTP packet for the peer; `None` when drained.
    pub fn poll_packet(&mut self, now: Instant) -> Option<Vec<u8>> {
        loop {
            let Association::Running(sctp) = &mut self.association else {
                return None;
            };
            match sctp.poll_event() {
                Some(SctpEvent::Packet(packet)) => return Some(packet),
                Some(event) => self.handle_event(now, event),
                None if self.reset_drained(now) => {}
                None => return None,
            }
        }
    }

    /// The next event; `None` when drained.
    pub fn poll_event(&mut self) -> Option<ChannelEvent> {
        self.events.pop_front()
    }

    /// When to call [`Channels::handle_timeout`].
    pub fn poll_timeout(&self) -> Option<Instant> {
        match &self.association {
            Association::Running(sctp) => sctp.poll_timeout(),
            _ => None,
        }
    }

    /// Resets the channels that are closed by us and have nothing left to send; whether there was one.
    fn reset_drained(&mut self, now: Instant) -> bool {
        let Association::Running(sctp) = &self.association else {
            return false;
        };
        let drained: Vec<u16> = self
            .table
            .iter()
            .filter(|&(&stream, channel)| channel.state == State::Draining && sctp.buffered(stream) == 0)
            .map(|(&stream, _)| stream)
            .collect();
        for &stream in &drained {
            self.events.push_back(ChannelEvent::Closed(StreamId::new(stream)));
            let resets = self.reset(now, stream);
            if let Some(channel) = self.table.get_mut(&stream)
                && resets
            {
                channel.state = State::Resetting { ours_done: false, theirs_done: false };
            } else {
                self.table.remove(&stream);
            }
        }
        !drained.is_empty()
    }

    fn reset(&mut self, now: Instant, stream: u16) -> bool {
        match &mut self.association {
            Association::Running(sctp) => sctp.reset(now, &[stream]),
            _ => false,
        }
    }

    fn send_open(&mut self, now: Instant, stream: u16) {
        let Some(channel) = self.table.get_mut(&stream) else {
            return;
        };
        channel.state = State::Opening;
        let open = Dcep::Open(channel.parameters.clone());
        self.send_dcep(now, stream, &open);
    }

    fn send_dcep(&mut self, now: Instant, stream: u16, message: &Dcep) {
        let Association::Running(sctp) = &mut self.association else {
            return;
        };
        // RFC 8832 §6: reliable and in order, whatever the channel is.
        if let Err(error) = sctp.send(now, stream, ppid::DCEP, message.write(), Reliability::default()) {
            log::debug!("a DCEP message was not taken: {error}");
            self.finish(stream);
        }
    }

    fn wake_blocked(&mut self) {
        for (&stream, channel) in &mut self.table {
            if std::mem::take(&mut channel.blocked) {
                self.events.push_back(ChannelEvent::Writable(StreamId::new(stream)));
            }
        }
    }

    /// The association is over and all channels with it.
    fn end(&mut self) {
        self.association = Association::Over;
        for (stream, channel) in std::mem::take(&mut self.table) {
            if !matches!(channel.state, State::Resetting { .. }) {
                self.events.push_back(ChannelEvent::Closed(StreamId::new(stream)));
            }
        }
    }

    fn finish(&mut self, stream: u16) {
        if self.table.remove(&stream).is_some() {
            self.events.push_back(ChannelEvent::Closed(StreamId::new(stream)));
        }
    }

    fn free_stream(&self) -> Result<u16, ChannelError> {
        let first = match self.role {
            DtlsRole::Active => 0,
            DtlsRole::Passive => 1,
        };
        if self.table.len() >= MAX_CHANNELS {
            return Err(ChannelError::TooMany);
        }
        (first..=MAX_STREAM).step_by(2).find(|stream| !self.table.contains_key(stream)).ok_or(ChannelError::TooMany)
    }

    fn total_buffered(&self) -> usize {
        match &self.association {
            Association::Running(sctp) => self.table.keys().map(|&stream| sctp.buffered(stream)).sum(),
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_session_without_negotiated_channels_keeps_no_association() {
        let now = Instant::now();
        let mut channels = Channels::new(DtlsRole::Passive, 1 << 16);
        channels.open(now, ChannelParameters::default()).unwrap();
        channels.handle_packet(now, &[0; 40]);
        channels.handle_timeout(now);
        assert!(matches!(channels.association, Association::Idle));
        assert_eq!(channels.poll_timeout(), None);
        channels.start(now, SctpParameters { port: SCTP_PORT, max_message_size: 0 });
        assert!(matches!(channels.association, Association::Running(_)));
    }
}
