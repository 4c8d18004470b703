//! What the application asks of an [`Sfu`](crate::Sfu), and what it answers.

use std::time::Duration;

pub use sfu_transport::IceCredentials;
use thiserror::Error;

use crate::config::{RoomConfig, SessionConfig};
use crate::id::{ChannelId, RoomId, SessionId, SubscriptionId, TapId, TrackId};
use crate::layer::Layer;
use crate::negotiation::NegotiationError;
use crate::stats::{RoomStats, SessionStats, SfuStats};
use crate::tap::TapFrames;
use crate::transport::TransportKind;

/// Whether a description offers or answers (RFC 9429 §4.1.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SdpType {
    /// An offer.
    Offer,
    /// An answer.
    Answer,
}

/// A session description on its way in or out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// The transport that it describes.
    pub transport: TransportKind,
    /// Offer or answer.
    pub kind: SdpType,
    /// The SDP text.
    pub sdp: String,
    /// Counts the server's offers per transport; an answer that repeats it can be told from a stale one. Answers to
    /// the client's offers repeat the client's number.
    pub id: Option<u64>,
}

/// A data channel to be opened by the server (RFC 8832 §5.1).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChannelConfig {
    /// The label that the peer sees.
    pub label: String,
    /// The subprotocol.
    pub protocol: String,
    /// Whether messages arrive in order.
    pub ordered: bool,
    /// Gives up after so many retransmissions; `None` with `max_lifetime` `None` is reliable.
    pub max_retransmits: Option<u16>,
    /// Gives up after so long.
    pub max_lifetime: Option<Duration>,
}

/// A command. Each is answered by the [`Reply`] of its row or a [`CommandError`].
#[derive(Debug, Clone)]
pub enum Command {
    /// [`Reply::Room`].
    CreateRoom(RoomConfig),
    /// Closes all its sessions. [`Reply::Done`].
    CloseRoom(RoomId),
    /// [`Reply::Session`].
    Join(RoomId, SessionConfig),
    /// Ends a session; the peer sees its transport close. [`Reply::Done`].
    CloseSession(SessionId),
    /// Applies a peer's description. [`Reply::Description`]: the answer to an offer, `None` to an answer.
    Receive(SessionId, Description),
    /// A trickled candidate line (accepted and checked; an ICE-lite server learns addresses from checks).
    /// [`Reply::Done`].
    AddCandidate(SessionId, TransportKind, String),
    /// Fresh server credentials for an ICE restart without SDP (WHIP PATCH, RFC 9725 §4.3.2), given the peer's.
    /// [`Reply::IceCredentials`].
    RestartIce(SessionId, TransportKind, IceCredentials),
    /// Offers fresh server credentials: the peer's answer restarts ICE, also on a transport that only the server offers.
    /// [`Reply::Done`].
    OfferIceRestart(SessionId, TransportKind),
    /// [`Reply::Subscription`]. `max_layer` `None` is the highest that flows.
    Subscribe {
        /// Who wants it.
        session: SessionId,
        /// What.
        track: TrackId,
        /// Not above this.
        max_layer: Option<Layer>,
    },
    /// [`Reply::Done`].
    Unsubscribe(SubscriptionId),
    /// Not above this layer from the next keyframe on. [`Reply::Done`].
    SetLayer(SubscriptionId, Option<Layer>),
    /// Stops and restarts forwarding without renegotiation. [`Reply::Done`].
    SetPaused(SubscriptionId, bool),
    /// The server mutes a track for everybody; what arrives is dropped. [`Reply::Done`].
    SetMuted(TrackId, bool),
    /// Asks the publisher for a keyframe on every encoding. [`Reply::Done`].
    RequestKeyframe(TrackId),
    /// [`Reply::Channel`].
    OpenChannel(SessionId, ChannelConfig),
    /// [`Reply::Sent`]: false when the buffer is full; `Event::ChannelWritable` follows.
    SendMessage {
        /// Through which channel.
        channel: ChannelId,
        /// Binary or text (RFC 8831 §8).
        binary: bool,
        /// At most 256 KiB.
        payload: Vec<u8>,
    },
    /// [`Reply::Done`].
    CloseChannel(ChannelId),
    /// Copies a track's packets as received into `Event::Dump` for `duration`, at most `max_bytes`. [`Reply::Done`].
    Dump {
        /// Which track.
        track: TrackId,
        /// How long.
        duration: Duration,
        /// Stops at so many bytes.
        max_bytes: usize,
    },
    /// Gives a track's encoded frames to the application; `Event::TapReady` tells of them. [`Reply::Tap`].
    Tap {
        /// Which track.
        track: TrackId,
        /// Not above this.
        max_layer: Option<Layer>,
        /// So many frames wait at most.
        capacity: usize,
    },
    /// Takes what waits in a tap. [`Reply::Frames`].
    TakeFrames(TapId),
    /// Ends a tap. [`Reply::Done`].
    Untap(TapId),
    /// [`Reply::SfuStats`].
    SfuStats,
    /// [`Reply::RoomStats`].
    RoomStats(RoomId),
    /// [`Reply::SessionStats`].
    SessionStats(SessionId),
}

