//! VP9 payloads (RFC 9628 §4.2): the flexible mode lists references in each packet, the other describes a group of pictures
//! with its keyframes.

use sfu_wire::payload::vp9::Vp9Layer;
use sfu_wire::payload::{PictureId, Vp9Descriptor};

use super::frame::{Counters, Frame};
use super::structure::{InterLayer, Structure};

/// Temporal layer, U, and distances of one picture in the group.
type GroupPicture = (u8, bool, &'static [u8]);

/// The pattern 0 2 1 2 twice, the second time looking back (see `references`).
const GROUP: [GroupPicture; 8] = [
    (0, false, &[4]),
    (2, true, &[1]),
    (1, true, &[2]),
    (2, true, &[3, 1]),
    (0, false, &[4]),
    (2, true, &[1, 3]),
    (1, false, &[2, 4]),
    (2, true, &[3, 1]),
];

pub(super) fn write(
    structure: Structure,
    frames: &[Frame],
    counters: Counters,
    (flexible, part): (bool, u8),
    payload: &mut Vec<u8>,
) {
    let Some(frame) = frames.last() else { return };
    let earlier: Vec<u8> = frame
        .references
        .iter()
        .map(|index| frame.picture - frames[*index as usize].picture)
        .filter(|distance| *distance > 0)
        .map(|distance| distance as u8)
        .collect();
    let inter_layer = frame.references.iter().any(|index| frames[*index as usize].picture == frame.picture);
    let keyframe_picture = earlier.is_empty();
    let used_above = match structure.inter_layer {
        InterLayer::Always => frame.spatial < frame.top,
        InterLayer::AtKeyframes | InterLayer::Shifted => keyframe_picture && frame.spatial < frame.top,
        InterLayer::Never => false,
    };
    let descriptor = Vp9Descriptor {
        picture_id: Some(PictureId::long(counters.picture_id as u16)),
        inter_picture: !keyframe_picture,
        flexible,
        starts_frame: part == 0,
        ends_frame: part + 1 == frame.packets,
        not_for_upper: !used_above,
        layer: Some(Vp9Layer { temporal: frame.temporal, switch_up: frame.entry, spatial: frame.spatial, inter_layer }),
        tl0_pic_idx: (!flexible).then_some(counters.tl0),
        ..Vp9Descriptor::default()
    };
    let mut buffer = [0; Vp9Descriptor::MAX_PREFIX];
    let len = descriptor.write_prefix(&mut buffer).unwrap_or(0);
    let start = payload.len();
    payload.extend(&buffer[..len]);
    if flexible {
        for (n, distance) in earlier.iter().enumerate() {
            payload.push(distance << 1 | u8::from(n + 1 < earlier.len()));
        }
    }
    if frame.is_keyframe() && part == 0 {
        payload[start] |= 0x02;
        write_structure(structure.spatial, flexible, payload);
    }
    // An inter frame with error resilience; a decoder's business, like the rest.
    payload.push(0x86);
}

/// The scalability structure: sizes, and the group of pictures in the non-flexible mode.
fn write_structure(spatial: u8, flexible: bool, payload: &mut Vec<u8>) {
    payload.push((spatial - 1) << 5 | 0x10 | u8::from(!flexible) << 3);
    for layer in 0..u32::from(spatial) {
        payload.extend(((320_u32 << layer) as u16).to_be_bytes());
        payload.extend(((180_u32 << layer) as u16).to_be_bytes());
    }
    if flexible {
        return;
    }
    payload.push(GROUP.len() as u8);
    for (temporal, switch_up, distances) in GROUP {
        payload.push(temporal << 5 | u8::from(switch_up) << 4 | (distances.len() as u8) << 2);
        payload.extend(distances);
    }
}
