//! The uncompressed header of a VP9 keyframe (VP9 bitstream §6.2), as far as it tells how large the picture is. For streams
//! whose payload descriptor has no sizes.

use crate::error::ParseError;
use crate::payload::bits::BitReader;

/// Width and height in pixels, from the start of a keyframe behind its payload descriptor.
pub fn keyframe_size(frame: &[u8]) -> Option<(u16, u16)> {
    let (width, height) = read_size(&mut BitReader::new(frame)).ok()?;
    // Less one, so that the largest does not count.
    Some((u16::try_from(width + 1).ok()?, u16::try_from(height + 1).ok()?))
}

fn read_size(reader: &mut BitReader<'_>) -> Result<(u32, u32), ParseError> {
    let frame_marker = reader.bits(2)?;
    let (low, high) = (reader.bits(1)?, reader.bits(1)?);
    let profile = high << 1 | low;
    let reserved = profile == 3 && reader.flag()?;
    let (show_existing, inter) = (reader.flag()?, reader.flag()?);
    reader.bits(2)?; // show_frame, error_resilient_mode
    if frame_marker != 2 || reserved || show_existing || inter || reader.bits(24)? != SYNC_CODE {
        return Err(ParseError::Value);
    }
    skip_color_config(reader, profile)?;
    Ok((reader.bits(16)?, reader.bits(16)?))
}

const SYNC_CODE: u32 = 0x49_83_42;
/// `color_space`: red, green and blue.
const RGB: u32 = 7;

/// §6.2.2.
fn skip_color_config(reader: &mut BitReader<'_>, profile: u32) -> Result<(), ParseError> {
    let subsampling_bits = if profile % 2 == 1 { 3 } else { 0 };
    if profile >= 2 {
        reader.flag()?; // ten_or_twelve_bit
    }
    if reader.bits(3)? != RGB {
        reader.flag()?; // color_range
        reader.bits(subsampling_bits)?; // subsampling_x, subsampling_y, reserved_zero
    } else if subsampling_bits > 0 {
        reader.flag()?; // reserved_zero
    } else {
        return Err(ParseError::Value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::payload::bits::BitWriter;

    #[test]
    fn golden_keyframes() {
        // By Chromium, and by libvpx with an odd size, in profile 1 as 4:4:4 and as red, green and blue.
        assert_eq!(keyframe_size(&[0x83, 0x49, 0x83, 0x42, 0x00, 0x1d, 0xf0, 0x10, 0xd8, 0x1d]), Some((480, 270)));
        assert_eq!(keyframe_size(&[0x82, 0x49, 0x83, 0x42, 0x00, 0x28, 0x00, 0x16, 0x66, 0x1e]), Some((641, 359)));
        assert_eq!(keyframe_size(&[0xa2, 0x49, 0x83, 0x42, 0x00, 0x02, 0x82, 0x01, 0xe0, 0xc0]), Some((322, 241)));
        assert_eq!(keyframe_size(&[0xa2, 0x49, 0x83, 0x42, 0xe0, 0x14, 0x10, 0x0f, 0x06, 0x06]), Some((322, 241)));
    }

    #[test]
    fn what_is_no_keyframe_tells_nothing() {
        for first in [0x86, 0x8a, 0x42, 0x02] {
            assert_eq!(keyframe_size(&[first, 0x49, 0x83, 0x42, 0, 0x1d, 0xf0, 0x10, 0xd8]), None, "{first:x}");
        }
        assert_eq!(keyframe_size(&[0x82, 0x49, 0x83, 0x41, 0, 0x1d, 0xf0, 0x10, 0xd8]), None, "another code");
        assert_eq!(keyframe_size(&[0x82, 0x49, 0x83, 0x42, 0, 0x1d, 0xf8]), None, "cut");
    }

    #[test]
    fn every_profile_has_its_colours() {
        // By hand: profile bits (low, high), and what is between the sync code and the size.
        for (profile, colours) in
            [(0b00, "0100"), (0b10, "0101010"), (0b01, "10100"), (0b11, "10101010"), (0b11, "01110")]
        {
            let mut buffer = [0; 16];
            let mut writer = BitWriter::new(&mut buffer);
            writer.bits(4, 0b1000 | profile).unwrap();
            writer.bits(if profile == 0b11 { 5 } else { 4 }, 0b0010).unwrap();
            writer.bits(24, SYNC_CODE).unwrap();
            colours.bytes().for_each(|digit| writer.bits(1, u32::from(digit - b'0')).unwrap());
            writer.bits(32, 0x013f_00ef).unwrap();
            assert_eq!(keyframe_size(&buffer), Some((320, 240)), "{profile:02b} {colours}");
        }
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            let _ = keyframe_size(&bytes);
            let frame: Vec<u8> = [0x82, 0x49, 0x83, 0x42].into_iter().chain(bytes).collect();
            prop_assert!(keyframe_size(&frame).is_none_or(|(width, height)| width > 0 && height > 0));
        }
    }
}
