//! What a packet is, as far as forwarding it goes: its place in a frame and the frame's place among the layers.
//!
//! This folder decides and changes nothing: facts are read from payload descriptors, and selection is a pure function of facts,
//! the target and what the subscriber already has. `rewrite` then does what was decided, with one file per codec as here.

mod av1;
pub(crate) mod dependency_descriptor;
pub(crate) mod early;
mod facts;
pub(crate) mod frames;
mod h264;
mod h265;
pub(crate) mod outcome;
mod packet;
mod picture;
pub(crate) mod references;
pub(crate) mod ring;
pub(crate) mod selector;
pub(crate) mod spatial;
pub(crate) mod target;
pub(crate) mod temporal;
mod vp8;
mod vp9;

use crate::codec::{CodecName, Kind};

pub use dependency_descriptor::{Dependencies, Dependency, DependencyReader, Reading};
pub use facts::{Descriptor, FrameFacts, KeyframeStart, Layer, Prerequisite, SwitchUp};
pub use packet::Packet;
pub(crate) use picture::picture_of;
pub use selector::Encodings;

/// What a packet says of its frame: by its dependency descriptor when it has one, else by its payload. Behind a dependency
/// descriptor the payload may be encrypted, so it is believed in nothing; without its structure nothing is known of a keyframe.
pub fn packet_facts(codec: CodecName, payload: &[u8], marker: bool, dependencies: Dependencies<'_>) -> FrameFacts {
    let facts = frame_facts(codec, payload, marker);
    match dependencies {
        Dependencies::None => facts,
        Dependencies::Unresolved | Dependencies::Outdated => FrameFacts { keyframe: false, ..facts },
        Dependencies::Known(dependency) => dependency_descriptor::facts(dependency, facts),
    }
}

/// How surely a keyframe starts in `payload`, for the codecs whose packets do not tell where a frame starts; others know.
pub fn keyframe_start(codec: CodecName, payload: &[u8]) -> Option<KeyframeStart> {
    match codec {
        CodecName::H264 => h264::keyframe_start(payload),
        CodecName::H265 => h265::keyframe_start(payload),
        _ => None,
    }
}

/// Reads what `payload` says of its frame. A malformed descriptor is opaque.
pub fn frame_facts(codec: CodecName, payload: &[u8], marker: bool) -> FrameFacts {
    let facts = match codec {
        CodecName::Vp8 => vp8::facts(payload, marker),
        CodecName::Vp9 => vp9::facts(payload, marker),
        CodecName::H264 => Some(h264::facts(payload, marker)),
        CodecName::H265 => h265::facts(payload, marker),
        CodecName::Av1 => Some(av1::facts(payload, marker)),
        CodecName::Opus | CodecName::Red => None,
    };
    facts.unwrap_or_else(|| match codec.kind() {
        // Each audio packet is a frame; the marker starts a talkspurt (RFC 3551 §4.1).
        Kind::Audio => FrameFacts { starts_frame: true, ends_frame: true, ..FrameFacts::opaque(marker) },
        Kind::Video => FrameFacts::opaque(marker),
    })
}
