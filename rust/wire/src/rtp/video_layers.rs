//! The video layers allocation header extension (webrtc.org `video-layers-allocation00`): which layers a publisher sends
//! now, at which rate, in which size. It comes with keyframes and when something changes, not with every packet.

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::unit::Bitrate;

/// One spatial layer of one RTP stream that is being sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerAllocation {
    /// The RTP stream, so the simulcast encoding, 0..=3.
    pub stream: u8,
    /// The spatial layer in it, 0..=3.
    pub spatial: u8,
    /// How many temporal layers it has, 1..=4.
    pub temporal_layers: u8,
    /// By temporal layer: what it takes to receive it with all layers that it needs. Whole kilobits per second.
    pub bitrates: [Bitrate; 4],
    /// Its size and frame rate; absent when the packet does not give them.
    pub picture: Option<LayerPicture>,
}

/// A layer's size and frame rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LayerPicture {
    /// In pixels, 1..=65536.
    pub width: u32,
    /// In pixels, 1..=65536.
    pub height: u32,
    /// At most, in frames per second.
    pub frame_rate: u8,
}

/// What a publisher sends over all RTP streams of a track.
///
/// ```text
///                           +-+-+-+-+-+-+-+-+
///                           |RID| NS| sl_bm |
///                           +-+-+-+-+-+-+-+-+
/// spatial layer bit masks   |sl0_bm |sl1_bm |
///   up to 2 bytes,          |---------------|
///   when sl_bm == 0         |sl2_bm |sl3_bm |
///                           +-+-+-+-+-+-+-+-+
/// temporal layers - 1       |#tl|#tl|#tl|#tl|
///                           +-+-+-+-+-+-+-+-+
/// kbit/s, leb128            :      ...      :
///                           +-+-+-+-+-+-+-+-+
/// optional, 5 bytes each:   | width-1 (16)  |
///                           | height-1 (16) |
///                           | frames/s (8)  |
///                           +-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoLayersAllocation {
    /// The RTP stream that the packet belongs to, 0..=3.
    pub stream: u8,
    /// How many RTP streams there are, 1..=4.
    pub streams: u8,
    layers: [LayerAllocation; Self::MAX_LAYERS],
    len: u8,
}

impl VideoLayersAllocation {
    /// Four streams of four spatial layers.
    pub const MAX_LAYERS: usize = 16;

    /// `layers` in ascending order of stream and spatial layer; either all have a picture or none has. `None` when the format
    /// cannot say it.
    pub fn new(stream: u8, streams: u8, layers: &[LayerAllocation]) -> Option<Self> {
        let order = |layer: &LayerAllocation| (layer.stream, layer.spatial);
        let in_order = layers.windows(2).all(|pair| matches!(pair, [a, b] if order(a) < order(b)));
        let pictures = layers.iter().filter(|layer| layer.picture.is_some()).count();
        let fits = |layer: &LayerAllocation| {
            let sizes = 1..=1 << 16;
            let kbps = layer.bitrates.iter().all(|rate| u32::try_from(rate.get() / 1000).is_ok());
            let size =
                layer.picture.is_none_or(|picture| sizes.contains(&picture.width) && sizes.contains(&picture.height));
            layer.stream < streams && layer.spatial < 4 && (1..=4).contains(&layer.temporal_layers) && kbps && size
        };
        let streams_fit = stream < 4 && (1..=4).contains(&streams);
        if !streams_fit || !in_order || !layers.iter().all(fits) || !matches!(pictures, 0) && pictures != layers.len() {
            return None;
        }
        let mut allocation = Self { stream, streams, layers: Default::default(), len: layers.len() as u8 };
        allocation.layers.get_mut(..layers.len())?.copy_from_slice(layers);
        Some(allocation)
    }

    /// The layers that are being sent, ascending by stream, then by spatial layer.
    pub fn layers(&self) -> &[LayerAllocation] {
        self.layers.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// Reads the value of the header extension.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(value);
        let first = reader.u8()?;
        let mut allocation =
            Self { stream: first >> 6, streams: (first >> 4 & 3) + 1, layers: Default::default(), len: 0 };
        if first == 0 && reader.is_empty() {
            return Ok(allocation); // Nothing is sent.
        }
        allocation.read_masks(first & 0x0f, &mut reader)?;
        let layers = allocation.layers.get_mut(..usize::from(allocation.len)).ok_or(ParseError::Length)?;
        for four in layers.chunks_mut(4) {
            let byte = reader.u8()?;
            for (layer, shift) in four.iter_mut().zip([6, 4, 2, 0]) {
                layer.temporal_layers = (byte >> shift & 3) + 1;
            }
        }
        for layer in &mut *layers {
            for bitrate in layer.bitrates.iter_mut().take(usize::from(layer.temporal_layers)) {
                *bitrate = Bitrate::from_kbps(u64::from(read_leb128(&mut reader)?));
            }
        }
        if reader.is_empty() {
            return Ok(allocation);
        }
        for layer in layers {
            let (width, height) = (u32::from(reader.u16()?) + 1, u32::from(reader.u16()?) + 1);
            layer.picture = Some(LayerPicture { width, height, frame_rate: reader.u8()? });
        }
        if reader.is_empty() { Ok(allocation) } else { Err(ParseError::Length) }
    }

