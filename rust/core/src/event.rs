//! What an [`Sfu`](crate::Sfu) reports: past tense, plain values, never one per packet.

use std::time::Duration;

use sfu_wire::{Mid, Rid};

use crate::codec::{CodecName, Kind};
use crate::command::Description;
use crate::id::{ChannelId, RoomId, SessionId, SubscriptionId, TapId, TrackId};
use crate::layer::Layer;
use crate::stream::LayerInfo;
use crate::transport::{ConnectionState, TransportKind};

/// Why a session ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CloseReason {
    /// `Command::CloseSession`.
    Requested,
    /// Its room was closed.
    RoomClosed,
    /// The peer closed its transport (DTLS `close_notify`).
    PeerClosed,
    /// No consent for too long, or no first contact in time.
    Timeout,
    /// The peer's certificate does not match the SDP's fingerprint.
    FingerprintMismatch,
    /// The DTLS handshake failed.
    HandshakeFailed(String),
}

/// Why a subscription does not flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubscriptionProblem {
    /// The subscriber did not accept this codec.
    CodecUnsupported(CodecName),
    /// The subscriber rejected the section.
    Rejected,
}

/// What made another layer flow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LayerReason {
    /// The subscription began.
    Started,
    /// `Command::SetLayer`.
    Chosen,
    /// `Command::SetPaused`, or the subscriber's transport lost or found its peer.
    Paused,
    /// `Command::SetMuted`.
    Muted,
    /// What the subscriber's way carries.
    Bandwidth,
    /// What the publisher sends: encodings and layers come, stop and restart.
    #[default]
    Flow,
}

impl LayerReason {
    /// Its name in the API and in signalling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Chosen => "chosen",
            Self::Paused => "paused",
            Self::Muted => "muted",
            Self::Bandwidth => "bandwidth",
            Self::Flow => "flow",
        }
    }
}

/// One who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Speaker {
    /// Whose.
    pub session: SessionId,
    /// Which track.
    pub track: TrackId,
    /// Smoothed level, −127 (silence) … 0 dBov (RFC 6464).
    pub level: i8,
}

/// A track as it was published.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrackPublished {
    /// Where.
    pub room: RoomId,
    /// By whom.
    pub session: SessionId,
    /// The track.
    pub track: TrackId,
    /// Audio or video.
    pub kind: Kind,
    /// The section in the publisher's SDP.
    pub mid: Mid,
    /// What the first packet carried.
    pub codec: CodecName,
    /// The simulcast encodings by rising quality, empty without simulcast.
    pub rids: Vec<Rid>,
    /// The publisher's `a=msid` stream and track, empty when it gave none.
    pub msid: (String, String),
}

/// An event. Exhaustive on purpose: whoever translates events fails to compile when one is added, rather than to lose it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server wants to change a transport: send this offer, `Receive` the answer.
    OfferReady(SessionId, Description),
    /// The client should add so many `recvonly` sections and offer (`Offers::Client`); with none, only offer again: sections that
    /// are free are put to use then.
    SectionsNeeded {
        /// Who.
        session: SessionId,
        /// Missing audio sections.
        audio: u32,
        /// Missing video sections.
        video: u32,
    },
    /// The session's media path changed state.
    ConnectionStateChanged(SessionId, ConnectionState),
    /// The session is gone; nothing more comes of it.
    SessionClosed(SessionId, CloseReason),
    /// First media arrived.
    TrackPublished(TrackPublished),
    /// The section was stopped or its session ended.
    TrackUnpublished {
        /// Where.
        room: RoomId,
        /// By whom.
        session: SessionId,
        /// The track.
        track: TrackId,
    },
    /// No packets have come for a while, or they come again (`replaceTrack(null)`, muted by the publisher).
    TrackStalled(TrackId, bool),
    /// The subscription has a section: media may flow.
    Subscribed {
        /// Who.
        session: SessionId,
        /// The subscription.
        subscription: SubscriptionId,
        /// Of what.
        track: TrackId,
        /// The section in the subscriber's SDP.
        mid: Mid,
        /// The transport that carries it.
        transport: TransportKind,
    },
    /// The subscription ended.
    Unsubscribed {
        /// Who.
        session: SessionId,
        /// The subscription.
        subscription: SubscriptionId,
        /// Of what.
        track: TrackId,
    },
    /// The subscription cannot flow as things are.
    SubscriptionFailed {
        /// Who.
        session: SessionId,
        /// The subscription.
        subscription: SubscriptionId,
        /// Of what.
        track: TrackId,
        /// Why.
        problem: SubscriptionProblem,
    },
    /// Another layer flows from now on; `None`: nothing flows.
    LayerChanged {
        /// Who.
        session: SessionId,
        /// The subscription.
        subscription: SubscriptionId,
        /// What flowed.
        from: Option<Layer>,
        /// What flows.
        to: Option<Layer>,
        /// What it was decided by.
        reason: LayerReason,
        /// From the decision until now, when the first packet of the new layer has gone out.
        wait: Duration,
        /// As much of it as a keyframe was awaited.
        keyframe_wait: Duration,
    },
    /// The layers of a track as learnt from its stream, by rising layer. At most one per second and track; for numbers alone, one
    /// in five seconds.
    LayersChanged(TrackId, Vec<LayerInfo>),
    /// The layers of a track that its subscribers may come to need, by rising quality: one for each spatial layer, with its highest
    /// temporal layer. The publisher's side may stop the others, and starts them again at once when they come back.
    LayersWanted {
        /// The publisher.
        session: SessionId,
        /// Of what.
        track: TrackId,
        /// Empty: nobody needs any.
        layers: Vec<Layer>,
    },
    /// Somebody else is heard in an audio slot (`RoomConfig::audio_slots`), or the slot has got its section.
    AudioSlotChanged {
        /// Who hears it.
        session: SessionId,
        /// The slot, as statistics name it.
        subscription: SubscriptionId,
        /// Its number, from 0.
        slot: u8,
        /// Its section in the subscriber's SDP.
        mid: Mid,
        /// Whose voice; `None`: nobody's.
        track: Option<TrackId>,
    },
    /// The ranking of speakers changed; loudest first.
    SpeakersChanged(RoomId, Vec<Speaker>),
    /// A channel is open.
    ChannelOpened {
        /// Whose.
        session: SessionId,
        /// The channel.
        channel: ChannelId,
        /// Its label.
        label: String,
        /// Its subprotocol.
        protocol: String,
        /// Whether messages arrive in order.
        ordered: bool,
        /// Whether the peer opened it.
        by_peer: bool,
    },
    /// A message arrived.
    ChannelMessage {
        /// Through which channel.
        channel: ChannelId,
        /// Binary or text.
        binary: bool,
        /// The payload.
        payload: Vec<u8>,
    },
    /// There is room again after `Reply::Sent(false)`.
    ChannelWritable(ChannelId),
    /// The channel is closed.
    ChannelClosed(ChannelId),
    /// Frames wait in a tap, or its track has ended; `Command::TakeFrames` is due.
    TapReady(TapId),
    /// A piece of a dump (rtpdump records without the file header); `last` ends it.
    Dump {
        /// Of which track.
        track: TrackId,
        /// Records.
        bytes: Vec<u8>,
        /// Nothing more comes.
        last: bool,
    },
}
