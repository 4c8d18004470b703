//! The sequence parameter set of H.264 (ITU-T H.264 §7.3.2.1.1), as far as it tells how large the pictures are.

use super::{NAL_SPS, nal_units};
use crate::error::ParseError;
use crate::payload::rbsp::{RbspReader, cropped};

/// Width and height in pixels, of the first whole sequence parameter set in `payload`.
pub fn sequence_size(payload: &[u8]) -> Option<(u16, u16)> {
    let unit = nal_units(payload).find(|unit| unit.nal_type == NAL_SPS && unit.starts && unit.ends)?;
    read_size(&mut RbspReader::new(unit.data)).ok()?
}

/// `None`: no picture can be so large.
fn read_size(reader: &mut RbspReader<'_>) -> Result<Option<(u16, u16)>, ParseError> {
    let chroma = read_up_to_chroma(reader)?;
    reader.unsigned()?; // log2_max_frame_num_minus4
    skip_picture_order_count(reader)?;
    reader.unsigned()?; // max_num_ref_frames
    reader.flag()?; // gaps_in_frame_num_value_allowed_flag
    let width = 16 * (u64::from(reader.unsigned()?) + 1);
    let map_units = u64::from(reader.unsigned()?) + 1;
    // Field coding: a map unit is a pair of macroblocks, a row that is cut a pair of rows (equations 7-18, 7-20).
    let fields = if reader.flag()? { 1 } else { 2 };
    if fields == 2 {
        reader.flag()?; // mb_adaptive_frame_field_flag
    }
    reader.flag()?; // direct_8x8_inference_flag
    let mut borders = [0; 2];
    if reader.flag()? {
        let (unit_width, unit_height) = chroma.subsampling();
        for (border, unit) in borders.iter_mut().zip([unit_width, unit_height * fields]) {
            *border = unit * (u64::from(reader.unsigned()?) + u64::from(reader.unsigned()?));
        }
    }
    Ok(cropped([width, 16 * map_units * fields], borders))
}

/// `chroma_format_idc` (table 6-1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chroma {
    Monochrome,
    Yuv420,
    Yuv422,
    Yuv444,
}

impl Chroma {
    /// `SubWidthC` and `SubHeightC`; 1 where there is no chroma to fit (equations 7-19 to 7-22).
    const fn subsampling(self) -> (u64, u64) {
        match self {
            Self::Monochrome | Self::Yuv444 => (1, 1),
            Self::Yuv420 => (2, 2),
            Self::Yuv422 => (2, 1),
        }
    }
}

fn read_up_to_chroma(reader: &mut RbspReader<'_>) -> Result<Chroma, ParseError> {
    let profile = reader.bits(8)?;
    reader.skip(16)?; // constraint flags, level_idc
    reader.unsigned()?; // seq_parameter_set_id
    // The High profiles, of scalable and multiview coding too.
    if !matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        return Ok(Chroma::Yuv420);
    }
    let chroma = match reader.unsigned()? {
        0 => Chroma::Monochrome,
        1 => Chroma::Yuv420,
        2 => Chroma::Yuv422,
        3 => Chroma::Yuv444,
        _ => return Err(ParseError::Value),
    };
    if chroma == Chroma::Yuv444 {
        reader.flag()?; // separate_colour_plane_flag
    }
    reader.unsigned()?; // bit_depth_luma_minus8
    reader.unsigned()?; // bit_depth_chroma_minus8
    reader.flag()?; // qpprime_y_zero_transform_bypass_flag
    if reader.flag()? {
        let lists = if chroma == Chroma::Yuv444 { 12 } else { 8 };
        for list in 0..lists {
            if reader.flag()? {
                skip_scaling_list(reader, if list < 6 { 16 } else { 64 })?;
            }
        }
    }
    Ok(chroma)
}

/// §7.3.2.1.1.1: differences, until one leads to zero.
fn skip_scaling_list(reader: &mut RbspReader<'_>, len: u32) -> Result<(), ParseError> {
    let mut scale = 8;
    for _ in 0..len {
        scale = (scale + reader.signed()?).rem_euclid(256);
        if scale == 0 {
            break;
        }
    }
    Ok(())
}

