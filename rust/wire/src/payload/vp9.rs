//! VP9 payload descriptor (RFC 9628 §4.2), flexible and non-flexible mode, with its scalability structure.

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::payload::picture_id::PictureId;

/// The descriptor in front of every VP9 payload.
///
/// ```text
///         0 1 2 3 4 5 6 7
///        +-+-+-+-+-+-+-+-+
///        |I|P|L|F|B|E|V|Z| (REQUIRED)
///        +-+-+-+-+-+-+-+-+
///   I:   |M| PICTURE ID  | (REQUIRED)
///        +-+-+-+-+-+-+-+-+
///   M:   | EXTENDED PID  | (RECOMMENDED)
///        +-+-+-+-+-+-+-+-+
///   L:   | TID |U| SID |D| (Conditionally RECOMMENDED)
///        +-+-+-+-+-+-+-+-+
///        |   TL0PICIDX   | (Conditionally REQUIRED, non-flexible mode)
///        +-+-+-+-+-+-+-+-+                             -\
///   P,F: | P_DIFF      |N| (Conditionally REQUIRED)    - up to 3 times
///        +-+-+-+-+-+-+-+-+                             -/
///   V:   | SS            |
///        | ..            |
///        +-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a bit of the format")]
pub struct Vp9Descriptor {
    /// I.
    pub picture_id: Option<PictureId>,
    /// P: refers to an earlier picture.
    pub inter_picture: bool,
    /// F: references are listed in each packet.
    pub flexible: bool,
    /// B: starts a frame (of one spatial layer).
    pub starts_frame: bool,
    /// E: ends a frame (of one spatial layer).
    pub ends_frame: bool,
    /// Z: no higher spatial layer of this picture refers to this frame.
    pub not_for_upper: bool,
    /// L.
    pub layer: Option<Vp9Layer>,
    /// With `layer` in the non-flexible mode: counts the pictures of temporal layer 0.
    pub tl0_pic_idx: Option<u8>,
    /// P and F: how many pictures back each reference lies; 0 ends the list.
    pub references: [u8; 3],
    /// V.
    pub structure: Option<Vp9Structure>,
}

/// Where a frame stands in the layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vp9Layer {
    /// TID, 0..=7.
    pub temporal: u8,
    /// U: from the next picture on, higher temporal layers refer to nothing before this picture.
    pub switch_up: bool,
    /// SID, 0..=7.
    pub spatial: u8,
    /// D: refers to the next lower spatial layer of the same picture.
    pub inter_layer: bool,
}

/// The scalability structure, of which the SFU keeps the sizes.
///
/// ```text
///      +-+-+-+-+-+-+-+-+
/// V:   | N_S |Y|G|-|-|-|
///      +-+-+-+-+-+-+-+-+              -\
/// Y:   |     WIDTH     | (OPTIONAL)    .
///      +               +               .
///      |               | (OPTIONAL)    .
///      +-+-+-+-+-+-+-+-+               . N_S + 1 times
///      |     HEIGHT    | (OPTIONAL)    .
///      +               +               .
///      |               | (OPTIONAL)    .
///      +-+-+-+-+-+-+-+-+              -/
/// G:   |      N_G      | (OPTIONAL)
///      +-+-+-+-+-+-+-+-+                            -\
/// N_G: |  TID  |U| R |-|-| (OPTIONAL)                 .
///      +-+-+-+-+-+-+-+-+              -\            . N_G times
///      |    P_DIFF     | (OPTIONAL)    . R times    .
///      +-+-+-+-+-+-+-+-+              -/            -/
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vp9Structure {
    /// 1..=8.
    pub spatial_layers: u8,
    /// Width and height by spatial layer; zero when they are not given.
    pub sizes: [(u16, u16); 8],
    /// Pictures in the group, 0 when it is not described.
    pub pictures: u8,
}

impl Vp9Descriptor {
    /// The longest prefix that [`Self::write_prefix`] writes.
    pub const MAX_PREFIX: usize = 5;

