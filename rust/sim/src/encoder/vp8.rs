//! VP8 payloads (RFC 7741 §4).

use sfu_wire::payload::vp8::Vp8Temporal;
use sfu_wire::payload::{PictureId, Vp8Descriptor};

use super::frame::{Counters, Frame};

/// Without `counters` the descriptor is as short as it can be.
pub(super) fn write(frames: &[Frame], counters: Option<Counters>, part: u8, payload: &mut Vec<u8>) {
    let Some(frame) = frames.last() else { return };
    let descriptor = Vp8Descriptor {
        non_reference: false,
        starts_partition: part == 0,
        partition: 0,
        picture_id: counters.map(|counters| PictureId::long(counters.picture_id as u16)),
        tl0_pic_idx: counters.map(|counters| counters.tl0),
        temporal: counters.map(|_| Vp8Temporal { tid: frame.temporal, layer_sync: frame.entry }),
        key_idx: counters.map(|counters| counters.key),
    };
    let mut buffer = [0; Vp8Descriptor::MAX_LEN];
    let len = descriptor.write(&mut buffer).unwrap_or(0);
    payload.extend(&buffer[..len]);
    match (part, frame.is_keyframe()) {
        // Frame tag, start code, 320×180 (RFC 6386 §9.1).
        (0, true) => payload.extend([0x10, 0x02, 0x00, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00]),
        (0, false) => payload.extend([0x11, 0x02, 0x00]),
        _ => payload.push(0xaa),
    }
}
