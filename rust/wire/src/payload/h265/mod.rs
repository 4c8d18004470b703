//! H.265 payloads: single NAL units, aggregation packets and fragmentation units, without decoding order numbers, as
//! browsers send them (RFC 7798 §4.4). PACI packets are refused: nobody sends them.

mod parameter_set;

use crate::bytes::Reader;
use crate::error::ParseError;

pub use parameter_set::sequence_size;

/// Temporal sub-layer access picture that nothing of its sub-layer refers to (ITU-T H.265 table 7-1).
pub const NAL_TSA_N: u8 = 2;
/// Temporal sub-layer access picture.
pub const NAL_TSA_R: u8 = 3;
/// Step-wise temporal sub-layer access picture that nothing of its sub-layer refers to.
pub const NAL_STSA_N: u8 = 4;
/// Step-wise temporal sub-layer access picture.
pub const NAL_STSA_R: u8 = 5;
/// Random access skipped leading picture that nothing of its sub-layer refers to.
pub const NAL_RASL_N: u8 = 8;
/// Random access skipped leading picture: it refers to what came before its random access point.
pub const NAL_RASL_R: u8 = 9;
/// The first of the intra random access point types: BLA, IDR, CRA.
const NAL_IRAP_FIRST: u8 = 16;
/// The last of them, reserved ones included.
const NAL_IRAP_LAST: u8 = 23;
/// The last type of a coded slice segment.
const NAL_VCL_LAST: u8 = 31;
/// Video parameter set.
pub const NAL_VPS: u8 = 32;
/// Sequence parameter set.
pub const NAL_SPS: u8 = 33;
/// Picture parameter set.
pub const NAL_PPS: u8 = 34;
/// Aggregation packet (RFC 7798 §4.4.2).
const AP: u8 = 48;
/// Fragmentation unit (RFC 7798 §4.4.3).
const FU: u8 = 49;

/// The two bytes in front of every NAL unit and every payload.
///
/// ```text
/// +---------------+---------------+
/// |0|1|2|3|4|5|6|7|0|1|2|3|4|5|6|7|
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |F|   Type    |  LayerId  | TID |
/// +-------------+-----------------+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NalHeader {
    /// `nal_unit_type`, 0..=63.
    pub nal_type: u8,
    /// `nuh_layer_id`, 0 in browsers' streams.
    pub layer: u8,
    /// `nuh_temporal_id_plus1` less one, 0..=6.
    pub temporal: u8,
}

impl NalHeader {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let bits = reader.u16()?;
        // RFC 7798 §1.1.4: F is zero, TID is not.
        let temporal = (bits as u8 & 0x07).checked_sub(1).filter(|_| bits & 0x8000 == 0).ok_or(ParseError::Value)?;
        Ok(Self { nal_type: (bits >> 9) as u8 & 0x3f, layer: (bits >> 3) as u8 & 0x3f, temporal })
    }

    /// The two bytes.
    pub const fn to_bytes(self) -> [u8; 2] {
        let tid = (self.temporal as u16 + 1) & 0x07;
        ((self.nal_type as u16 & 0x3f) << 9 | (self.layer as u16 & 0x3f) << 3 | tid).to_be_bytes()
    }

    /// Whether it is of a coded slice segment.
    pub const fn is_slice(self) -> bool {
        self.nal_type <= NAL_VCL_LAST
    }

    /// Whether nothing of the same temporal layer refers to its picture: `TRAIL_N` to `RSV_VCL_N14` (ITU-T H.265 table 7-1).
    pub const fn is_sub_layer_non_reference(self) -> bool {
        self.nal_type < NAL_IRAP_FIRST && self.nal_type.is_multiple_of(2)
    }

    /// Whether it is of an intra random access point picture: decoding can start there.
    pub const fn is_irap(self) -> bool {
        matches!(self.nal_type, NAL_IRAP_FIRST..=NAL_IRAP_LAST)
    }

    /// Whether it is a parameter set: video, sequence or picture.
    pub const fn is_parameter_set(self) -> bool {
        matches!(self.nal_type, NAL_VPS..=NAL_PPS)
    }
}

/// A NAL unit or a fragment of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NalUnit<'a> {
    /// Its header; of the fragmented unit in fragments.
    pub header: NalHeader,
    /// Its first byte is here.
    pub starts: bool,
    /// Its last byte is here.
    pub ends: bool,
    /// The bytes behind the NAL unit header (in fragments: behind the FU header).
    pub data: &'a [u8],
}

