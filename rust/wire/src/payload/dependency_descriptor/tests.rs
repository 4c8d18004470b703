//! Golden values, of the specification and of a browser, and what holds for every structure and every byte string.

use proptest::prelude::*;

use super::*;
use crate::error::ParseError;

/// Chromium, AV1 L3T3: the first packet of a keyframe, with nine decode targets, three chains and three sizes.
const CHROMIUM_KEYFRAME: &str = "c1017280081485214eafffaaaa863cf0430c10c302afc0aaa0063c00430010c002a000a80006000040001d954926\
     e082b04a0941b820ac1282503157f974000ca864330e222222eca8655304224230eca877530077004200ef008601df010d";

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn written(descriptor: &DependencyDescriptor, structure: &Structure) -> Vec<u8> {
    let mut buffer = [0xff; DependencyDescriptor::MAX_LEN];
    let len = descriptor.write(structure, &mut buffer).unwrap();
    buffer[..len].to_vec()
}

#[test]
fn golden_chromium_keyframe_comes_back_bit_by_bit() {
    let value = bytes(CHROMIUM_KEYFRAME);
    let parsed = DependencyDescriptor::parse(&value, None).unwrap();
    let structure = parsed.structure.unwrap();
    let layers: Vec<_> = structure.decode_targets().iter().map(|target| (target.spatial, target.temporal)).collect();
    assert_eq!(layers, [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2), (2, 0), (2, 1), (2, 2)]);
    let chains: Vec<_> = structure.decode_targets().iter().map(|target| target.chain.unwrap()).collect();
    assert_eq!(chains, [0, 0, 0, 1, 1, 1, 2, 2, 2]);
    let sizes: Vec<_> = structure.resolutions().iter().map(|size| (size.width, size.height)).collect();
    assert_eq!(sizes, [(120, 67), (240, 135), (480, 270)]);
    assert_eq!((structure.template_id_offset(), structure.templates().len()), (0, 15));
    let keyframe = FrameDependencies::new(0, 0, "SSSSSSSSS", &[], &[0, 0, 0]).unwrap();
    assert_eq!(parsed.frame, keyframe);
    assert!(parsed.descriptor.start_of_frame && parsed.descriptor.end_of_frame);
    assert_eq!((parsed.descriptor.frame_number, parsed.descriptor.structure_offset), (0x172, Some(0)));
    assert_eq!(parsed.descriptor.declared_decode_targets(&structure), Some(structure.all_decode_targets()));
    assert_eq!(written(&parsed.descriptor, &structure), value);
}

#[test]
fn golden_chromium_packets_behind_it() {
    let keyframe = DependencyDescriptor::parse(&bytes(CHROMIUM_KEYFRAME), None).unwrap();
    let structure = keyframe.structure.unwrap();
    // With the upper spatial layer off: six of nine decode targets.
    let value = bytes("86017340fc");
    let parsed = DependencyDescriptor::parse(&value, Some(&structure)).unwrap();
    assert_eq!(parsed.descriptor.active_decode_targets, Some(DecodeTargets::first(6)));
    assert_eq!((parsed.frame.spatial, parsed.frame.temporal), (1, 0));
    assert_eq!(parsed.frame.frame_diffs.as_slice(), [1]);
    assert_eq!(parsed.frame.chain_diffs.as_slice(), [1, 1, 1]);
    assert_eq!(written(&parsed.descriptor, &structure), value);
    for hex in ["46017340fc", "c3017540fc", "88017640fc", "c2017840fc", "860173", "8b0174", "0b0174", "c30175"] {
        let parsed = DependencyDescriptor::parse(&bytes(hex), Some(&structure)).unwrap();
        assert_eq!(written(&parsed.descriptor, &structure), bytes(hex), "{hex}");
    }
}

#[test]
fn three_bytes_are_the_mandatory_part() {
    let structure = examples::l1t2();
    let parsed = DependencyDescriptor::parse(&[0x42, 0x12, 0x34], Some(&structure)).unwrap();
    assert!(!parsed.descriptor.start_of_frame && parsed.descriptor.end_of_frame && parsed.structure.is_none());
    assert_eq!((parsed.descriptor.template_id, parsed.descriptor.frame_number), (2, 0x1234));
    assert_eq!(parsed.frame, structure.templates()[2]);
    assert_eq!(parsed.descriptor.declared_decode_targets(&structure), None);
    assert_eq!(DependencyDescriptor::parse(&[0x43, 0x12], Some(&structure)), Err(ParseError::TooShort));
    assert_eq!(DependencyDescriptor::parse(&[0x43, 0x12, 0x34], Some(&structure)), Err(ParseError::UnknownTemplate));
    assert_eq!(DependencyDescriptor::parse(&[0x42, 0x12, 0x34], None), Err(ParseError::UnknownTemplate));
}

