//! What a frame may refer to, and what may refer to it, as far as a packet of it tells.
//!
//! The dependency descriptor and VP9's flexible mode name the frames; VP8 and VP9 with temporal layers count those of layer 0
//! (TL0PICIDX); H.265 tells the layer alone, and H.264 whether anything refers to the frame.

use sfu_wire::payload::dependency_descriptor::FrameDiffs;
use sfu_wire::payload::{H264Facts, h264, h265};

use crate::codec::CodecName;
use crate::layer::{Descriptor, Packet, SwitchUp, picture_of};

/// What a frame may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needs {
    /// Everything before it.
    Everything,
    /// Frames of its own temporal layer and of those below.
    Layers(Layers),
    /// The frames that it names.
    Frames(Frames),
}

/// A frame of a temporal layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layers {
    pub(super) temporal: u8,
    pub(super) entry: Entry,
    /// Counts the frames of layer 0: of a frame above, which one it belongs to.
    pub(super) base: Option<u8>,
}

/// What a frame says of the layers that may be entered with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Entry {
    /// Nothing.
    None,
    /// It refers to layer 0 only (RFC 7741 §4.2, Y).
    FromBase,
    /// It refers to lower layers only.
    FromBelow,
    /// Likewise, and so do the layers above from here on.
    FromBelowWithAbove,
}

/// A frame that names what it refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frames {
    pub(super) number: i64,
    pub(super) temporal: u8,
    pub(super) diffs: FrameDiffs,
}

impl Frames {
    pub(super) fn references(&self) -> impl Iterator<Item = i64> {
        self.diffs.as_slice().iter().map(|diff| self.number - i64::from(*diff))
    }
}

impl Needs {
    /// What the first packet of a frame says; `picture` as of [`picture_number`].
    pub(super) fn of(packet: &Packet<'_>, picture: Option<i64>) -> Self {
        let facts = &packet.facts;
        if let Some(dependency) = packet.dependencies.known() {
            let frame = &dependency.frame;
            return Self::Frames(Frames {
                number: dependency.number,
                temporal: frame.temporal,
                diffs: frame.frame_diffs,
            });
        }
        let layers = |entry, base| Self::Layers(Layers { temporal: facts.temporal, entry, base });
        match facts.descriptor {
            Descriptor::Vp8(descriptor) => match (descriptor.temporal, descriptor.tl0_pic_idx) {
                (Some(temporal), Some(base)) => {
                    layers(if temporal.layer_sync { Entry::FromBase } else { Entry::None }, Some(base))
                }
                _ => Self::Everything,
            },
            Descriptor::Vp9(descriptor) if descriptor.flexible => {
                let diffs = descriptor.references.map(u16::from);
                let listed = diffs.iter().position(|diff| *diff == 0).unwrap_or(diffs.len());
                match (picture, FrameDiffs::new(&diffs[..listed])) {
                    (Some(number), Some(diffs)) => Self::Frames(Frames { number, temporal: facts.temporal, diffs }),
                    _ => Self::Everything,
                }
            }
            Descriptor::Vp9(descriptor) => {
                descriptor.tl0_pic_idx.map_or(Self::Everything, |base| layers(entry(facts.switch_up), Some(base)))
            }
            Descriptor::Opaque => match packet.codec {
                CodecName::H264 | CodecName::H265 => layers(entry(facts.switch_up), None),
                _ => Self::Everything,
            },
        }
    }
}

/// The lowest temporal layer whose frames may refer to the one of `packet`: 0 is any frame, 255 none.
pub(super) fn referred_from(packet: &Packet<'_>) -> u8 {
    let temporal = packet.facts.temporal;
    match (packet.facts.descriptor, packet.codec) {
        (Descriptor::Vp8(descriptor), _) if descriptor.non_reference => u8::MAX,
        (Descriptor::Opaque, CodecName::H264) => {
            let has_slice = h264::nal_units(packet.payload).any(|unit| unit.is_slice());
            if has_slice && !H264Facts::of(packet.payload).reference { u8::MAX } else { temporal }
        }
        (Descriptor::Opaque, CodecName::H265) => {
            let mut slices = h265::nal_units(packet.payload).flatten().map(|unit| unit.header).peekable();
            let is_unused = slices.peek().is_some() && slices.all(h265::NalHeader::is_sub_layer_non_reference);
            temporal.saturating_add(u8::from(is_unused))
        }
        _ => temporal,
    }
}

/// The number of a picture in VP9's flexible mode, nearest to the `newest` so far. Ids of seven bits are not believed: a loss may
/// be longer than half of their range.
pub(super) fn picture_number(packet: &Packet<'_>, newest: Option<i64>) -> Option<i64> {
    match packet.facts.descriptor {
        Descriptor::Vp9(descriptor) if descriptor.flexible => {
            let is_long = descriptor.picture_id.is_some_and(|id| id.bits() > 7);
            picture_of(&packet.facts, newest).filter(|_| is_long)
        }
        _ => None,
    }
}

const fn entry(switch_up: SwitchUp) -> Entry {
    match switch_up {
        SwitchUp::No => Entry::None,
        SwitchUp::This => Entry::FromBelow,
        SwitchUp::ThisAndAbove => Entry::FromBelowWithAbove,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use sfu_wire::SeqNo;

    use super::*;
    use crate::layer::{Dependencies, packet_facts};

    /// The number of a packet of VP9's flexible mode (RFC 9628 §4.2: I, P and F of the first byte) with this picture id.
    fn number(id: &[u8], newest: i64) -> Option<i64> {
        let payload = [&[0b1101_1100], id, &[1 << 1, 0, 0]].concat();
        let packet = Packet {
            encoding: 0,
            epoch: 0,
            seq: SeqNo::new(1),
            newest: SeqNo::new(1),
            timestamp: 3000,
            marker: true,
            codec: CodecName::Vp9,
            payload: &payload,
            facts: packet_facts(CodecName::Vp9, &payload, true, Dependencies::None),
            dependencies: Dependencies::None,
            arrival: Instant::now(),
        };
        assert!(matches!(packet.facts.descriptor, Descriptor::Vp9(descriptor) if descriptor.picture_id.is_some()));
        picture_number(&packet, Some(newest))
    }

    #[test]
    fn pictures_are_numbered_by_ids_of_fifteen_bits_alone() {
        assert_eq!(number(&[0x80, 0x05], 32_767), Some(32_768 + 5), "wrapped");
        assert_eq!(number(&[0x05], 4), None, "a loss may be longer than half of 128 pictures");
    }
}
