//! H.264 payloads of packetization mode 1: single NAL units, STAP-A and FU-A (RFC 6184 §5.6–§5.8).

mod parameter_set;

use crate::bytes::Reader;

pub use parameter_set::sequence_size;

/// Coded slice of a picture that is no IDR picture (ITU-T H.264 table 7-1).
pub const NAL_SLICE: u8 = 1;
/// Coded slice data partition A, which has the slice header.
pub const NAL_PARTITION_A: u8 = 2;
/// Coded slice of an IDR picture.
pub const NAL_IDR: u8 = 5;
/// Sequence parameter set.
pub const NAL_SPS: u8 = 7;
/// Picture parameter set.
pub const NAL_PPS: u8 = 8;
/// Single-time aggregation packet without decoding order numbers (RFC 6184 §5.7.1).
const STAP_A: u8 = 24;
/// Fragmentation unit without decoding order numbers (RFC 6184 §5.8).
const FU_A: u8 = 28;

/// A NAL unit or a fragment of one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NalUnit<'a> {
    /// `nal_unit_type`, of the fragmented unit in fragments; 1..=23.
    pub nal_type: u8,
    /// `nal_ref_idc` is not zero: other pictures may refer to it.
    pub reference: bool,
    /// Its first byte is here.
    pub starts: bool,
    /// Its last byte is here.
    pub ends: bool,
    /// The bytes behind the NAL unit header (in fragments: behind the FU header).
    pub data: &'a [u8],
}

/// The NAL units in `payload`; ends at the first malformed one, has none for packet types that mode 1 excludes.
pub fn nal_units(payload: &[u8]) -> NalUnits<'_> {
    let mut reader = Reader::new(payload);
    let state = match reader.u8().map(|byte| (byte, byte & 0x1f)) {
        Ok((_, STAP_A)) => State::Aggregate(reader),
        Ok((indicator, FU_A)) => State::One(fragment(indicator, reader)),
        Ok((header, _)) => State::One(whole(header, reader.rest())),
        Err(_) => State::One(None),
    };
    NalUnits { state }
}

/// What an SFU needs to know of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a kind of NAL unit; a payload may hold several")]
pub struct H264Facts {
    /// A piece of a sequence parameter set.
    pub sps: bool,
    /// A piece of a picture parameter set.
    pub pps: bool,
    /// A piece of an IDR picture.
    pub idr: bool,
    /// The first slice of a picture starts here.
    pub starts_picture: bool,
    /// A piece of a slice that other pictures may refer to.
    pub reference: bool,
}

impl H264Facts {
    /// Reads the headers in `payload`; what is malformed adds nothing.
    pub fn of(payload: &[u8]) -> Self {
        nal_units(payload).fold(Self::default(), |facts, unit| Self {
            sps: facts.sps || unit.nal_type == NAL_SPS,
            pps: facts.pps || unit.nal_type == NAL_PPS,
            idr: facts.idr || unit.nal_type == NAL_IDR,
            starts_picture: facts.starts_picture || unit.starts_picture(),
            reference: facts.reference || unit.is_slice() && unit.reference,
        })
    }

    /// Whether the payload belongs to a keyframe: its picture or a parameter set in front of it.
    pub const fn of_keyframe(&self) -> bool {
        self.idr || self.sps || self.pps
    }
}

impl NalUnit<'_> {
    /// Whether it is of a coded slice (ITU-T H.264 table 7-1).
    pub const fn is_slice(&self) -> bool {
        matches!(self.nal_type, NAL_SLICE..=NAL_IDR)
    }

    /// Whether a picture starts here: `first_mb_in_slice` is 0, which `ue(v)` writes as a set bit (ITU-T H.264 §7.3.3, §9.1).
    pub fn starts_picture(&self) -> bool {
        let has_slice_header = matches!(self.nal_type, NAL_SLICE | NAL_PARTITION_A | NAL_IDR);
        self.starts && has_slice_header && self.data.first().is_some_and(|byte| byte & 0x80 != 0)
    }
}

/// A NAL unit header, `|F|NRI|  Type   |`, and what follows it; `None` for what is no NAL unit of its own.
const fn whole(header: u8, data: &[u8]) -> Option<NalUnit<'_>> {
    match header & 0x1f {
        nal_type @ 1..=23 => Some(NalUnit { nal_type, reference: header & 0x60 != 0, starts: true, ends: true, data }),
        _ => None,
    }
}

