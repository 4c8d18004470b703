//! AV1: a temporal unit in the low-overhead format, every OBU with its size (AV1 bitstream §5.2; AV1 RTP payload specification
//! 1.0 §5).
//!
//! On the way OBUs may be cut anywhere and their sizes are usually left out.

use sfu_wire::payload::av1::{Av1Header, elements};

const TEMPORAL_DELIMITER: [u8; 2] = [0x12, 0x00];
const OBU_TEMPORAL_DELIMITER: u8 = 2;
const OBU_TILE_LIST: u8 = 8;
/// `obu_extension_flag` and `obu_has_size_field` (AV1 bitstream §5.3.2).
const EXTENSION: u8 = 0x04;
const HAS_SIZE: u8 = 0x02;

pub(super) fn assemble<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut unit = TEMPORAL_DELIMITER.to_vec();
    let mut obu: Vec<u8> = Vec::new();
    for payload in payloads {
        let header = Av1Header::parse(payload).ok()?;
        if header.continues == obu.is_empty() {
            return None;
        }
        let mut found = elements(payload).ok()?.peekable();
        while let Some(element) = found.next() {
            obu.extend_from_slice(element.data);
            if found.peek().is_some() || !header.continued {
                write(&mut unit, &obu)?;
                obu.clear();
            }
        }
    }
    let whole = obu.is_empty();
    whole.then_some(if unit.len() > TEMPORAL_DELIMITER.len() { unit } else { Vec::new() })
}

/// Adds an OBU with its size.
fn write(unit: &mut Vec<u8>, obu: &[u8]) -> Option<()> {
    let header = *obu.first()?;
    if matches!(header >> 3 & 0x0f, OBU_TEMPORAL_DELIMITER | OBU_TILE_LIST) {
        return Some(());
    }
    if header & HAS_SIZE != 0 {
        unit.extend_from_slice(obu);
        return Some(());
    }
    let (head, payload) = obu.split_at_checked(if header & EXTENSION != 0 { 2 } else { 1 })?;
    unit.push(header | HAS_SIZE);
    unit.extend_from_slice(head.get(1..)?);
    let mut size = payload.len();
    while size >= 0x80 {
        unit.push(size as u8 | 0x80);
        size >>= 7;
    }
    unit.push(size as u8);
    unit.extend_from_slice(payload);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obus_get_their_sizes_and_fragments_are_joined() {
        // W=2, Y: a sequence header of 3 bytes, a frame that goes on; Z, W=1: its rest.
        let payloads: [&[u8]; 2] = [&[0x68, 0x03, 0x08, 0xaa, 0xbb, 0x30, 1, 2], &[0x90, 3]];
        let unit = [0x12, 0x00, 0x0a, 2, 0xaa, 0xbb, 0x32, 3, 1, 2, 3];
        assert_eq!(assemble(payloads.into_iter()), Some(unit.to_vec()));
    }

    #[test]
    fn extensions_stay_and_delimiters_do_not_repeat() {
        // W=2: a temporal delimiter, a frame with an extension header and 128 bytes.
        let mut payload = vec![0x20, 0x01, 0x10, 0x34, 0x48];
        payload.extend([7; 128]);
        let unit = assemble([payload.as_slice()].into_iter()).unwrap();
        assert_eq!(unit[..6], [0x12, 0x00, 0x36, 0x48, 0x80, 0x01]);
        assert_eq!(unit.len(), 6 + 128);
    }

    #[test]
    fn a_beginning_or_an_end_that_is_missing_is_seen() {
        assert_eq!(assemble([&[0x90, 3][..]].into_iter()), None);
        assert_eq!(assemble([&[0x50, 0x30, 1][..]].into_iter()), None);
    }
}