impl NalUnit<'_> {
    /// Whether a picture starts here: `first_slice_segment_in_pic_flag` (ITU-T H.265 §7.3.6.1).
    pub fn starts_picture(&self) -> bool {
        self.starts && self.header.is_slice() && self.data.first().is_some_and(|byte| byte & 0x80 != 0)
    }
}

/// The NAL units in `payload`; ends behind the first malformed one, which it gives as an error.
pub fn nal_units(payload: &[u8]) -> NalUnits<'_> {
    let mut reader = Reader::new(payload);
    let state = match NalHeader::read(&mut reader) {
        Ok(NalHeader { nal_type: AP, .. }) => State::Aggregate(reader),
        Ok(header @ NalHeader { nal_type: FU, .. }) => State::One(Some(fragment(header, reader))),
        Ok(header @ NalHeader { nal_type: 0..AP, .. }) => {
            State::One(Some(Ok(NalUnit { header, starts: true, ends: true, data: reader.rest() })))
        }
        Ok(_) => State::One(Some(Err(ParseError::Value))),
        Err(error) => State::One(Some(Err(error))),
    };
    NalUnits { state }
}

/// FU header: `|S|E|  FuType   |`.
fn fragment(payload_header: NalHeader, mut reader: Reader<'_>) -> Result<NalUnit<'_>, ParseError> {
    let header = reader.u8()?;
    let (starts, ends) = (header & 0x80 != 0, header & 0x40 != 0);
    // §4.4.3: a unit that fits one fragment is not fragmented; what is fragmented is a plain unit.
    if starts && ends || header & 0x3f >= AP {
        return Err(ParseError::Value);
    }
    Ok(NalUnit { header: NalHeader { nal_type: header & 0x3f, ..payload_header }, starts, ends, data: reader.rest() })
}

/// Iterates the NAL units of a payload.
#[derive(Debug, Clone)]
pub struct NalUnits<'a> {
    state: State<'a>,
}

#[derive(Debug, Clone)]
enum State<'a> {
    One(Option<Result<NalUnit<'a>, ParseError>>),
    Aggregate(Reader<'a>),
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = Result<NalUnit<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        match &mut self.state {
            State::One(unit) => unit.take(),
            State::Aggregate(reader) if reader.is_empty() => None,
            State::Aggregate(reader) => {
                let unit = aggregated(reader);
                if unit.is_err() {
                    self.state = State::One(None);
                }
                Some(unit)
            }
        }
    }
}

/// Each unit of an aggregation packet follows its 16-bit length.
fn aggregated<'a>(reader: &mut Reader<'a>) -> Result<NalUnit<'a>, ParseError> {
    let len = reader.u16()?;
    let mut unit = Reader::new(reader.take(usize::from(len))?);
    let header = NalHeader::read(&mut unit)?;
    // §4.4.2: an aggregation packet holds plain units only.
    if header.nal_type >= AP {
        Err(ParseError::Value)
    } else {
        Ok(NalUnit { header, starts: true, ends: true, data: unit.rest() })
    }
}

/// What an SFU needs to know of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a kind of NAL unit; a payload may hold several")]
pub struct H265Facts {
    /// The lowest temporal layer in it.
    pub temporal: u8,
    /// A video parameter set.
    pub vps: bool,
    /// A sequence parameter set.
    pub sps: bool,
    /// A picture parameter set.
    pub pps: bool,
    /// A piece of a keyframe's picture (an intra random access point).
    pub irap: bool,
    /// A piece of a temporal sub-layer access picture: from here on any higher temporal layer can be decoded.
    pub tsa: bool,
    /// A piece of a step-wise temporal sub-layer access picture: from here on this temporal layer can be decoded.
    pub stsa: bool,
    /// A piece of a random access skipped leading picture: who begins with its random access point cannot decode it
    /// (ITU-T H.265 §8.1.3).
    pub rasl: bool,
    /// The first slice segment of a picture starts here.
    pub starts_picture: bool,
}

impl H265Facts {
    /// Reads the headers in `payload`.
    pub fn parse(payload: &[u8]) -> Result<Self, ParseError> {
        let mut facts = Self { temporal: u8::MAX, ..Self::default() };
        for unit in nal_units(payload) {
            let unit = unit?;
            facts.temporal = facts.temporal.min(unit.header.temporal);
            facts.irap |= unit.header.is_irap();
            facts.starts_picture |= unit.starts_picture();
            match unit.header.nal_type {
                NAL_VPS => facts.vps = true,
                NAL_SPS => facts.sps = true,
                NAL_PPS => facts.pps = true,
                NAL_TSA_N | NAL_TSA_R => facts.tsa = true,
                NAL_STSA_N | NAL_STSA_R => facts.stsa = true,
                NAL_RASL_N | NAL_RASL_R => facts.rasl = true,
                _ => {}
            }
        }
        // An aggregation packet without a unit.
        if facts.temporal == u8::MAX { Err(ParseError::TooShort) } else { Ok(facts) }
    }

