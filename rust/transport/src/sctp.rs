//! SCTP over DTLS (RFC 8261), behind one small trait.
//!
//! [`Sctp`] stands on `dcsctp`. It is not `Send`: an association lives and dies on its shard. The library formats every
//! packet as text for its log even when nothing listens (20 µs a packet), which only data channels pay.

use std::fmt;
use std::time::{Duration, Instant};

use dcsctp::api::{DcSctpSocket, Message, Options, PpId, SendError, SendOptions, SocketEvent, SocketState, SocketTime};
use thiserror::Error;

/// Bytes of an SCTP packet: the DTLS datagram less record header (13), explicit nonce (8) and tag (16).
const MTU: usize = crate::dtls::MTU - 13 - 8 - 16 - 3;
/// The largest message either way (`a=max-message-size`).
pub const MAX_MESSAGE_SIZE: usize = 256 * 1024;
/// Higher: more throughput on long paths (one window a round trip). Lower: less memory for an unfinished message.
const RECEIVE_WINDOW: usize = 2 * MAX_MESSAGE_SIZE;
/// Room in the library's queue beyond our own bound, for the handshakes of channels.
const QUEUE_MARGIN: usize = MAX_MESSAGE_SIZE + 64 * 1024;

/// How a message is carried (RFC 3758, RFC 8831 §6.4).
#[derive(Debug, Clone, Copy, Default)]
pub struct Reliability {
    /// May overtake others.
    pub unordered: bool,
    /// Given up after so many retransmissions.
    pub max_retransmits: Option<u16>,
    /// Given up after so long.
    pub max_lifetime: Option<Duration>,
}

/// What an association reports.
#[derive(Debug)]
pub enum SctpEvent {
    /// To send in one DTLS record.
    Packet(Vec<u8>),
    /// The association is up.
    Connected,
    /// It is over: shut down, aborted by either side.
    Closed,
    /// A whole message.
    Message {
        /// The stream.
        stream: u16,
        /// The payload protocol identifier.
        ppid: u32,
        /// The payload.
        payload: Vec<u8>,
    },
    /// The peer has reset these of its outgoing streams (RFC 6525 §5.2.2).
    PeerReset(Vec<u16>),
    /// Our outgoing streams are reset, or cannot be.
    ResetDone(Vec<u16>),
    /// What waits has fallen to half of the bound.
    BufferLow,
}

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SctpSendError {
    /// The queue is full.
    #[error("the send queue is full")]
    Full,
    /// The association is over.
    #[error("the association is closed")]
    Closed,
}

/// One association, sans-IO: `handle_*` puts in, `poll_*` takes out; drain after every input.
pub trait SctpEndpoint {
    /// Starts the association; both sides may.
    fn connect(&mut self, now: Instant);
    /// A packet from the peer.
    fn handle_packet(&mut self, now: Instant, packet: &[u8]);
    /// Time has passed.
    fn handle_timeout(&mut self, now: Instant);
    /// Queues a message.
    fn send(
        &mut self,
        now: Instant,
        stream: u16,
        ppid: u32,
        payload: Vec<u8>,
        reliability: Reliability,
    ) -> Result<(), SctpSendError>;
    /// Resets outgoing streams; `false` when the association cannot.
    fn reset(&mut self, now: Instant, streams: &[u16]) -> bool;
    /// Bytes that wait to be sent on a stream.
    fn buffered(&self, stream: u16) -> usize;
    /// Ends the association at once.
    fn abort(&mut self, now: Instant);
    /// The next event; `None` when drained.
    fn poll_event(&mut self) -> Option<SctpEvent>;
    /// When to call [`SctpEndpoint::handle_timeout`].
    fn poll_timeout(&self) -> Option<Instant>;
}

/// SCTP by `dcsctp`.
pub struct Sctp {
    socket: Box<dyn DcSctpSocket>,
    /// The library's time zero.
    epoch: Instant,
}

