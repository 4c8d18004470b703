//! What a frame and a layer are, in plain values.

use sfu_wire::payload::{Vp8Descriptor, Vp9Descriptor};

/// A quality point of a track: which size, at which frame rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Layer {
    /// 0 is the smallest picture: a simulcast encoding, or the spatial layer of an SVC stream.
    pub spatial: u8,
    /// 0 is the lowest frame rate.
    pub temporal: u8,
}

impl Layer {
    /// At or above everything that a stream can hold (three bits each in VP9 and AV1).
    pub const MAX: Self = Self { spatial: 7, temporal: 7 };
}

/// What is known of the frame that the packet belongs to. All packets of a frame agree but for `keyframe`,
/// `starts_frame` and `ends_frame`, which say what this packet is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameFacts {
    /// The packet is the first of a keyframe: a decoder can start here.
    pub keyframe: bool,
    /// The first packet of its frame (in SVC: of its spatial layer's frame), as far as the codec tells.
    pub starts_frame: bool,
    /// The last packet of its frame (in SVC: of its spatial layer's frame).
    pub ends_frame: bool,
    /// The spatial layer inside this encoding; 0 without SVC.
    pub spatial: u8,
    /// The temporal layer; 0 when the codec does not tell.
    pub temporal: u8,
    /// Which temporal layers may join here.
    pub switch_up: SwitchUp,
    /// What only some who get the frame have.
    pub prerequisite: Prerequisite,
    /// What a rewriter must keep continuous.
    pub descriptor: Descriptor,
}

impl FrameFacts {
    /// Of a packet that tells nothing but the RTP marker. `starts_frame` is unknown, thus false.
    pub const fn opaque(marker: bool) -> Self {
        Self {
            keyframe: false,
            starts_frame: false,
            ends_frame: marker,
            spatial: 0,
            temporal: 0,
            switch_up: SwitchUp::No,
            prerequisite: Prerequisite::None,
            descriptor: Descriptor::Opaque,
        }
    }
}

/// What a frame says of temporal layers that were left out before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SwitchUp {
    /// Nothing.
    #[default]
    No,
    /// It depends on lower layers only, so its layer may join here.
    This,
    /// Likewise, and those above may join from the next frame on (H.265: temporal sub-layer access).
    ThisAndAbove,
}

/// What a frame cannot be decoded without, beside what its layers tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prerequisite {
    /// Nothing.
    #[default]
    None,
    /// A keyframe without parameter sets, of a stream that sent them with another one: they are needed from there.
    ParameterSets,
    /// The pictures before the random access point that it leads (H.265: RASL).
    PicturesBefore,
}

/// How surely a packet is the first of a keyframe, for the codecs whose packets do not tell where a frame starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyframeStart {
    /// Nothing of the keyframe comes before it.
    Certain,
    /// Unless packets of the same frame precede it, which may be parameter sets.
    UnlessPreceded,
}

/// The payload descriptor, for the codecs whose descriptor carries numbers that must be continuous.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descriptor {
    /// Nothing in the payload changes on its way.
    Opaque,
    /// VP8 (RFC 7741 §4.2).
    Vp8(Vp8Descriptor),
    /// VP9 (RFC 9628 §4.2).
    Vp9(Vp9Descriptor),
}
