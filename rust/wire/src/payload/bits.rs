//! A reader and a writer of single bits, high to low, and the non-symmetric numbers of AV1 (bitstream §4.10.7; dependency descriptor
//! §A.8.2). Neither can panic.

use crate::error::ParseError;

/// Reads bits front to back: `f(n)` and `ns(n)`.
#[derive(Debug, Clone, Copy)]
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Bits that have been read.
    position: usize,
}

impl<'a> BitReader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    /// `f(count)`, at most 32 bits.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, ParseError> {
        let mut value = 0u64;
        let mut missing = count as usize;
        while missing > 0 {
            let byte = *self.bytes.get(self.position / 8).ok_or(ParseError::TooShort)?;
            let left_in_byte = 8 - self.position % 8;
            let taken = missing.min(left_in_byte);
            let piece = u64::from(byte) >> (left_in_byte - taken) & ((1 << taken) - 1);
            value = value << taken | piece;
            self.position += taken;
            missing -= taken;
        }
        Ok(value as u32)
    }

    pub(super) fn flag(&mut self) -> Result<bool, ParseError> {
        Ok(self.bits(1)? != 0)
    }

    /// `ns(count)`: one of `count` values, 1..=64.
    pub(super) fn non_symmetric(&mut self, count: u32) -> Result<u32, ParseError> {
        let (width, short_codes) = non_symmetric_shape(count);
        let value = self.bits(width - 1)?;
        if value < short_codes {
            return Ok(value);
        }
        Ok((value << 1) - short_codes + self.bits(1)?)
    }
}

/// Writes bits front to back over whatever the buffer held; `None` when it is full.
#[derive(Debug)]
pub struct BitWriter<'a> {
    buffer: &'a mut [u8],
    /// Bits that have been written.
    position: usize,
}

impl<'a> BitWriter<'a> {
    /// Starts at the front of `buffer`.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, position: 0 }
    }

    /// The bytes that hold what is written; the last one is filled with zeroes.
    #[allow(clippy::len_without_is_empty, reason = "nobody asks a writer that")]
    pub const fn len(&self) -> usize {
        self.position.div_ceil(8)
    }

    /// The lower `count` bits of `value`, at most 32.
    pub fn bits(&mut self, count: u32, value: u32) -> Option<()> {
        let mut missing = count as usize;
        while missing > 0 {
            let byte = self.buffer.get_mut(self.position / 8)?;
            let used = self.position % 8;
            if used == 0 {
                *byte = 0;
            }
            let put = missing.min(8 - used);
            let piece = (u64::from(value) >> (missing - put) & ((1 << put) - 1)) as u8;
            *byte |= piece << (8 - used - put);
            self.position += put;
            missing -= put;
        }
        Some(())
    }

    pub(super) fn flag(&mut self, value: bool) -> Option<()> {
        self.bits(1, u32::from(value))
    }

    /// `write_ns(count, value)`; `None` when `value` is none of the `count` values too.
    pub(super) fn non_symmetric(&mut self, count: u32, value: u32) -> Option<()> {
        if value >= count {
            return None;
        }
        let (width, short_codes) = non_symmetric_shape(count);
        if value < short_codes { self.bits(width - 1, value) } else { self.bits(width, value + short_codes) }
    }
}

/// The bits of the longer codes and how many values have the shorter ones.
const fn non_symmetric_shape(count: u32) -> (u32, u32) {
    let width = u32::BITS - count.leading_zeros();
    (width, (1 << width) - count)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn five_values_as_the_table_of_the_specification_has_them() {
        let codes = [(2, 0b00), (2, 0b01), (2, 0b10), (3, 0b110), (3, 0b111)];
        for (value, (width, code)) in (0u32..).zip(codes) {
            let mut buffer = [0xff];
            let mut writer = BitWriter::new(&mut buffer);
            writer.non_symmetric(5, value).unwrap();
            assert_eq!(writer.position, width);
            assert_eq!(buffer, [code << (8 - width)]);
            assert_eq!(BitReader::new(&buffer).non_symmetric(5), Ok(value));
        }
    }

    #[test]
    fn one_value_takes_no_bit() {
        assert_eq!(BitReader::new(&[]).non_symmetric(1), Ok(0));
        assert_eq!(BitWriter::new(&mut []).non_symmetric(1, 0), Some(()));
        assert_eq!(BitWriter::new(&mut [0]).non_symmetric(1, 1), None);
    }

    proptest! {
        #[test]
        fn numbers_come_back(numbers in prop::collection::vec((1u32..=32, any::<u32>(), 1u32..=64), 0..20)) {
            let mut buffer = [0xa5; 256];
            let mut writer = BitWriter::new(&mut buffer);
            for (width, value, count) in &numbers {
                writer.bits(*width, *value).unwrap();
                writer.non_symmetric(*count, value % count).unwrap();
            }
            let len = writer.len();
            let mut reader = BitReader::new(&buffer[..len]);
            for (width, value, count) in &numbers {
                prop_assert_eq!(u64::from(reader.bits(*width).unwrap()), u64::from(*value) & ((1u64 << width) - 1));
                prop_assert_eq!(reader.non_symmetric(*count).unwrap(), value % count);
            }
            prop_assert_eq!(reader.bits(8), Err(ParseError::TooShort));
        }
    }
}
