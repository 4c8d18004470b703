//! The sequence parameter set of H.265 (ITU-T H.265 §7.3.2.2), as far as it tells how large the pictures are.

use super::{NAL_SPS, NalHeader, nal_units};
use crate::error::ParseError;
use crate::payload::rbsp::{RbspReader, cropped};

/// Width and height in pixels, of the first whole sequence parameter set of the base layer in `payload`.
pub fn sequence_size(payload: &[u8]) -> Option<(u16, u16)> {
    let is_wanted = |header: &NalHeader| header.nal_type == NAL_SPS && header.layer == 0;
    let mut units = nal_units(payload).map_while(Result::ok);
    let unit = units.find(|unit| is_wanted(&unit.header) && unit.starts && unit.ends)?;
    read_size(&mut RbspReader::new(unit.data)).ok()?
}

/// `None`: no picture can be so large.
fn read_size(reader: &mut RbspReader<'_>) -> Result<Option<(u16, u16)>, ParseError> {
    reader.skip(4)?; // sps_video_parameter_set_id
    let upper_sub_layers = reader.bits(3)?;
    if upper_sub_layers > 6 {
        return Err(ParseError::Value);
    }
    reader.flag()?; // sps_temporal_id_nesting_flag
    skip_profile_tier_level(reader, upper_sub_layers)?;
    reader.unsigned()?; // sps_seq_parameter_set_id
    // `SubWidthC` and `SubHeightC` (table 6-1).
    let subsampling = match reader.unsigned()? {
        1 => [2, 2],
        2 => [2, 1],
        chroma @ (0 | 3) => {
            if chroma == 3 {
                reader.flag()?; // separate_colour_plane_flag
            }
            [1, 1]
        }
        _ => return Err(ParseError::Value),
    };
    let size = [u64::from(reader.unsigned()?), u64::from(reader.unsigned()?)];
    let mut borders = [0; 2];
    // The conformance window: what lies outside is not shown.
    if reader.flag()? {
        for (border, unit) in borders.iter_mut().zip(subsampling) {
            *border = unit * (u64::from(reader.unsigned()?) + u64::from(reader.unsigned()?));
        }
    }
    Ok(cropped(size, borders))
}

/// The profile of a sub-layer: its space, tier, compatibility and constraints.
const PROFILE_BITS: u32 = 88;
const LEVEL_BITS: u32 = 8;

/// §7.3.3, with a profile for the whole; each lower sub-layer may have its own.
fn skip_profile_tier_level(reader: &mut RbspReader<'_>, upper_sub_layers: u32) -> Result<(), ParseError> {
    reader.skip(PROFILE_BITS + LEVEL_BITS)?;
    if upper_sub_layers == 0 {
        return Ok(());
    }
    let mut present = [(false, false); 8];
    for (index, (profile, level)) in (0..).zip(&mut present) {
        // Behind the last of them reserved bits fill up to eight.
        let (profile_bit, level_bit) = (reader.flag()?, reader.flag()?);
        (*profile, *level) = (profile_bit && index < upper_sub_layers, level_bit && index < upper_sub_layers);
    }
    for (profile, level) in present {
        reader.skip(if profile { PROFILE_BITS } else { 0 } + if level { LEVEL_BITS } else { 0 })?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        hex.as_bytes()
            .chunks(2)
            .map(|digits| u8::from_str_radix(std::str::from_utf8(digits).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn golden_parameter_sets_of_x265() {
        for (hex, size) in [
            ("42010101600000030090000003000003001ea01e2022596ea4932b9a02", (240, 136)),
            ("420101016000000300900000030000030078a003c08010e596566924ca", (1920, 1080)),
            ("4201010408000003009d0800000300005db00280802d1d5e5959a493", (1278, 718)),
            ("4201010408000003009e0800000300003c90014901f38888cb2b3492", (321, 241)),
            ("4201010408000003009fc800000300003cc029203e73cf96566924ca", (322, 242)),
        ] {
            assert_eq!(sequence_size(&bytes(hex)), Some(size), "{hex}");
        }
    }

    #[test]
    fn sub_layers_are_passed_over() {
        // By x265 with three temporal layers, of which none has a profile of its own: 640×358.
        let plain = bytes("42010401600000030090000003000003003f0000a005020169f5965652b295964932b9a02000");
        assert_eq!(sequence_size(&plain), Some((640, 358)));
        // The same; of the two lower ones the first has profile and level, the second a level.
        let mut own = bytes("42010401600000030090000003000003003f");
        own.extend([0b1101_0000, 0]);
        own.extend([0xff; 13]);
        own.extend(bytes("a005020169f5965652b2"));
        assert_eq!(sequence_size(&own), Some((640, 358)));
    }

    #[test]
    fn only_a_whole_set_of_the_base_layer_tells() {
        let set = bytes("420101016000000300900000030000030078a003c08010e596566924ca");
        assert_eq!(sequence_size(&set[..20]), None, "cut");
        let mut aggregate = vec![0x60, 0x01, 0, 3, 0x40, 0x01, 0x0c, 0, set.len() as u8];
        aggregate.extend(&set);
        assert_eq!(sequence_size(&aggregate), Some((1920, 1080)));
        let mut fragment = vec![0x62, 0x01, 0x80 | NAL_SPS];
        fragment.extend(&set[2..]);
        assert_eq!(sequence_size(&fragment), None);
        let mut upper = set;
        upper[1] |= 0x08;
        assert_eq!(sequence_size(&upper), None);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = sequence_size(&bytes);
            let set: Vec<u8> = [0x42, 0x01].into_iter().chain(bytes).collect();
            prop_assert!(sequence_size(&set).is_none_or(|(width, height)| width > 0 && height > 0));
        }
    }
}
