//! What a packet is, as far as forwarding it goes: its place in a frame and the frame's place among the layers.
//!
//! This folder decides and changes nothing: facts are read from payload descriptors, and selection is a pure function of facts,
//! the target and what the subscriber already has. `rewrite` then does what was decided, with one file per codec as here.

mod av1;
mod facts;
pub(crate) mod frames;
mod h264;
pub(crate) mod ring;
pub(crate) mod selector;
pub(crate) mod spatial;
pub(crate) mod temporal;
mod vp8;
mod vp9;

use crate::codec::{CodecName, Kind};

pub use facts::{Descriptor, FrameFacts, Layer, Packet};
pub use selector::Encodings;

/// Reads what `payload` says of its frame. A malformed descriptor is opaque.
pub fn frame_facts(codec: CodecName, payload: &[u8], marker: bool) -> FrameFacts {
    let facts = match codec {
        CodecName::Vp8 => vp8::facts(payload, marker),
        CodecName::Vp9 => vp9::facts(payload, marker),
        CodecName::H264 => Some(h264::facts(payload, marker)),
        CodecName::Av1 => Some(av1::facts(payload, marker)),
        CodecName::Opus | CodecName::Red => None,
    };
    facts.unwrap_or_else(|| match codec.kind() {
        // Each audio packet is a frame; the marker starts a talkspurt (RFC 3551 §4.1).
        Kind::Audio => FrameFacts { starts_frame: true, ends_frame: true, ..FrameFacts::opaque(marker) },
        Kind::Video => FrameFacts::opaque(marker),
    })
}
