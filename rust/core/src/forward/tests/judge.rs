//! What must hold of everything that one subscriber got, whatever it wished and whatever was lost.

use std::collections::{BTreeMap, BTreeSet};

use sfu_wire::payload::{Vp8Descriptor, Vp9Descriptor};

use super::scene::{Got, Scene};
use crate::codec::CodecName;

/// Numbers of the codec that a receiver finds references by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct CodecNumbers {
    picture: u16,
    tl0: Option<u8>,
    key: Option<u8>,
}

/// Fails with what does not hold.
pub(super) fn judge(scene: &Scene) {
    let mut got: Vec<&Got> = scene.got.iter().collect();
    got.sort_by_key(|got| got.out);
    no_number_is_used_twice(&got);
    a_frame_has_one_timestamp_and_they_rise(&got);
    gaps_are_losses(scene, &got);
    nothing_is_forwarded_that_hangs_on_something_left_out(scene);
    codec_numbers_go_on(scene, &got);
}

/// Without loss on the way in there is more that must hold.
pub(super) fn judge_clean(scene: &Scene) {
    judge(scene);
    assert!(scene.got.windows(2).all(|pair| pair[0].out < pair[1].out));
    for pair in scene.got.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        let gap = after.out - before.out - 1;
        let unfinished = before.run != after.run && !before.marker;
        assert_eq!(gap, u64::from(unfinished), "between {before:?} and {after:?}");
        let picture = |got: &Got| (got.run, got.timestamp);
        if before.run == after.run {
            assert_eq!(before.marker, picture(before) != picture(after), "the marker ends a picture: {before:?}");
        }
    }
}

fn no_number_is_used_twice(got: &[&Got]) {
    for pair in got.windows(2) {
        assert_ne!(pair[0].out, pair[1].out, "{:?} and {:?}", pair[0], pair[1]);
    }
}

fn a_frame_has_one_timestamp_and_they_rise(got: &[&Got]) {
    for pair in got.windows(2) {
        let passed = pair[1].timestamp.wrapping_sub(pair[0].timestamp) as i32;
        assert!(passed >= 0, "{:?} and {:?}", pair[0], pair[1]);
        if pair[0].run != pair[1].run {
            assert!(passed > 0, "{:?} and {:?}", pair[0], pair[1]);
        }
    }
    let mut timestamps: BTreeMap<(usize, usize), u32> = BTreeMap::new();
    for got in got {
        let timestamp = *timestamps.entry((got.run, got.frame)).or_insert(got.timestamp);
        assert_eq!(timestamp, got.timestamp, "{got:?}");
    }
}

/// Inside a run, a number that was not sent stands for a packet that was missing when a later one came; and each packet of a
/// forwarded frame that never came keeps its number.
fn gaps_are_losses(scene: &Scene, got: &[&Got]) {
    for pair in got.windows(2) {
        let (before, after) = (pair[0], pair[1]);
        let gap = after.out - before.out - 1;
        if before.run != after.run {
            assert_eq!(gap, u64::from(!before.marker), "a switch: {before:?} and {after:?}");
            continue;
        }
        let missing = (before.source + 1..after.source)
            .filter(|source| !scene.reached.get(&(after.encoding, *source)).is_some_and(|packet| packet.in_order));
        assert!(gap <= missing.count() as u64, "the SFU made a gap: {before:?} and {after:?}");
    }
    let mut by_frame: BTreeMap<(usize, usize), Vec<&Got>> = BTreeMap::new();
    for got in got {
        by_frame.entry((got.run, got.frame)).or_default().push(got);
    }
    for packets in by_frame.values() {
        let (first, last) = (packets[0], packets[packets.len() - 1]);
        assert_eq!(last.out - first.out, last.source - first.source, "inside a frame every loss is one gap");
    }
}

