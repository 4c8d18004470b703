//! What the SFU wants to send, and how far that got.

use sfu_wire::{Mid, Ssrc};

use crate::codec::{CodecName, Kind};
use crate::id::SubscriptionId;

/// A track on its way to the client: wants a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Names it.
    pub subscription: SubscriptionId,
    /// Audio or video.
    pub kind: Kind,
    /// The track's codec.
    pub codec: CodecName,
    /// The track's `a=fmtp` parameters at its publisher: chooses among the H264 profiles. May be empty.
    pub fmtp: String,
    /// Media is sent under this SSRC.
    pub ssrc: Ssrc,
    /// Retransmissions under this one.
    pub rtx_ssrc: Option<Ssrc>,
    /// The stream of `a=msid`.
    pub stream: String,
    /// The track of `a=msid`.
    pub track: String,
}

/// How far a [`Sender`] got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderStatus {
    /// Has no section yet.
    Waiting,
    /// Stands in an offer that waits for its answer.
    Offered,
    /// Has a section, and the client receives.
    Attached(Mid),
    /// Has a section, and the client does not receive there for now.
    Held(Mid),
    /// The client's sections do not accept the track's codec.
    Unsupported,
    /// The client rejected the section.
    Rejected,
}