impl Command {
    /// The shard in the id of what it names; `None`: it names nothing. Of a join that is the room's home, wherever the
    /// session will live.
    pub const fn shard(&self) -> Option<u16> {
        Some(match self {
            Self::CreateRoom(_) | Self::SfuStats => return None,
            Self::Join(room, _) | Self::CloseRoom(room) | Self::RoomStats(room) => room.shard(),
            Self::CloseSession(session)
            | Self::Receive(session, _)
            | Self::AddCandidate(session, ..)
            | Self::RestartIce(session, ..)
            | Self::OfferIceRestart(session, _)
            | Self::Subscribe { session, .. }
            | Self::OpenChannel(session, _)
            | Self::SessionStats(session) => session.shard(),
            Self::Unsubscribe(subscription) | Self::SetLayer(subscription, _) | Self::SetPaused(subscription, _) => {
                subscription.shard()
            }
            Self::SetMuted(track, _)
            | Self::RequestKeyframe(track)
            | Self::Dump { track, .. }
            | Self::Tap { track, .. } => track.shard(),
            Self::TakeFrames(tap) | Self::Untap(tap) => tap.shard(),
            Self::SendMessage { channel, .. } | Self::CloseChannel(channel) => channel.shard(),
        })
    }
}

/// A command that is answered later.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PendingId(u64);

impl PendingId {
    pub(crate) const fn new(value: u64) -> Self {
        Self(value)
    }
}

/// What a [`Command`] answers.
#[derive(Debug, Clone)]
pub enum Reply {
    /// It is done.
    Done,
    /// Another shard is asked first: [`Sfu::poll_reply`](crate::Sfu::poll_reply) gives the reply, within a second.
    Pending(PendingId),
    /// The new room.
    Room(RoomId),
    /// The new session.
    Session(SessionId),
    /// The answer, if the description was an offer.
    Description(Option<Description>),
    /// The server's new credentials.
    IceCredentials(IceCredentials),
    /// The new subscription.
    Subscription(SubscriptionId),
    /// The new channel.
    Channel(ChannelId),
    /// Whether the message was taken.
    Sent(bool),
    /// The new tap.
    Tap(TapId),
    /// What waited in a tap.
    Frames(Box<TapFrames>),
    /// Of the whole shard.
    SfuStats(Box<SfuStats>),
    /// Of a room.
    RoomStats(Box<RoomStats>),
    /// Of a session.
    SessionStats(Box<SessionStats>),
}

/// Why a [`Command`] was not carried out. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The room does not exist or is closed.
    #[error("the room is closed")]
    RoomClosed,
    /// The room has its `max_sessions`.
    #[error("the room is full: it holds {0} sessions")]
    RoomFull(u32),
    /// The shard where the room lives has not answered within a second: it has stalled.
    #[error(
        "the shard of the room has not answered within a second: try again; `stall` in its statistics tells how it does"
    )]
    RoomUnavailable,
    /// The session does not exist or is closed.
    #[error("the session is closed")]
    SessionClosed,
    /// The track does not exist or has ended.
    #[error("the track has ended")]
    TrackEnded,
    /// The subscription does not exist or has ended.
    #[error("the subscription has ended")]
    SubscriptionEnded,
    /// The tap does not exist or has ended.
    #[error("the tap has ended")]
    TapEnded,
    /// The channel does not exist or is closed.
    #[error("the channel is closed")]
    ChannelClosed,
    /// A session cannot subscribe to its own track or one of another room.
    #[error("a session can subscribe to the tracks of the others in its room only")]
    NotInRoom,
    /// The session is subscribed to this track already.
    #[error("the session is subscribed to this track already")]
    AlreadySubscribed,
    /// The transport is not one of this session's.
    #[error("this session has no transport {:?}; its `offers` decides which exist", .0.as_str())]
    NoSuchTransport(TransportKind),
    /// The message is larger than 256 KiB.
    #[error("a message of {0} bytes is too large: 262144 at most")]
    MessageTooLarge(usize),
    /// The SDP was refused.
    #[error(transparent)]
    Negotiation(#[from] NegotiationError),
    /// The candidate line is not one.
    #[error("not an ICE candidate: {0:?}")]
    Candidate(String),
}
