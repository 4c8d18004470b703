//! H.264: NAL units behind start codes, out of single units, STAP-A and FU-A (RFC 6184 §5.6–§5.8).

use sfu_wire::payload::h264::{NAL_IDR, NAL_PPS, NAL_SPS, nal_units};

use super::annex_b::{ParameterSets, start_unit};

const TYPE: u8 = 0x1f;
const STAP_A: u8 = 24;
const FU_A: u8 = 28;

pub(super) fn assemble<'a>(payloads: impl Iterator<Item = &'a [u8]>, sets: &mut ParameterSets) -> Option<Vec<u8>> {
    let mut picture = Picture::default();
    for payload in payloads {
        picture.add(payload)?;
    }
    let Picture { stream, sets: found, has_sps, has_idr, has_slice, open } = picture;
    if open {
        return None;
    }
    if !found.is_empty() {
        sets.learn(&found, has_sps);
    }
    if !has_slice {
        return Some(Vec::new());
    }
    let parameter_sets = if has_idr { sets.stream() } else { found.as_slice() };
    Some([parameter_sets, &stream].concat())
}

#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a kind of NAL unit that was seen")]
struct Picture {
    /// Everything but parameter sets.
    stream: Vec<u8>,
    sets: Vec<u8>,
    has_sps: bool,
    has_idr: bool,
    has_slice: bool,
    /// A fragmented unit has begun and not ended.
    open: bool,
}

impl Picture {
    fn add(&mut self, payload: &[u8]) -> Option<()> {
        let first = *payload.first()?;
        // Where the header of the unit stands in an aggregate.
        let mut at = 3;
        for unit in nal_units(payload) {
            let header = match first & TYPE {
                FU_A => first & !TYPE | unit.nal_type,
                STAP_A => *payload.get(at)?,
                _ => first,
            };
            at += 3 + unit.data.len();
            if unit.starts == self.open {
                return None;
            }
            self.open = !unit.ends;
            self.has_sps |= unit.nal_type == NAL_SPS;
            self.has_idr |= unit.nal_type == NAL_IDR;
            self.has_slice |= unit.is_slice();
            let is_set = matches!(unit.nal_type, NAL_SPS | NAL_PPS);
            let stream = if is_set { &mut self.sets } else { &mut self.stream };
            if unit.starts {
                start_unit(stream, &[header]);
            }
            stream.extend_from_slice(unit.data);
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: [u8; 4] = [0, 0, 0, 1];

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| START.iter().chain(unit.iter())).copied().collect()
    }

    #[test]
    fn aggregates_and_fragments_become_a_byte_stream() {
        let mut sets = ParameterSets::default();
        // STAP-A with SPS and PPS; an IDR picture in three fragments.
        let payloads: [&[u8]; 4] =
            [&[0x78, 0, 2, 0x67, 1, 0, 2, 0x68, 2], &[0x7c, 0x85, 0x88, 3], &[0x7c, 0x05, 4], &[0x7c, 0x45, 5]];
        let expected = stream(&[&[0x67, 1], &[0x68, 2], &[0x65, 0x88, 3, 4, 5]]);
        assert_eq!(assemble(payloads.into_iter(), &mut sets), Some(expected));
        assert_eq!(assemble([&[0x41, 0x9a][..]].into_iter(), &mut sets), Some(stream(&[&[0x41, 0x9a]])));
        // A keyframe without its sets gets them.
        let expected = stream(&[&[0x67, 1], &[0x68, 2], &[0x65, 0x88]]);
        assert_eq!(assemble([&[0x65, 0x88][..]].into_iter(), &mut sets), Some(expected));
    }

    #[test]
    fn a_fragment_without_its_rest_is_no_frame() {
        let mut sets = ParameterSets::default();
        assert_eq!(assemble([&[0x7c, 0x85, 0x88][..]].into_iter(), &mut sets), None);
        assert_eq!(assemble([&[0x7c, 0x45, 5][..]].into_iter(), &mut sets), None);
    }

    #[test]
    fn parameter_sets_alone_are_no_picture() {
        let mut sets = ParameterSets::default();
        assert_eq!(assemble([&[0x67, 1][..]].into_iter(), &mut sets), Some(Vec::new()));
    }
}
