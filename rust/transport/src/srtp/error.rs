//! Why a packet was not sealed or not opened.

use thiserror::Error;

/// Why a packet was not sealed or not opened. A refused packet leaves the state as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SrtpError {
    /// It ends before its header and authentication tag do.
    #[error("the packet is too short")]
    TooShort,
    /// It is not version 2, or its header contradicts what it is sealed as.
    #[error("the packet is malformed")]
    Malformed,
    /// The buffer has no room for what sealing adds.
    #[error("the buffer has no room for the authentication tag")]
    NoRoom,
    /// Its tag does not fit: another key, another rollover counter, or changed on the way.
    #[error("the packet is not authentic")]
    Authentication,
    /// SRTCP with the E bit clear (RFC 3711 §3.4): WebRTC has no unencrypted RTCP (RFC 8827 §6.5).
    #[error("the RTCP packet is not encrypted")]
    Unencrypted,
    /// It was received before (RFC 3711 §3.3.2).
    #[error("the packet was received before")]
    Replayed,
    /// It lies behind the window of remembered indices.
    #[error("the packet is older than the replay window")]
    TooOld,
    /// Something was sealed under this SSRC and index already; a second seal would repeat the nonce.
    #[error("the index was sealed before")]
    IndexReused,
    /// The receiver would guess another rollover counter: a stream that does not start at 0, or a jump of half a cycle.
    #[error("the receiver cannot follow to this rollover counter")]
    RolloverGap,
    /// The key has sealed as much as it may (RFC 3711 §9.2), or has served too many streams.
    #[error("the key is used up")]
    KeyLimit,
    /// Key or salt have not the length that the profile needs.
    #[error("key or salt have the wrong length")]
    KeyLength,
}

impl SrtpError {
    /// The variant's name, for counters and tests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TooShort => "TooShort",
            Self::Malformed => "Malformed",
            Self::NoRoom => "NoRoom",
            Self::Authentication => "Authentication",
            Self::Unencrypted => "Unencrypted",
            Self::Replayed => "Replayed",
            Self::TooOld => "TooOld",
            Self::IndexReused => "IndexReused",
            Self::RolloverGap => "RolloverGap",
            Self::KeyLimit => "KeyLimit",
            Self::KeyLength => "KeyLength",
        }
    }
}