    /// Whether the payload belongs to a keyframe: its picture or a parameter set in front of it.
    pub const fn of_keyframe(&self) -> bool {
        self.irap || self.vps || self.sps || self.pps
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_parameter_sets_in_an_aggregate() {
        let payload = [0x60, 0x01, 0, 3, 0x40, 0x01, 0x0c, 0, 3, 0x42, 0x01, 0x01, 0, 3, 0x44, 0x01, 0xc0];
        let types: Vec<_> = nal_units(&payload).map(|unit| unit.unwrap().header.nal_type).collect();
        assert_eq!(types, [NAL_VPS, NAL_SPS, NAL_PPS]);
        let facts = H265Facts::parse(&payload).unwrap();
        assert_eq!(facts, H265Facts { vps: true, sps: true, pps: true, ..H265Facts::default() });
        assert!(facts.of_keyframe());
    }

    #[test]
    fn golden_fragments_of_an_idr_picture() {
        // IDR_W_RADL in a fragmentation unit: first, middle, last.
        let [first, middle, last] =
            [&[0x62, 0x01, 0x93, 0xaf][..], &[0x62, 0x01, 0x13, 0xff], &[0x62, 0x01, 0x53, 0xff]]
                .map(|payload| H265Facts::parse(payload).unwrap());
        assert!(first.irap && first.starts_picture);
        assert!(middle.irap && !middle.starts_picture);
        assert!(last.of_keyframe());
        let unit = nal_units(&[0x62, 0x01, 0x53, 0xff]).next().unwrap().unwrap();
        assert_eq!((unit.header.nal_type, unit.starts, unit.ends, unit.data), (19, false, true, &[0xff][..]));
    }

    #[test]
    fn temporal_layers_and_their_switch_points() {
        // TSA_N of temporal layer 2, STSA_R of temporal layer 1, a trailing picture of layer 0.
        let tsa = H265Facts::parse(&[0x04, 0x03, 0xe0]).unwrap();
        assert_eq!(tsa, H265Facts { temporal: 2, tsa: true, starts_picture: true, ..H265Facts::default() });
        let stsa = H265Facts::parse(&[0x0a, 0x02, 0x40]).unwrap();
        assert_eq!(stsa, H265Facts { temporal: 1, stsa: true, ..H265Facts::default() });
        let trail = H265Facts::parse(&[0x02, 0x01, 0x80]).unwrap();
        assert_eq!(trail, H265Facts { starts_picture: true, ..H265Facts::default() });
    }

    #[test]
    fn what_browsers_do_not_send_is_refused() {
        let error = |payload: &[u8]| H265Facts::parse(payload).unwrap_err();
        assert_eq!(error(&[0x64, 0x01, 0x00]), ParseError::Value, "PACI");
        assert_eq!(error(&[0x02, 0x00, 0x80]), ParseError::Value, "a TID of zero");
        assert_eq!(error(&[0x82, 0x01, 0x80]), ParseError::Value, "the forbidden bit");
        assert_eq!(error(&[0x62, 0x01, 0xd3]), ParseError::Value, "a fragment that is the whole");
        assert_eq!(error(&[0x62, 0x01, 0xb1]), ParseError::Value, "a fragment of a fragment");
        assert_eq!(error(&[0x60, 0x01, 0, 2, 0x60, 0x01]), ParseError::Value, "an aggregate in an aggregate");
        assert_eq!(error(&[0x60, 0x01]), ParseError::TooShort, "an empty aggregate");
        assert_eq!(error(&[0x60, 0x01, 0, 9, 0x40, 0x01]), ParseError::TooShort);
        assert_eq!(error(&[0x62, 0x01]), ParseError::TooShort);
        assert_eq!(error(&[]), ParseError::TooShort);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_headers_come_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let units = nal_units(&bytes).map_while(Result::ok);
            let total: usize = units.map(|unit| unit.data.len() + 2).sum();
            prop_assert!(total <= bytes.len());
            if let Ok(header) = NalHeader::read(&mut Reader::new(&bytes)) {
                prop_assert_eq!(&header.to_bytes(), &bytes[..2]);
            }
        }
    }
}
