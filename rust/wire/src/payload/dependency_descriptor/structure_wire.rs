//! The structure's bits, read and written (§A.8.2 `template_dependency_structure`).

use crate::error::ParseError;
use crate::payload::bits::{BitReader, BitWriter};
use crate::payload::dependency_descriptor::indication::{Dti, Dtis};
use crate::payload::dependency_descriptor::structure::{FrameDependencies, Resolution, Structure, step};

/// `next_layer_idc` behind the last template.
const NO_MORE_TEMPLATES: u32 = 3;

impl Structure {
    pub(super) fn read(reader: &mut BitReader<'_>) -> Result<Self, ParseError> {
        let template_id_offset = reader.bits(6)? as u8;
        let target_count = reader.bits(5)? as usize + 1;
        let mut templates = read_layers(reader)?;
        for template in &mut templates {
            template.dtis = read_dtis(reader, target_count)?;
        }
        for template in &mut templates {
            while reader.flag()? {
                template.frame_diffs.push(reader.bits(4)? as u16 + 1).ok_or(ParseError::Value)?;
            }
        }
        let chain_count = reader.non_symmetric(target_count as u32 + 1)?;
        let mut chains = vec![None; target_count];
        if chain_count > 0 {
            for chain in &mut chains {
                *chain = Some(reader.non_symmetric(chain_count)? as u8);
            }
            for template in &mut templates {
                for _ in 0..chain_count {
                    template.chain_diffs.push(reader.bits(4)? as u8).ok_or(ParseError::Value)?;
                }
            }
        }
        let mut resolutions = Vec::new();
        if reader.flag()? {
            for _ in 0..=templates.last().map_or(0, |template| template.spatial) {
                resolutions.push(Resolution { width: reader.bits(16)? + 1, height: reader.bits(16)? + 1 });
            }
        }
        Self::new(template_id_offset, chain_count as usize, &chains, templates, resolutions).ok_or(ParseError::Value)
    }

    /// Writes the structure as one that starts at `template_id_offset`.
    pub(super) fn write(&self, template_id_offset: u8, writer: &mut BitWriter<'_>) -> Option<()> {
        let target_count = self.decode_targets().len() as u32;
        writer.bits(6, u32::from(template_id_offset))?;
        writer.bits(5, target_count - 1)?;
        for pair in self.templates().windows(2) {
            let [from, to] = pair else { return None };
            writer.bits(2, step(from, to)? as u32)?;
        }
        writer.bits(2, NO_MORE_TEMPLATES)?;
        for template in self.templates() {
            write_dtis(writer, template.dtis, target_count as usize)?;
        }
        for template in self.templates() {
            for diff in template.frame_diffs.as_slice() {
                writer.flag(true)?;
                writer.bits(4, u32::from(*diff) - 1)?;
            }
            writer.flag(false)?;
        }
        self.write_chains(writer, target_count)?;
        writer.flag(!self.resolutions().is_empty())?;
        for size in self.resolutions() {
            writer.bits(16, size.width - 1)?;
            writer.bits(16, size.height - 1)?;
        }
        Some(())
    }

    fn write_chains(&self, writer: &mut BitWriter<'_>, target_count: u32) -> Option<()> {
        let chain_count = self.chain_count() as u32;
        writer.non_symmetric(target_count + 1, chain_count)?;
        for chain in self.decode_targets().iter().filter_map(|target| target.chain) {
            writer.non_symmetric(chain_count, u32::from(chain))?;
        }
        for template in self.templates() {
            for diff in template.chain_diffs.as_slice() {
                writer.bits(4, u32::from(*diff))?;
            }
        }
        Some(())
    }
}

/// `template_layers`: the spatial and temporal ids of the templates.
fn read_layers(reader: &mut BitReader<'_>) -> Result<Vec<FrameDependencies>, ParseError> {
    let mut templates = Vec::with_capacity(16);
    let mut template = FrameDependencies::default();
    loop {
        if templates.len() == Structure::MAX_TEMPLATES {
            return Err(ParseError::Value);
        }
        templates.push(template);
        match reader.bits(2)? {
            0 => {}
            1 => template.temporal += 1,
            2 => (template.spatial, template.temporal) = (template.spatial + 1, 0),
            _ => return Ok(templates),
        }
    }
}

/// One indication for each decode target.
pub(super) fn read_dtis(reader: &mut BitReader<'_>, target_count: usize) -> Result<Dtis, ParseError> {
    let mut dtis = Dtis::default();
    for target in 0..target_count {
        dtis.set(target, Dti::from_bits(reader.bits(2)?));
    }
    Ok(dtis)
}

pub(super) fn write_dtis(writer: &mut BitWriter<'_>, dtis: Dtis, target_count: usize) -> Option<()> {
    (0..target_count).try_for_each(|target| writer.bits(2, dtis.get(target) as u32))
}
