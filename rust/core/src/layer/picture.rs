//! Picture ids without wraps, nearest to the newest one so far.

use super::facts::{Descriptor, FrameFacts};

/// The picture of a frame, when its codec numbers pictures.
pub(super) fn picture_of(facts: &FrameFacts, newest: Option<i64>) -> Option<i64> {
    let id = match facts.descriptor {
        Descriptor::Opaque => None,
        Descriptor::Vp8(descriptor) => descriptor.picture_id,
        Descriptor::Vp9(descriptor) => descriptor.picture_id,
    }?;
    let value = i64::from(id.get());
    let unused = i64::BITS - id.bits();
    Some(newest.map_or(value, |newest| newest + (((value - newest) << unused) >> unused)))
}
