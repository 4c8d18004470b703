//! Which layers an encoding has and how they refer to each other.

/// What spatial layers of one picture mean to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InterLayer {
    /// Each refers to the one below in every picture (L modes).
    Always,
    /// In keyframe pictures only (`L_KEY` modes, K-SVC).
    AtKeyframes,
    /// Likewise, and the temporal layers of one picture are not the same (`L_KEY_SHIFT` modes).
    Shifted,
    /// Never: several streams in one (S modes).
    Never,
}

/// How packets look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payload {
    /// RFC 7741.
    Vp8,
    /// RFC 9628.
    Vp9 {
        /// References are listed in each packet.
        flexible: bool,
    },
    /// RFC 6184, packetization mode 1.
    H264,
    /// RFC 7798.
    H265,
    /// AV1 RTP payload specification, with the dependency descriptor.
    Av1,
}

impl Payload {
    /// As in `a=rtpmap`.
    pub const fn map(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8/90000",
            Self::Vp9 { .. } => "VP9/90000",
            Self::H264 => "H264/90000",
            Self::H265 => "H265/90000",
            Self::Av1 => "AV1/90000",
        }
    }

    /// As in `a=fmtp`.
    pub const fn fmtp(self) -> &'static str {
        match self {
            Self::Vp8 | Self::Av1 => "",
            Self::Vp9 { .. } => "profile-id=0",
            Self::H264 => "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
            Self::H265 => "level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST",
        }
    }

    /// Whether a picture may lack its top layer: where references are told by distance in a fixed pattern, none may be missing.
    pub(super) const fn may_skip_layers(self) -> bool {
        matches!(self, Self::Av1 | Self::Vp9 { flexible: true })
    }
}

/// What an encoder makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Structure {
    /// How packets look.
    pub payload: Payload,
    /// Simulcast encodings; each has the layers below.
    pub encodings: u8,
    /// Spatial layers inside an encoding.
    pub spatial: u8,
    /// Temporal layers, 1..=3: 0, 0 1, or 0 2 1 2.
    pub temporal: u8,
    /// What spatial layers refer to.
    pub inter_layer: InterLayer,
    /// Every second group of pictures refers back beyond its layer 0, so that not every picture is a switch point.
    pub looks_back: bool,
    /// The dependency descriptor stands beside a payload descriptor that could do without; VP8's is then reduced as libwebrtc
    /// does (`MinimizeDescriptor`).
    pub described: bool,
}

impl Structure {
    /// One encoding of one layer.
    pub const fn single(payload: Payload) -> Self {
        Self {
            payload,
            encodings: 1,
            spatial: 1,
            temporal: 1,
            inter_layer: InterLayer::Always,
            looks_back: false,
            described: false,
        }
    }

    /// Three simulcast encodings with so many temporal layers.
    pub const fn simulcast(payload: Payload, temporal: u8) -> Self {
        Self { encodings: 3, temporal, ..Self::single(payload) }
    }

    /// One encoding of three spatial and three temporal layers.
    pub const fn l3t3(payload: Payload, inter_layer: InterLayer) -> Self {
        Self { spatial: 3, temporal: 3, inter_layer, ..Self::single(payload) }
    }

    /// With groups that look back.
    #[must_use]
    pub const fn looking_back(self) -> Self {
        Self { looks_back: true, ..self }
    }

    /// With the dependency descriptor beside the payload.
    #[must_use]
    pub const fn described(self) -> Self {
        Self { described: true, ..self }
    }

    /// Whether the dependency descriptor tells the layers.
    pub const fn has_dependency_descriptor(self) -> bool {
        self.described || matches!(self.payload, Payload::Av1)
    }
}
