//! VP9 payload descriptor (RFC 9628 §4.2), flexible and non-flexible mode, with its scalability structure.

mod frame_header;
mod structure;

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::payload::picture_id::PictureId;

pub use frame_header::keyframe_size;
pub use structure::{Vp9GroupPicture, Vp9PictureGroup, Vp9Structure};

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

impl Vp9Descriptor {
    /// The longest prefix that [`Self::write_prefix`] writes.
    pub const MAX_PREFIX: usize = 5;

    /// Reads the descriptor in front of `payload`; gives it with its length.
    pub fn parse(payload: &[u8]) -> Result<(Self, usize), ParseError> {
        let mut reader = Reader::new(payload);
        let (mut descriptor, has_structure) = Self::read_in_front_of_structure(&mut reader)?;
        if has_structure {
            let structure = Vp9Structure::read_sizes(&mut reader)?;
            for _ in 0..structure.pictures {
                Vp9GroupPicture::read(&mut reader)?;
            }
            descriptor.structure = Some(structure);
        }
        Ok((descriptor, payload.len() - reader.rest().len()))
    }

    /// Reads up to the structure and tells whether one follows.
    fn read_in_front_of_structure(reader: &mut Reader<'_>) -> Result<(Self, bool), ParseError> {
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
            descriptor.picture_id = Some(PictureId::read(reader)?);
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
            descriptor.references = read_references(reader)?;
        }
        Ok((descriptor, first & 0x02 != 0))
    }

    /// Writes the whole descriptor; `group` are the pictures of its structure. Gives its length, `None` when `buffer` is too
    /// small, the group is not as long as the structure says or the references are not such as the format has.
    pub fn write(&self, group: &[Vp9GroupPicture], buffer: &mut [u8]) -> Option<usize> {
        let prefix = self.write_prefix(buffer)?;
        let mut writer = Writer::new(buffer.get_mut(prefix..)?);
        if self.inter_picture && self.flexible {
            write_references(self.references, &mut writer)?;
        }
        match self.structure {
            Some(structure) if usize::from(structure.pictures) == group.len() => structure.write(group, &mut writer)?,
            None if group.is_empty() => {}
            _ => return None,
        }
        Some(prefix + writer.len())
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

/// The picture group in the scalability structure of `payload`, in order; empty when there is none.
pub fn picture_group(payload: &[u8]) -> Vp9PictureGroup<'_> {
    let mut reader = Reader::new(payload);
    let pictures = Vp9Descriptor::read_in_front_of_structure(&mut reader).ok().and_then(|(_, has_structure)| {
        let structure =
            if has_structure { Vp9Structure::read_sizes(&mut reader).ok()? } else { Vp9Structure::default() };
        Some(structure.pictures)
    });
    Vp9PictureGroup::new(reader, pictures.unwrap_or(0))
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

/// At least one reference, each with a bit that says whether another follows.
fn write_references(references: [u8; 3], writer: &mut Writer<'_>) -> Option<()> {
    let count = references.iter().take_while(|reference| **reference != 0).count();
    if count == 0 || references.iter().skip(count).any(|reference| *reference != 0) {
        return None;
    }
    for (index, reference) in references.iter().take(count).enumerate() {
        writer.u8(reference.checked_mul(2)? | u8::from(index + 1 < count))?;
    }
    Some(())
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
        let group: Vec<_> = picture_group(KEYFRAME).collect();
        assert_eq!(group, [Vp9GroupPicture { references: [1, 0, 0], ..Vp9GroupPicture::default() }]);
        let mut buffer = [0; 32];
        assert_eq!(descriptor.write(&group, &mut buffer), Some(len));
        assert_eq!(buffer[..len], KEYFRAME[..len]);
    }

    #[test]
    fn what_the_format_cannot_say_is_not_written() {
        let inter = Vp9Descriptor { inter_picture: true, flexible: true, ..Vp9Descriptor::default() };
        assert_eq!(inter.write(&[], &mut [0; 8]), None, "no reference");
        let hole = Vp9Descriptor { references: [1, 0, 2], ..inter };
        assert_eq!(hole.write(&[], &mut [0; 8]), None);
        let far = Vp9Descriptor { references: [128, 0, 0], ..inter };
        assert_eq!(far.write(&[], &mut [0; 8]), None);
        assert_eq!(Vp9Descriptor::default().write(&[Vp9GroupPicture::default()], &mut [0; 8]), None);
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
                let group: Vec<_> = picture_group(&bytes).collect();
                prop_assert_eq!(group.len(), usize::from(descriptor.structure.map_or(0, |one| one.pictures)));
                let mut buffer = [0; 64];
                let written = descriptor.write(&group, &mut buffer).unwrap();
                prop_assert!(written <= len);
                prop_assert_eq!(Vp9Descriptor::parse(&buffer[..written]), Ok((descriptor, written)));
                prop_assert_eq!(picture_group(&buffer[..written]).collect::<Vec<_>>(), group);
            }
        }
    }
}
