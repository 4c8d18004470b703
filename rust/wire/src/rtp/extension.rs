//! The header extensions that the SFU understands, by their URI.

use std::fmt;

/// A header extension. Its number in packets is negotiated, see [`ExtensionMap`](crate::ExtensionMap).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Extension {
    /// The media section (RFC 9143 §15.2).
    Mid,
    /// The simulcast encoding (RFC 8852 §3.1).
    Rid,
    /// The simulcast encoding that a retransmission repairs (RFC 8852 §3.2).
    RepairedRid,
    /// The transport-wide sequence number (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2).
    TransportCc,
    /// When the packet left, 24 bits (webrtc.org `abs-send-time`).
    AbsSendTime,
    /// Loudness from client to mixer (RFC 6464).
    AudioLevel,
    /// How the picture is rotated (3GPP TS 26.114 §7.4.5).
    VideoOrientation,
    /// Frame dependencies (AV1 RTP payload specification, appendix A).
    DependencyDescriptor,
    /// When the frame was captured (webrtc.org `abs-capture-time`).
    AbsCaptureTime,
    /// Which layers are sent at which rate (webrtc.org `video-layers-allocation00`).
    VideoLayersAllocation,
}

impl Extension {
    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// All, in the order of declaration.
    pub const ALL: [Self; 10] = [
        Self::Mid,
        Self::Rid,
        Self::RepairedRid,
        Self::TransportCc,
        Self::AbsSendTime,
        Self::AudioLevel,
        Self::VideoOrientation,
        Self::DependencyDescriptor,
        Self::AbsCaptureTime,
        Self::VideoLayersAllocation,
    ];

    /// The URI of `a=extmap` (RFC 8285 §5).
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Mid => "urn:ietf:params:rtp-hdrext:sdes:mid",
            Self::Rid => "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
            Self::RepairedRid => "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
            Self::TransportCc => "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
            Self::AbsSendTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
            Self::AudioLevel => "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
            Self::VideoOrientation => "urn:3gpp:video-orientation",
            Self::DependencyDescriptor => {
                "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
            }
            Self::AbsCaptureTime => "http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
            Self::VideoLayersAllocation => "http://www.webrtc.org/experiments/rtp-hdrext/video-layers-allocation00",
        }
    }

    /// The extension with this URI; `None` when the SFU does not know it.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|extension| extension.uri() == uri)
    }

    /// The position in [`Self::ALL`].
    pub(super) const fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Extension {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.uri())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uris_lead_back() {
        for (index, extension) in Extension::ALL.into_iter().enumerate() {
            assert_eq!(Extension::from_uri(extension.uri()), Some(extension));
            assert_eq!(extension.index(), index);
        }
        assert_eq!(Extension::from_uri("urn:ietf:params:rtp-hdrext:toffset"), None);
    }
}
