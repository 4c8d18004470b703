//! H.264 payloads (RFC 6184): a keyframe is a packet of parameter sets and an IDR picture in fragments.

use super::frame::Frame;

/// `nal_ref_idc` 3 and the type.
const fn nal(nal_type: u8) -> u8 {
    0x60 | nal_type
}

/// A baseline SPS of 320×180 and a PPS, as x264 writes them.
const SPS: [u8; 10] = [nal(7), 0x42, 0xe0, 0x1f, 0xda, 0x05, 0x07, 0xe8, 0x40, 0x00];
const PPS: [u8; 4] = [nal(8), 0xce, 0x3c, 0x80];

/// `tail` bytes follow what is written here.
pub(super) fn write(frame: &Frame, (part, tail): (u8, usize), payload: &mut Vec<u8>) {
    let (first, last) = (part == 0, part + 1 == frame.packets);
    match (frame.is_keyframe(), frame.packets) {
        // Everything in one aggregation packet (STAP-A, §5.7.1); the IDR slice holds the token.
        (true, 1) => {
            payload.push(nal(24));
            aggregate(payload, &SPS);
            aggregate(payload, &PPS);
            let len = 2 + tail;
            payload.extend((len as u16).to_be_bytes());
            payload.extend([nal(5), 0x88]);
        }
        (true, _) if first => {
            payload.push(nal(24));
            aggregate(payload, &SPS);
            // The tail makes the PPS longer; nobody parses what is behind its first bytes.
            payload.extend(((PPS.len() + tail) as u16).to_be_bytes());
            payload.extend(PPS);
        }
        (true, 2) => payload.extend([nal(5), 0x88]),
        (true, _) => fragment(payload, nal(5), part == 1, last),
        (false, 1) => payload.extend([nal(1), 0x9a]),
        (false, _) => fragment(payload, nal(1), first, last),
    }
}

fn aggregate(payload: &mut Vec<u8>, unit: &[u8]) {
    payload.extend((unit.len() as u16).to_be_bytes());
    payload.extend(unit);
}

/// FU-A (§5.8): indicator and header, then a piece.
fn fragment(payload: &mut Vec<u8>, header: u8, first: bool, last: bool) {
    payload.push(header & 0xe0 | 0x1c);
    payload.push(u8::from(first) << 7 | u8::from(last) << 6 | header & 0x1f);
    payload.push(0x88);
}
