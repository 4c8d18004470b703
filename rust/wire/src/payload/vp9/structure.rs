//! The scalability structure of VP9 (RFC 9628 §4.2.1): sizes of the spatial layers and the pictures of a group.

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;

/// The scalability structure; its picture group is read by [`picture_group`](super::picture_group).
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

/// A picture of the group that the non-flexible mode repeats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vp9GroupPicture {
    /// TID, 0..=7.
    pub temporal: u8,
    /// U.
    pub switch_up: bool,
    /// How many pictures back each reference lies; 0 ends the list.
    pub references: [u8; 3],
}

/// Iterates the pictures of a group; ends at the first malformed one.
#[derive(Debug, Clone)]
pub struct Vp9PictureGroup<'a> {
    reader: Reader<'a>,
    pictures: u8,
}

impl<'a> Vp9PictureGroup<'a> {
    /// The next `pictures` pictures.
    pub(super) const fn new(reader: Reader<'a>, pictures: u8) -> Self {
        Self { reader, pictures }
    }
}

impl Iterator for Vp9PictureGroup<'_> {
    type Item = Vp9GroupPicture;

    fn next(&mut self) -> Option<Vp9GroupPicture> {
        self.pictures = self.pictures.checked_sub(1)?;
        let picture = Vp9GroupPicture::read(&mut self.reader).ok();
        if picture.is_none() {
            self.pictures = 0;
        }
        picture
    }
}

impl Vp9Structure {
    /// Reads up to `N_G`, the pictures of the group are left.
    pub(super) fn read_sizes(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let first = reader.u8()?;
        let mut structure = Self { spatial_layers: (first >> 5) + 1, ..Self::default() };
        if first & 0x10 != 0 {
            for size in structure.sizes.iter_mut().take(usize::from(structure.spatial_layers)) {
                *size = (reader.u16()?, reader.u16()?);
            }
        }
        if first & 0x08 != 0 {
            structure.pictures = reader.u8()?;
        }
        Ok(structure)
    }

    pub(super) fn write(&self, group: &[Vp9GroupPicture], writer: &mut Writer<'_>) -> Option<()> {
        let sizes = self.sizes.get(..usize::from(self.spatial_layers))?;
        let has_sizes = sizes.iter().any(|size| *size != (0, 0));
        let front = self.spatial_layers.checked_sub(1)? << 5;
        writer.u8(front | u8::from(has_sizes) << 4 | u8::from(!group.is_empty()) << 3)?;
        for (width, height) in sizes.iter().filter(|_| has_sizes) {
            writer.u16(*width)?;
            writer.u16(*height)?;
        }
        if !group.is_empty() {
            writer.u8(self.pictures)?;
        }
        group.iter().try_for_each(|picture| picture.write(writer))
    }
}

impl Vp9GroupPicture {
    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let first = reader.u8()?;
        let mut picture = Self { temporal: first >> 5, switch_up: first & 0x10 != 0, ..Self::default() };
        for reference in picture.references.iter_mut().take(usize::from(first >> 2 & 0x03)) {
            *reference = reader.u8()?;
            if *reference == 0 {
                return Err(ParseError::Value);
            }
        }
        Ok(picture)
    }

    fn write(self, writer: &mut Writer<'_>) -> Option<()> {
        let count = self.references.iter().take_while(|reference| **reference != 0).count();
        writer.u8((self.temporal & 0x07) << 5 | u8::from(self.switch_up) << 4 | (count as u8) << 2)?;
        writer.put(self.references.get(..count)?)
    }
}

#[cfg(test)]
mod tests {
    use crate::payload::vp9::{Vp9Descriptor, picture_group};

    #[test]
    fn the_picture_group_of_three_temporal_layers() {
        // B V L, T0 S0, TL0PICIDX; one layer, no sizes, four pictures: T0 after 4, T2 U after 1, T1 U after 2, T2 after 1.
        let payload = [0x2a, 0x00, 0x07, 0x08, 0x04, 0x04, 0x04, 0x54, 0x01, 0x34, 0x02, 0x48, 0x01, 0x02, 0xff];
        let (descriptor, len) = Vp9Descriptor::parse(&payload).unwrap();
        assert_eq!((descriptor.structure.unwrap().pictures, len), (4, payload.len() - 1));
        let layers: Vec<_> = picture_group(&payload).map(|picture| (picture.temporal, picture.switch_up)).collect();
        assert_eq!(layers, [(0, false), (2, true), (1, true), (2, false)]);
        assert_eq!(picture_group(&payload).last().unwrap().references, [1, 2, 0]);
        assert_eq!(picture_group(&payload[..len - 2]).count(), 3, "a cut group ends early");
        assert!(Vp9Descriptor::parse(&payload[..len - 2]).is_err());
        assert_eq!(picture_group(&payload[..3]).count(), 0);
        assert_eq!(picture_group(&[0x28, 0x00, 0x07]).count(), 0, "no structure");
    }
}
