//! H.265 payloads (RFC 7798): a keyframe is a packet of parameter sets and an IDR picture in fragments; temporal layers are
//! in the NAL unit header, switch points are TSA pictures.

use super::frame::Frame;

const TRAIL_R: u8 = 1;
const TSA_N: u8 = 2;
const TSA_R: u8 = 3;
const IDR_W_RADL: u8 = 19;
const VPS: u8 = 32;
const SPS: u8 = 33;
const PPS: u8 = 34;
const AP: u8 = 48;
const FU: u8 = 49;

/// The two bytes in front of a NAL unit (§1.1.4).
const fn header(nal_type: u8, temporal: u8) -> [u8; 2] {
    [nal_type << 1, temporal + 1]
}

/// `tail` bytes follow what is written here.
pub(super) fn write(frame: &Frame, (part, tail): (u8, usize), payload: &mut Vec<u8>) {
    let (first, last) = (part == 0, part + 1 == frame.packets);
    let nal_type = match (frame.is_keyframe(), frame.entry, frame.temporal) {
        (true, ..) => IDR_W_RADL,
        (_, true, 2) => TSA_N,
        (_, true, _) => TSA_R,
        _ => TRAIL_R,
    };
    match (frame.is_keyframe(), frame.packets) {
        (true, 1) => {
            parameter_sets(payload);
            let len = 3 + tail;
            payload.extend((len as u16).to_be_bytes());
            payload.extend(header(nal_type, 0));
            payload.push(0x80);
        }
        (true, _) if first => {
            parameter_sets(payload);
            payload.extend(((3 + tail) as u16).to_be_bytes());
            payload.extend(header(PPS, 0));
            payload.push(0xc1);
        }
        (true, 2) => {
            payload.extend(header(nal_type, 0));
            payload.push(0x80);
        }
        (true, _) => fragment(payload, nal_type, 0, (part == 1, last)),
        (false, 1) => {
            payload.extend(header(nal_type, frame.temporal));
            payload.push(0x80);
        }
        (false, _) => fragment(payload, nal_type, frame.temporal, (first, last)),
    }
}

/// An aggregation packet (§4.4.2) that begins with VPS, SPS and PPS.
fn parameter_sets(payload: &mut Vec<u8>) {
    payload.extend(header(AP, 0));
    for nal_type in [VPS, SPS, PPS] {
        payload.extend(6_u16.to_be_bytes());
        payload.extend(header(nal_type, 0));
        payload.extend([0x01, 0x01, 0x60, 0x00]);
    }
}

/// A fragmentation unit (§4.4.3).
fn fragment(payload: &mut Vec<u8>, nal_type: u8, temporal: u8, (first, last): (bool, bool)) {
    payload.extend(header(FU, temporal));
    payload.push(u8::from(first) << 7 | u8::from(last) << 6 | nal_type);
    payload.push(0x80);
}
