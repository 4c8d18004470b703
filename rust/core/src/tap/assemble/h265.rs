//! H.265: NAL units behind start codes, out of single units, aggregation packets and fragmentation units (RFC 7798 §4.4).

use sfu_wire::payload::h265::{NAL_VPS, nal_units};

use super::annex_b::{ParameterSets, start_unit};

pub(super) fn assemble<'a>(payloads: impl Iterator<Item = &'a [u8]>, sets: &mut ParameterSets) -> Option<Vec<u8>> {
    let (mut stream, mut found) = (Vec::new(), Vec::new());
    let (mut has_vps, mut has_irap, mut has_slice, mut open) = (false, false, false, false);
    for payload in payloads {
        for unit in nal_units(payload) {
            let unit = unit.ok()?;
            if unit.starts == open {
                return None;
            }
            open = !unit.ends;
            has_vps |= unit.header.nal_type == NAL_VPS;
            has_irap |= unit.header.is_irap();
            has_slice |= unit.header.is_slice();
            let stream = if unit.header.is_parameter_set() { &mut found } else { &mut stream };
            if unit.starts {
                start_unit(stream, &unit.header.to_bytes());
            }
            stream.extend_from_slice(unit.data);
        }
    }
    if open {
        return None;
    }
    if !found.is_empty() {
        sets.learn(&found, has_vps);
    }
    if !has_slice {
        return Some(Vec::new());
    }
    let parameter_sets = if has_irap { sets.stream() } else { found.as_slice() };
    Some([parameter_sets, &stream].concat())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aggregates_and_fragments_become_a_byte_stream() {
        let mut sets = ParameterSets::default();
        let aggregate = [0x60, 0x01, 0, 3, 0x40, 0x01, 0x0c, 0, 3, 0x42, 0x01, 0x01, 0, 3, 0x44, 0x01, 0xc0];
        let payloads: [&[u8]; 3] = [&aggregate, &[0x62, 0x01, 0x93, 0xaf], &[0x62, 0x01, 0x53, 0xff]];
        let sets_stream = [0, 0, 0, 1, 0x40, 0x01, 0x0c, 0, 0, 0, 1, 0x42, 0x01, 0x01, 0, 0, 0, 1, 0x44, 0x01, 0xc0];
        let expected = [&sets_stream[..], &[0, 0, 0, 1, 0x26, 0x01, 0xaf, 0xff]].concat();
        assert_eq!(assemble(payloads.into_iter(), &mut sets), Some(expected));
        assert_eq!(assemble([&[0x62, 0x01, 0x93, 0xaf][..]].into_iter(), &mut sets), None, "its end is missing");
        let trailing = [&[0, 0, 0, 1][..], &[0x02, 0x01, 0x80]].concat();
        assert_eq!(assemble([&[0x02, 0x01, 0x80][..]].into_iter(), &mut sets), Some(trailing));
    }
}