impl Sctp {
    /// A closed association between `local_port` and `remote_port`; `buffer` bounds what waits to be sent.
    pub fn new(now: Instant, local_port: u16, remote_port: u16, buffer: usize) -> Self {
        let options = Options {
            local_port,
            remote_port,
            mtu: MTU,
            max_message_size: MAX_MESSAGE_SIZE,
            max_receiver_window_buffer_size: RECEIVE_WINDOW,
            max_send_buffer_size: buffer + QUEUE_MARGIN,
            per_stream_send_queue_limit: buffer + QUEUE_MARGIN,
            total_buffered_amount_low_threshold: buffer / 2,
            // The path's own consent decides when a peer is gone; an association that gave up would be lost for good.
            max_retransmissions: None,
            max_init_retransmits: None,
            max_timer_backoff_duration: Some(Duration::from_secs(3)),
            ..Options::default()
        };
        Self { socket: dcsctp::new_socket("", &options), epoch: now }
    }

    fn advance(&mut self, now: Instant) {
        self.socket.advance_time(SocketTime::zero() + now.saturating_duration_since(self.epoch));
    }
}

impl SctpEndpoint for Sctp {
    fn connect(&mut self, now: Instant) {
        self.advance(now);
        if self.socket.state() == SocketState::Closed {
            self.socket.connect();
        }
    }

    fn handle_packet(&mut self, now: Instant, packet: &[u8]) {
        self.advance(now);
        self.socket.handle_input(packet);
    }

    fn handle_timeout(&mut self, now: Instant) {
        self.advance(now);
    }

    fn send(
        &mut self,
        now: Instant,
        stream: u16,
        ppid: u32,
        payload: Vec<u8>,
        reliability: Reliability,
    ) -> Result<(), SctpSendError> {
        self.advance(now);
        let message = Message::new(dcsctp::api::StreamId(stream), PpId(ppid), payload);
        let options = SendOptions {
            unordered: reliability.unordered,
            lifetime: reliability.max_lifetime,
            max_retransmissions: reliability.max_retransmits,
            lifecycle_id: None,
        };
        self.socket.send(message, &options).map_err(|error| match error {
            SendError::ShuttingDown => SctpSendError::Closed,
            _ => SctpSendError::Full,
        })
    }

    fn reset(&mut self, now: Instant, streams: &[u16]) -> bool {
        self.advance(now);
        let streams: Vec<_> = streams.iter().map(|&s| dcsctp::api::StreamId(s)).collect();
        self.socket.reset_streams(&streams).is_ok()
    }

    fn buffered(&self, stream: u16) -> usize {
        self.socket.buffered_amount(dcsctp::api::StreamId(stream))
    }

    fn abort(&mut self, now: Instant) {
        self.advance(now);
        self.socket.close();
    }

    fn poll_event(&mut self) -> Option<SctpEvent> {
        if let Some(message) = self.socket.get_next_message() {
            let Message { stream_id, ppid, payload } = message;
            return Some(SctpEvent::Message { stream: stream_id.0, ppid: ppid.0, payload });
        }
        let numbers = |streams: Vec<dcsctp::api::StreamId>| streams.into_iter().map(|s| s.0).collect();
        loop {
            return Some(match self.socket.poll_event()? {
                SocketEvent::SendPacket(packet) => SctpEvent::Packet(packet),
                SocketEvent::OnConnected() => SctpEvent::Connected,
                SocketEvent::OnClosed() | SocketEvent::OnAborted(..) => SctpEvent::Closed,
                SocketEvent::OnIncomingStreamReset(streams) => SctpEvent::PeerReset(numbers(streams)),
                SocketEvent::OnStreamsResetPerformed(streams) | SocketEvent::OnStreamsResetFailed(streams) => {
                    SctpEvent::ResetDone(numbers(streams))
                }
                SocketEvent::OnTotalBufferedAmountLow() => SctpEvent::BufferLow,
                _ => continue,
            });
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        let timeout = self.socket.poll_timeout();
        (timeout != SocketTime::infinite_future()).then(|| self.epoch + (timeout - SocketTime::zero()))
    }
}

impl fmt::Debug for Sctp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sctp").field("state", &self.socket.state()).finish_non_exhaustive()
    }
}
