//! What an ICE-lite server needs of STUN (RFC 8489) beside the library's parser: a cheap look at the user fragment for
//! the demultiplexer, the FINGERPRINT check, and the HMAC.
//!
//! ```text
//!  0                   1                   2                   3
//! |0 0|  message type, 14 bits    |  length without the header    |
//! |                     magic cookie 0x2112A442                   |
//! |                   transaction id, 96 bits                     |
//! |  attribute type               |  length     | value, padded …
//! ```

use aws_lc_rs::hmac;

const HEADER_LEN: usize = 20;
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_REQUEST: [u8; 2] = [0, 1];
const BINDING_INDICATION: [u8; 2] = [0, 0x11];
const USERNAME: u16 = 0x0006;
const FINGERPRINT: [u8; 4] = [0x80, 0x28, 0, 4];
/// RFC 8489 §14.7.
const FINGERPRINT_XOR: u32 = 0x5354_554e;

/// The server's user fragment in a binding request's USERNAME (RFC 8445 §7.2.2: `server:client`), without checking or
/// copying anything else. `None` for every other datagram.
pub fn stun_local_ufrag(datagram: &[u8]) -> Option<&str> {
    if datagram.get(..2)? != BINDING_REQUEST || datagram.get(4..8)? != MAGIC {
        return None;
    }
    let mut rest = datagram.get(HEADER_LEN..)?;
    while let [t0, t1, l0, l1, value @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*l0, *l1]));
        if u16::from_be_bytes([*t0, *t1]) == USERNAME {
            let username = value.get(..len)?;
            let colon = username.iter().position(|&b| b == b':')?;
            return std::str::from_utf8(&username[..colon]).ok();
        }
        rest = value.get(len.next_multiple_of(4)..)?;
    }
    None
}

/// Whether a STUN message is a binding indication (RFC 8489 §5: class 0b01).
pub(super) fn is_binding_indication(message: &[u8]) -> bool {
    message.starts_with(&BINDING_INDICATION)
}

/// Whether the last attribute is a FINGERPRINT that is right (RFC 8445 §7.1: every check carries one).
pub(super) fn has_valid_fingerprint(datagram: &[u8]) -> bool {
    let Some((message, attribute)) = datagram.split_last_chunk::<8>() else {
        return false;
    };
    let [t0, t1, l0, l1, crc @ ..] = *attribute;
    [t0, t1, l0, l1] == FINGERPRINT && u32::from_be_bytes(crc) == crc32(message) ^ FINGERPRINT_XOR
}

/// HMAC-SHA1 over the concatenation of `parts` (RFC 8489 §14.5).
pub fn hmac_sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, key);
    let mut context = hmac::Context::with_key(&key);
    for part in parts {
        context.update(part);
    }
    context.sign().as_ref().try_into().expect("SHA-1 has 20 bytes")
}

/// CRC-32 of ISO 3309, as in FINGERPRINT.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, &byte| CRC_TABLE[usize::from(crc as u8 ^ byte)] ^ (crc >> 8))
}

const CRC_TABLE: [u32; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = index as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5769 §2.1: software "STUN test client", user "evtj:h6vY", password "VOkJxbRl1RmTxUk/WvJxBt".
    const SAMPLE_REQUEST: [u8; 108] = [
        0x00, 0x01, 0x00, 0x58, 0x21, 0x12, 0xa4, 0x42, 0xb7, 0xe7, 0xa7, 0x01, 0xbc, 0x34, 0xd6, 0x86, 0xfa, 0x87,
        0xdf, 0xae, 0x80, 0x22, 0x00, 0x10, 0x53, 0x54, 0x55, 0x4e, 0x20, 0x74, 0x65, 0x73, 0x74, 0x20, 0x63, 0x6c,
        0x69, 0x65, 0x6e, 0x74, 0x00, 0x24, 0x00, 0x04, 0x6e, 0x00, 0x01, 0xff, 0x80, 0x29, 0x00, 0x08, 0x93, 0x2f,
        0xf9, 0xb1, 0x51, 0x26, 0x3b, 0x36, 0x00, 0x06, 0x00, 0x09, 0x65, 0x76, 0x74, 0x6a, 0x3a, 0x68, 0x36, 0x76,
        0x59, 0x20, 0x20, 0x20, 0x00, 0x08, 0x00, 0x14, 0x9a, 0xea, 0xa7, 0x0c, 0xbf, 0xd8, 0xcb, 0x56, 0x78, 0x1e,
        0xf2, 0xb5, 0xb2, 0xd3, 0xf2, 0x49, 0xc1, 0xb5, 0x71, 0xa2, 0x80, 0x28, 0x00, 0x04, 0xe5, 0x7a, 0x3b, 0xcf,
    ];

    #[test]
    fn the_sample_request_is_understood() {
        assert_eq!(stun_local_ufrag(&SAMPLE_REQUEST), Some("evtj"));
        assert!(has_valid_fingerprint(&SAMPLE_REQUEST));
        let message = is::stun::StunMessage::parse(&SAMPLE_REQUEST).expect("well formed");
        assert!(message.verify(b"VOkJxbRl1RmTxUk/WvJxBt", hmac_sha1));
        assert!(!message.verify(b"VOkJxbRl1RmTxUk/WvJxBu", hmac_sha1));
    }

    #[test]
    fn a_flipped_bit_breaks_the_fingerprint() {
        for bit in 0..SAMPLE_REQUEST.len() * 8 {
            let mut datagram = SAMPLE_REQUEST;
            datagram[bit / 8] ^= 1 << (bit % 8);
            assert!(!has_valid_fingerprint(&datagram), "bit {bit}");
        }
    }

    #[test]
    fn the_ufrag_is_looked_up_without_panicking() {
        for len in 0..SAMPLE_REQUEST.len() {
            let found = stun_local_ufrag(&SAMPLE_REQUEST[..len]);
            assert_eq!(found.is_some(), len >= 73, "{len}");
        }
        let mut reply = SAMPLE_REQUEST;
        reply[0] = 1;
        assert_eq!(stun_local_ufrag(&reply), None);
    }
}
