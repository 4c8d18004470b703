//! What is agreed about one media section, as the rest of the core reads it.

use std::sync::Arc;

use sfu_wire::{ExtensionMap, Mid, Pt, Rid, Ssrc};

use crate::codec::{CodecName, Kind};
use crate::id::SubscriptionId;

/// What a section carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SectionKind {
    /// Audio.
    Audio,
    /// Video.
    Video,
    /// Data channels.
    Application,
}

impl Section {
    /// Whether reduced-size RTCP is understood (RFC 5506); `None` where no media flows.
    pub fn takes_reduced_reports(&self) -> Option<bool> {
        let receive = self.receive.as_ref().map(|receive| receive.rtcp_rsize);
        receive.or_else(|| self.send.as_ref().map(|send| send.rtcp_rsize))
    }
}

impl SectionKind {
    /// The media kind; `None` for data channels.
    pub const fn media(self) -> Option<Kind> {
        match self {
            Self::Audio => Some(Kind::Audio),
            Self::Video => Some(Kind::Video),
            Self::Application => None,
        }
    }

    /// The media type of the `m=` line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Audio => "audio",
            Self::Video => "video",
            Self::Application => "application",
        }
    }
}

impl From<Kind> for SectionKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Audio => Self::Audio,
            Kind::Video => Self::Video,
        }
    }
}

/// One negotiated section, in m-line order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its name; a recycled section gets a new one.
    pub mid: Mid,
    /// What it carries.
    pub kind: SectionKind,
    /// Rejected or stopped (port 0): nothing flows, its place may be recycled.
    pub stopped: bool,
    /// What the client may send here; `None` when it does not or must not.
    pub receive: Option<ReceiveParameters>,
    /// What is sent here; `None` without a sender, or while the client does not receive.
    pub send: Option<SendParameters>,
}

/// A payload format that both sides speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NegotiatedCodec {
    /// The payload type.
    pub pt: Pt,
    /// The codec.
    pub name: CodecName,
    /// The payload type of its retransmissions (RFC 4588).
    pub rtx: Option<Pt>,
    /// The peer's `a=fmtp` parameters, empty without.
    pub fmtp: Arc<str>,
}

/// How to read what the client sends in one section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one negotiated feedback type")]
pub struct ReceiveParameters {
    /// In order of preference.
    pub codecs: Arc<[NegotiatedCodec]>,
    /// Header extensions that the client may send.
    pub extensions: ExtensionMap,
    /// Simulcast encodings in the order of `a=simulcast`; empty without simulcast.
    pub rids: Vec<Rid>,
    /// Those of `rids` that start paused (`~`, RFC 8853 §5.1).
    pub paused_rids: Vec<Rid>,
    /// Signalled SSRCs: media and its retransmissions (`FID`), in the order of the SDP.
    pub ssrcs: Vec<(Ssrc, Option<Ssrc>)>,
    /// Stream and track of `a=msid`, empty when there is none.
    pub msid: (String, String),
    /// Transport-wide feedback is expected.
    pub twcc: bool,
    /// REMB is understood.
    pub remb: bool,
    /// NACK is understood.
    pub nack: bool,
    /// How the client is asked for a keyframe.
    pub keyframe_request: KeyframeRequest,
    /// Reduced-size RTCP is understood (RFC 5506).
    pub rtcp_rsize: bool,
}

/// Messages that ask for a keyframe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyframeRequest {
    /// `nack pli` (RFC 4585 §6.3.1); also for those who name neither, since every encoder knows it.
    Pli,
    /// `ccm fir` alone (RFC 5104 §4.3.1).
    Fir,
}

/// How to write what one sender sends in one section.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is one negotiated feature")]
pub struct SendParameters {
    /// Which sender.
    pub subscription: SubscriptionId,
    /// What the client accepts, in its order of preference.
    pub codecs: Arc<[NegotiatedCodec]>,
    /// The payload format for the track's codec; `None` when the client does not accept it.
    pub codec: Option<NegotiatedCodec>,
    /// Header extensions that the client understands.
    pub extensions: ExtensionMap,
    /// One- and two-byte headers may mix (RFC 8285 §6).
    pub extmap_allow_mixed: bool,
    /// The client sends transport-wide feedback.
    pub twcc: bool,
    /// The client sends REMB.
    pub remb: bool,
    /// The client sends NACKs.
    pub nack: bool,
    /// Reduced-size RTCP is understood (RFC 5506).
    pub rtcp_rsize: bool,
}

impl SendParameters {
    /// Whether the client accepts the track's codec.
    pub const fn codec_supported(&self) -> bool {
        self.codec.is_some()
    }
}
