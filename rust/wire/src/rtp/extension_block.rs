//! The header extension block of a packet, in the one-byte or the two-byte form (RFC 8285 §4).

use crate::bytes::Reader;
use crate::error::ParseError;

/// `defined by profile` of the one-byte form (RFC 8285 §4.2).
pub(super) const ONE_BYTE: u16 = 0xbede;
/// `defined by profile` of the two-byte form; its lower four bits are free (RFC 8285 §4.3).
pub(super) const TWO_BYTE: u16 = 0x1000;

/// The extensions of one packet, as they lie in it.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |       0xBE    |    0xDE       |           length=3            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  ID   | L=0   |     data      |  ID   |  L=1  |   data...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ExtensionBlock<'a> {
    profile: u16,
    elements: &'a [u8],
}

impl<'a> ExtensionBlock<'a> {
    /// Reads the block at the end of an RTP header.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        let profile = reader.u16()?;
        let words = reader.u16()?;
        Ok(Self { profile, elements: reader.take(usize::from(words) * 4)? })
    }

    /// The bytes behind the length field, padding included.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.elements
    }

    /// The elements as (id, value), in the order of the packet; malformed rests are left out. Blocks of other profiles
    /// have none.
    pub const fn iter(&self) -> Extensions<'a> {
        let form = match self.profile {
            ONE_BYTE => Form::OneByte,
            profile if profile & 0xfff0 == TWO_BYTE => Form::TwoByte,
            _ => Form::Unknown,
        };
        Extensions { reader: Reader::new(self.elements), form }
    }
}

impl<'a> IntoIterator for &ExtensionBlock<'a> {
    type Item = (u8, &'a [u8]);
    type IntoIter = Extensions<'a>;

    fn into_iter(self) -> Extensions<'a> {
        self.iter()
    }
}

#[derive(Debug, Clone, Copy)]
enum Form {
    OneByte,
    TwoByte,
    Unknown,
}

/// Iterates the elements of an [`ExtensionBlock`].
#[derive(Debug, Clone)]
pub struct Extensions<'a> {
    reader: Reader<'a>,
    form: Form,
}

impl<'a> Iterator for Extensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let element = match self.form {
            Form::OneByte => self.one_byte(),
            Form::TwoByte => self.two_byte(),
            Form::Unknown => None,
        };
        if element.is_none() {
            self.form = Form::Unknown;
        }
        element
    }
}

impl<'a> Extensions<'a> {
    /// RFC 8285 §4.2: a zero byte pads; id 0 with a length and id 15 end the block.
    fn one_byte(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            match self.reader.u8().ok()? {
                0 => {}
                byte => {
                    let (id, len) = (byte >> 4, usize::from(byte & 0x0f) + 1);
                    return if matches!(id, 0 | 15) { None } else { Some((id, self.reader.take(len).ok()?)) };
                }
            }
        }
    }

    /// RFC 8285 §4.3: a zero byte pads; values may be empty.
    fn two_byte(&mut self) -> Option<(u8, &'a [u8])> {
        loop {
            match self.reader.u8().ok()? {
                0 => {}
                id => {
                    let len = self.reader.u8().ok()?;
                    return Some((id, self.reader.take(usize::from(len)).ok()?));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn elements(profile: u16, elements: &[u8]) -> Vec<(u8, Vec<u8>)> {
        ExtensionBlock { profile, elements }.iter().map(|(id, value)| (id, value.to_vec())).collect()
    }

    #[test]
    fn one_byte_form_of_the_rfc() {
        let bytes = [0x10, 0xaa, 0x21, 0xbb, 0xbb, 0x00, 0x00, 0x33, 1, 2, 3, 4];
        assert_eq!(elements(ONE_BYTE, &bytes), [(1, vec![0xaa]), (2, vec![0xbb, 0xbb]), (3, vec![1, 2, 3, 4])]);
    }

    #[test]
    fn two_byte_form_of_the_rfc() {
        let bytes = [0x01, 0x00, 0x02, 0x01, 0xbb, 0x00, 0x03, 0x04, 1, 2, 3, 4];
        assert_eq!(elements(0x1005, &bytes), [(1, vec![]), (2, vec![0xbb]), (3, vec![1, 2, 3, 4])]);
    }

    #[test]
    fn id_fifteen_and_id_zero_with_a_length_end_a_one_byte_block() {
        assert_eq!(elements(ONE_BYTE, &[0x10, 1, 0xf0, 2, 0x20, 3]), [(1, vec![1])]);
        assert_eq!(elements(ONE_BYTE, &[0x10, 1, 0x01, 2, 0x20, 3]), [(1, vec![1])]);
    }

    #[test]
    fn an_element_beyond_the_end_is_left_out() {
        assert_eq!(elements(ONE_BYTE, &[0x10, 1, 0x2f, 2]), [(1, vec![1])]);
        assert_eq!(elements(TWO_BYTE, &[1, 1, 1, 2]), [(1, vec![1])]);
        assert_eq!(elements(TWO_BYTE, &[1, 1, 1, 2, 9, 0]), [(1, vec![1])]);
    }

    #[test]
    fn other_profiles_have_no_elements() {
        assert_eq!(elements(0x1234, &[0x10, 1]), []);
    }
}