/// For each forwarded frame, every packet of its references that came in this run was forwarded.
fn nothing_is_forwarded_that_hangs_on_something_left_out(scene: &Scene) {
    let mut arrived: BTreeMap<(usize, usize), BTreeSet<u64>> = BTreeMap::new();
    for ((encoding, source), packet) in &scene.reached {
        if let Some(frame) = packet.frame {
            arrived.entry((*encoding, frame)).or_default().insert(*source);
        }
    }
    let mut sent: BTreeMap<(usize, usize), BTreeSet<u64>> = BTreeMap::new();
    for got in &scene.got {
        sent.entry((got.run, got.frame)).or_default().insert(got.source);
    }
    for got in &scene.got {
        let encoder = &scene.encoders[got.encoding];
        for reference in &encoder.frames[got.frame].references {
            let came = arrived.get(&(got.encoding, *reference)).cloned().unwrap_or_default();
            let went = sent.get(&(got.run, *reference)).cloned().unwrap_or_default();
            // What overtook the keyframe is forwarded after it; what came when the run was over is not.
            let left_out = came.difference(&went).any(|source| {
                let packet = scene.reached[&(got.encoding, *source)];
                packet.run < got.run || (packet.run == got.run && !packet.unwanted)
            });
            assert!(!left_out, "{got:?} depends on {reference}, of which {came:?} came and {went:?} was forwarded");
        }
    }
}

fn codec_numbers_go_on(scene: &Scene, got: &[&Got]) {
    if !matches!(scene.structure.codec, CodecName::Vp8 | CodecName::Vp9) {
        return;
    }
    let mut frames: Vec<(&Got, CodecNumbers)> = Vec::new();
    for got in got {
        let numbers = numbers(scene.structure.codec, &got.payload);
        match frames.last() {
            Some((last, standing)) if (last.run, last.frame) == (got.run, got.frame) => assert_eq!(*standing, numbers),
            _ => frames.push((got, numbers)),
        }
    }
    for pair in frames.windows(2) {
        let ((before, from), (after, to)) = (pair[0], pair[1]);
        let pictures = to.picture.wrapping_sub(from.picture) & 0x7fff;
        let of = |got: &Got| &scene.encoders[got.encoding].frames[got.frame];
        if before.run != after.run {
            assert_eq!(pictures, 1, "a switch: {before:?} and {after:?}");
            assert!(to.tl0.is_none() || to.tl0 == from.tl0.map(|tl0| tl0.wrapping_add(1)), "{from:?} {to:?}");
            assert_eq!(to.key, from.key.map(|key| (key + 1) & 0x1f));
            continue;
        }
        let passed = (of(after).picture - of(before).picture) as u16;
        match scene.structure.codec {
            CodecName::Vp8 => {
                let unseen = unseen_pictures(scene, before, after);
                assert!(pictures >= 1 && pictures <= 1 + unseen, "{before:?} and {after:?}: {unseen} unseen");
            }
            // References are counted in pictures: none is closed.
            _ => assert_eq!(pictures, passed, "{before:?} and {after:?}"),
        }
        // Between two frames of a run TL0PICIDX counts layer 0 as it came.
        let base = scene.encoders[after.encoding].frames[before.frame + 1..=after.frame]
            .iter()
            .filter(|frame| frame.temporal == 0 && frame.spatial == 0)
            .count() as u8;
        assert_eq!(to.tl0, from.tl0.map(|tl0| tl0.wrapping_add(base)), "{before:?} and {after:?}");
    }
}

/// Pictures between two forwarded ones of which nothing had come in order.
fn unseen_pictures(scene: &Scene, before: &Got, after: &Got) -> u16 {
    let seen: BTreeSet<usize> = (before.source..after.source)
        .filter_map(|source| scene.reached.get(&(after.encoding, source)).filter(|packet| packet.in_order)?.frame)
        .collect();
    (before.frame + 1..after.frame).filter(|frame| !seen.contains(frame)).count() as u16
}

fn numbers(codec: CodecName, payload: &[u8]) -> CodecNumbers {
    let long = |id: sfu_wire::payload::PictureId| {
        assert_eq!(id.bits(), 15, "picture ids leave with 15 bits");
        id.get()
    };
    if codec == CodecName::Vp8 {
        let (descriptor, _) = Vp8Descriptor::parse(payload).unwrap();
        let picture = descriptor.picture_id.map(long).unwrap();
        CodecNumbers { picture, tl0: descriptor.tl0_pic_idx, key: descriptor.key_idx }
    } else {
        let (descriptor, _) = Vp9Descriptor::parse(payload).unwrap();
        let picture = descriptor.picture_id.map(long).unwrap();
        CodecNumbers { picture, tl0: descriptor.tl0_pic_idx, key: None }
    }
}
