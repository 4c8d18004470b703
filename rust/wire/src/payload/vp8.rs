//! VP8 payload descriptor (RFC 7741 §4.2) and the few bits of the frame header behind it (RFC 6386 §9.1).

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::payload::picture_id::PictureId;

/// The descriptor in front of every VP8 payload.
///
/// ```text
///      0 1 2 3 4 5 6 7
///     +-+-+-+-+-+-+-+-+
///     |X|R|N|S|R| PID | (REQUIRED)
///     +-+-+-+-+-+-+-+-+
/// X:  |I|L|T|K| RSV   | (OPTIONAL)
///     +-+-+-+-+-+-+-+-+
/// I:  |M| PictureID   | (OPTIONAL)
///     +-+-+-+-+-+-+-+-+
///     |   PictureID   |
///     +-+-+-+-+-+-+-+-+
/// L:  |   TL0PICIDX   | (OPTIONAL)
///     +-+-+-+-+-+-+-+-+
/// T/K:|TID|Y| KEYIDX  | (OPTIONAL)
///     +-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vp8Descriptor {
    /// N: no other frame refers to this one.
    pub non_reference: bool,
    /// S: a partition starts here.
    pub starts_partition: bool,
    /// PID: which partition, 0..=7.
    pub partition: u8,
    /// I.
    pub picture_id: Option<PictureId>,
    /// L: counts the frames of temporal layer 0.
    pub tl0_pic_idx: Option<u8>,
    /// T.
    pub temporal: Option<Vp8Temporal>,
    /// K: counts the keyframes, five bits.
    pub key_idx: Option<u8>,
}

/// Where a frame stands in the temporal layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8Temporal {
    /// TID, 0..=3.
    pub tid: u8,
    /// Y: refers to frames of layer 0 only, so that this layer can be entered here.
    pub layer_sync: bool,
}

impl Vp8Descriptor {
    /// The longest descriptor.
    pub const MAX_LEN: usize = 6;

    /// Reads the descriptor in front of `payload`; gives it with its length.
    pub fn parse(payload: &[u8]) -> Result<(Self, usize), ParseError> {
        let mut reader = Reader::new(payload);
        let first = reader.u8()?;
        let extended = if first & 0x80 != 0 { reader.u8()? } else { 0 };
        let picture_id = if extended & 0x80 != 0 { Some(PictureId::read(&mut reader)?) } else { None };
        let tl0_pic_idx = if extended & 0x40 != 0 { Some(reader.u8()?) } else { None };
        let layers = if extended & 0x30 != 0 { reader.u8()? } else { 0 };
        let descriptor = Self {
            non_reference: first & 0x20 != 0,
            starts_partition: first & 0x10 != 0,
            partition: first & 0x07,
            picture_id,
            tl0_pic_idx,
            temporal: (extended & 0x20 != 0)
                .then_some(Vp8Temporal { tid: layers >> 6, layer_sync: layers & 0x20 != 0 }),
            key_idx: (extended & 0x10 != 0).then_some(layers & 0x1f),
        };
        Ok((descriptor, payload.len() - reader.rest().len()))
    }

    /// Writes the descriptor as its fields say; gives its length, `None` when `buffer` is too small.
    pub fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let (bytes, len) = self.to_bytes();
        buffer.get_mut(..len)?.copy_from_slice(bytes.get(..len)?);
        Some(len)
    }

    /// The descriptor as its fields say, in the first bytes; and its length.
    #[inline]
    pub fn to_bytes(&self) -> ([u8; Self::MAX_LEN], usize) {
        // In one word: a processor stalls when it reads together what was written byte by byte.
        if let (Some(PictureId::Long(id)), Some(index), Some(_), Some(_)) =
            (self.picture_id, self.tl0_pic_idx, self.temporal, self.key_idx)
        {
            // As browsers send it, without a branch for each field.
            let start = u64::from(self.first_byte(true)) << 40 | 0xf0 << 32 | u64::from(0x8000 | id) << 16;
            let [_, _, bytes @ ..] = (start | u64::from(index) << 8 | u64::from(self.layer_byte())).to_be_bytes();
            return (bytes, Self::MAX_LEN);
        }
        let (mut word, mut bits) = (0_u64, 0);
        let mut put = |width: u32, value: u16| {
            word = word << width | u64::from(value);
            bits += width;
        };
        let extended = u8::from(self.picture_id.is_some()) << 7
            | u8::from(self.tl0_pic_idx.is_some()) << 6
            | u8::from(self.temporal.is_some()) << 5
            | u8::from(self.key_idx.is_some()) << 4;
        put(8, self.first_byte(extended != 0).into());
        if extended != 0 {
            put(8, extended.into());
        }
        match self.picture_id {
            Some(PictureId::Short(id)) => put(8, (id & 0x7f).into()),
            Some(PictureId::Long(id)) => put(16, 0x8000 | id),
            None => {}
        }
        if let Some(index) = self.tl0_pic_idx {
            put(8, index.into());
        }
        if self.temporal.is_some() || self.key_idx.is_some() {
            put(8, self.layer_byte().into());
        }
        let [bytes @ .., _, _] = (word << (u64::BITS - bits)).to_be_bytes();
        (bytes, bits as usize / 8)
    }

    const fn first_byte(&self, extended: bool) -> u8 {
        (extended as u8) << 7
            | (self.non_reference as u8) << 5
            | (self.starts_partition as u8) << 4
            | self.partition & 0x07
    }

    /// TID, Y and KEYIDX.
    fn layer_byte(&self) -> u8 {
        let temporal = self.temporal.unwrap_or(Vp8Temporal { tid: 0, layer_sync: false });
        (temporal.tid & 0x03) << 6 | u8::from(temporal.layer_sync) << 5 | self.key_idx.unwrap_or_default() & 0x1f
    }

    /// Whether the first packet of a frame carries it: the start of partition 0 (RFC 7741 §4.4).
    pub const fn starts_frame(&self) -> bool {
        self.starts_partition && self.partition == 0
    }

    /// Whether a keyframe starts here; `frame` is what follows the descriptor. Its first bit P is 0 in keyframes
    /// (RFC 7741 §4.3).
    pub fn starts_keyframe(&self, frame: &[u8]) -> bool {
        self.starts_frame() && frame.first().is_some_and(|byte| byte & 1 == 0)
    }
}

