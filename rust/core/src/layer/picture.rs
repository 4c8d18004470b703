//! How pictures are numbered: their ids without wraps, what they refer to by them, and the count of temporal layer 0.

use sfu_wire::payload::Vp9Descriptor;

use super::facts::{Descriptor, FrameFacts};

/// The picture of a frame, when its codec numbers pictures: the nearest to the newest one so far.
pub(crate) fn picture_of(facts: &FrameFacts, newest: Option<i64>) -> Option<i64> {
    let id = match &facts.descriptor {
        Descriptor::Opaque => None,
        Descriptor::Vp8(descriptor) => descriptor.picture_id,
        Descriptor::Vp9(descriptor) => descriptor.picture_id,
    }?;
    let value = i64::from(id.get());
    let unused = i64::BITS - id.bits();
    Some(newest.map_or(value, |newest| newest + (((value - newest) << unused) >> unused)))
}

/// The pictures that a frame lists as its references, by how far they lie back.
pub(super) fn listed(descriptor: &Vp9Descriptor) -> impl Iterator<Item = u8> {
    descriptor.references.into_iter().take_while(|diff| *diff > 0)
}

/// TL0PICIDX, when the codec has it.
pub(super) const fn base_index(facts: &FrameFacts) -> Option<u8> {
    match &facts.descriptor {
        Descriptor::Opaque => None,
        Descriptor::Vp8(descriptor) => descriptor.tl0_pic_idx,
        Descriptor::Vp9(descriptor) => descriptor.tl0_pic_idx,
    }
}