#[test]
fn a_mask_is_spliced_in_and_custom_parts_stay() {
    let structure = examples::l3t3();
    let custom = DependencyDescriptor {
        start_of_frame: true,
        template_id: 6,
        frame_number: 65_535,
        custom_dtis: Dtis::from_symbols("RRRSSS---"),
        custom_frame_diffs: FrameDiffs::new(&[1, 16, 17, 256, 257, 4096]),
        custom_chain_diffs: ChainDiffs::new(&[255, 0, 16]),
        ..DependencyDescriptor::default()
    };
    let mut spliced = DependencyDescriptor::parse(&written(&custom, &structure), Some(&structure)).unwrap().descriptor;
    assert_eq!(spliced, custom);
    spliced.frame_number = 0;
    spliced.active_decode_targets = Some(DecodeTargets::from_bits(0b1_1111_1000));
    let parsed = DependencyDescriptor::parse(&written(&spliced, &structure), Some(&structure)).unwrap();
    assert_eq!(parsed.descriptor, spliced);
    assert_eq!(parsed.frame.frame_diffs.as_slice(), [1, 16, 17, 256, 257, 4096]);
    assert_eq!(parsed.frame.chain_diffs.as_slice(), [255, 0, 16]);
    assert_eq!((parsed.frame.spatial, parsed.frame.temporal), (1, 0));
}

#[test]
fn what_does_not_fit_is_not_written() {
    let structure = examples::l1t2();
    let two_chains = DependencyDescriptor { custom_chain_diffs: ChainDiffs::new(&[1, 1]), ..Default::default() };
    assert_eq!(two_chains.write(&structure, &mut [0; 32]), None);
    let keyframe = DependencyDescriptor { structure_offset: Some(0), ..Default::default() };
    let len = written(&keyframe, &structure).len();
    assert_eq!(keyframe.write(&structure, &mut vec![0; len]), Some(len));
    assert_eq!(keyframe.write(&structure, &mut vec![0; len - 1]), None);
}

/// The step from the template before, indications, frame diffs, chain diffs.
type Row = (u8, Vec<u32>, Vec<u16>, Vec<u8>);

fn templates(targets: usize, chains: usize) -> impl Strategy<Value = Vec<FrameDependencies>> {
    let row = (
        0u8..3,
        prop::collection::vec(0u32..4, targets),
        prop::collection::vec(1u16..=16, 0..8),
        prop::collection::vec(0u8..16, chains),
    );
    prop::collection::vec(row, 1..64).prop_map(|rows| {
        let (mut spatial, mut temporal) = (0, 0);
        let template = |(at, (step, dtis, frame_diffs, chain_diffs)): (usize, Row)| {
            match step {
                1 if at > 0 && temporal < 7 => temporal += 1,
                2 if at > 0 && spatial < 3 => (spatial, temporal) = (spatial + 1, 0),
                _ => {}
            }
            let mut row = FrameDependencies { spatial, temporal, ..FrameDependencies::default() };
            dtis.iter().enumerate().for_each(|(target, dti)| row.dtis.set(target, Dti::from_bits(*dti)));
            row.frame_diffs = FrameDiffs::new(&frame_diffs).unwrap();
            row.chain_diffs = ChainDiffs::new(&chain_diffs).unwrap();
            row
        };
        rows.into_iter().enumerate().map(template).collect()
    })
}

