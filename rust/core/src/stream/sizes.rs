//! How large the pictures of an encoding's layers are, from whatever tells it: descriptions of the stream, and its keyframes.
//!
//! What was told last counts. Invariant: once a packet had a dependency descriptor, nothing behind the payload descriptor is looked
//! at: it may be encrypted from end to end.

use sfu_wire::payload::dependency_descriptor::Resolution;
use sfu_wire::payload::{Vp8Descriptor, Vp9Descriptor, av1, h264, h265, vp8, vp9};

use crate::codec::CodecName;
use crate::layer::{Dependencies, Descriptor, Packet};

/// Spatial layers that are told apart.
pub(super) const SPATIAL: usize = 4;

/// Width and height in pixels by spatial layer, as far as they were told.
#[derive(Debug, Clone, Default)]
pub(super) struct Sizes {
    told: [Option<(u16, u16)>; SPATIAL],
    payloads: Payloads,
}

/// What is done with payloads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Payloads {
    /// They are read. The newest that told a size has this timestamp: packets come late.
    Clear { newest: u64 },
    /// They may be encrypted.
    Opaque,
}

impl Default for Payloads {
    fn default() -> Self {
        Self::Clear { newest: 0 }
    }
}

impl Sizes {
    /// Of a spatial layer.
    pub(super) fn get(&self, spatial: usize) -> Option<(u16, u16)> {
        self.told.get(spatial).copied().flatten()
    }

    /// A description of the stream tells it. Higher layers than are told apart are ignored.
    pub(super) fn set(&mut self, spatial: u8, size: (u16, u16)) {
        if let Some(place) = self.told.get_mut(usize::from(spatial)) {
            *place = Some(size);
        }
    }

    /// Takes from a packet what it tells; `keyframe`: it is the first of one.
    pub(super) fn learn(&mut self, packet: &Packet<'_>, keyframe: bool) {
        if !matches!(packet.dependencies, Dependencies::None) {
            self.payloads = Payloads::Opaque;
        }
        if keyframe {
            self.learn_descriptions(packet);
        }
        let Payloads::Clear { newest } = self.payloads else { return };
        if packet.timestamp >= newest
            && let Some(size) = size_in_payload(packet, keyframe)
        {
            self.payloads = Payloads::Clear { newest: packet.timestamp };
            self.set(0, size);
        }
    }

    /// Sizes of all spatial layers: of VP9's scalability structure, which is part of the payload descriptor, and of the
    /// dependency descriptor.
    fn learn_descriptions(&mut self, packet: &Packet<'_>) {
        if let Descriptor::Vp9(Vp9Descriptor { structure: Some(structure), .. }) = packet.facts.descriptor {
            for (spatial, size) in
                (0..structure.spatial_layers).zip(structure.sizes).filter(|(_, size)| *size != (0, 0))
            {
                self.set(spatial, size);
            }
        }
        if let Dependencies::Known(dependency) = packet.dependencies {
            for (spatial, Resolution { width, height }) in (0..).zip(dependency.targets.structure().resolutions()) {
                let [width, height] = [width, height].map(|pixels| u16::try_from(*pixels).unwrap_or(u16::MAX));
                self.set(spatial, (width, height));
            }
        }
    }
}

