//! The peer's side of offer and answer: enough SDP of its own to talk to an SFU, and nothing more.

mod negotiation;
mod parse;
mod write;

use sfu_transport::{Fingerprint, IceCredentials, SctpParameters};
use sfu_wire::{Extension, ExtensionMap, Mid, Ssrc};
use std::net::SocketAddr;
use thiserror::Error;

pub(crate) use negotiation::Negotiation;
pub(crate) use write::{Local, SourceStreams};

/// A description that the peer cannot follow.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SdpError {
    /// A line or attribute is not there.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// A line cannot be read.
    #[error("line not understood: {0}")]
    Line(String),
    /// An answer must have the offer's sections.
    #[error("{found} sections answer {offered}")]
    SectionCount {
        /// In the answer.
        found: usize,
        /// In the offer.
        offered: usize,
    },
    /// The server wants to be DTLS client.
    #[error("the server is not DTLS passive")]
    Setup,
}

/// What a section is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SectionKind {
    Audio,
    Video,
    Application,
}

/// Payload types of the one codec per kind. Unlike browsers the peer has RTX for audio too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Codec {
    pub(crate) pt: u8,
    pub(crate) rtx: Option<u8>,
}

/// One m-line as both sides see it.
#[derive(Debug, Clone)]
pub(crate) struct Section {
    pub(crate) mid: Mid,
    pub(crate) kind: SectionKind,
    /// Index of the source that it publishes.
    pub(crate) source: Option<usize>,
    /// The source is on: it sends.
    pub(crate) sends: bool,
    /// It can receive.
    pub(crate) receives: bool,
    pub(crate) standing: Standing,
    pub(crate) codec: Option<Codec>,
    pub(crate) extensions: ExtensionMap,
    /// What the server announced to send: primary and repair.
    pub(crate) announced: Vec<(Ssrc, Option<Ssrc>)>,
}

/// How the two sides agreed on a section.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The server takes nothing in it, or has not answered.
    Open,
    /// The server takes what the peer sends in it.
    Accepted,
    /// Rejected or ended: port 0.
    Stopped,
}

impl Section {
    pub(crate) fn is_stopped(&self) -> bool {
        self.standing == Standing::Stopped
    }
}

/// The payload types and extension ids in use on the transport: one number has one meaning in a bundle (RFC 9143 §9.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    pub(crate) opus: Codec,
    pub(crate) vp8: Codec,
    pub(crate) extensions: ExtensionMap,
}

impl Default for Numbers {
    fn default() -> Self {
        let extensions = [
            (1, Extension::AudioLevel),
            (2, Extension::AbsSendTime),
            (3, Extension::TransportCc),
            (4, Extension::Mid),
            (10, Extension::Rid),
            (11, Extension::RepairedRid),
        ];
        Self {
            opus: Codec { pt: 111, rtx: Some(112) },
            vp8: Codec { pt: 96, rtx: Some(97) },
            extensions: extensions.into_iter().collect(),
        }
    }
}

impl Numbers {
    pub(crate) fn codec(&self, kind: SectionKind) -> Option<Codec> {
        match kind {
            SectionKind::Audio => Some(self.opus),
            SectionKind::Video => Some(self.vp8),
            SectionKind::Application => None,
        }
    }
}

/// What a remote description says.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(crate) credentials: IceCredentials,
    pub(crate) fingerprints: Vec<Fingerprint>,
    pub(crate) candidates: Vec<SocketAddr>,
    pub(crate) sctp: Option<SctpParameters>,
    pub(crate) sections: Vec<RemoteSection>,
}

/// One of its sections.
#[derive(Debug)]
pub(crate) struct RemoteSection {
    pub(crate) kind: SectionKind,
    pub(crate) mid: Option<Mid>,
    pub(crate) stopped: bool,
    pub(crate) sends: bool,
    pub(crate) receives: bool,
    pub(crate) codec: Option<Codec>,
    pub(crate) extensions: ExtensionMap,
    pub(crate) announced: Vec<(Ssrc, Option<Ssrc>)>,
}
