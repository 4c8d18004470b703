//! AV1 payloads and the dependency descriptor beside them (AV1 RTP payload specification §4.4 and appendix A).
//!
//! The structure is derived from the encoder's own patterns, by the rules that libwebrtc's scalability structures follow;
//! what a template does not say of a frame (a layer was skipped before it) is in its custom parts.

use sfu_wire::payload::dependency_descriptor::{
    ChainDiffs, DependencyDescriptor, Dti, Dtis, FrameDependencies, FrameDiffs, Resolution, Structure as Templates,
};

use super::frame::Frame;
use super::references::References;
use super::structure::{InterLayer, Structure};

/// The aggregation header with one element: `Z=0 Y=0 W=1`, N with the first packet of a coded video sequence, and the header of
/// an `OBU_FRAME` without a size.
pub(super) fn write_payload(frame: &Frame, part: u8, payload: &mut Vec<u8>) {
    let starts = part == 0 && frame.is_keyframe() && frame.spatial == 0;
    let (continues, continued) = (part > 0, part + 1 < frame.packets);
    payload.push(u8::from(continues) << 7 | u8::from(continued) << 6 | 0x10 | u8::from(starts) << 3);
    payload.push(0x30);
}

/// What the dependency descriptor of this structure's packets points into.
pub fn dependency_structure(structure: Structure) -> Templates {
    let mut dependencies = Dependencies { structure, chains: Vec::new(), numbers: Vec::new(), templates: None };
    dependencies.chains = vec![None; usize::from(structure.spatial)];
    let mut templates: Vec<FrameDependencies> = Vec::new();
    let mut references = References::new(structure);
    let mut number = 0;
    // Two groups behind a keyframe show everything that repeats.
    for picture in 0..9 {
        references.begin_picture(picture == 0);
        for spatial in 0..structure.spatial {
            let frame = bare_frame(picture, spatial, number, &mut references);
            number += 1;
            let template = dependencies.of_frame(&frame, number);
            if !templates.contains(&template) {
                templates.push(template);
            }
            dependencies.sent(&frame, number);
        }
    }
    templates.sort_by_key(|template| (template.spatial, template.temporal));
    let targets = usize::from(structure.spatial) * usize::from(structure.temporal);
    let chains: Vec<_> = (0..targets).map(|target| Some((target / usize::from(structure.temporal)) as u8)).collect();
    let size = |layer: u8| Resolution { width: 320 << layer, height: 180 << layer };
    let sizes = (0..structure.spatial).map(size).collect();
    Templates::new(0, usize::from(structure.spatial), &chains, templates, sizes).expect("the patterns fit the format")
}

/// A frame of which only the layers and references matter.
fn bare_frame(picture: u32, spatial: u8, index: u32, references: &mut References) -> Frame {
    Frame {
        picture,
        spatial,
        temporal: references.temporal(spatial),
        references: references.of_layer(spatial, index),
        entry: false,
        in_keyframe: references.in_keyframe(),
        top: spatial,
        first_seq: 0,
        packets: 1,
        timestamp: 0,
    }
}

/// The descriptors of one encoding.
#[derive(Debug)]
pub(super) struct Dependencies {
    structure: Structure,
    /// The number of each chain's last frame.
    chains: Vec<Option<u32>>,
    /// The number of each frame.
    numbers: Vec<u32>,
    templates: Option<Templates>,
}

impl Dependencies {
    pub(super) fn new(structure: Structure) -> Self {
        Self {
            structure,
            chains: vec![None; usize::from(structure.spatial)],
            numbers: Vec::new(),
            templates: Some(dependency_structure(structure)),
        }
    }

