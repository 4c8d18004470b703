//! AV1 aggregation header and the OBUs behind it (AV1 RTP payload specification 1.0 §4.4; AV1 bitstream §5.3).

mod sequence_header;

use crate::bytes::Reader;
use crate::error::ParseError;

pub use sequence_header::sequence_size;

/// OBU type of a sequence header (AV1 bitstream §6.2.2).
pub const OBU_SEQUENCE_HEADER: u8 = 1;
/// OBU type of a frame header.
pub const OBU_FRAME_HEADER: u8 = 3;
/// OBU type of a whole frame.
pub const OBU_FRAME: u8 = 6;

/// The byte in front of every AV1 payload.
///
/// ```text
///  0 1 2 3 4 5 6 7
/// +-+-+-+-+-+-+-+-+
/// |Z|Y| W |N|-|-|-|
/// +-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Av1Header {
    /// Z: the first element continues an OBU of the previous packet.
    pub continues: bool,
    /// Y: the last element goes on in the next packet.
    pub continued: bool,
    /// W: how many elements there are, 0 when each has its length.
    pub elements: u8,
    /// N: the first packet of a coded video sequence, so of a keyframe.
    pub starts_sequence: bool,
}

impl Av1Header {
    /// Reads the header in front of `payload`; it is one byte long.
    pub fn parse(payload: &[u8]) -> Result<Self, ParseError> {
        let byte = *payload.first().ok_or(ParseError::TooShort)?;
        let header = Self {
            continues: byte & 0x80 != 0,
            continued: byte & 0x40 != 0,
            elements: byte >> 4 & 0x03,
            starts_sequence: byte & 0x08 != 0,
        };
        // §4.4: a coded video sequence does not start in the middle of an OBU.
        if header.continues && header.starts_sequence { Err(ParseError::Value) } else { Ok(header) }
    }

    /// The byte.
    pub const fn to_byte(self) -> u8 {
        (self.continues as u8) << 7
            | (self.continued as u8) << 6
            | (self.elements & 0x03) << 4
            | (self.starts_sequence as u8) << 3
    }
}

/// Whether a keyframe starts in this payload: the N bit.
pub fn starts_keyframe(payload: &[u8]) -> bool {
    Av1Header::parse(payload).is_ok_and(|header| header.starts_sequence)
}

/// An OBU or a piece of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObuElement<'a> {
    /// The OBU type; `None` in the continuation of an OBU.
    pub obu_type: Option<u8>,
    /// The bytes, from the OBU header on.
    pub data: &'a [u8],
}

/// Iterates the elements of an AV1 payload; ends at the first malformed one.
#[derive(Debug, Clone)]
pub struct ObuElements<'a> {
    reader: Reader<'a>,
    header: Av1Header,
    index: u8,
}

/// The elements of `payload`.
pub fn elements(payload: &[u8]) -> Result<ObuElements<'_>, ParseError> {
    let header = Av1Header::parse(payload)?;
    Ok(ObuElements { reader: Reader::new(payload.get(1..).unwrap_or_default()), header, index: 0 })
}

impl<'a> Iterator for ObuElements<'a> {
    type Item = ObuElement<'a>;

    fn next(&mut self) -> Option<ObuElement<'a>> {
        if self.reader.is_empty() || self.header.elements != 0 && self.index == self.header.elements {
            return None;
        }
        let len = if self.index + 1 == self.header.elements {
            self.reader.rest().len()
        } else {
            leb128(&mut self.reader).ok()?
        };
        let Ok(data) = self.reader.take(len) else {
            self.reader = Reader::new(&[]);
            return None;
        };
        let continuation = self.index == 0 && self.header.continues;
        // Without a stated number of elements the index only has to leave 0.
        self.index = if self.header.elements == 0 { 1 } else { self.index + 1 };
        let obu_type = if continuation { None } else { data.first().map(|byte| byte >> 3 & 0x0f) };
        Some(ObuElement { obu_type, data })
    }
}

/// AV1 bitstream §4.10.5, as far as a packet can hold: five bytes.
fn leb128(reader: &mut Reader<'_>) -> Result<usize, ParseError> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let byte = reader.u8()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return usize::try_from(value).map_err(|_| ParseError::Length);
        }
    }
    Err(ParseError::Value)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_keyframe_with_a_sequence_header() {
        // W=2, N=1: a sequence header of 3 bytes, then a frame that goes on.
        let payload = [0x68, 0x03, 0x08, 0xaa, 0xbb, 0x30, 0x01, 0x02];
        let header = Av1Header::parse(&payload).unwrap();
        assert_eq!(header, Av1Header { continues: false, continued: true, elements: 2, starts_sequence: true });
        assert!(starts_keyframe(&payload));
        let found: Vec<_> = elements(&payload).unwrap().map(|element| (element.obu_type, element.data.len())).collect();
        assert_eq!(found, [(Some(OBU_SEQUENCE_HEADER), 3), (Some(OBU_FRAME), 3)]);
    }

    #[test]
    fn without_a_count_every_element_has_its_length() {
        let payload = [0x80, 0x02, 0xaa, 0xbb, 0x01, 0x18, 0x01, 0x30];
        let found: Vec<_> = elements(&payload).unwrap().map(|element| element.obu_type).collect();
        assert_eq!(found, [None, Some(OBU_FRAME_HEADER), Some(OBU_FRAME)]);
    }

    #[test]
    fn an_element_beyond_the_end_ends_the_list() {
        assert_eq!(elements(&[0x00, 0x01, 0x30, 0x09, 0x30]).unwrap().count(), 1);
        assert_eq!(elements(&[0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]).unwrap().count(), 0);
    }

    #[test]
    fn a_sequence_never_starts_in_the_middle_of_an_obu() {
        assert_eq!(Av1Header::parse(&[0x88]), Err(ParseError::Value));
        assert!(!starts_keyframe(&[]));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(header) = Av1Header::parse(&bytes) {
                prop_assert_eq!(header.to_byte(), bytes[0] & 0xf8);
                let total: usize = elements(&bytes).unwrap().map(|element| element.data.len()).sum();
                prop_assert!(total < bytes.len());
            }
        }
    }
}
