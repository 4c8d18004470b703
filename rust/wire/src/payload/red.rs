//! Redundant audio (RFC 2198): earlier frames travel again in front of the new one.

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::id::Pt;

/// One block of a RED payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedBlock<'a> {
    /// What it holds.
    pub pt: Pt,
    /// How much older than the packet's timestamp it is, 14 bits; 0 in the primary block.
    pub timestamp_offset: u16,
    /// Whether it is the new frame, which comes last.
    pub primary: bool,
    /// The frame, of at most 1023 bytes in redundant blocks.
    pub data: &'a [u8],
}

/// A RED payload whose lengths have been checked.
///
/// ```text
///  0                   1                    2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3  4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |F|   block PT  |  timestamp offset         |   block length    |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
///  ...
/// +-+-+-+-+-+-+-+-+
/// |0|   Block PT  |
/// +-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RedPayload<'a> {
    headers: &'a [u8],
    data: &'a [u8],
}

impl<'a> RedPayload<'a> {
    /// Views `payload`.
    pub fn parse(payload: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(payload);
        let mut redundant = 0;
        while let Some(header) = read_header(&mut reader)?.1 {
            redundant += header.1;
        }
        let data = reader.rest();
        if redundant > data.len() {
            return Err(ParseError::Length);
        }
        let (headers, _) = payload.split_at_checked(payload.len() - data.len()).ok_or(ParseError::Length)?;
        Ok(Self { headers, data })
    }

    /// The blocks, oldest first, the primary one last.
    pub const fn blocks(&self) -> RedBlocks<'a> {
        RedBlocks { headers: Reader::new(self.headers), data: Reader::new(self.data) }
    }

    /// The new frame.
    pub fn primary(&self) -> Option<RedBlock<'a>> {
        self.blocks().last()
    }
}

/// Reads one header: the payload type and, in redundant blocks, timestamp offset and length.
fn read_header(reader: &mut Reader<'_>) -> Result<(Pt, Option<(u16, usize)>), ParseError> {
    let first = reader.u8()?;
    if first & 0x80 == 0 {
        return Ok((Pt::new(first), None));
    }
    let rest = reader.u24()?;
    Ok((Pt::new(first), Some(((rest >> 10) as u16, (rest & 0x3ff) as usize))))
}

/// Iterates the blocks of a [`RedPayload`].
#[derive(Debug, Clone)]
pub struct RedBlocks<'a> {
    headers: Reader<'a>,
    data: Reader<'a>,
}

impl<'a> Iterator for RedBlocks<'a> {
    type Item = RedBlock<'a>;

    fn next(&mut self) -> Option<RedBlock<'a>> {
        let (pt, redundant) = read_header(&mut self.headers).ok()?;
        let (timestamp_offset, len) = redundant.unwrap_or((0, self.data.rest().len()));
        let data = self.data.take(len).ok()?;
        Some(RedBlock { pt, timestamp_offset, primary: redundant.is_none(), data })
    }
}

/// Writes a RED payload of `blocks`, of which the last is the primary one. Gives its length; `None` when `buffer` is too
/// small or a redundant block exceeds 1023 bytes or 14 bits of timestamp offset.
pub fn write(blocks: &[RedBlock<'_>], buffer: &mut [u8]) -> Option<usize> {
    let mut writer = Writer::new(buffer);
    let (primary, redundant) = blocks.split_last()?;
    for block in redundant {
        if block.data.len() > 0x3ff || block.timestamp_offset > 0x3fff {
            return None;
        }
        writer.u8(0x80 | block.pt.get())?;
        writer.u24(u32::from(block.timestamp_offset) << 10 | block.data.len() as u32)?;
    }
    writer.u8(primary.pt.get())?;
    for block in blocks {
        writer.put(block.data)?;
    }
    Some(writer.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_opus_with_one_redundant_frame() {
        // Payload type 111, 960 ticks ago, 2 bytes; then 3 new bytes.
        let payload = [0xef, 0x0f, 0x00, 0x02, 0x6f, 1, 2, 3, 4, 5];
        let red = RedPayload::parse(&payload).unwrap();
        let old = RedBlock { pt: Pt::new(111), timestamp_offset: 960, primary: false, data: &[1, 2] };
        let new = RedBlock { pt: Pt::new(111), timestamp_offset: 0, primary: true, data: &[3, 4, 5] };
        assert_eq!(red.blocks().collect::<Vec<_>>(), [old, new]);
        assert_eq!(red.primary(), Some(new));
        let mut buffer = [0; 16];
        assert_eq!(write(&[old, new], &mut buffer), Some(payload.len()));
        assert_eq!(buffer[..payload.len()], payload);
    }

    #[test]
    fn redundant_blocks_must_fit() {
        assert_eq!(RedPayload::parse(&[0xef, 0x0f, 0x00, 0x02, 0x6f, 1]), Err(ParseError::Length));
        assert_eq!(RedPayload::parse(&[0xef, 0x0f]), Err(ParseError::TooShort));
        assert_eq!(RedPayload::parse(&[]), Err(ParseError::TooShort));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_come_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(red) = RedPayload::parse(&bytes) {
                let blocks: Vec<_> = red.blocks().collect();
                prop_assert!(blocks.last().unwrap().primary);
                let mut buffer = [0; 64];
                let len = write(&blocks, &mut buffer).unwrap();
                prop_assert_eq!(&buffer[..len], &bytes[..]);
            }
        }
    }
}
