//! VP9: the frames of all spatial layers that a picture has, as one superframe (VP9 bitstream annex B).
//!
//! In RTP each layer's frame is marked by B and E and nothing says how long it is; a decoder that gets them in one piece finds
//! them by the index at the end.

use sfu_wire::payload::Vp9Descriptor;

/// An index holds so many sizes.
const MAX_FRAMES: usize = 8;

pub(super) fn assemble<'a>(payloads: impl Iterator<Item = &'a [u8]>) -> Option<Vec<u8>> {
    let mut data: Vec<u8> = Vec::new();
    let mut starts = [0; MAX_FRAMES];
    let mut count = 0;
    for payload in payloads {
        let (descriptor, len) = Vp9Descriptor::parse(payload).ok()?;
        if descriptor.starts_frame {
            *starts.get_mut(count)? = data.len();
            count += 1;
        }
        data.extend_from_slice(payload.get(len..)?);
    }
    if count > 1 {
        write_index(&mut data, starts.get(..count)?);
    }
    Some(data)
}

/// ```text
/// +-+-+-+-+-+-+-+-+
/// |1|1|0|mag|count|  magnitude: bytes of a size, less one; count: frames, less one
/// | sizes         |  little-endian
/// |1|1|0|mag|count|
/// +-+-+-+-+-+-+-+-+
/// ```
fn write_index(data: &mut Vec<u8>, starts: &[usize]) {
    const SIZE_BYTES: usize = 4;
    let ends = starts.iter().skip(1).copied().chain([data.len()]);
    let sizes: Vec<u32> = starts.iter().zip(ends).map(|(start, end)| (end - start) as u32).collect();
    let marker = 0xc0 | ((SIZE_BYTES - 1) << 3) as u8 | (sizes.len() - 1) as u8;
    data.push(marker);
    data.extend(sizes.iter().flat_map(|size| size.to_le_bytes()));
    data.push(marker);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_layer_is_the_frame_alone() {
        // L B, then L E.
        let payloads: [&[u8]; 2] = [&[0x28, 0x00, 0x00, 1, 2], &[0x24, 0x00, 0x00, 3]];
        assert_eq!(assemble(payloads.into_iter()), Some(vec![1, 2, 3]));
    }

    #[test]
    fn two_layers_are_a_superframe() {
        let payloads: [&[u8]; 3] = [&[0x2c, 0x00, 0x00, 1, 2], &[0x28, 0x03, 0x00, 3], &[0x24, 0x03, 0x00, 4, 5]];
        let index = [0xd9, 2, 0, 0, 0, 3, 0, 0, 0, 0xd9];
        assert_eq!(assemble(payloads.into_iter()), Some([&[1, 2, 3, 4, 5][..], &index].concat()));
    }
}
