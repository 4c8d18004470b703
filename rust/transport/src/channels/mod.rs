//! Data channels (RFC 8831): SCTP streams in pairs, opened by DCEP and closed by resetting both directions.
//!
//! The side that is DTLS client opens on even stream ids, the server on odd ones, so ids never collide (RFC 8832 §6).
//! Invariant: what waits for the peer is bounded; a message beyond the bound is refused with `false`, and
//! [`ChannelEvent::Writable`] tells when to try again. The association exists only once it was negotiated.

mod dcep;
mod parameters;

use std::collections::{BTreeMap, VecDeque};
use std::time::Instant;

use thiserror::Error;

use crate::dtls::DtlsRole;
use crate::sctp::{MAX_MESSAGE_SIZE, Reliability, Sctp, SctpEndpoint, SctpEvent, SctpSendError};

use dcep::Dcep;
pub use parameters::ChannelParameters;

/// Payload protocol identifiers (RFC 8831 §8). An empty message is one zero byte, as SCTP has no empty ones (§6.6).
mod ppid {
    pub(super) const DCEP: u32 = 50;
    pub(super) const TEXT: u32 = 51;
    pub(super) const BINARY: u32 = 53;
    pub(super) const TEXT_EMPTY: u32 = 56;
    pub(super) const BINARY_EMPTY: u32 = 57;
}

/// Channels of one peer. Higher: more memory that a peer can make us hold. Chromium opens at most 1024.
const MAX_CHANNELS: usize = 1024;
/// Bytes of a label and of a protocol that a peer may give. Higher: more memory that it can make us hold, this much for each
/// channel. Lower: names that somebody uses are refused.
const MAX_NAME: usize = 4096;
/// RFC 8831 §6.2: id 65535 is not used.
const MAX_STREAM: u16 = 65534;

/// An SCTP stream id: names a channel within its transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(u16);

impl StreamId {
    /// From the number on the wire.
    pub const fn new(value: u16) -> Self {
        Self(value)
    }

    /// The number on the wire.
    pub const fn get(self) -> u16 {
        self.0
    }
}

/// What SDP says about the peer's association (RFC 8841).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SctpParameters {
    /// `a=sctp-port`.
    pub port: u16,
    /// `a=max-message-size`; 0: any size.
    pub max_message_size: usize,
}

/// The SCTP port that our SDP announces.
pub const SCTP_PORT: u16 = 5000;

/// What happened to a channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelEvent {
    /// It is open both ways.
    Opened {
        /// Which.
        stream: StreamId,
        /// As the opening side asked.
        parameters: ChannelParameters,
        /// Whether the peer opened it.
        by_peer: bool,
    },
    /// A message arrived.
    Message {
        /// Through which.
        stream: StreamId,
        /// Binary or text. (That text is UTF-8 is the peer's promise only.)
        binary: bool,
        /// The payload.
        payload: Vec<u8>,
    },
    /// There is room again after a refused message.
    Writable(StreamId),
    /// It is closed; its id may come again for another channel.
    Closed(StreamId),
}

/// Why something cannot be done with a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// It does not exist, is closing or closed.
    #[error("the channel is closed")]
    Closed,
    /// Larger than we or the peer take.
    #[error("a message of {len} bytes is too large: {max} at most")]
    MessageTooLarge {
        /// Its size.
        len: usize,
        /// The limit.
        max: usize,
    },
    /// No free stream id.
    #[error("this transport has {MAX_CHANNELS} channels already")]
    TooMany,
}

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
        Ok(StreamId(stream))
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
        let channel = self.table.get_mut(&stream.0).ok_or(ChannelError::Closed)?;
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
        match sctp.send(now, stream.0, ppid, payload, reliability) {
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
        let channel = self.table.get_mut(&stream.0).ok_or(ChannelError::Closed)?;
        match channel.state {
            State::Requested => self.finish(stream.0),
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
            Association::Running(sctp) => sctp.buffered(stream.0),
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

    fn handle_event(&mut self, now: Instant, event: SctpEvent) {
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
                self.events.push_back(ChannelEvent::Opened { stream: StreamId(stream), parameters, by_peer: true });
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
                self.events.push_back(ChannelEvent::Message { stream: StreamId(stream), binary, payload });
            }
            State::Open => {
                log::debug!("a channel is closed: a message of {} bytes is too large", payload.len());
                if let Err(error) = self.close(now, StreamId(stream)) {
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
            self.events.push_back(ChannelEvent::Opened { stream: StreamId(stream), parameters, by_peer: false });
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
                self.events.push_back(ChannelEvent::Closed(StreamId(stream)));
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
            self.events.push_back(ChannelEvent::Closed(StreamId(stream)));
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
                self.events.push_back(ChannelEvent::Writable(StreamId(stream)));
            }
        }
    }

    /// The association is over and all channels with it.
    fn end(&mut self) {
        self.association = Association::Over;
        for (stream, channel) in std::mem::take(&mut self.table) {
            if !matches!(channel.state, State::Resetting { .. }) {
                self.events.push_back(ChannelEvent::Closed(StreamId(stream)));
            }
        }
    }

    fn finish(&mut self, stream: u16) {
        if self.table.remove(&stream).is_some() {
            self.events.push_back(ChannelEvent::Closed(StreamId(stream)));
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