    /// The descriptor of the newest frame's packet.
    pub(super) fn write(&self, frame: &Frame, number: u32, part: u8, value: &mut Vec<u8>) {
        let Some(templates) = &self.templates else { return };
        let wanted = self.of_frame(frame, number);
        let same_layer =
            |template: &FrameDependencies| (template.spatial, template.temporal) == (wanted.spatial, wanted.temporal);
        let likeness = |template: &FrameDependencies| {
            u8::from(template.dtis == wanted.dtis) * 4
                + u8::from(template.frame_diffs == wanted.frame_diffs) * 2
                + u8::from(template.chain_diffs == wanted.chain_diffs)
        };
        let found = templates.templates().iter().enumerate().filter(|(_, template)| same_layer(template));
        let Some((id, template)) = found.max_by_key(|(_, template)| likeness(template)) else { return };
        let attaches = part == 0 && frame.is_keyframe();
        let descriptor = DependencyDescriptor {
            start_of_frame: part == 0,
            end_of_frame: part + 1 == frame.packets,
            template_id: id as u8,
            frame_number: number as u16,
            structure_offset: attaches.then_some(templates.template_id_offset()),
            active_decode_targets: None,
            custom_dtis: (template.dtis != wanted.dtis).then_some(wanted.dtis),
            custom_frame_diffs: (template.frame_diffs != wanted.frame_diffs).then_some(wanted.frame_diffs),
            custom_chain_diffs: (template.chain_diffs != wanted.chain_diffs).then_some(wanted.chain_diffs),
        };
        let mut buffer = [0; DependencyDescriptor::MAX_LEN];
        let len = descriptor.write(templates, &mut buffer).unwrap_or(0);
        value.extend(&buffer[..len]);
    }

    /// The newest frame is written: chains that it belongs to end in it.
    pub(super) fn sent(&mut self, frame: &Frame, number: u32) {
        self.numbers.push(number);
        let first = frame.is_keyframe() && frame.spatial == 0;
        if first {
            self.chains.fill(Some(number));
        } else if frame.temporal == 0 {
            for chain in usize::from(frame.spatial)..self.chains.len() {
                if chain == usize::from(frame.spatial) || self.is_in_upper_chains(frame) {
                    self.chains[chain] = Some(number);
                }
            }
        }
    }

    /// Whether the chains of higher spatial layers hold this frame of temporal layer 0.
    fn is_in_upper_chains(&self, frame: &Frame) -> bool {
        match self.structure.inter_layer {
            InterLayer::Always => true,
            InterLayer::AtKeyframes | InterLayer::Shifted => frame.in_keyframe,
            InterLayer::Never => false,
        }
    }

    fn of_frame(&self, frame: &Frame, number: u32) -> FrameDependencies {
        let diffs: Vec<u16> =
            frame.references.iter().map(|reference| (number - self.numbers[*reference as usize]) as u16).collect();
        let starts = frame.is_keyframe() && frame.spatial == 0;
        let chain = |last: &Option<u32>| match last {
            Some(last) if !starts => (number - last).min(255) as u8,
            _ => 0,
        };
        let chains: Vec<u8> = self.chains.iter().map(chain).collect();
        FrameDependencies {
            spatial: frame.spatial,
            temporal: frame.temporal,
            dtis: self.indications(frame),
            frame_diffs: FrameDiffs::new(&diffs).unwrap_or_default(),
            chain_diffs: ChainDiffs::new(&chains).unwrap_or_default(),
        }
    }

    /// By target, spatial layers first, as libwebrtc's `ScalabilityStructure…::Dti`.
    fn indications(&self, frame: &Frame) -> Dtis {
        let mut dtis = Dtis::default();
        let layers = (0..self.structure.spatial).flat_map(|s| (0..self.structure.temporal).map(move |t| (s, t)));
        for (target, (spatial, temporal)) in layers.enumerate() {
            let dti = self.indication(frame, (spatial, temporal));
            dtis.set(target, dti);
        }
        dtis
    }

    fn indication(&self, frame: &Frame, (spatial, temporal): (u8, u8)) -> Dti {
        let own = spatial == frame.spatial;
        let below = match self.structure.inter_layer {
            InterLayer::Always => frame.spatial <= spatial,
            InterLayer::AtKeyframes | InterLayer::Shifted => own || (frame.in_keyframe && frame.spatial <= spatial),
            InterLayer::Never => own,
        };
        if !below || temporal < frame.temporal {
            Dti::NotPresent
        } else if own && temporal == frame.temporal && temporal > 0 {
            Dti::Discardable
        } else if own || frame.in_keyframe {
            Dti::Switch
        } else {
            Dti::Required
        }
    }
}
