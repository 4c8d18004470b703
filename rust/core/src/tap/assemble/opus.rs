//! Opus: a packet is a frame (RFC 7587 §4.2); in RED the new one comes last (RFC 2198 §3).

use sfu_wire::payload::red::RedPayload;

pub(super) fn assemble<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    payloads.last().map(<[u8]>::to_vec)
}

pub(super) fn assemble_red<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let payload = payloads.last()?;
    Some(RedPayload::parse(payload).ok()?.primary()?.data.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_new_block_of_a_red_packet_is_the_frame() {
        let payload = [0xef, 0x0f, 0x00, 2, 111, 1, 2, 3, 4, 5];
        assert_eq!(assemble_red([&payload[..]].into_iter()), Some(vec![3, 4, 5]));
        assert_eq!(assemble([&[7, 8][..]].into_iter()), Some(vec![7, 8]));
    }
}
