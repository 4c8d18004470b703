use std::time::Instant;

use sfu_wire::SeqNo;
use sfu_wire::payload::vp9::Vp9Layer;
use sfu_wire::payload::{PictureId, Vp8Descriptor, Vp9Descriptor};

use super::*;
use crate::codec::CodecName;
use crate::layer::Dependencies;

/// One packet of a VP8 frame; the picture id is also the timestamp.
fn vp8(picture: u16, temporal: u8, keyframe: bool) -> Packet<'static> {
    let descriptor = Vp8Descriptor { picture_id: Some(PictureId::long(picture)), ..Vp8Descriptor::default() };
    Packet {
        encoding: 0,
        epoch: 0,
        seq: SeqNo::new(0),
        newest: SeqNo::new(0),
        timestamp: u64::from(picture),
        marker: true,
        codec: CodecName::Vp8,
        payload: &[0],
        facts: FrameFacts {
            keyframe,
            starts_frame: true,
            temporal,
            descriptor: Descriptor::Vp8(descriptor),
            ..FrameFacts::opaque(true)
        },
        dependencies: Dependencies::None,
        arrival: Instant::now(),
    }
}

const LOWEST: Layer = Layer { spatial: 7, temporal: 0 };

#[test]
fn the_first_packet_decides_for_all_of_its_frame() {
    let mut log = FrameLog::new();
    log.decide(&vp8(10, 0, true), Layer::MAX);
    assert!(log.decide(&vp8(11, 1, false), Layer::MAX).unwrap().forwarded);
    assert!(log.decide(&vp8(11, 1, false), LOWEST).unwrap().forwarded, "down at a frame boundary");
    assert!(!log.decide(&vp8(12, 1, false), LOWEST).unwrap().forwarded);
    assert!(log.decide(&vp8(11, 1, false), LOWEST).unwrap().forwarded, "also when it comes late");
}

#[test]
fn pictures_that_are_left_out_are_counted_once_and_by_their_time() {
    let mut log = FrameLog::new();
    log.decide(&vp8(10, 0, true), LOWEST);
    log.decide(&vp8(12, 1, false), LOWEST);
    log.decide(&vp8(12, 1, false), LOWEST);
    assert_eq!(log.decide(&vp8(13, 0, false), LOWEST).unwrap().left_out_before, 1);
    assert_eq!(log.decide(&vp8(11, 0, false), LOWEST).unwrap().left_out_before, 0, "late");
}

#[test]
fn a_picture_that_is_left_out_late_moves_no_other() {
    let mut log = FrameLog::new();
    log.decide(&vp8(10, 0, true), LOWEST);
    log.decide(&vp8(13, 0, false), LOWEST);
    assert!(!log.decide(&vp8(11, 1, false), LOWEST).unwrap().forwarded);
    assert_eq!(log.decide(&vp8(12, 0, false), LOWEST).unwrap().left_out_before, 0);
}

#[test]
fn picture_ids_lose_their_wraps() {
    let mut log = FrameLog::new();
    let first = Packet { timestamp: 1, ..vp8(32_767, 0, true) };
    assert_eq!(log.decide(&first, Layer::MAX).unwrap().picture, Some(32_767));
    let next = Packet { timestamp: 2, ..vp8(0, 0, false) };
    assert_eq!(log.decide(&next, Layer::MAX).unwrap().picture, Some(32_768));
}

#[test]
fn a_gap_is_left_out_only_when_picture_ids_prove_it() {
    let gap = |tail: Packet<'_>, next: Packet<'_>| {
        let mut log = FrameLog::new();
        log.decide(&vp8(9, 0, true), LOWEST);
        let frame = log.decide(&tail, LOWEST).unwrap();
        log.advance(&tail, &frame);
        let frame = log.decide(&next, LOWEST).unwrap();
        log.left_out_in_gap(&next, &frame, LOWEST).is_some()
    };
    let unfinished = |packet: Packet<'static>| Packet { marker: false, ..packet };
    let middle = |mut packet: Packet<'static>| {
        packet.facts.starts_frame = false;
        packet
    };
    assert!(gap(unfinished(vp8(10, 1, false)), middle(vp8(10, 1, false))), "inside a dropped frame");
    assert!(!gap(unfinished(vp8(10, 0, false)), middle(vp8(10, 0, false))), "inside a forwarded frame");
    assert!(gap(unfinished(vp8(10, 1, false)), vp8(11, 0, false)), "the end of a dropped frame");
    assert!(!gap(unfinished(vp8(10, 0, false)), vp8(11, 1, false)), "perhaps the end of a forwarded frame");
    assert!(gap(vp8(10, 0, false), middle(vp8(11, 1, false))), "the start of a dropped frame");
    assert!(!gap(vp8(10, 1, false), middle(vp8(11, 0, false))), "the start of a forwarded frame");
    assert!(!gap(vp8(10, 1, false), vp8(12, 1, false)), "a frame that nobody saw");
}

/// One packet of a frame of VP9's flexible mode with two spatial layers, which is its picture's last when `marker`.
fn vp9((picture, spatial): (u16, u8), temporal: u8, references: [u8; 3], marker: bool) -> Packet<'static> {
    let descriptor = Vp9Descriptor {
        picture_id: Some(PictureId::long(picture)),
        inter_picture: references[0] > 0,
        flexible: true,
        starts_frame: true,
        ends_frame: true,
        layer: Some(Vp9Layer { temporal, spatial, inter_layer: spatial > 0, ..Vp9Layer::default() }),
        references,
        ..Vp9Descriptor::default()
    };
    let keyframe = references[0] == 0 && spatial == 0;
    let facts = FrameFacts {
        keyframe,
        spatial,
        ends_frame: true,
        descriptor: Descriptor::Vp9(descriptor),
        ..vp8(picture, temporal, false).facts
    };
    Packet { marker, codec: CodecName::Vp9, facts, ..vp8(picture, temporal, keyframe) }
}