/// Width and height in pixels, from the start of a keyframe behind its descriptor (RFC 6386 §9.1).
pub fn keyframe_size(frame: &[u8]) -> Option<(u16, u16)> {
    let (tag, rest) = frame.split_first_chunk::<3>()?;
    let (start_code, rest) = rest.split_first_chunk::<3>()?;
    let (size, _) = rest.split_first_chunk::<4>()?;
    if tag.first()? & 1 != 0 || *start_code != [0x9d, 0x01, 0x2a] {
        return None;
    }
    // The upper two bits are the scaling of the display, little-endian as all of VP8.
    let [w0, w1, h0, h1] = *size;
    Some((u16::from_le_bytes([w0, w1]) & 0x3fff, u16::from_le_bytes([h0, h1]) & 0x3fff))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A keyframe of 640×360 as Chromium sends it: X, S, PID 0; I, L, T, K; 15-bit picture id.
    const KEYFRAME: &[u8] = &[
        0x90, 0xf0, 0x92, 0x34, 0x07, 0x25, // descriptor
        0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01, 0xff,
    ];

    #[test]
    fn golden_keyframe() {
        let (descriptor, len) = Vp8Descriptor::parse(KEYFRAME).unwrap();
        let expected = Vp8Descriptor {
            non_reference: false,
            starts_partition: true,
            partition: 0,
            picture_id: Some(PictureId::Long(0x1234)),
            tl0_pic_idx: Some(7),
            temporal: Some(Vp8Temporal { tid: 0, layer_sync: true }),
            key_idx: Some(5),
        };
        assert_eq!((descriptor, len), (expected, 6));
        assert!(descriptor.starts_keyframe(&KEYFRAME[len..]));
        assert_eq!(keyframe_size(&KEYFRAME[len..]), Some((640, 360)));
        let mut buffer = [0; Vp8Descriptor::MAX_LEN];
        assert_eq!(descriptor.write(&mut buffer), Some(6));
        assert_eq!(buffer, KEYFRAME[..6]);
    }

    #[test]
    fn a_bare_descriptor_is_one_byte() {
        let (descriptor, len) = Vp8Descriptor::parse(&[0x33, 0x01]).unwrap();
        assert_eq!(len, 1);
        assert!(descriptor.non_reference && descriptor.starts_partition && descriptor.partition == 3);
        assert!(!descriptor.starts_frame());
        assert_eq!(Vp8Descriptor::parse(&[]), Err(ParseError::TooShort));
    }

    #[test]
    fn an_inter_frame_and_a_middle_packet_start_no_keyframe() {
        let (start, _) = Vp8Descriptor::parse(&[0x10]).unwrap();
        assert!(start.starts_keyframe(&[0x50]) && !start.starts_keyframe(&[0x51]) && !start.starts_keyframe(&[]));
        let (middle, _) = Vp8Descriptor::parse(&[0x00]).unwrap();
        assert!(!middle.starts_keyframe(&[0x50]));
        assert_eq!(keyframe_size(&[0x51, 0, 0, 0x9d, 1, 0x2a, 1, 0, 1, 0]), None);
    }

    #[test]
    fn a_short_picture_id_becomes_long_when_told() {
        let (mut descriptor, len) = Vp8Descriptor::parse(&[0x90, 0x80, 0x7f, 0x00]).unwrap();
        assert_eq!((descriptor.picture_id, len), (Some(PictureId::Short(0x7f)), 3));
        descriptor.picture_id = descriptor.picture_id.map(|id| PictureId::long(id.get()));
        let mut buffer = [0; Vp8Descriptor::MAX_LEN];
        assert_eq!(descriptor.write(&mut buffer), Some(4));
        assert_eq!(buffer[..4], [0x90, 0x80, 0x80, 0x7f]);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_come_back(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok((descriptor, len)) = Vp8Descriptor::parse(&bytes) {
                prop_assert!(len <= Vp8Descriptor::MAX_LEN);
                let mut buffer = [0; Vp8Descriptor::MAX_LEN];
                let written = descriptor.write(&mut buffer).unwrap();
                let (again, again_len) = Vp8Descriptor::parse(&buffer[..written]).unwrap();
                prop_assert_eq!((again, again_len), (descriptor, written));
            }
            let _ = keyframe_size(&bytes);
        }
    }
}
