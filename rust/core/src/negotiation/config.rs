//! What a [`Negotiator`](super::Negotiator) is told once.

use std::net::SocketAddr;

use sfu_transport::IceCredentials;

use crate::codec::CodecName;

/// Who may offer on a transport.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NegotiatorRole {
    /// Both; in a glare the client's offer wins.
    Either,
    /// Only the client; senders attach to the sections that it offers.
    ClientOffers,
    /// Only the server.
    ServerOffers,
}

/// Settings of one transport's negotiation.
#[derive(Debug, Clone)]
pub struct NegotiatorConfig {
    /// The server certificate's, as in SDP: `sha-256 AA:BB:…`.
    pub fingerprint: String,
    /// Written as host candidates, in order of preference.
    pub candidates: Vec<SocketAddr>,
    /// The first ones; replaced at an ICE restart.
    pub credentials: IceCredentials,
    /// Allowed audio codecs in order of preference; empty: all, in the client's order.
    pub audio_codecs: Vec<CodecName>,
    /// Allowed video codecs in order of preference; empty: all, in the client's order.
    pub video_codecs: Vec<CodecName>,
    /// Whether the client may send audio.
    pub publish_audio: bool,
    /// Whether the client may send video.
    pub publish_video: bool,
    /// Who offers.
    pub role: NegotiatorRole,
    /// The CNAME of everything sent (RFC 3550 §6.5.1).
    pub label: String,
    /// The `sess-id` of `o=` (RFC 9429 §5.2.1): a random number below 2^62.
    pub session_id: u64,
}
