//! How a channel is named, what is reported of it, and why something cannot be done with it.

use thiserror::Error;

use super::{ChannelParameters, MAX_CHANNELS};

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
