//! Counting frames: which layer a packet's frame belongs to, by the dependency descriptor or VP9's own.

use std::collections::BTreeSet;

use sfu_wire::Extension;
use sfu_wire::payload::dependency_descriptor::Structure;
use sfu_wire::payload::{DependencyDescriptor, Vp9Descriptor};
use sfu_wire::rtp::RtpPacket;

/// The frames of one encoding, or of what a subscriber received.
#[derive(Debug, Default)]
pub(super) struct Frames {
    /// Timestamp and spatial layer.
    seen: BTreeSet<(u32, u8)>,
    structure: Option<Box<Structure>>,
}

impl Frames {
    pub(super) fn take(&mut self, packet: &RtpPacket<'_>, codec: &str, extensions: &[(u8, Extension)]) {
        if packet.payload().is_empty() {
            return;
        }
        let descriptor = extensions.iter().find(|(_, extension)| *extension == Extension::DependencyDescriptor);
        let spatial = match descriptor.and_then(|(id, _)| packet.extension(*id)) {
            Some(value) => self.spatial(value),
            None if codec == "VP9" => {
                Vp9Descriptor::parse(packet.payload()).map_or(0, |(descriptor, _)| descriptor.spatial())
            }
            None => 0,
        };
        self.seen.insert((packet.header().timestamp, spatial));
    }

    pub(super) fn count(&self) -> u64 {
        self.seen.len() as u64
    }

    /// 0 as long as no structure has come.
    fn spatial(&mut self, value: &[u8]) -> u8 {
        let Ok(parsed) = DependencyDescriptor::parse(value, self.structure.as_deref()) else { return 0 };
        if parsed.structure.is_some() {
            self.structure = parsed.structure;
        }
        parsed.frame.spatial
    }
}
