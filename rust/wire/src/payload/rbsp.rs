//! Reads the bits of a NAL unit as H.264 and H.265 write them: numbers in Exp-Golomb codes, and a byte of 3 behind two zeroes
//! that is no part of them (ITU-T H.264 §7.3.1, §9.1; H.265 §7.3.1.1, §9.2). Cannot panic.

use crate::error::ParseError;

/// Reads bits front to back, without the emulation prevention bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct RbspReader<'a> {
    rest: &'a [u8],
    /// Zero bytes in front of `rest`.
    zeroes: u8,
    byte: u8,
    /// Bits of `byte` that have not been read.
    left: u32,
}

impl<'a> RbspReader<'a> {
    /// Of what follows the header of a NAL unit.
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, zeroes: 0, byte: 0, left: 0 }
    }

    /// `u(count)`, at most 32 bits.
    pub(super) fn bits(&mut self, count: u32) -> Result<u32, ParseError> {
        (0..count).try_fold(0, |value, _| Ok(value << 1 | u32::from(self.flag()?)))
    }

    /// `u(1)`.
    pub(super) fn flag(&mut self) -> Result<bool, ParseError> {
        if self.left == 0 {
            self.byte = self.next_byte()?;
            self.left = 8;
        }
        self.left -= 1;
        Ok(self.byte >> self.left & 1 != 0)
    }

    pub(super) fn skip(&mut self, count: u32) -> Result<(), ParseError> {
        (0..count).try_for_each(|_| self.flag().map(|_| ()))
    }

    /// `ue(v)`: as many zeroes as bits follow the first one; less than 2^32 - 1.
    pub(super) fn unsigned(&mut self) -> Result<u32, ParseError> {
        let mut zeroes = 0;
        while !self.flag()? {
            zeroes += 1;
            if zeroes == 32 {
                return Err(ParseError::Value);
            }
        }
        Ok(((1 << zeroes) - 1) + self.bits(zeroes)?)
    }

    /// `se(v)`: 0, 1, -1, 2, -2, …
    pub(super) fn signed(&mut self) -> Result<i64, ParseError> {
        let code = i64::from(self.unsigned()?);
        Ok(if code % 2 == 0 { -(code / 2) } else { code / 2 + 1 })
    }

    fn next_byte(&mut self) -> Result<u8, ParseError> {
        let mut byte = self.take()?;
        if self.zeroes >= 2 && byte == 3 {
            self.zeroes = 0;
            byte = self.take()?;
        }
        self.zeroes = if byte == 0 { self.zeroes.saturating_add(1) } else { 0 };
        Ok(byte)
    }

    fn take(&mut self) -> Result<u8, ParseError> {
        let (byte, rest) = self.rest.split_first().ok_or(ParseError::TooShort)?;
        self.rest = rest;
        Ok(*byte)
    }
}

/// Width and height in pixels of a picture of so many luma samples without its borders, `left + right` and `top + bottom` of
/// them; `None` when nothing is left, or more than counts.
pub(super) fn cropped(size: [u64; 2], borders: [u64; 2]) -> Option<(u16, u16)> {
    let [width, height] = [size[0].checked_sub(borders[0])?, size[1].checked_sub(borders[1])?];
    let [width, height] = [u16::try_from(width).ok()?, u16::try_from(height).ok()?];
    (width > 0 && height > 0).then_some((width, height))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn numbers_as_the_table_of_the_specification_has_them() {
        // 1, 010, 011, 00100, 00101, 00110, 00111, 0001000: table 9-2.
        let bytes = [0b1010_0110, 0b0100_0010, 0b1001_1000, 0b1110_0010, 0b0000_0000];
        let mut reader = RbspReader::new(&bytes);
        let numbers: Vec<_> = (0..8).map(|_| reader.unsigned().unwrap()).collect();
        assert_eq!(numbers, [0, 1, 2, 3, 4, 5, 6, 7]);
        let mut reader = RbspReader::new(&bytes);
        let numbers: Vec<_> = (0..8).map(|_| reader.signed().unwrap()).collect();
        assert_eq!(numbers, [0, 1, -1, 2, -2, 3, -3, 4], "table 9-3");
    }

    #[test]
    fn the_longest_number_and_one_that_is_too_long() {
        let mut longest = vec![0, 0, 3, 0, 1]; // 31 zeroes and a one, with an emulation prevention byte.
        longest.extend([0xff, 0xff, 0xff, 0xfe]);
        assert_eq!(RbspReader::new(&longest).unsigned(), Ok(u32::MAX - 1));
        assert_eq!(RbspReader::new(&[0, 0, 3, 0, 0, 3, 0x80]).unsigned(), Err(ParseError::Value));
        assert_eq!(RbspReader::new(&[0, 0]).unsigned(), Err(ParseError::TooShort));
    }

    #[test]
    fn emulation_prevention_is_left_out() {
        let mut reader = RbspReader::new(&[0, 0, 3, 1, 0, 0, 3, 0, 0, 3, 3, 3]);
        let bytes: Vec<_> = std::iter::from_fn(|| reader.bits(8).ok()).collect();
        assert_eq!(bytes, [0, 0, 1, 0, 0, 0, 0, 3, 3]);
    }

    #[test]
    fn borders_leave_something() {
        assert_eq!(cropped([960, 544], [0, 4]), Some((960, 540)));
        assert_eq!(cropped([16, 16], [0, 16]), None);
        assert_eq!(cropped([16, 16], [17, 0]), None);
        assert_eq!(cropped([65_536, 16], [0, 0]), None);
    }

    proptest! {
        #[test]
        fn what_an_encoder_escapes_comes_back(bytes in prop::collection::vec(0u8..5, 0..60)) {
            let mut escaped = Vec::new();
            for byte in &bytes {
                if *byte <= 3 && escaped.ends_with(&[0, 0]) {
                    escaped.push(3);
                }
                escaped.push(*byte);
            }
            let mut reader = RbspReader::new(&escaped);
            let read: Vec<_> = std::iter::from_fn(|| reader.bits(8).ok().map(|bits| bits as u8)).collect();
            prop_assert_eq!(read, bytes);
        }
    }
}
