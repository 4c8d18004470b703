//! What Chromium sent (`tests/streams/recordings`): every descriptor is read, and what is written from it are its bytes.

use std::fs;
use std::path::{Path, PathBuf};

use sfu_wire::payload::dependency_descriptor::{FrameBounds, Structure};
use sfu_wire::payload::{DependencyDescriptor, H264Facts, Vp8Descriptor, Vp9Descriptor, av1, h264, vp9};
use sfu_wire::rtp::{RtpPacket, VideoLayersAllocation};
use sfu_wire::{Extension, ExtensionMap, Ssrc};

/// One file: packets in the order of arrival, and which id stands for which extension.
struct Recording {
    name: String,
    ids: ExtensionMap,
    packets: Vec<Vec<u8>>,
}

impl Recording {
    fn read(path: &Path) -> Self {
        let told = fs::read_to_string(path.with_extension("json")).expect("what it holds");
        let ids = Extension::ALL.into_iter().filter_map(|extension| {
            let (_, rest) = told.split_once(&format!("\"{}\": ", extension.uri()))?;
            let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
            Some((digits.parse().expect("an id"), extension))
        });
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        Self { name, ids: ids.collect(), packets: packets(&fs::read(path).expect("a recording")) }
    }

    /// The media packets: not empty, not of RTCP.
    fn media(&self) -> impl Iterator<Item = RtpPacket<'_>> {
        let is_media = |packet: &RtpPacket<'_>| !packet.payload().is_empty();
        self.packets.iter().map(|bytes| RtpPacket::parse(bytes).expect("RTP")).filter(is_media)
    }

    fn value<'a>(&self, packet: &RtpPacket<'a>, extension: Extension) -> Option<&'a [u8]> {
        packet.extensions().iter().find(|(id, _)| Some(*id) == self.ids.id(extension)).map(|(_, value)| value)
    }
}

/// The records of an rtpdump file without RTCP: a line of text, sixteen bytes, then records with their length in front.
fn packets(file: &[u8]) -> Vec<Vec<u8>> {
    let text_len = file.iter().position(|byte| *byte == b'\n').expect("the first line") + 1;
    let mut rest = &file[text_len + 16..];
    let mut packets = Vec::new();
    while let Some(([a, b, ..], _)) = rest.split_first_chunk::<8>() {
        let (record, behind) = rest.split_at(usize::from(u16::from_be_bytes([*a, *b])));
        if !(192..=223).contains(&record[9]) {
            packets.push(record[8..].to_vec());
        }
        rest = behind;
    }
    packets
}

fn recordings() -> Vec<Recording> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/streams/recordings");
    let mut paths: Vec<_> =
        fs::read_dir(folder).expect("recordings").map(|entry| entry.expect("a file").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "rtpdump"));
    paths.sort();
    assert!(!paths.is_empty());
    paths.iter().map(|path| Recording::read(path)).collect()
}

#[test]
fn dependency_descriptors_come_back_bit_by_bit() {
    let mut count = 0;
    for recording in recordings() {
        let mut structures: Vec<(Ssrc, Box<Structure>)> = Vec::new();
        for packet in recording.media() {
            let Some(value) = recording.value(&packet, Extension::DependencyDescriptor) else { continue };
            let ssrc = packet.header().ssrc;
            let position = structures.iter().position(|(of, _)| *of == ssrc);
            if position.is_none() && !FrameBounds::parse(value).expect("the mandatory part").has_structure {
                continue; // The recording starts in the middle of a call.
            }
            let parsed = DependencyDescriptor::parse(value, position.map(|at| &*structures[at].1))
                .unwrap_or_else(|error| panic!("{}: {error}: {value:02x?}", recording.name));
            if let Some(structure) = parsed.structure {
                position.map(|at| structures.swap_remove(at));
                structures.push((ssrc, structure));
            }
            let structure = structures.iter().find(|(of, _)| *of == ssrc).map(|(_, structure)| structure).expect("one");
            assert!(parsed.frame.spatial < structure.spatial_layers());
            let mut buffer = [0; DependencyDescriptor::MAX_LEN];
            let len = parsed.descriptor.write(structure, &mut buffer).expect("it fits");
            assert_eq!(buffer[..len], *value, "{}", recording.name);
            count += 1;
        }
    }
    assert!(count > 1000, "{count}");
}

#[test]
fn layer_allocations_come_back_byte_by_byte() {
    let mut count = 0;
    for recording in recordings() {
        for packet in recording.media() {
            let Some(value) = recording.value(&packet, Extension::VideoLayersAllocation) else { continue };
            let allocation = VideoLayersAllocation::parse(value)
                .unwrap_or_else(|error| panic!("{}: {error}: {value:02x?}", recording.name));
            let mut buffer = [0; 255];
            let len = allocation.write(&mut buffer).expect("it fits");
            assert_eq!(buffer[..len], *value, "{}", recording.name);
            count += 1;
        }
    }
    assert!(count > 10, "{count}");
}

#[test]
fn payload_descriptors_are_read_and_keyframes_found() {
    for recording in recordings() {
        let mut keyframes = 0;
        for packet in recording.media().filter(|packet| packet.payload().len() > 2) {
            let payload = packet.payload();
            let keyframe = match recording.name.split('-').next() {
                // Beside a dependency descriptor libwebrtc sends an empty VP8 descriptor.
                Some("vp8") => {
                    let (descriptor, len) = Vp8Descriptor::parse(payload).expect(&recording.name);
                    descriptor.starts_keyframe(&payload[len..])
                }
                Some("vp9") => {
                    let (descriptor, len) = Vp9Descriptor::parse(payload).expect(&recording.name);
                    let group: Vec<_> = vp9::picture_group(payload).collect();
                    let mut buffer = [0; 64];
                    assert_eq!(descriptor.write(&group, &mut buffer), Some(len));
                    assert_eq!(buffer[..len], payload[..len], "{}", recording.name);
                    descriptor.starts_keyframe()
                }
                Some("av1") => {
                    assert!(av1::elements(payload).expect(&recording.name).count() > 0);
                    av1::starts_keyframe(payload)
                }
                Some("h264") => {
                    assert!(h264::nal_units(payload).count() > 0);
                    h264::starts_keyframe(payload) && H264Facts::of(payload).of_keyframe()
                }
                _ => continue,
            };
            keyframes += usize::from(keyframe);
        }
        assert!(keyframes >= 2, "{}: {keyframes}", recording.name);
    }
}