    /// Reads the descriptor in front of `payload`; gives it with its length.
    pub fn parse(payload: &[u8]) -> Result<(Self, usize), ParseError> {
        let mut reader = Reader::new(payload);
        let first = reader.u8()?;
        let mut descriptor = Self {
            inter_picture: first & 0x40 != 0,
            flexible: first & 0x10 != 0,
            starts_frame: first & 0x08 != 0,
            ends_frame: first & 0x04 != 0,
            not_for_upper: first & 0x01 != 0,
            ..Self::default()
        };
        if first & 0x80 != 0 {
            descriptor.picture_id = Some(PictureId::read(&mut reader)?);
        }
        if first & 0x20 != 0 {
            let byte = reader.u8()?;
            descriptor.layer = Some(Vp9Layer {
                temporal: byte >> 5,
                switch_up: byte & 0x10 != 0,
                spatial: byte >> 1 & 0x07,
                inter_layer: byte & 0x01 != 0,
            });
            if !descriptor.flexible {
                descriptor.tl0_pic_idx = Some(reader.u8()?);
            }
        }
        if descriptor.inter_picture && descriptor.flexible {
            descriptor.references = read_references(&mut reader)?;
        }
        if first & 0x02 != 0 {
            descriptor.structure = Some(Vp9Structure::read(&mut reader)?);
        }
        Ok((descriptor, payload.len() - reader.rest().len()))
    }

    /// Writes the descriptor's beginning, up to TL0PICIDX, as the fields say. It replaces the first
    /// [`Self::prefix_len`] bytes of the received payload: the fields behind stay as they are. Gives its length, `None`
    /// when `buffer` is too small.
    pub fn write_prefix(&self, buffer: &mut [u8]) -> Option<usize> {
        let mut writer = Writer::new(buffer);
        writer.u8(u8::from(self.picture_id.is_some()) << 7
            | u8::from(self.inter_picture) << 6
            | u8::from(self.layer.is_some()) << 5
            | u8::from(self.flexible) << 4
            | u8::from(self.starts_frame) << 3
            | u8::from(self.ends_frame) << 2
            | u8::from(self.structure.is_some()) << 1
            | u8::from(self.not_for_upper))?;
        if let Some(id) = self.picture_id {
            id.write(&mut writer)?;
        }
        if let Some(layer) = self.layer {
            writer.u8(layer.temporal << 5
                | u8::from(layer.switch_up) << 4
                | (layer.spatial & 0x07) << 1
                | u8::from(layer.inter_layer))?;
            if !self.flexible {
                writer.u8(self.tl0_pic_idx.unwrap_or_default())?;
            }
        }
        Some(writer.len())
    }

    /// How many bytes the fields up to TL0PICIDX take.
    pub fn prefix_len(&self) -> usize {
        let picture_id = self.picture_id.map_or(0, |id| if id.bits() == 7 { 1 } else { 2 });
        let layer = self.layer.map_or(0, |_| if self.flexible { 1 } else { 2 });
        1 + picture_id + layer
    }

    /// The temporal layer, 0 when the stream has none.
    pub fn temporal(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.temporal)
    }

    /// The spatial layer, 0 when the stream has none.
    pub fn spatial(&self) -> u8 {
        self.layer.map_or(0, |layer| layer.spatial)
    }

    /// Whether the first packet of a picture carries it.
    pub fn starts_picture(&self) -> bool {
        self.starts_frame && self.spatial() == 0
    }

    /// Whether a keyframe starts here: the base layer's frame that refers to no earlier picture.
    pub fn starts_keyframe(&self) -> bool {
        self.starts_picture() && !self.inter_picture
    }
}

/// Seven bits of difference and one that says whether another follows, at most three of them.
fn read_references(reader: &mut Reader<'_>) -> Result<[u8; 3], ParseError> {
    let mut references = [0; 3];
    for reference in &mut references {
        let byte = reader.u8()?;
        *reference = byte >> 1;
        if *reference == 0 {
            return Err(ParseError::Value);
        }
        if byte & 1 == 0 {
            return Ok(references);
        }
    }
    Err(ParseError::Value)
}