/// The size of the pictures, of the lowest spatial layer where there are some in the payload descriptor. The parameter sets of
/// H.264 and H.265 need not be in the first packet of a keyframe.
fn size_in_payload(packet: &Packet<'_>, keyframe: bool) -> Option<(u16, u16)> {
    let payload = packet.payload;
    match (packet.codec, packet.facts.descriptor) {
        (CodecName::H264, _) => h264::sequence_size(payload),
        (CodecName::H265, _) => h265::sequence_size(payload),
        (CodecName::Vp8, _) if keyframe => {
            let (_, len) = Vp8Descriptor::parse(payload).ok()?;
            vp8::keyframe_size(payload.get(len..)?)
        }
        (CodecName::Vp9, Descriptor::Vp9(descriptor)) if keyframe => {
            if descriptor.structure.is_some_and(|structure| structure.sizes[0] != (0, 0)) {
                return None;
            }
            let (_, len) = Vp9Descriptor::parse(payload).ok()?;
            vp9::keyframe_size(payload.get(len..)?)
        }
        (CodecName::Av1, _) if keyframe => av1::sequence_size(payload),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use sfu_wire::SeqNo;

    use super::*;
    use crate::layer::{DependencyReader, packet_facts};

    // What Chromium and x265 sent, in front of what is not read.
    const VP8: &[u8] = &[0x90, 0x80, 0x05, 0x50, 0x42, 0x00, 0x9d, 0x01, 0x2a, 0x80, 0x02, 0x68, 0x01];
    const VP9: &[u8] = &[
        0xaa, 0x92, 0x34, 0x00, 0x09, 0x30, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01, 0x68, 0x82, 0x49, 0x83, 0x42, 0,
        0,
    ];
    const VP9_WITHOUT_SIZES: &[u8] =
        &[0xa8, 0x92, 0x34, 0x00, 0x09, 0x83, 0x49, 0x83, 0x42, 0x00, 0x1d, 0xf0, 0x10, 0xd8, 0x1d];
    const AV1: &[u8] =
        &[0x68, 0x0d, 0x08, 0x00, 0x11, 0x03, 0x00, 0x80, 0x82, 0x23, 0xbf, 0x0d, 0x00, 0x68, 0x02, 0x34, 0x00, 0x10];
    const H264: &[u8] = &[
        0x78, 0x00, 0x13, 0x67, 0x42, 0xc0, 0x1e, 0x8c, 0x8d, 0x70, 0xf0, 0x47, 0xf5, 0x37, 0x01, 0x0d, 0x01, 0x07,
        0x84, 0x42, 0x37, 0x00, 0x00, 0x04, 0x68, 0xce, 0x3c, 0x80,
    ];
    const H264_SMALL: &[u8] =
        &[0x67, 0x42, 0xc0, 0x0d, 0x8c, 0x8d, 0x71, 0xe2, 0x6f, 0x34, 0xdc, 0x04, 0x34, 0x04, 0x1e, 0x11, 0x08, 0xdc];
    const H265_VPS: &[u8] = &[0x40, 0x01, 0x0c, 0x01, 0xff, 0xff];
    const H265_SPS: &[u8] = &[
        0x42, 0x01, 0x01, 0x01, 0x60, 0x00, 0x00, 0x03, 0x00, 0x90, 0x00, 0x00, 0x03, 0x00, 0x00, 0x03, 0x00, 0x3f,
        0xa0, 0x0f, 0x08, 0x04, 0x45, 0x96,
    ];
    /// Dependency descriptors with a structure: one that has a resolution of 480×270, and one that has none.
    const SIZED: &[u8] = &[0x83, 0x00, 0x9d, 0x80, 0x61, 0x1e, 0xa8, 0x51, 0x41, 0x01, 0x0c, 0x07, 0x7c, 0x04, 0x34];
    const UNSIZED: &[u8] =
        &[0x80, 0x00, 0xf8, 0x80, 0x02, 0x14, 0xea, 0xa8, 0x60, 0x41, 0x4d, 0x14, 0x10, 0x20, 0x84, 0x26];

    fn learn(sizes: &mut Sizes, codec: CodecName, timestamp: u64, payload: &[u8], dependencies: Dependencies<'_>) {
        let facts = packet_facts(codec, payload, false, dependencies);
        let seq = SeqNo::new(timestamp);
        let packet = Packet {
            encoding: 0,
            epoch: 0,
            seq,
            newest: seq,
            timestamp,
            marker: false,
            codec,
            payload,
            facts,
            dependencies,
            arrival: Instant::now(),
        };
        sizes.learn(&packet, facts.keyframe);
    }

    fn learnt(codec: CodecName, payloads: &[&[u8]]) -> [Option<(u16, u16)>; 2] {
        let mut sizes = Sizes::default();
        for payload in payloads {
            learn(&mut sizes, codec, 3000, payload, Dependencies::None);
        }
        [0, 1].map(|spatial| sizes.get(spatial))
    }

    #[test]
    fn the_keyframes_of_every_codec_tell() {
        assert_eq!(learnt(CodecName::Vp8, &[VP8]), [Some((640, 360)), None]);
        assert_eq!(learnt(CodecName::Vp9, &[VP9]), [Some((320, 180)), Some((640, 360))]);
        assert_eq!(learnt(CodecName::Vp9, &[VP9_WITHOUT_SIZES]), [Some((480, 270)), None]);
        assert_eq!(learnt(CodecName::Av1, &[AV1]), [Some((480, 270)), None]);
        assert_eq!(learnt(CodecName::H264, &[H264]), [Some((480, 270)), None]);
        assert_eq!(learnt(CodecName::H265, &[H265_VPS]), [None, None]);
        assert_eq!(learnt(CodecName::H265, &[H265_VPS, H265_SPS]), [Some((480, 272)), None], "in a packet of its own");
    }

    #[test]
    fn what_comes_late_does_not_tell_the_old_size_again() {
        let mut sizes = Sizes::default();
        learn(&mut sizes, CodecName::H264, 6000, H264, Dependencies::None);
        learn(&mut sizes, CodecName::H264, 3000, H264_SMALL, Dependencies::None);
        assert_eq!(sizes.get(0), Some((480, 270)));
        learn(&mut sizes, CodecName::H264, 9000, H264_SMALL, Dependencies::None);
        assert_eq!(sizes.get(0), Some((240, 134)));
    }

    #[test]
    fn behind_a_dependency_descriptor_no_payload_is_looked_at() {
        for (codec, payload) in [
            (CodecName::Vp8, VP8),
            (CodecName::Vp9, VP9_WITHOUT_SIZES),
            (CodecName::Av1, AV1),
            (CodecName::H264, H264),
            (CodecName::H265, H265_SPS),
        ] {
            let reading = DependencyReader::default().read(0, true, UNSIZED);
            assert!(matches!(reading.as_ref(), Dependencies::Known(_)));
            let mut sizes = Sizes::default();
            learn(&mut sizes, codec, 3000, payload, reading.as_ref());
            learn(&mut sizes, codec, 6000, payload, Dependencies::Unresolved);
            learn(&mut sizes, codec, 9000, payload, Dependencies::None);
            assert_eq!(sizes.get(0), None, "{codec:?}");
        }
    }

    #[test]
    fn dependency_descriptors_and_allocations_tell() {
        let reading = DependencyReader::default().read(0, true, SIZED);
        let mut sizes = Sizes::default();
        learn(&mut sizes, CodecName::H264, 3000, &[0xff; 20], reading.as_ref());
        assert_eq!(sizes.get(0), Some((480, 270)));
        sizes.set(0, (320, 180));
        sizes.set(7, (320, 180));
        assert_eq!((sizes.get(0), sizes.get(7)), (Some((320, 180)), None));
    }
}