fn structures() -> impl Strategy<Value = Structure> {
    let counts = (1usize..=32).prop_flat_map(|targets| (Just(targets), 0..=targets));
    let parts = counts.prop_flat_map(|(targets, chains)| {
        let chain_of = prop::collection::vec(0..chains.max(1) as u8, targets);
        (0u8..64, Just(chains), chain_of, templates(targets, chains), any::<Option<(u16, u16)>>())
    });
    parts.prop_map(|(offset, chains, chain_of, templates, size)| {
        let chain_of: Vec<_> = chain_of.into_iter().map(|chain| (chains > 0).then_some(chain)).collect();
        let layers = usize::from(templates.last().unwrap().spatial) + 1;
        let resolution = |(width, height)| Resolution { width: u32::from(width) + 1, height: u32::from(height) + 1 };
        let resolutions = size.map_or(Vec::new(), |size| vec![resolution(size); layers]);
        Structure::new(offset, chains, &chain_of, templates, resolutions).unwrap()
    })
}

/// A descriptor of a packet of `structure`, with any of the optional parts.
fn descriptors(structure: &Structure) -> impl Strategy<Value = DependencyDescriptor> + use<> {
    let (targets, chains) = (structure.decode_targets().len(), structure.chain_count());
    let offset = structure.template_id_offset();
    let template = 0..structure.templates().len() as u8;
    let custom = (
        prop::option::of(any::<u32>()),
        prop::option::of(prop::collection::vec(0u32..4, targets)),
        prop::option::of(prop::collection::vec(1u16..=4096, 0..=16)),
        prop::option::of(prop::collection::vec(any::<u8>(), chains)),
    );
    let fields = (any::<[bool; 3]>(), any::<u16>(), template, custom);
    fields.prop_map(move |([start_of_frame, end_of_frame, attached], frame_number, template, custom)| {
        let (active, dtis, frame_diffs, chain_diffs) = custom;
        DependencyDescriptor {
            start_of_frame,
            end_of_frame,
            template_id: (offset + template) % 64,
            frame_number,
            structure_offset: attached.then_some(offset),
            active_decode_targets: active.map(|bits| DecodeTargets::from_bits(bits).and(DecodeTargets::first(targets))),
            custom_dtis: dtis.map(|dtis| {
                let mut custom = Dtis::default();
                dtis.iter().enumerate().for_each(|(target, dti)| custom.set(target, Dti::from_bits(*dti)));
                custom
            }),
            custom_frame_diffs: frame_diffs.map(|diffs| FrameDiffs::new(&diffs).unwrap()),
            custom_chain_diffs: chain_diffs.map(|diffs| ChainDiffs::new(&diffs).unwrap()),
        }
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read(
        (structure, descriptor) in structures().prop_flat_map(|one| (Just(one.clone()), descriptors(&one)))
    ) {
        // A structure of 64 templates and 32 targets and chains exceeds what a header extension holds.
        let mut buffer = [0xff; 4096];
        let len = descriptor.write(&structure, &mut buffer).unwrap();
        let parsed = DependencyDescriptor::parse(&buffer[..len], Some(&structure)).unwrap();
        prop_assert_eq!(parsed.descriptor, descriptor);
        prop_assert_eq!(parsed.frame, descriptor.frame(&structure).unwrap());
        match parsed.structure {
            Some(attached) => prop_assert_eq!(&*attached, &structure),
            None => prop_assert!(descriptor.structure_offset.is_none()),
        }
        // The mandatory part alone is a whole descriptor; every other beginning is none.
        for shorter in (0..len).filter(|shorter| *shorter != 3) {
            prop_assert_eq!(DependencyDescriptor::parse(&buffer[..shorter], Some(&structure)), Err(ParseError::TooShort));
        }
        prop_assert_eq!(descriptor.write(&structure, &mut vec![0; len - 1]), None);
    }

    #[test]
    fn random_bytes_never_panic_and_settle(
        value in prop::collection::vec(any::<u8>(), 0..120),
        structure in prop::option::of(structures()),
    ) {
        let Ok(parsed) = DependencyDescriptor::parse(&value, structure.as_ref()) else { return Ok(()) };
        let used = parsed.structure.as_deref().or(structure.as_ref()).unwrap();
        let mut buffer = [0; 4096];
        let len = parsed.descriptor.write(used, &mut buffer).unwrap();
        prop_assert!(len <= value.len(), "the shortest form");
        let again = DependencyDescriptor::parse(&buffer[..len], structure.as_ref()).unwrap();
        let bounds = FrameBounds::parse(&value).unwrap();
        prop_assert_eq!(bounds.has_structure, parsed.descriptor.structure_offset.is_some());
        prop_assert_eq!(again, parsed);
    }
}
