//! A packet's dependency descriptor: read against the current structure, changed, written again.

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::payload::bits::{BitReader, BitWriter};
use crate::payload::dependency_descriptor::diffs::{ChainDiffs, FrameDiffs};
use crate::payload::dependency_descriptor::indication::{DecodeTargets, Dtis};
use crate::payload::dependency_descriptor::structure::{FrameDependencies, Structure};
use crate::payload::dependency_descriptor::structure_wire::{read_dtis, write_dtis};

/// The mandatory fields, which need no structure to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FrameBounds {
    /// The first packet of a frame.
    pub start_of_frame: bool,
    /// The last packet of a frame.
    pub end_of_frame: bool,
    /// `frame_dependency_template_id`, six bits.
    pub template_id: u8,
    /// Counts frames in decode order, wraps at 65536.
    pub frame_number: u16,
    /// A structure is attached: a coded video sequence, so a keyframe, starts here.
    pub has_structure: bool,
}

impl FrameBounds {
    /// Reads the first bytes of the header extension's value.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(value);
        let first = reader.u8()?;
        let frame_number = reader.u16()?;
        Ok(Self {
            start_of_frame: first & 0x80 != 0,
            end_of_frame: first & 0x40 != 0,
            template_id: first & 0x3f,
            frame_number,
            // §A.8.2: a descriptor of three bytes has no optional part.
            has_structure: reader.u8().is_ok_and(|flags| flags & 0x80 != 0),
        })
    }
}

/// What a packet's header extension says, as it says it.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |S|E|template id|         frame number          |T|A|D|F|C| ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DependencyDescriptor {
    /// The first packet of a frame.
    pub start_of_frame: bool,
    /// The last packet of a frame.
    pub end_of_frame: bool,
    /// `frame_dependency_template_id`, six bits.
    pub template_id: u8,
    /// Counts frames in decode order, wraps at 65536.
    pub frame_number: u16,
    /// T: a structure is attached, and this is its `template_id_offset`.
    pub structure_offset: Option<u8>,
    /// A: the decode targets that can be decoded from here on.
    pub active_decode_targets: Option<DecodeTargets>,
    /// D: instead of the template's indications.
    pub custom_dtis: Option<Dtis>,
    /// F: instead of the template's frame diffs.
    pub custom_frame_diffs: Option<FrameDiffs>,
    /// C: instead of the template's chain diffs; 0..=255 each.
    pub custom_chain_diffs: Option<ChainDiffs>,
}

/// A packet's descriptor and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParsedDescriptor {
    /// What the packet says.
    pub descriptor: DependencyDescriptor,
    /// The frame that it belongs to: its template with the custom parts in place.
    pub frame: FrameDependencies,
    /// The structure that is attached, to be kept for the packets behind.
    pub structure: Option<Box<Structure>>,
}

impl DependencyDescriptor {
    /// The longest value that a two-byte header extension element holds (RFC 8285 §4.3).
    pub const MAX_LEN: usize = 255;

    /// Reads the value of the header extension against `current`, the encoding's last structure; an attached structure is
    /// used instead. [`ParseError::UnknownTemplate`] when neither has the packet's template: the packet that carried its
    /// structure is missing.
    pub fn parse(value: &[u8], current: Option<&Structure>) -> Result<ParsedDescriptor, ParseError> {
        let bounds = FrameBounds::parse(value)?;
        let mut descriptor = Self {
            start_of_frame: bounds.start_of_frame,
            end_of_frame: bounds.end_of_frame,
            template_id: bounds.template_id,
            frame_number: bounds.frame_number,
            ..Self::default()
        };
        let optional = value.get(3..).unwrap_or_default();
        let structure = descriptor.read_optional(optional, current)?;
        let frame = descriptor.frame(structure.as_deref().or(current).ok_or(ParseError::UnknownTemplate)?)?;
        Ok(ParsedDescriptor { descriptor, frame, structure })
    }

    /// The frame that the packet belongs to, by its `structure`.
    pub fn frame(&self, structure: &Structure) -> Result<FrameDependencies, ParseError> {
        let offset = self.structure_offset.unwrap_or(structure.template_id_offset());
        let id = self.template_id.wrapping_sub(offset).wrapping_add(structure.template_id_offset());
        let template = structure.template(id).ok_or(ParseError::UnknownTemplate)?;
        Ok(FrameDependencies {
            dtis: self.custom_dtis.unwrap_or(template.dtis),
            frame_diffs: self.custom_frame_diffs.unwrap_or(template.frame_diffs),
            chain_diffs: self.custom_chain_diffs.unwrap_or(template.chain_diffs),
            ..*template
        })
    }

    /// The decode targets that the packet declares active: those it lists, or all with a new structure (§A.4). `None` when
    /// what was declared last stays valid.
    pub fn declared_decode_targets(&self, structure: &Structure) -> Option<DecodeTargets> {
        let implicit = self.structure_offset.map(|_| structure.all_decode_targets());
        self.active_decode_targets.or(implicit)
    }