impl Vp9Structure {
    fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let first = reader.u8()?;
        let mut structure = Self { spatial_layers: (first >> 5) + 1, ..Self::default() };
        if first & 0x10 != 0 {
            for size in structure.sizes.iter_mut().take(usize::from(structure.spatial_layers)) {
                *size = (reader.u16()?, reader.u16()?);
            }
        }
        if first & 0x08 != 0 {
            structure.pictures = reader.u8()?;
            for _ in 0..structure.pictures {
                let references = reader.u8()? >> 2 & 0x03;
                reader.take(usize::from(references))?;
            }
        }
        Ok(structure)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The first packet of a keyframe in non-flexible mode with two spatial layers and a one-picture group.
    const KEYFRAME: &[u8] = &[
        0xaa, 0x92, 0x34, 0x00, 0x09, // I L B V; picture id; T0 S0; TL0PICIDX
        0x38, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 0x01, 0x04, 0x01, // SS
        0x82, 0x49,
    ];

    #[test]
    fn golden_keyframe_with_its_structure() {
        let (descriptor, len) = Vp9Descriptor::parse(KEYFRAME).unwrap();
        assert_eq!(len, KEYFRAME.len() - 2);
        assert_eq!(descriptor.picture_id, Some(PictureId::Long(0x1234)));
        assert_eq!(descriptor.layer, Some(Vp9Layer::default()));
        assert_eq!(descriptor.tl0_pic_idx, Some(9));
        let structure = descriptor.structure.unwrap();
        assert_eq!((structure.spatial_layers, structure.pictures), (2, 1));
        assert_eq!(structure.sizes[..3], [(320, 180), (640, 360), (0, 0)]);
        assert!(descriptor.starts_keyframe() && !descriptor.ends_frame);
    }

    #[test]
    fn flexible_mode_lists_its_references() {
        // I P L F E, short picture id, T1 U S2 D, two references.
        let (descriptor, len) = Vp9Descriptor::parse(&[0xf4, 0x05, 0x35, 0x03, 0x04, 0xff]).unwrap();
        assert_eq!(len, 5);
        let layer = Vp9Layer { temporal: 1, switch_up: true, spatial: 2, inter_layer: true };
        assert_eq!((descriptor.layer, descriptor.tl0_pic_idx), (Some(layer), None));
        assert_eq!(descriptor.references, [1, 2, 0]);
        assert!(!descriptor.starts_keyframe());
    }

    #[test]
    fn more_than_three_references_are_refused() {
        assert_eq!(Vp9Descriptor::parse(&[0x50, 0x03, 0x05, 0x07, 0x08]), Err(ParseError::Value));
        assert_eq!(Vp9Descriptor::parse(&[0x50, 0x01, 0x02]), Err(ParseError::Value), "a reference to itself");
    }

    #[test]
    fn the_upper_layers_of_a_keyframe_picture_start_none() {
        let (descriptor, _) = Vp9Descriptor::parse(&[0xa8, 0x01, 0x03, 0x09]).unwrap();
        assert!(descriptor.starts_frame && !descriptor.inter_picture && !descriptor.starts_keyframe());
    }

    #[test]
    fn a_rewritten_prefix_widens_the_picture_id() {
        let payload = [0xa8, 0x7f, 0x00, 0x09, 0xaa];
        let (mut descriptor, len) = Vp9Descriptor::parse(&payload).unwrap();
        assert_eq!((descriptor.prefix_len(), len), (4, 4));
        descriptor.picture_id = Some(PictureId::long(0x80));
        descriptor.tl0_pic_idx = Some(10);
        let mut prefix = [0; Vp9Descriptor::MAX_PREFIX];
        assert_eq!(descriptor.write_prefix(&mut prefix), Some(5));
        assert_eq!(prefix, [0xa8, 0x80, 0x80, 0x00, 10]);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_prefixes_come_back(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok((descriptor, len)) = Vp9Descriptor::parse(&bytes) {
                prop_assert!(descriptor.prefix_len() <= len);
                let mut prefix = [0; Vp9Descriptor::MAX_PREFIX];
                let written = descriptor.write_prefix(&mut prefix).unwrap();
                prop_assert_eq!(written, descriptor.prefix_len());
                prop_assert_eq!(&prefix[..written], &bytes[..written]);
            }
        }
    }
}