    /// Writes the value. Gives its length; `None` when `buffer` is too small.
    pub fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut writer = Writer::new(buffer);
        let front = self.stream << 6 | (self.streams - 1) << 4;
        if self.len == 0 && front == 0 {
            writer.u8(0)?;
            return Some(writer.len());
        }
        self.write_masks(front, &mut writer)?;
        for four in self.layers().chunks(4) {
            let bits = four.iter().zip([6, 4, 2, 0]).map(|(layer, shift)| (layer.temporal_layers - 1) << shift);
            writer.u8(bits.fold(0, |byte, bits| byte | bits))?;
        }
        for layer in self.layers() {
            for bitrate in layer.bitrates.iter().take(usize::from(layer.temporal_layers)) {
                write_leb128((bitrate.get() / 1000) as u32, &mut writer)?;
            }
        }
        for picture in self.layers().iter().filter_map(|layer| layer.picture) {
            writer.u16((picture.width - 1) as u16)?;
            writer.u16((picture.height - 1) as u16)?;
            writer.u8(picture.frame_rate)?;
        }
        Some(writer.len())
    }

    /// Which spatial layers each stream has: one mask for all, or, when that is zero, one each.
    fn read_masks(&mut self, common: u8, reader: &mut Reader<'_>) -> Result<(), ParseError> {
        let mut masks = [common; 4];
        if common == 0 {
            for pair in masks.chunks_mut(2).take(usize::from(self.streams).div_ceil(2)) {
                let byte = reader.u8()?;
                pair.iter_mut().zip([byte >> 4, byte & 0x0f]).for_each(|(mask, bits)| *mask = bits);
            }
        }
        for (stream, mask) in (0..self.streams).zip(masks) {
            for spatial in (0..4).filter(|spatial| mask >> spatial & 1 != 0) {
                let layer = self.layers.get_mut(usize::from(self.len)).ok_or(ParseError::Length)?;
                (layer.stream, layer.spatial) = (stream, spatial);
                self.len += 1;
            }
        }
        Ok(())
    }

    fn write_masks(&self, front: u8, writer: &mut Writer<'_>) -> Option<()> {
        let mut masks = [0u8; 4];
        for layer in self.layers() {
            *masks.get_mut(usize::from(layer.stream))? |= 1 << layer.spatial;
        }
        let masks = masks.get(..usize::from(self.streams))?;
        let common = *masks.first()?;
        if common != 0 && masks.iter().all(|mask| *mask == common) {
            return writer.u8(front | common);
        }
        writer.u8(front)?;
        masks.chunks(2).try_for_each(|pair| {
            let high = pair.first().copied().unwrap_or_default();
            writer.u8(high << 4 | pair.get(1).copied().unwrap_or_default())
        })
    }
}

/// AV1 bitstream §4.10.5, up to 32 bits.
fn read_leb128(reader: &mut Reader<'_>) -> Result<u32, ParseError> {
    let mut value = 0u64;
    for shift in (0..35).step_by(7) {
        let byte = reader.u8()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return u32::try_from(value).map_err(|_| ParseError::Value);
        }
    }
    Err(ParseError::Value)
}

