//! What encoders write is what they mean.

use sfu_wire::payload::Vp9Descriptor;
use sfu_wire::payload::dependency_descriptor::DependencyDescriptor;

use super::*;

fn encode(structure: Structure, pictures: usize) -> (Vec<Frame>, Vec<EncodedPacket>) {
    let mut encoder = Encoder::new(structure, 3, Random::new(9));
    let mut packets = Vec::new();
    for picture in 0..pictures {
        encoder.encode(3000, picture == 50, &mut packets);
    }
    (encoder.frames().to_vec(), packets)
}

#[test]
fn every_packet_says_truly_what_it_is() {
    let (frames, packets) = encode(Structure::simulcast(Payload::Vp8, 3).looking_back(), 100);
    assert!(packets.windows(2).all(|pair| pair[1].seq == pair[0].seq + 1));
    for packet in packets.iter().filter(|packet| !packet.payload.is_empty()) {
        let token = Token::of_payload(&packet.payload).unwrap();
        let frame = &frames[token.frame as usize];
        assert_eq!((token.source, token.count), (3, frame.packets));
        assert_eq!(frame.first_seq + u64::from(token.part), packet.seq);
        assert_eq!(packet.marker, token.part + 1 == token.count);
    }
    assert_eq!(frames.iter().filter(|frame| frame.is_keyframe()).count(), 2);
}

#[test]
fn descriptors_lead_to_the_true_references() {
    for (inter_layer, temporal) in [
        (InterLayer::Always, 3),
        (InterLayer::AtKeyframes, 3),
        (InterLayer::Never, 3),
        (InterLayer::Always, 2),
        (InterLayer::Shifted, 2),
        (InterLayer::Shifted, 3),
    ] {
        let structure = Structure { temporal, ..Structure::l3t3(Payload::Av1, inter_layer) };
        let (frames, packets) = encode(structure, 100);
        let templates = dependency_structure(structure);
        let mut numbers: Vec<u16> = Vec::new();
        let mut custom = 0;
        for packet in packets.iter().filter(|packet| !packet.payload.is_empty()) {
            let token = Token::of_payload(&packet.payload).unwrap();
            let frame = &frames[token.frame as usize];
            let parsed = DependencyDescriptor::parse(&packet.descriptor, Some(&templates)).unwrap();
            assert_eq!((parsed.frame.spatial, parsed.frame.temporal), (frame.spatial, frame.temporal));
            assert_eq!(parsed.structure.is_some(), frame.is_keyframe() && token.part == 0);
            if token.part == 0 {
                numbers.push(parsed.descriptor.frame_number);
                custom += u32::from(parsed.descriptor.custom_frame_diffs.is_some());
            }
            let number = parsed.descriptor.frame_number;
            let referred: Vec<u16> =
                parsed.frame.frame_diffs.as_slice().iter().map(|diff| number.wrapping_sub(*diff)).collect();
            let truly: Vec<u16> = frame.references.iter().map(|index| numbers[*index as usize]).collect();
            assert_eq!(referred, truly, "{frame:?}");
        }
        assert!(custom < 60, "{custom} frames without a template, {inter_layer:?}");
    }
}

#[test]
fn the_structure_of_l3t3_is_that_of_the_specification() {
    let templates = dependency_structure(Structure::l3t3(Payload::Av1, InterLayer::Always));
    let row = |dtis, diffs: &[u16], chains: &[u8]| FrameRow::new(0, 0, dtis, diffs, chains).unwrap();
    assert_eq!(templates.templates()[0], row("SSSSSSSSS", &[], &[0, 0, 0]));
    assert_eq!(templates.templates()[1], row("SSSRRRRRR", &[12], &[12, 11, 10]));
    let targets: Vec<_> = templates.decode_targets().iter().map(|target| (target.spatial, target.temporal)).collect();
    assert_eq!(targets[..4], [(0, 0), (0, 1), (0, 2), (1, 0)]);
    assert!(templates.templates().len() <= 15, "{:?}", templates.templates());
}

#[test]
fn shifted_layers_are_those_of_libwebrtc() {
    let templates = dependency_structure(Structure { spatial: 2, temporal: 2, ..shifted() });
    // `ScalabilityStructureL2T2KeyShift::DependencyStructure`.
    let expected = [
        FrameRow::new(0, 0, "SSSS", &[], &[0, 0]),
        FrameRow::new(0, 0, "SS--", &[2], &[2, 1]),
        FrameRow::new(0, 0, "SS--", &[4], &[4, 1]),
        FrameRow::new(0, 1, "-D--", &[2], &[2, 3]),
        FrameRow::new(1, 0, "--SS", &[1], &[1, 1]),
        FrameRow::new(1, 0, "--SS", &[4], &[3, 4]),
        FrameRow::new(1, 1, "---D", &[2], &[1, 2]),
    ];
    let rows = templates.templates();
    assert_eq!(rows.len(), expected.len(), "{rows:?}");
    assert!(expected.into_iter().flatten().all(|row| rows.contains(&row)), "{rows:?}");
}

#[test]
fn no_two_frames_of_a_shifted_picture_are_of_the_lowest_rate() {
    let (frames, _) = encode(shifted(), 40);
    for picture in frames.chunk_by(|a, b| a.picture == b.picture).filter(|picture| !picture[0].in_keyframe) {
        assert!(picture.iter().filter(|frame| frame.temporal == 0).count() <= 1, "{picture:?}");
        assert!(picture.iter().all(|frame| !frame.is_keyframe()), "{picture:?}");
    }
}

const fn shifted() -> Structure {
    Structure::l3t3(Payload::Av1, InterLayer::Shifted)
}

#[test]
fn beside_the_dependency_descriptor_vp8_is_told_by_it_alone() {
    let (frames, packets) = encode(Structure::simulcast(Payload::Vp8, 3).described(), 20);
    for packet in packets.iter().filter(|packet| !packet.payload.is_empty()) {
        let token = Token::of_payload(&packet.payload).unwrap();
        assert_eq!(packet.payload[0], if token.part == 0 { 0x10 } else { 0x00 }, "{frames:?}");
        assert!(!packet.descriptor.is_empty());
    }
}

type FrameRow = sfu_wire::payload::dependency_descriptor::FrameDependencies;

#[test]
fn the_group_of_pictures_tells_the_true_references() {
    let structure = Structure::l3t3(Payload::Vp9 { flexible: true }, InterLayer::AtKeyframes).looking_back();
    let (frames, packets) = encode(structure, 40);
    let group: [&[u32]; 8] = [&[4], &[1], &[2], &[3, 1], &[4], &[1, 3], &[2, 4], &[3, 1]];
    for packet in packets.iter().filter(|packet| !packet.payload.is_empty()) {
        let frame = &frames[Token::of_payload(&packet.payload).unwrap().frame as usize];
        let (descriptor, _) = Vp9Descriptor::parse(&packet.payload).unwrap();
        assert_eq!(descriptor.inter_picture, frame.picture > 0);
        if frame.picture > 0 && frame.spatial == 0 {
            let distances: Vec<u32> = descriptor.references.iter().filter(|d| **d > 0).map(|d| u32::from(*d)).collect();
            let mut expected: Vec<u32> =
                group[frame.picture as usize % 8].iter().copied().filter(|d| *d <= frame.picture).collect();
            let mut found = distances;
            expected.sort_unstable();
            found.sort_unstable();
            assert_eq!(found, expected, "{frame:?}");
        }
    }
}
