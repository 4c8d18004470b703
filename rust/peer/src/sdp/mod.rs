//! The peer's side of offer and answer: enough SDP of its own to talk to an SFU, and nothing more.

mod negotiation;
mod parse;
mod write;

use sfu_transport::{Fingerprint, IceCredentials, SctpParameters};
use sfu_wire::{Extension, ExtensionMap, Mid, Ssrc};
use std::net::SocketAddr;
use thiserror::Error;

use crate::config::PeerCodec;

pub(crate) use negotiation::Negotiation;
pub(crate) use parse::candidate;
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

/// Payload types of a codec. Unlike browsers the peer has RTX for audio too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Codec {
    pub(crate) name: PeerCodec,
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
    /// What that source sends.
    pub(crate) sent: Option<PeerCodec>,
    /// The source is on: it sends.
    pub(crate) sends: bool,
    /// It can receive.
    pub(crate) receives: bool,
    pub(crate) standing: Standing,
    /// In the order of preference.
    pub(crate) codecs: Vec<Codec>,
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

    /// The codec whose packets or repairs have this payload type.
    pub(crate) fn codec_of(&self, pt: u8) -> Option<Codec> {
        self.codecs.iter().find(|codec| codec.pt == pt || codec.rtx == Some(pt)).copied()
    }

    /// Leaves those that it can make use of.
    fn set_codecs(&mut self, codecs: &[Codec]) {
        let fits = |codec: &&Codec| self.sent.is_none_or(|sent| sent == codec.name);
        self.codecs = codecs.iter().filter(fits).copied().collect();
    }
}

/// The payload types and extension ids in use on the transport: one number has one meaning in a bundle (RFC 9143 §9.1).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Numbers {
    codecs: [Codec; 6],
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
            (12, Extension::DependencyDescriptor),
        ];
        let codec = |name, pt| Codec { name, pt, rtx: Some(pt + 1) };
        let [vp8, vp9, av1, h264, h265] = PeerCodec::VIDEO;
        let codecs = [
            codec(PeerCodec::Opus, 111),
            codec(vp8, 96),
            codec(vp9, 98),
            codec(av1, 100),
            codec(h264, 102),
            codec(h265, 104),
        ];
        Self { codecs, extensions: extensions.into_iter().collect() }
    }
}

impl Numbers {
    /// Those of a kind, in the order of preference.
    pub(crate) fn codecs(&self, kind: SectionKind) -> &[Codec] {
        match kind {
            SectionKind::Audio => &self.codecs[..1],
            SectionKind::Video => &self.codecs[1..],
            SectionKind::Application => &[],
        }
    }

    /// Takes the server's numbers over; what they collide with gets others.
    fn learn(&mut self, theirs: &[Codec]) {
        let taken = |pt: u8| theirs.iter().any(|codec| codec.pt == pt || codec.rtx == Some(pt));
        // Dynamic payload types (RFC 3551 §6), and what RFC 5761 §4 leaves below for those who need more.
        let mut free = (96..=127).chain(35..=63).filter(|pt| !taken(*pt));
        for codec in &mut self.codecs {
            *codec = theirs.iter().find(|their| their.name == codec.name).copied().unwrap_or_else(|| {
                let pt = free.next().unwrap_or(codec.pt);
                Codec { pt, rtx: free.next(), ..*codec }
            });
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
    pub(crate) codecs: Vec<Codec>,
    pub(crate) extensions: ExtensionMap,
    pub(crate) announced: Vec<(Ssrc, Option<Ssrc>)>,
}
