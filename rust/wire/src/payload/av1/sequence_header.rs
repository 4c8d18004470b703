//! The sequence header OBU of AV1 (AV1 bitstream §5.5), as far as it tells how large the pictures are at most.

use super::{OBU_SEQUENCE_HEADER, elements};
use crate::error::ParseError;
use crate::payload::bits::BitReader;

/// `max_frame_width` and `max_frame_height` in pixels, of the sequence header that begins in `payload`. In a stream of several
/// spatial layers that is the size of the highest.
pub fn sequence_size(payload: &[u8]) -> Option<(u16, u16)> {
    let obu = elements(payload).ok()?.find(|element| element.obu_type == Some(OBU_SEQUENCE_HEADER))?;
    let (width, height) = read_size(&mut BitReader::new(obu.data)).ok()?;
    // Less one, so that the largest does not count.
    Some((u16::try_from(width + 1).ok()?, u16::try_from(height + 1).ok()?))
}

fn read_size(reader: &mut BitReader<'_>) -> Result<(u32, u32), ParseError> {
    skip_obu_header(reader)?;
    reader.bits(3 + 1)?; // seq_profile, still_picture
    if reader.flag()? {
        // reduced_still_picture_header
        reader.bits(5)?; // seq_level_idx
    } else {
        let timing = if reader.flag()? { read_timing(reader)? } else { None };
        skip_operating_points(reader, timing)?;
    }
    let (width_bits, height_bits) = (reader.bits(4)? + 1, reader.bits(4)? + 1);
    Ok((reader.bits(width_bits)?, reader.bits(height_bits)?))
}

/// §5.3: its extension and its size may be there; the size says nothing that the payload does not.
fn skip_obu_header(reader: &mut BitReader<'_>) -> Result<(), ParseError> {
    reader.bits(5)?; // forbidden bit, type
    let (has_extension, has_size) = (reader.flag()?, reader.flag()?);
    reader.bits(1)?;
    if has_extension {
        reader.bits(8)?;
    }
    if has_size {
        skip_leb128(reader)?;
    }
    Ok(())
}

/// §4.10.5.
fn skip_leb128(reader: &mut BitReader<'_>) -> Result<(), ParseError> {
    for _ in 0..8 {
        if reader.bits(8)? & 0x80 == 0 {
            return Ok(());
        }
    }
    Err(ParseError::Value)
}

/// What an operating point has when the decoder model is described: delays of so many bits.
#[derive(Debug, Clone, Copy)]
struct DelayBits(u32);

/// §5.5.3, §5.5.4: `Some` when there is a decoder model.
fn read_timing(reader: &mut BitReader<'_>) -> Result<Option<DelayBits>, ParseError> {
    reader.bits(32)?; // num_units_in_display_tick
    reader.bits(32)?; // time_scale
    // equal_picture_interval
    if reader.flag()? {
        skip_uvlc(reader)?; // num_ticks_per_picture_minus_1
    }
    // decoder_model_info_present_flag
    if !reader.flag()? {
        return Ok(None);
    }
    let delay_bits = DelayBits(reader.bits(5)? + 1);
    reader.bits(32)?; // num_units_in_decoding_tick
    reader.bits(5 + 5)?; // buffer_removal_time_length_minus_1, frame_presentation_time_length_minus_1
    Ok(Some(delay_bits))
}

/// §4.10.3: as many zeroes as bits follow the first one; 32 of them stand alone.
fn skip_uvlc(reader: &mut BitReader<'_>) -> Result<(), ParseError> {
    let mut zeroes = 0;
    while !reader.flag()? {
        zeroes += 1;
    }
    if zeroes < 32 {
        reader.bits(zeroes)?;
    }
    Ok(())
}

