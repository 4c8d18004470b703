//! The template dependency structure: which frames a coded video sequence has, what they refer to and which decode targets
//! they make. It comes with a keyframe, is kept per encoding, and every packet points into it.
//!
//! Invariant: a [`Structure`] is always one that can be written; [`Structure::new`] checks, everything reads.

use crate::payload::dependency_descriptor::diffs::{ChainDiffs, FrameDiffs};
use crate::payload::dependency_descriptor::indication::{DecodeTargets, Dti, Dtis};

/// What a template predefines, and what a frame has (§A.8.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct FrameDependencies {
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// The frame's part in each decode target.
    pub dtis: Dtis,
    /// How far back the referred frames lie.
    pub frame_diffs: FrameDiffs,
    /// How far back the last frame of each chain lies, one for each chain of the structure.
    pub chain_diffs: ChainDiffs,
}

impl FrameDependencies {
    /// A row of the tables in §A.10: `new(0, 1, "SRD", &[2], &[2])`. `None` when a list is too long or a value is out of
    /// range.
    pub fn new(spatial: u8, temporal: u8, dtis: &str, frame_diffs: &[u16], chain_diffs: &[u8]) -> Option<Self> {
        Some(Self {
            spatial,
            temporal,
            dtis: Dtis::from_symbols(dtis)?,
            frame_diffs: FrameDiffs::new(frame_diffs)?,
            chain_diffs: ChainDiffs::new(chain_diffs)?,
        })
    }
}

/// A set of frames that can be decoded without the others (§A.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DecodeTarget {
    /// The highest spatial layer of its templates.
    pub spatial: u8,
    /// The highest temporal layer of its templates.
    pub temporal: u8,
    /// The chain that protects it; `None` in a structure without chains.
    pub chain: Option<u8>,
}

/// A spatial layer's largest picture, in pixels, 1..=65536 each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resolution {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
}

/// A template dependency structure (§A.8.2 `template_dependency_structure`).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Structure {
    template_id_offset: u8,
    chain_count: u8,
    decode_targets: Vec<DecodeTarget>,
    templates: Vec<FrameDependencies>,
    resolutions: Vec<Resolution>,
}

impl Structure {
    /// `frame_dependency_template_id` has six bits.
    pub const MAX_TEMPLATES: usize = 64;
    /// AV1 has two bits for the spatial layer.
    pub const MAX_SPATIAL_LAYERS: usize = 4;
    /// AV1 has three bits for the temporal layer.
    pub const MAX_TEMPORAL_LAYERS: usize = 8;
    /// `template_chain_fdiff` has four bits.
    const LARGEST_TEMPLATE_CHAIN_DIFF: u8 = 15;
    /// `fdiff_minus_one` of a template has four bits.
    const LARGEST_TEMPLATE_FRAME_DIFF: u16 = 16;

    /// A structure of `templates`, ordered by spatial, then temporal layer, without holes. `chains` names the chain that
    /// protects each decode target: all do when `chain_count` is above 0, else none. `resolutions` are none or one for each
    /// spatial layer. `None` when the format cannot say it.
    pub fn new(
        template_id_offset: u8,
        chain_count: usize,
        chains: &[Option<u8>],
        templates: Vec<FrameDependencies>,
        resolutions: Vec<Resolution>,
    ) -> Option<Self> {
        let decode_targets = Self::decode_targets_of(chain_count, chains, &templates)?;
        let offset_fits = usize::from(template_id_offset) < Self::MAX_TEMPLATES;
        if !offset_fits || !Self::layers_are_in_order(&templates) {
            return None;
        }
        let targets = DecodeTargets::first(chains.len());
        if !templates.iter().all(|template| Self::template_fits(template, targets, chain_count)) {
            return None;
        }
        let layers = usize::from(templates.last()?.spatial) + 1;
        let sizes = 1..=1 << 16;
        let resolutions_fit =
            resolutions.iter().all(|size| sizes.contains(&size.width) && sizes.contains(&size.height));
        if !resolutions_fit || !resolutions.is_empty() && resolutions.len() != layers {
            return None;
        }
        let chain_count = u8::try_from(chain_count).ok()?;
        Some(Self { template_id_offset, chain_count, decode_targets, templates, resolutions })
    }

    /// The id of the first template, 0..=63; the others follow, modulo 64.
    pub const fn template_id_offset(&self) -> u8 {
        self.template_id_offset
    }

    /// How many chains there are, 0..=32.
    pub fn chain_count(&self) -> usize {
        usize::from(self.chain_count)
    }

    /// The decode targets, 1..=32; encoders list them from the highest quality down or up, so go by their layers.
    pub fn decode_targets(&self) -> &[DecodeTarget] {
        &self.decode_targets
    }

    /// The set of all decode targets.
    pub fn all_decode_targets(&self) -> DecodeTargets {
        DecodeTargets::first(self.decode_targets.len())
    }

    /// The templates, ordered by spatial, then temporal layer.
    pub fn templates(&self) -> &[FrameDependencies] {
        &self.templates
    }

    /// The template that packets name `id`; `None` when the structure has none.
    pub fn template(&self, id: u8) -> Option<&FrameDependencies> {
        self.templates.get(usize::from(id.wrapping_sub(self.template_id_offset) % 64))
    }

    /// The sizes by spatial layer, empty when they are not given.
    pub fn resolutions(&self) -> &[Resolution] {
        &self.resolutions
    }

    /// How many spatial layers there are, 1..=4.
    pub fn spatial_layers(&self) -> u8 {
        self.templates.last().map_or(1, |template| template.spatial + 1)
    }

