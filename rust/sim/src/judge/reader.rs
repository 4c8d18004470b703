//! Reads a packet's descriptors as a receiver does: against the structure that came last.

use sfu_wire::Extension;
use sfu_wire::payload::dependency_descriptor::{DecodeTargets, DependencyDescriptor, Structure as Templates};
use sfu_wire::payload::{Vp8Descriptor, Vp9Descriptor};
use sfu_wire::rtp::RtpPacket;

use crate::encoder::{Payload, Structure};
use crate::sdp::extension_id;

/// What a receiver reads of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Descriptors {
    /// There are none.
    None,
    /// It cannot be read.
    Unreadable,
    /// VP8 and VP9.
    Picture {
        /// 15 bits.
        id: u16,
        /// TL0PICIDX.
        tl0: Option<u8>,
        /// KEYIDX.
        key: Option<u8>,
    },
    /// The dependency descriptor.
    Frame {
        /// The frame's number.
        number: u16,
        /// Spatial and temporal layer.
        layer: (u8, u8),
        /// What it refers to, as distances.
        diffs: [u16; 4],
        /// The decode targets that are declared active, as their highest spatial layer.
        active_spatial: u8,
        /// First and last packet of its frame.
        bounds: (bool, bool),
    },
}

/// Reads packets in the order in which they come.
#[derive(Debug)]
pub(super) struct Reader {
    structure: Structure,
    templates: Option<Box<Templates>>,
    active: DecodeTargets,
}

impl Reader {
    pub(super) const fn new(structure: Structure) -> Self {
        Self { structure, templates: None, active: DecodeTargets::NONE }
    }

    pub(super) fn read(&mut self, packet: &RtpPacket<'_>) -> Descriptors {
        match self.structure.payload {
            _ if self.structure.has_dependency_descriptor() => {
                self.read_dependencies(packet).unwrap_or(Descriptors::Unreadable)
            }
            Payload::Vp8 => {
                let Ok((descriptor, _)) = Vp8Descriptor::parse(packet.payload()) else {
                    return Descriptors::Unreadable;
                };
                let Some(id) = descriptor.picture_id else { return Descriptors::Unreadable };
                Descriptors::Picture { id: id.get(), tl0: descriptor.tl0_pic_idx, key: descriptor.key_idx }
            }
            Payload::Vp9 { .. } => {
                let Ok((descriptor, _)) = Vp9Descriptor::parse(packet.payload()) else {
                    return Descriptors::Unreadable;
                };
                let Some(id) = descriptor.picture_id else { return Descriptors::Unreadable };
                Descriptors::Picture { id: id.get(), tl0: descriptor.tl0_pic_idx, key: None }
            }
            Payload::Av1 | Payload::H264 | Payload::H265 => Descriptors::None,
        }
    }

    fn read_dependencies(&mut self, packet: &RtpPacket<'_>) -> Option<Descriptors> {
        let id = extension_id(Extension::DependencyDescriptor);
        let parsed = DependencyDescriptor::parse(packet.extension(id)?, self.templates.as_deref()).ok()?;
        if let Some(templates) = parsed.structure {
            self.active = templates.all_decode_targets();
            self.templates = Some(templates);
        }
        let templates = self.templates.as_deref()?;
        if let Some(active) = parsed.descriptor.declared_decode_targets(templates) {
            self.active = active;
        }
        let targets = templates.decode_targets().iter().enumerate();
        let active = targets.filter(|(index, _)| self.active.contains(*index)).map(|(_, target)| target.spatial);
        let mut diffs = [0; 4];
        diffs.iter_mut().zip(parsed.frame.frame_diffs.as_slice()).for_each(|(place, diff)| *place = *diff);
        Some(Descriptors::Frame {
            number: parsed.descriptor.frame_number,
            layer: (parsed.frame.spatial, parsed.frame.temporal),
            diffs,
            active_spatial: active.max().unwrap_or(0),
            bounds: (parsed.descriptor.start_of_frame, parsed.descriptor.end_of_frame),
        })
    }
}