fn skip_operating_points(reader: &mut BitReader<'_>, decoder_model: Option<DelayBits>) -> Result<(), ParseError> {
    let has_display_delay = reader.flag()?;
    for _ in 0..=reader.bits(5)? {
        reader.bits(12)?; // operating_point_idc
        let level = reader.bits(5)?;
        if level > 7 {
            reader.flag()?; // seq_tier
        }
        if let Some(DelayBits(bits)) = decoder_model
            && reader.flag()?
        {
            reader.bits(bits)?; // decoder_buffer_delay
            reader.bits(bits)?; // encoder_buffer_delay
            reader.flag()?; // low_delay_mode_flag
        }
        if has_display_delay && reader.flag()? {
            reader.bits(4)?; // initial_display_delay_minus_1
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::payload::bits::BitWriter;

    /// W=2, N: a sequence header of 13 bytes in front of a frame; by Chromium (libaom), 480×270 and one operating point.
    const CHROMIUM: &[u8] = &[
        0x68, 0x0d, 0x08, 0x00, 0x11, 0x03, 0x00, 0x80, 0x82, 0x23, 0xbf, 0x0d, 0x00, 0x68, 0x02, 0x34, 0x00, 0x10,
        0x42,
    ];
    /// Likewise, L3T3: nine operating points, 1024×576 at most.
    const LAYERS: &[u8] = &[
        0x28, 0x1c, 0x08, 0x00, 0x87, 0x07, 0x23, 0x81, 0x91, 0xc0, 0x48, 0x60, 0xe4, 0x30, 0x32, 0x18, 0x09, 0x04,
        0x1c, 0x82, 0x06, 0x41, 0x01, 0x24, 0xcf, 0xff, 0x1f, 0x80, 0x34, 0x01, 0x34, 0x00,
    ];

    #[test]
    fn golden_sequence_headers() {
        assert_eq!(sequence_size(CHROMIUM), Some((480, 270)));
        assert_eq!(sequence_size(LAYERS), Some((1024, 576)));
        assert_eq!(sequence_size(&CHROMIUM[..9]), None, "cut");
        // By SVT-AV1, 642×358, behind a temporal delimiter, each with its size.
        let sized = [0x28, 0x02, 0x12, 0x00, 0x0a, 0x0b, 0, 0, 0, 0x0c, 0xc5, 0x03, 0x65, 0x1a, 0xbe, 0x60, 0x10];
        assert_eq!(sequence_size(&sized), Some((642, 358)));
    }

    #[test]
    fn without_a_sequence_header_nothing_is_told() {
        assert_eq!(sequence_size(&[0x10, 0x30, 0x01, 0x02]), None);
        assert_eq!(sequence_size(&[0x90, 0x08, 0x00, 0x11, 0x03]), None, "the middle of an OBU");
        assert_eq!(sequence_size(&[]), None);
    }

    /// A payload of one sequence header of 320×240; each field with its bits.
    fn payload(fields: &[(u32, u32)]) -> Vec<u8> {
        let mut buffer = [0; 64];
        let mut writer = BitWriter::new(&mut buffer);
        let size = [(4, 8), (4, 7), (9, 319), (8, 239)];
        fields.iter().chain(&size).for_each(|(bits, value)| writer.bits(*bits, *value).unwrap());
        let len = writer.len();
        std::iter::once(0x18).chain(buffer.into_iter().take(len)).collect()
    }

    #[test]
    fn what_lies_in_front_of_the_size_is_passed_over() {
        // Type 1 with extension and a size of two bytes; then profile, still picture.
        let head = [(8, 0x0e), (8, 0x20), (16, 0x9400), (4, 0)];
        let reduced = [(1, 1), (5, 3)];
        let timing = [(1, 0), (1, 1), (32, 1), (32, 30), (1, 1), (5, 0b00101)];
        let no_model = [(1, 0), (1, 0), (5, 0), (12, 0), (5, 8), (1, 1)];
        // Delays of ten bits; two points, with and without them, both with an initial display delay.
        let model = [(1, 1), (5, 9), (32, 1), (10, 0x3ff), (1, 1), (5, 1)];
        let points =
            [(12, 1), (5, 9), (1, 0), (1, 1), (21, 0x1f_ffff), (1, 1), (4, 5), (12, 3), (5, 2), (1, 0), (1, 1)];
        assert_eq!(sequence_size(&payload(&[&head[..], &reduced].concat())), Some((320, 240)));
        assert_eq!(sequence_size(&payload(&[&head[..], &timing, &no_model].concat())), Some((320, 240)));
        let whole = [&head[..], &timing, &model, &points, &[(4, 7)]].concat();
        assert_eq!(sequence_size(&payload(&whole)), Some((320, 240)));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = sequence_size(&bytes);
            let set: Vec<u8> = [0x18, 0x08].into_iter().chain(bytes).collect();
            prop_assert!(sequence_size(&set).is_none_or(|(width, height)| width > 0 && height > 0));
        }
    }
}
