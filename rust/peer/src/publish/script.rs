//! The payload of scripted VP8: a valid descriptor and frame header, then a [`Proof`].

use sfu_wire::payload::Vp8Descriptor;

use crate::config::Encoding;
use crate::proof::Proof;

/// Up to the first partition of a delta frame (RFC 6386 §9.1).
const FRAME_TAG_LEN: usize = 3;
/// The tag, the start code, width and height.
const KEYFRAME_HEADER_LEN: usize = 10;

/// Writes one packet's payload; its length.
pub(super) fn write_payload(
    encoding: &Encoding,
    keyframe: bool,
    descriptor: &Vp8Descriptor,
    proof: &Proof,
    payload: &mut Vec<u8>,
) -> usize {
    let len = encoding.packet_len.max(Vp8Descriptor::MAX_LEN + KEYFRAME_HEADER_LEN + Proof::MIN_LEN);
    payload.resize(len, 0);
    let mut at = descriptor.write(payload).expect("there is room for a descriptor");
    match (descriptor.starts_frame(), keyframe) {
        (true, true) => {
            payload[at..at + KEYFRAME_HEADER_LEN].copy_from_slice(&keyframe_header(encoding));
            at += KEYFRAME_HEADER_LEN;
        }
        (true, false) => {
            // The lowest bit: not a keyframe (RFC 6386 §9.1).
            payload[at..at + FRAME_TAG_LEN].copy_from_slice(&[0x11, 0, 0]);
            at += FRAME_TAG_LEN;
        }
        (false, _) => {}
    }
    proof.write(&mut payload[at..]);
    len
}

/// Where the frame's own bytes end and the proof starts, behind a descriptor of `descriptor_len` bytes.
pub(crate) fn proof_offset(descriptor: &Vp8Descriptor, descriptor_len: usize, frame: &[u8]) -> usize {
    let header = match (descriptor.starts_frame(), descriptor.starts_keyframe(frame)) {
        (true, true) => KEYFRAME_HEADER_LEN,
        (true, false) => FRAME_TAG_LEN,
        (false, _) => 0,
    };
    descriptor_len + header
}

/// Frame tag, start code, width and height (RFC 6386 §9.1).
fn keyframe_header(encoding: &Encoding) -> [u8; KEYFRAME_HEADER_LEN] {
    let [width, height] = [encoding.width.to_le_bytes(), encoding.height.to_le_bytes()];
    [0x10, 0, 0, 0x9d, 0x01, 0x2a, width[0], width[1], height[0], height[1]]
}