    /// How many temporal layers there are, 1..=8.
    pub fn temporal_layers(&self) -> u8 {
        self.templates.iter().map(|template| template.temporal + 1).max().unwrap_or(1)
    }

    /// §A.8.2 `decode_target_layers`: a target is as high as the highest template in it.
    fn decode_targets_of(
        chain_count: usize,
        chains: &[Option<u8>],
        templates: &[FrameDependencies],
    ) -> Option<Vec<DecodeTarget>> {
        let counts_fit = (1..=DecodeTargets::MAX).contains(&chains.len()) && chain_count <= chains.len();
        let protected = |chain: &Option<u8>| chain.map_or(chain_count == 0, |chain| usize::from(chain) < chain_count);
        if !counts_fit || !chains.iter().all(protected) {
            return None;
        }
        let highest = |target, layer: fn(&FrameDependencies) -> u8| {
            let present = templates.iter().filter(|template| template.dtis.get(target) != Dti::NotPresent);
            present.map(layer).max().unwrap_or(0)
        };
        let target = |(index, chain): (usize, &Option<u8>)| DecodeTarget {
            spatial: highest(index, |template| template.spatial),
            temporal: highest(index, |template| template.temporal),
            chain: *chain,
        };
        Some(chains.iter().enumerate().map(target).collect())
    }

    /// §A.8.3, table A.2: the first template is of layer (0, 0), each next one of the same, of the next temporal or of the
    /// next spatial layer's temporal layer 0.
    fn layers_are_in_order(templates: &[FrameDependencies]) -> bool {
        let first_is_base = templates.first().is_some_and(|first| (first.spatial, first.temporal) == (0, 0));
        let count_fits = templates.len() <= Self::MAX_TEMPLATES;
        first_is_base && count_fits && templates.windows(2).all(|pair| matches!(pair, [a, b] if step(a, b).is_some()))
    }

    fn template_fits(template: &FrameDependencies, targets: DecodeTargets, chain_count: usize) -> bool {
        let chain_diffs = template.chain_diffs.as_slice();
        usize::from(template.spatial) < Self::MAX_SPATIAL_LAYERS
            && usize::from(template.temporal) < Self::MAX_TEMPORAL_LAYERS
            && template.dtis.present().and(targets) == template.dtis.present()
            && template.frame_diffs.as_slice().iter().all(|diff| *diff <= Self::LARGEST_TEMPLATE_FRAME_DIFF)
            && chain_diffs.len() == chain_count
            && chain_diffs.iter().all(|diff| *diff <= Self::LARGEST_TEMPLATE_CHAIN_DIFF)
    }
}

/// `next_layer_idc` from one template to the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum NextLayer {
    Same = 0,
    NextTemporal = 1,
    NextSpatial = 2,
}

/// The way from one template's layer to the next one's; `None` when the format has none.
pub(super) fn step(from: &FrameDependencies, to: &FrameDependencies) -> Option<NextLayer> {
    let (from, to) = ((from.spatial, from.temporal), (to.spatial, to.temporal));
    if to == from {
        Some(NextLayer::Same)
    } else if to == (from.0, from.1.saturating_add(1)) {
        Some(NextLayer::NextTemporal)
    } else if to == (from.0.saturating_add(1), 0) {
        Some(NextLayer::NextSpatial)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::payload::dependency_descriptor::examples;

    #[test]
    fn decode_targets_are_as_high_as_their_templates() {
        let structure = examples::l3t3();
        let layers: Vec<_> =
            structure.decode_targets().iter().map(|target| (target.spatial, target.temporal)).collect();
        assert_eq!(layers, [(2, 2), (2, 1), (2, 0), (1, 2), (1, 1), (1, 0), (0, 2), (0, 1), (0, 0)]);
        let chains: Vec<_> = structure.decode_targets().iter().filter_map(|target| target.chain).collect();
        assert_eq!(chains, [2, 2, 2, 1, 1, 1, 0, 0, 0]);
        assert_eq!((structure.spatial_layers(), structure.temporal_layers()), (3, 3));
    }

    #[test]
    fn template_ids_wrap_at_64() {
        let l1t2 = examples::l1t2();
        let structure = Structure::new(63, 1, &[Some(0), Some(0)], l1t2.templates().to_vec(), Vec::new()).unwrap();
        assert_eq!(structure.template(63), structure.templates().first());
        assert_eq!(structure.template(0), structure.templates().get(1));
        assert_eq!(structure.template(62), None);
    }

    #[test]
    fn what_the_format_cannot_say_is_no_structure() {
        let row = |spatial, temporal, dtis| FrameDependencies::new(spatial, temporal, dtis, &[], &[]).unwrap();
        let new = |templates| Structure::new(0, 0, &[None], templates, Vec::new());
        assert!(new(vec![row(0, 0, "S"), row(0, 1, "D"), row(1, 0, "D")]).is_some());
        assert_eq!(new(vec![]), None);
        assert_eq!(new(vec![row(0, 1, "S")]), None, "no base layer");
        assert_eq!(new(vec![row(0, 0, "S"), row(0, 2, "S")]), None, "a hole");
        assert_eq!(new(vec![row(0, 0, "SS")]), None, "an indication for a target that is not there");
        assert_eq!(new(vec![row(0, 0, "S"); 65]), None, "too many");
        assert_eq!(Structure::new(64, 0, &[None], vec![row(0, 0, "S")], Vec::new()), None);
        assert_eq!(Structure::new(0, 1, &[None], vec![row(0, 0, "S")], Vec::new()), None, "an unprotected target");
        let two_sizes = vec![Resolution { width: 1, height: 1 }; 2];
        assert_eq!(Structure::new(0, 0, &[None], vec![row(0, 0, "S")], two_sizes), None);
    }
}