fn write_leb128(mut value: u32, writer: &mut Writer<'_>) -> Option<()> {
    while value >= 0x80 {
        writer.u8(value as u8 | 0x80)?;
        value >>= 7;
    }
    writer.u8(value as u8)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn layer(stream: u8, spatial: u8, kbps: &[u64], picture: Option<(u32, u32, u8)>) -> LayerAllocation {
        let mut bitrates = [Bitrate::ZERO; 4];
        bitrates.iter_mut().zip(kbps).for_each(|(rate, kbps)| *rate = Bitrate::from_kbps(*kbps));
        let picture = picture.map(|(width, height, frame_rate)| LayerPicture { width, height, frame_rate });
        LayerAllocation { stream, spatial, temporal_layers: kbps.len() as u8, bitrates, picture }
    }

    #[test]
    fn golden_three_simulcast_streams_with_sizes() {
        let value = [
            0xa1, // stream 2 of 3, spatial layer 0 in each
            0x00, // one temporal layer each
            0x64, 0xac, 0x02, 0x88, 0x0e, // 100, 300, 1800 kbit/s
            0x00, 0xef, 0x00, 0x86, 0x0f, 0x01, 0xdf, 0x01, 0x0d, 0x0f, 0x03, 0xbf, 0x02, 0x1b, 0x1e,
        ];
        let layers = [
            layer(0, 0, &[100], Some((240, 135, 15))),
            layer(1, 0, &[300], Some((480, 270, 15))),
            layer(2, 0, &[1800], Some((960, 540, 30))),
        ];
        let allocation = VideoLayersAllocation::parse(&value).unwrap();
        assert_eq!(allocation, VideoLayersAllocation::new(2, 3, &layers).unwrap());
        let mut buffer = [0; 64];
        assert_eq!(allocation.write(&mut buffer), Some(value.len()));
        assert_eq!(buffer[..value.len()], value);
    }

    #[test]
    fn golden_streams_with_different_layers_and_no_sizes() {
        // Stream 0 of 3: layers 0 and 1; none of stream 1; layer 0 of stream 2.
        let value = [0x20, 0x30, 0x10, 0x60, 1, 2, 3, 4, 5, 6];
        let layers = [layer(0, 0, &[1, 2], None), layer(0, 1, &[3, 4, 5], None), layer(2, 0, &[6], None)];
        let allocation = VideoLayersAllocation::parse(&value).unwrap();
        assert_eq!(allocation.layers(), layers);
        let mut buffer = [0; 64];
        let len = allocation.write(&mut buffer).unwrap();
        assert_eq!(buffer[..len], value);
    }

    #[test]
    fn a_single_zero_says_that_nothing_is_sent() {
        let nothing = VideoLayersAllocation::parse(&[0]).unwrap();
        assert_eq!((nothing.layers().len(), nothing.streams), (0, 1));
        assert_eq!(nothing.write(&mut [0xff; 1]), Some(1));
        assert_eq!(VideoLayersAllocation::parse(&[0x40]), Err(ParseError::TooShort));
        assert_eq!(VideoLayersAllocation::parse(&[]), Err(ParseError::TooShort));
    }

    #[test]
    fn sizes_are_given_for_all_layers_or_for_none() {
        let value = [0x01, 0x00, 0x64, 0x00, 0xef, 0x00, 0x86, 0x0f];
        assert!(VideoLayersAllocation::parse(&value[..3]).is_ok());
        for len in 4..value.len() {
            assert_eq!(VideoLayersAllocation::parse(&value[..len]), Err(ParseError::TooShort));
        }
        assert_eq!(VideoLayersAllocation::parse(&[&value[..], &[0]].concat()), Err(ParseError::Length));
        let mixed = [layer(0, 0, &[1], Some((1, 1, 1))), layer(0, 1, &[1], None)];
        assert_eq!(VideoLayersAllocation::new(0, 1, &mixed), None);
        assert_eq!(VideoLayersAllocation::new(0, 1, &[layer(1, 0, &[1], None)]), None, "a stream that is not there");
    }

    prop_compose! {
        fn allocations()(
            stream in 0u8..4,
            streams in 1u8..=4,
            masks in any::<[u8; 4]>(),
            rates in any::<[u32; 16]>(),
            counts in any::<[u8; 16]>(),
            size in any::<Option<(u16, u16, u8)>>(),
        ) -> VideoLayersAllocation {
            let places = (0..streams).flat_map(|stream| (0..4).map(move |spatial| (stream, spatial)));
            let present = places.filter(|(stream, spatial)| masks[usize::from(*stream)] >> spatial & 1 != 0);
            let layers: Vec<_> = present.enumerate().map(|(at, (stream, spatial))| {
                let kbps = vec![u64::from(rates[at]); usize::from(counts[at] % 4) + 1];
                let picture = size.map(|(width, height, rate)| (u32::from(width) + 1, u32::from(height) + 1, rate));
                layer(stream, spatial, &kbps, picture)
            }).collect();
            VideoLayersAllocation::new(stream, streams, &layers).unwrap()
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(allocation in allocations()) {
            let mut buffer = [0; 512];
            let len = allocation.write(&mut buffer).unwrap();
            prop_assert_eq!(VideoLayersAllocation::parse(&buffer[..len]), Ok(allocation));
            prop_assert_eq!(allocation.write(&mut vec![0; len - 1]), None);
        }

        #[test]
        fn random_bytes_never_panic_and_settle(value in prop::collection::vec(any::<u8>(), 0..120)) {
            if let Ok(allocation) = VideoLayersAllocation::parse(&value) {
                prop_assert_eq!(
                    VideoLayersAllocation::new(allocation.stream, allocation.streams, allocation.layers()),
                    Some(allocation)
                );
                let mut buffer = [0; 512];
                let len = allocation.write(&mut buffer).unwrap();
                prop_assert!(len <= value.len());
                prop_assert_eq!(VideoLayersAllocation::parse(&buffer[..len]), Ok(allocation));
            }
        }
    }
}
