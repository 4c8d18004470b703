//! What Chromium and x265 sent (`tests/streams/recordings`): every descriptor is read, and what is written from it are its bytes.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use sfu_wire::payload::dependency_descriptor::{FrameBounds, Structure};
use sfu_wire::payload::{
    DependencyDescriptor, H264Facts, H265Facts, Vp8Descriptor, Vp9Descriptor, av1, h264, h265, vp8, vp9,
};
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
        packet.extension(self.ids.id(extension)?)
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
                    H264Facts::of(payload).of_keyframe()
                }
                Some("h265") => H265Facts::parse(payload).expect(&recording.name).of_keyframe(),
                _ => continue,
            };
            keyframes += usize::from(keyframe);
        }
        assert!(keyframes >= 2, "{}: {keyframes}", recording.name);
    }
}

/// What the payload tells of the size of its pictures.
fn told_size(codec: &str, payload: &[u8]) -> Option<(u16, u16)> {
    match codec {
        "vp8" => vp8::keyframe_size(&payload[Vp8Descriptor::parse(payload).ok()?.1..]),
        "vp9" => {
            let (descriptor, len) = Vp9Descriptor::parse(payload).ok()?;
            vp9::keyframe_size(&payload[len..]).filter(|_| descriptor.starts_keyframe())
        }
        "av1" => av1::sequence_size(payload),
        "h264" => h264::sequence_size(payload),
        _ => h265::sequence_size(payload),
    }
}

#[test]
fn keyframes_tell_the_sizes_of_their_pictures() {
    let simulcast = BTreeSet::from([(240, 135), (480, 270), (960, 540)]);
    // In VP9 and AV1 with spatial layers it is that of the lowest, and that of the highest.
    for (name, sizes) in [
        ("av1-l1t2", BTreeSet::from([(480, 270)])),
        ("av1-l3t3", BTreeSet::from([(1024, 576)])),
        ("av1-l3t3-key", BTreeSet::from([(1024, 576)])),
        ("av1-simulcast", simulcast.clone()),
        // OpenH264 leaves out the odd row.
        ("h264-simulcast", BTreeSet::from([(240, 134), (480, 270), (960, 540)])),
        ("h265-simulcast", BTreeSet::from([(240, 136), (480, 272), (960, 544)])),
        ("vp8-simulcast", simulcast),
        ("vp9-l3t3", BTreeSet::from([(240, 136)])),
        ("vp9-l3t3-key", BTreeSet::from([(240, 136)])),
        ("vp9-simulcast", BTreeSet::from([(240, 136), (480, 270), (960, 540)])),
    ] {
        let recording = recordings().into_iter().find(|recording| recording.name == name).expect(name);
        let codec = name.split('-').next().expect("a codec");
        let told: BTreeSet<_> = recording.media().filter_map(|packet| told_size(codec, packet.payload())).collect();
        assert_eq!(told, sizes, "{name}");
    }
}