/// FU header: `|S|E|R|  Type   |`; the unit's other header bits are in the FU indicator (RFC 6184 §5.8).
fn fragment(indicator: u8, mut reader: Reader<'_>) -> Option<NalUnit<'_>> {
    let header = reader.u8().ok()?;
    let unit = whole(indicator & 0xe0 | header & 0x1f, reader.rest())?;
    Some(NalUnit { starts: header & 0x80 != 0, ends: header & 0x40 != 0, ..unit })
}

/// Iterates the NAL units of a payload.
#[derive(Debug, Clone)]
pub struct NalUnits<'a> {
    state: State<'a>,
}

#[derive(Debug, Clone)]
enum State<'a> {
    One(Option<NalUnit<'a>>),
    Aggregate(Reader<'a>),
}

impl<'a> Iterator for NalUnits<'a> {
    type Item = NalUnit<'a>;

    fn next(&mut self) -> Option<NalUnit<'a>> {
        match &mut self.state {
            State::One(unit) => unit.take(),
            State::Aggregate(reader) => {
                let unit = aggregated(reader);
                if unit.is_none() {
                    self.state = State::One(None);
                }
                unit
            }
        }
    }
}

/// Each unit of a STAP-A follows its 16-bit length.
fn aggregated<'a>(reader: &mut Reader<'a>) -> Option<NalUnit<'a>> {
    let len = reader.u16().ok()?;
    let (header, data) = reader.take(usize::from(len)).ok()?.split_first()?;
    whole(*header, data)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn parameter_sets_in_an_aggregate_start_a_keyframe() {
        let payload = [0x78, 0x00, 0x02, 0x67, 0x42, 0x00, 0x03, 0x68, 0xce, 0x3c, 0x00, 0x02, 0x65, 0x88];
        let units: Vec<_> = nal_units(&payload).map(|unit| (unit.nal_type, unit.data.len())).collect();
        assert_eq!(units, [(NAL_SPS, 1), (NAL_PPS, 2), (NAL_IDR, 1)]);
        assert_eq!(
            H264Facts::of(&payload),
            H264Facts { sps: true, pps: true, idr: true, starts_picture: true, reference: true }
        );
    }

    #[test]
    fn a_fragment_tells_where_in_its_unit_it_is() {
        let last = nal_units(&[0x7c, 0x45, 0xaa]).next().unwrap();
        assert_eq!(last, NalUnit { nal_type: NAL_IDR, reference: true, starts: false, ends: true, data: &[0xaa] });
    }

    #[test]
    fn facts_of_the_pieces_of_a_keyframe() {
        let sets = H264Facts::of(&[0x78, 0x00, 0x02, 0x67, 0x42, 0x00, 0x03, 0x68, 0xce, 0x3c]);
        assert_eq!(sets, H264Facts { sps: true, pps: true, ..H264Facts::default() });
        let first = H264Facts::of(&[0x7c, 0x85, 0x88]);
        assert_eq!(first, H264Facts { idr: true, starts_picture: true, reference: true, ..H264Facts::default() });
        let last = H264Facts::of(&[0x7c, 0x45, 0x88]);
        assert_eq!(last, H264Facts { idr: true, reference: true, ..H264Facts::default() });
        assert!([sets, first, last].iter().all(H264Facts::of_keyframe));
    }

    #[test]
    fn facts_of_inter_pictures() {
        let whole = H264Facts::of(&[0x61, 0x9a]);
        assert_eq!(whole, H264Facts { starts_picture: true, reference: true, ..H264Facts::default() });
        assert_eq!(
            H264Facts::of(&[0x01, 0x9a]),
            H264Facts { starts_picture: true, ..H264Facts::default() },
            "droppable"
        );
        assert_eq!(
            H264Facts::of(&[0x61, 0x1a]),
            H264Facts { reference: true, ..H264Facts::default() },
            "a later slice"
        );
        assert_eq!(H264Facts::of(&[0x06, 0x80]), H264Facts::default(), "supplemental information");
    }

    #[test]
    fn a_unit_beyond_the_end_ends_the_list() {
        assert_eq!(nal_units(&[0x78, 0x00, 0x01, 0x67, 0x00, 0x09, 0x65]).count(), 1);
        assert_eq!(nal_units(&[0x78, 0x00, 0x00, 0x00, 0x01, 0x65]).count(), 0, "an empty unit");
        assert_eq!(nal_units(&[0x7d, 0x85]).count(), 0, "FU-B is not of mode 1");
        assert_eq!(nal_units(&[0x7c, 0x9c, 0x85]).count(), 0, "a fragment of a fragment");
        assert_eq!(nal_units(&[0x78, 0x00, 0x02, 0x78, 0x00]).count(), 0, "an aggregate in an aggregate");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let total: usize = nal_units(&bytes).map(|unit| unit.data.len() + 1).sum();
            prop_assert!(total <= bytes.len());
            prop_assert!(nal_units(&bytes).all(|unit| (1..=23).contains(&unit.nal_type)));
        }
    }
}