    /// Writes the value. `structure` is the one that it was read against (the attached one, when there is one): it says how
    /// many decode targets and chains there are, and it is what is written when `structure_offset` is set. Gives the length;
    /// `None` when `buffer` is too small or a custom part does not fit the structure. Values in their shortest form, as
    /// libwebrtc writes them, come back bit by bit.
    pub fn write(&self, structure: &Structure, buffer: &mut [u8]) -> Option<usize> {
        let mut writer = BitWriter::new(buffer);
        writer.flag(self.start_of_frame)?;
        writer.flag(self.end_of_frame)?;
        writer.bits(6, u32::from(self.template_id))?;
        writer.bits(16, u32::from(self.frame_number))?;
        if self.has_optional_part() {
            self.write_optional(structure, &mut writer)?;
        }
        Some(writer.len())
    }

    const fn has_optional_part(&self) -> bool {
        self.structure_offset.is_some()
            || self.active_decode_targets.is_some()
            || self.custom_dtis.is_some()
            || self.custom_frame_diffs.is_some()
            || self.custom_chain_diffs.is_some()
    }

    /// What stands behind the mandatory fields; gives the attached structure.
    fn read_optional(
        &mut self,
        optional: &[u8],
        current: Option<&Structure>,
    ) -> Result<Option<Box<Structure>>, ParseError> {
        if optional.is_empty() {
            return Ok(None);
        }
        let mut reader = BitReader::new(optional);
        let flags = reader.bits(5)?;
        let attached = if flags & 0x10 == 0 { None } else { Some(Box::new(Structure::read(&mut reader)?)) };
        self.structure_offset = attached.as_ref().map(|structure| structure.template_id_offset());
        let structure = attached.as_deref().or(current).ok_or(ParseError::UnknownTemplate)?;
        let target_count = structure.decode_targets().len();
        if flags & 0x08 != 0 {
            self.active_decode_targets = Some(DecodeTargets::from_bits(reader.bits(target_count as u32)?));
        }
        if flags & 0x04 != 0 {
            self.custom_dtis = Some(read_dtis(&mut reader, target_count)?);
        }
        if flags & 0x02 != 0 {
            self.custom_frame_diffs = Some(read_frame_diffs(&mut reader)?);
        }
        if flags & 0x01 != 0 {
            let mut diffs = ChainDiffs::default();
            for _ in 0..structure.chain_count() {
                diffs.push(reader.bits(8)? as u8).ok_or(ParseError::Value)?;
            }
            self.custom_chain_diffs = Some(diffs);
        }
        Ok(attached)
    }

    fn write_optional(&self, structure: &Structure, writer: &mut BitWriter<'_>) -> Option<()> {
        let target_count = structure.decode_targets().len();
        writer.flag(self.structure_offset.is_some())?;
        writer.flag(self.active_decode_targets.is_some())?;
        writer.flag(self.custom_dtis.is_some())?;
        writer.flag(self.custom_frame_diffs.is_some())?;
        writer.flag(self.custom_chain_diffs.is_some())?;
        if let Some(offset) = self.structure_offset {
            structure.write(offset, writer)?;
        }
        if let Some(active) = self.active_decode_targets {
            writer.bits(target_count as u32, active.bits())?;
        }
        if let Some(dtis) = self.custom_dtis {
            write_dtis(writer, dtis, target_count)?;
        }
        if let Some(diffs) = self.custom_frame_diffs {
            write_frame_diffs(writer, &diffs)?;
        }
        if let Some(diffs) = self.custom_chain_diffs {
            if diffs.as_slice().len() != structure.chain_count() {
                return None;
            }
            diffs.as_slice().iter().try_for_each(|diff| writer.bits(8, u32::from(*diff)))?;
        }
        Some(())
    }
}

/// §A.8.2 `frame_fdiffs`: the width of each difference in units of four bits stands in front of it, 0 ends the list.
fn read_frame_diffs(reader: &mut BitReader<'_>) -> Result<FrameDiffs, ParseError> {
    let mut diffs = FrameDiffs::default();
    loop {
        let nibbles = reader.bits(2)?;
        if nibbles == 0 {
            return Ok(diffs);
        }
        diffs.push(reader.bits(4 * nibbles)? as u16 + 1).ok_or(ParseError::Value)?;
    }
}

fn write_frame_diffs(writer: &mut BitWriter<'_>, diffs: &FrameDiffs) -> Option<()> {
    for diff in diffs.as_slice() {
        let minus_one = u32::from(*diff) - 1;
        let nibbles = (u32::BITS - minus_one.leading_zeros()).div_ceil(4).max(1);
        writer.bits(2, nibbles)?;
        writer.bits(4 * nibbles, minus_one)?;
    }
    writer.bits(2, 0)
}
