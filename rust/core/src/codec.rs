//! Codecs as both negotiation and forwarding see them.

/// Audio or video.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Audio.
    Audio,
    /// Video.
    Video,
}

impl Kind {
    /// RTP clock rate in Hz, of all codecs that the SFU has.
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Audio => 48_000,
            Self::Video => 90_000,
        }
    }
}

/// A codec by its name; RTX is not one of them, it belongs to the codec that it repairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum CodecName {
    /// Opus (RFC 7587).
    Opus,
    /// Redundant audio (RFC 2198) around Opus.
    Red,
    /// VP8 (RFC 7741).
    Vp8,
    /// VP9 profile 0 (RFC 9628).
    Vp9,
    /// AV1 (AV1 RTP payload specification 1.0).
    Av1,
    /// H.264, packetization mode 1 (RFC 6184).
    H264,
    /// H.265 (RFC 7798).
    H265,
}

impl CodecName {
    /// Audio or video.
    pub const fn kind(self) -> Kind {
        match self {
            Self::Opus | Self::Red => Kind::Audio,
            Self::Vp8 | Self::Vp9 | Self::Av1 | Self::H264 | Self::H265 => Kind::Video,
        }
    }

    /// RTP clock rate in Hz.
    pub const fn clock_rate(self) -> u32 {
        self.kind().clock_rate()
    }

    /// The encoding name of `a=rtpmap`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::Red => "red",
            Self::Vp8 => "VP8",
            Self::Vp9 => "VP9",
            Self::Av1 => "AV1",
            Self::H264 => "H264",
            Self::H265 => "H265",
        }
    }
}