/// Both layers of a picture: whether each goes out, and with the end of the picture.
fn picture(log: &mut FrameLog, (picture, temporal, references): (u16, u8, [u8; 3]), limit: Layer) -> [(bool, bool); 2] {
    [0, 1].map(|spatial| {
        let packet = vp9((picture, spatial), temporal, references, spatial == 1);
        let outcome = log.decide(&packet, limit).unwrap().outcome(&packet);
        (outcome.forwarded, outcome.ends_picture)
    })
}

const BOTH: [(bool, bool); 2] = [(true, false), (true, true)];
const LOWER: [(bool, bool); 2] = [(true, true), (false, false)];

#[test]
fn a_layer_that_a_picture_lacks_is_counted_on_when_the_one_before_it_went_out() {
    for (limit, expected) in [(Layer::MAX, BOTH), (LOWEST, LOWER)] {
        let mut log = FrameLog::new();
        picture(&mut log, (10, 0, [0, 0, 0]), Layer::MAX);
        picture(&mut log, (11, 1, [1, 0, 0]), limit);
        picture(&mut log, (12, 0, [2, 0, 0]), Layer::MAX);
        assert!(log.decide(&vp9((13, 0), 1, [1, 0, 0], true), Layer::MAX).unwrap().forwarded);
        // Its upper layer refers to picture 11.
        assert_eq!(picture(&mut log, (14, 1, [1, 0, 0]), Layer::MAX), expected);
    }
}

#[test]
fn a_layer_that_has_not_come_is_counted_on_only_when_the_one_before_it_went_out() {
    let lower = |(id, temporal, references), log: &mut FrameLog| {
        let packet = vp9((id, 0), temporal, references, false);
        assert!(log.decide(&packet, Layer::MAX).unwrap().forwarded);
    };
    for (limit, expected) in [(Layer::MAX, BOTH), (LOWEST, LOWER)] {
        let mut log = FrameLog::new();
        picture(&mut log, (10, 0, [0, 0, 0]), Layer::MAX);
        picture(&mut log, (11, 1, [1, 0, 0]), limit);
        picture(&mut log, (12, 0, [2, 0, 0]), Layer::MAX);
        // Nothing but its lower layer comes: whether it has another one, nobody knows.
        lower((13, 1, [1, 0, 0]), &mut log);
        // If it has none, the upper layer of 14 refers to 11; that of 15 overtakes it.
        lower((14, 1, [1, 2, 0]), &mut log);
        assert_eq!(picture(&mut log, (15, 1, [1, 0, 0]), Layer::MAX), expected);
        let late = vp9((14, 1), 1, [2, 3, 0], true);
        assert_eq!(log.decide(&late, Layer::MAX).unwrap().outcome(&late).forwarded, expected == BOTH);
    }
}

#[test]
fn a_layer_that_was_refused_is_not_taken_up_again_by_one_above_it() {
    let mut log = FrameLog::new();
    let full = Layer { spatial: 2, temporal: 7 };
    let mut take = |(id, spatial), temporal, references, limit| {
        let packet = vp9((id, spatial), temporal, references, spatial == 2);
        log.decide(&packet, limit).unwrap().outcome(&packet).forwarded
    };
    assert!((0..3).all(|spatial| take((10, spatial), 0, [0, 0, 0], full)));
    assert!((0..3).all(|spatial| !take((11, spatial), 1, [1, 0, 0], Layer { temporal: 0, ..full })));
    assert!((0..3).all(|spatial| take((12, spatial), 0, [2, 0, 0], full)));
    assert!(take((13, 0), 1, [1, 0, 0], full));
    assert!(!take((14, 1), 1, [1, 0, 0], full), "if 13 lacks it, it refers to 11");
    assert!(take((13, 1), 1, [1, 0, 0], full));
    assert!(!take((14, 2), 1, [1, 0, 0], full));
    assert!(!take((14, 1), 1, [1, 0, 0], full) && take((14, 0), 1, [1, 0, 0], full));
}

#[test]
fn a_keyframe_has_all_layers_until_its_marker_tells_otherwise() {
    let full = Layer { spatial: 1, temporal: 7 };
    for (marker, expected) in [(false, BOTH), (true, LOWER)] {
        let mut log = FrameLog::new();
        log.decide(&vp9((10, 0), 0, [0, 0, 0], marker), full);
        assert_eq!(picture(&mut log, (11, 1, [1, 0, 0]), full), expected);
    }
}

#[test]
fn a_late_picture_has_the_layers_of_what_it_refers_to_itself() {
    let mut log = FrameLog::new();
    let full = Layer { spatial: 1, temporal: 7 };
    picture(&mut log, (10, 0, [0, 0, 0]), full);
    let small = Layer { spatial: 0, temporal: 7 };
    assert_eq!(picture(&mut log, (11, 1, [1, 0, 0]), small), LOWER);
    assert_eq!(picture(&mut log, (13, 1, [3, 0, 0]), full), LOWER, "up waits for a keyframe");
    assert_eq!(picture(&mut log, (14, 0, [0, 0, 0]), full), BOTH);
    assert_eq!(picture(&mut log, (15, 1, [4, 0, 0]), full), LOWER, "its upper layer refers to what was left out");
    assert_eq!(picture(&mut log, (17, 0, [3, 0, 0]), full), BOTH);
    assert_eq!(picture(&mut log, (16, 1, [2, 0, 0]), full), BOTH, "late, and not as 15");
}
