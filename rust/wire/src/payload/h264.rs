//! H.264 payloads of packetization mode 1: single NAL units, STAP-A and FU-A (RFC 6184 §5.6–§5.8).

use crate::bytes::Reader;

/// Coded slice of an IDR picture (ITU-T H.264 table 7-1).
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
    /// `nal_unit_type`, of the fragmented unit in fragments.
    pub nal_type: u8,
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
    let state = match reader.u8().map(|byte| byte & 0x1f) {
        Ok(nal_type @ 1..=23) => State::One(Some(NalUnit { nal_type, starts: true, ends: true, data: reader.rest() })),
        Ok(STAP_A) => State::Aggregate(reader),
        Ok(FU_A) => State::One(fragment(reader)),
        _ => State::One(None),
    };
    NalUnits { state }
}

/// Whether a keyframe starts in this payload: an IDR picture or the parameter sets in front of it, at its first fragment.
pub fn starts_keyframe(payload: &[u8]) -> bool {
    nal_units(payload).any(|unit| unit.starts && matches!(unit.nal_type, NAL_IDR | NAL_SPS))
}

/// FU header: `|S|E|R|  Type   |`.
fn fragment(mut reader: Reader<'_>) -> Option<NalUnit<'_>> {
    let header = reader.u8().ok()?;
    Some(NalUnit { nal_type: header & 0x1f, starts: header & 0x80 != 0, ends: header & 0x40 != 0, data: reader.rest() })
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
    Some(NalUnit { nal_type: header & 0x1f, starts: true, ends: true, data })
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
        assert!(starts_keyframe(&payload));
    }

    #[test]
    fn only_the_first_fragment_of_an_idr_picture_starts_a_keyframe() {
        assert!(starts_keyframe(&[0x7c, 0x85, 0x00]));
        assert!(!starts_keyframe(&[0x7c, 0x05, 0x00]));
        assert!(!starts_keyframe(&[0x7c, 0x45, 0x00]));
        assert!(!starts_keyframe(&[0x7c, 0x81, 0x00]), "an inter picture");
        let last = nal_units(&[0x7c, 0x45, 0xaa]).next().unwrap();
        assert_eq!(last, NalUnit { nal_type: NAL_IDR, starts: false, ends: true, data: &[0xaa] });
    }

    #[test]
    fn single_units() {
        assert!(starts_keyframe(&[0x65, 0x88]) && starts_keyframe(&[0x67, 0x42]));
        assert!(!starts_keyframe(&[0x68, 0xce]) && !starts_keyframe(&[0x41, 0x9a]) && !starts_keyframe(&[]));
    }

    #[test]
    fn a_unit_beyond_the_end_ends_the_list() {
        assert_eq!(nal_units(&[0x78, 0x00, 0x01, 0x67, 0x00, 0x09, 0x65]).count(), 1);
        assert_eq!(nal_units(&[0x78, 0x00, 0x00, 0x00, 0x01, 0x65]).count(), 0, "an empty unit");
        assert_eq!(nal_units(&[0x7d, 0x85]).count(), 0, "FU-B is not of mode 1");
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let total: usize = nal_units(&bytes).map(|unit| unit.data.len() + 1).sum();
            prop_assert!(total <= bytes.len());
        }
    }
}
