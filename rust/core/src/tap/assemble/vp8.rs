//! VP8: what follows the payload descriptors is the frame (RFC 7741 §4.1).

use sfu_wire::payload::Vp8Descriptor;

pub(super) fn assemble<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut frame = Vec::new();
    for payload in payloads {
        let (_, len) = Vp8Descriptor::parse(payload).ok()?;
        frame.extend_from_slice(payload.get(len..)?);
    }
    Some(frame)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_left_out() {
        let payloads: [&[u8]; 2] = [&[0x90, 0x80, 0x05, 1, 2], &[0x80, 0x80, 0x05, 3]];
        assert_eq!(assemble(payloads.into_iter()), Some(vec![1, 2, 3]));
        assert_eq!(assemble([&[0x90, 0x80][..]].into_iter()), None);
    }
}