fn skip_picture_order_count(reader: &mut RbspReader<'_>) -> Result<(), ParseError> {
    match reader.unsigned()? {
        0 => reader.unsigned().map(|_| ()), // log2_max_pic_order_cnt_lsb_minus4
        1 => {
            reader.flag()?; // delta_pic_order_always_zero_flag
            reader.signed()?; // offset_for_non_ref_pic
            reader.signed()?; // offset_for_top_to_bottom_field
            let cycle = reader.unsigned()?;
            if cycle > 255 {
                return Err(ParseError::Value);
            }
            (0..cycle).try_for_each(|_| reader.signed().map(|_| ()))
        }
        2 => Ok(()),
        _ => Err(ParseError::Value),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// By Chromium, in front of its picture parameter set: 480×270, which is no multiple of 16.
    const CHROMIUM: &[u8] = &[
        0x78, 0x00, 0x13, 0x67, 0x42, 0xc0, 0x1e, 0x8c, 0x8d, 0x70, 0xf0, 0x47, 0xf5, 0x37, 0x01, 0x0d, 0x01, 0x07,
        0x84, 0x42, 0x37, 0x00, 0x00, 0x04, 0x68, 0xce, 0x3c, 0x80,
    ];
    /// By x264: High profile, 960×540, with emulation prevention behind the size.
    const HIGH: &[u8] = &[
        0x67, 0x64, 0x00, 0x1f, 0xac, 0xd9, 0x40, 0xf0, 0x11, 0x7e, 0xe1, 0x00, 0x00, 0x03, 0x00, 0x01, 0x00, 0x00,
        0x03, 0x00, 0x3c, 0x0f, 0x18, 0x31, 0x96,
    ];

    #[test]
    fn golden_parameter_set_in_an_aggregate() {
        assert_eq!(sequence_size(CHROMIUM), Some((480, 270)));
        assert_eq!(sequence_size(&CHROMIUM[..10]), None, "cut");
        assert_eq!(sequence_size(&[0x68, 0xce, 0x3c, 0x80]), None);
    }

    #[test]
    fn golden_parameter_sets_of_high_profiles() {
        assert_eq!(sequence_size(HIGH), Some((960, 540)));
        let high_422 = [0x67, 0x7a, 0x00, 0x1f, 0xbc, 0xd9, 0x40, 0x50, 0x05, 0xbf, 0xb8, 0x40, 0x00, 0x00, 0x03];
        assert_eq!(sequence_size(&high_422), Some((1280, 718)), "4:2:2");
        let high_444 = [0x67, 0xf4, 0x00, 0x0d, 0x91, 0x9b, 0x28, 0x2a, 0x10, 0xf0, 0x84, 0x21, 0x08];
        assert_eq!(sequence_size(&high_444), Some((321, 241)), "4:4:4");
        let gray = [0x67, 0x64, 0x00, 0x0d, 0xf3, 0x65, 0x05, 0x42, 0x1e, 0x3e, 0x3e, 0x10];
        assert_eq!(sequence_size(&gray), Some((322, 242)), "monochrome");
        let interlaced = [0x67, 0x64, 0x00, 0x28, 0xac, 0xd9, 0x40, 0x78, 0x04, 0x4f, 0xdc, 0x20];
        assert_eq!(sequence_size(&interlaced), Some((1920, 1080)), "fields");
    }

    #[test]
    fn a_fragment_of_a_parameter_set_tells_nothing() {
        let mut fragment = vec![0x7c, 0x87];
        fragment.extend(&HIGH[1..]);
        assert_eq!(sequence_size(&fragment), None);
    }

    /// Writes a parameter set bit by bit: `0` and `1`, spaces between fields.
    fn unit(bits: &str) -> Vec<u8> {
        let bits: Vec<u8> = bits.bytes().filter(u8::is_ascii_digit).map(|digit| digit - b'0').collect();
        let bytes = bits.chunks(8).map(|byte| byte.iter().fold(0, |value, bit| value << 1 | bit) << (8 - byte.len()));
        std::iter::once(0x67).chain(bytes).collect()
    }

    /// Of 32×48 samples, for 4:2:0 in frames less two columns and two rows: from `max_num_ref_frames` on.
    const TAIL: &str = "010 0 010 011 1 1 1 1 010 1 010 1";

    #[test]
    fn scaling_lists_are_passed_over() {
        // Profile 100, 4:2:0. The second list has sixteen differences of 0, the seventh one of -8, which ends it.
        let (second, seventh) = ("1 1111111111111111", "1 000010001");
        for lists in ["0", &format!("1 0 {second} 0000 00"), &format!("1 0 {second} 0000 {seventh} 0")] {
            let head = format!("01100100 00000000 00001010 1 010 1 1 0 {lists} 1 1 1");
            assert_eq!(sequence_size(&unit(&format!("{head} {TAIL}"))), Some((30, 46)), "{lists}");
        }
    }

    #[test]
    fn orders_of_pictures_are_passed_over() {
        let head = "01000010 00000000 00001010 1 1";
        for order in ["1 1", "010 0 1 1 011 010 010", "011"] {
            assert_eq!(sequence_size(&unit(&format!("{head} {order} {TAIL}"))), Some((30, 46)), "{order}");
        }
        assert_eq!(sequence_size(&unit(&format!("{head} 00100 {TAIL}"))), None, "there is no type 3");
    }

    #[test]
    fn nothing_is_left_of_a_picture_that_is_cut_away() {
        let head = "01000010 00000000 00001010 1 1 1 1 010 0";
        // 16×16: eight pairs of columns are cut.
        assert_eq!(sequence_size(&unit(&format!("{head} 1 1 1 1 1 0001001 1 1 1"))), None);
        // 16 * 65536 columns.
        assert_eq!(sequence_size(&unit(&format!("{head} 0000000000000000 10000000000000000 1 1 1 0"))), None);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = sequence_size(&bytes);
            let set: Vec<u8> = [0x67, 0x64, 0x00].into_iter().chain(bytes).collect();
            prop_assert!(sequence_size(&set).is_none_or(|(width, height)| width > 0 && height > 0));
        }
    }
}
