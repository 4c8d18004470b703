use std::time::Instant;

use sfu_wire::SeqNo;
use sfu_wire::payload::dependency_descriptor::Structure;

use super::*;
use crate::codec::CodecName;
use crate::layer::target::tests::{l1t2, l2t2, value};
use crate::layer::{Dependencies, DependencyReader, Reading, packet_facts};

fn packet(dependency: &Dependency, timestamp: u64) -> Packet<'_> {
    let dependencies = Dependencies::Known(dependency);
    Packet {
        encoding: 0,
        epoch: 0,
        seq: SeqNo::new(0),
        newest: SeqNo::new(0),
        timestamp,
        marker: true,
        codec: CodecName::Av1,
        payload: &[0],
        facts: packet_facts(CodecName::Av1, &[0], true, dependencies),
        dependencies,
        arrival: Instant::now(),
    }
}

struct Run {
    structure: Structure,
    reader: DependencyReader,
    log: ReferenceLog,
}

impl Run {
    fn new(structure: Structure, limit: Layer) -> Self {
        let mut reader = DependencyReader::default();
        let Reading::Known(first) = reader.read(0, true, &value(&structure, 0, 1, true)) else { panic!() };
        let mut log = ReferenceLog::new();
        log.start(&first, limit);
        log.decide(&packet(&first, 1), &first, limit);
        Self { structure, reader, log }
    }

    fn read(&mut self, template: u8, number: u16) -> Dependency {
        match self.reader.read(0, true, &value(&self.structure, template, number, false)) {
            Reading::Known(dependency) => dependency,
            other => panic!("{other:?}"),
        }
    }

    fn frame(&mut self, template: u8, number: u16, timestamp: u64, limit: Layer) -> Outcome {
        let dependency = self.read(template, number);
        self.decide(&dependency, timestamp, limit).unwrap()
    }

    fn decide(&mut self, dependency: &Dependency, timestamp: u64, limit: Layer) -> Option<Outcome> {
        self.log.decide(&packet(dependency, timestamp), dependency, limit)
    }
}

const LOWEST: Layer = Layer { spatial: 0, temporal: 0 };

#[test]
fn temporal_layers_fall_at_once_and_return_at_a_switch() {
    let mut run = Run::new(l1t2(0), Layer::MAX);
    assert!(run.frame(2, 2, 2, Layer::MAX).forwarded);
    assert!(run.frame(1, 3, 3, LOWEST).forwarded);
    let down = run.frame(2, 4, 4, LOWEST);
    assert!(!down.forwarded && down.active == Some(DecodeTargets::from_bits(0b10)));
    assert!(run.frame(1, 5, 5, LOWEST).forwarded);
    assert!(!run.frame(2, 6, 6, Layer::MAX).forwarded, "discardable is no switch");
    let up = run.frame(1, 7, 7, Layer::MAX);
    assert_eq!((up.forwarded, run.log.layer().temporal, up.left_out_before), (true, 1, 2));
    assert_eq!(up.active, Some(DecodeTargets::from_bits(0b11)), "the receiver must hear that it is back");
    assert!(run.frame(2, 8, 8, Layer::MAX).forwarded);
}

#[test]
fn nothing_goes_out_that_refers_to_what_was_left_out() {
    let mut run = Run::new(l2t2(), LOWEST);
    assert!(!run.frame(3, 2, 1, LOWEST).forwarded);
    assert!(run.frame(1, 5, 5, Layer::MAX).forwarded);
    assert!(!run.frame(4, 6, 5, Layer::MAX).forwarded, "it refers to frame 2");
    assert!(run.log.needs_keyframe(Layer::MAX));
}

#[test]
fn of_what_has_not_come_one_hopes_and_late_frames_keep_their_place() {
    let mut run = Run::new(l1t2(0), Layer::MAX);
    assert!(run.frame(2, 4, 4, Layer::MAX).forwarded, "frame 3 may still come");
    assert!(!run.frame(2, 6, 6, LOWEST).forwarded);
    assert!(run.frame(1, 3, 3, LOWEST).forwarded);
    assert!(run.frame(2, 2, 2, LOWEST).forwarded, "nobody wants it, but it can be decoded and fills its gap");
    let before = Dependency { number: 0, ..run.read(1, 3) };
    assert_eq!(run.decide(&before, 0, LOWEST), None, "before the run");
}

#[test]
fn a_chain_proves_that_what_is_missing_was_not_wanted() {
    let mut run = Run::new(l1t2(0), LOWEST);
    let (tail, next) = (run.read(1, 3), run.read(1, 5));
    let outcome = run.decide(&tail, 3, LOWEST).unwrap();
    run.log.advance(SeqNo::new(0), &tail, &outcome);
    let outcome = run.decide(&next, 5, LOWEST).unwrap();
    assert!(run.log.leave_out_gap(&next, &outcome), "the last frame of the chain was 3");
    run.log.advance(SeqNo::new(0), &next, &outcome);
    assert!(!run.frame(2, 4, 4, LOWEST).forwarded, "its number is gone, however late it comes");
    let next = run.read(1, 9);
    let outcome = run.decide(&next, 9, LOWEST).unwrap();
    assert!(!run.log.leave_out_gap(&next, &outcome), "frame 7 is missing");
}

/// With these decode targets active, as the publisher says.
fn active(bits: u32, dependency: Dependency) -> Dependency {
    Dependency { active: DecodeTargets::from_bits(bits), ..dependency }
}

const ALL: u32 = 0b1111;
/// S0T1 and S0T0 of L2T2.
const SMALL: u32 = 0b1100;

#[test]
fn what_the_publisher_stopped_ends_no_picture_and_is_not_waited_for() {
    let mut run = Run::new(l2t2(), Layer::MAX);
    let stopped = active(SMALL, run.read(1, 5));
    let outcome = run.decide(&stopped, 5, Layer::MAX).unwrap();
    assert!(outcome.forwarded && outcome.ends_picture, "nothing above it will come");
    assert_eq!(outcome.active, Some(DecodeTargets::from_bits(SMALL)));
    assert!(!run.log.needs_keyframe(Layer::MAX));
    let back = active(ALL, run.read(1, 9));
    assert!(run.decide(&back, 9, Layer::MAX).unwrap().forwarded);
    assert!(run.log.needs_keyframe(Layer::MAX), "it is there again");
}

#[test]
fn a_run_begins_with_the_best_target_that_is_active() {
    let mut run = Run::new(l2t2(), Layer::MAX);
    let stopped = active(SMALL, run.read(0, 9));
    run.log.start(&stopped, Layer::MAX);
    assert_eq!(run.log.layer(), Layer { spatial: 0, temporal: 1 });
}

#[test]
fn a_receiver_is_not_told_of_targets_that_the_publisher_stopped() {
    let mut run = Run::new(l1t2(0), Layer::MAX);
    let only_both = active(0b01, run.read(2, 2));
    assert_eq!(run.decide(&only_both, 2, Layer::MAX).unwrap().active, Some(DecodeTargets::from_bits(0b01)));
}

#[test]
fn a_frame_that_refers_to_what_was_before_the_run_stays_out_and_so_does_what_refers_to_it() {
    let mut run = Run::new(l1t2(0), Layer::MAX);
    assert!(!run.frame(1, 2, 2, Layer::MAX).forwarded, "it refers to frame 0");
    assert!(!run.frame(2, 3, 3, Layer::MAX).forwarded, "it refers to frame 2");
    assert!(run.frame(1, 3, 3, Layer::MAX).left_out_before == 1);
}

#[test]
fn when_a_frame_of_the_chain_cannot_be_decoded_a_keyframe_is_needed_until_one_can() {
    let mut run = Run::new(l1t2(0), Layer::MAX);
    assert!(!run.log.needs_keyframe(Layer::MAX));
    assert!(!run.frame(1, 2, 2, Layer::MAX).forwarded);
    assert!(run.log.needs_keyframe(Layer::MAX));
    assert!(run.frame(0, 5, 5, Layer::MAX).forwarded, "it refers to nothing");
    assert!(!run.log.needs_keyframe(Layer::MAX));
}

#[test]
fn who_cannot_decode_the_large_pictures_any_more_gets_the_small_ones() {
    let mut run = Run::new(l2t2(), Layer::MAX);
    assert!(run.frame(0, 3, 2, Layer::MAX).forwarded);
    assert!(!run.frame(4, 4, 2, Layer::MAX).forwarded, "it refers to frame 0");
    let small = run.frame(2, 5, 3, Layer::MAX);
    assert!(small.forwarded && small.ends_picture);
    assert_eq!(run.log.layer(), Layer { spatial: 0, temporal: 1 });
    assert!(run.log.needs_keyframe(Layer::MAX) && !run.log.needs_keyframe(LOWEST));
}

#[test]
fn what_went_out_in_the_hope_of_a_late_frame_that_cannot_be_decoded_needs_a_keyframe() {
    let mut run = Run::new(l1t2(0), Layer::MAX);
    assert!(run.frame(1, 4, 4, Layer::MAX).forwarded, "frame 2 may still come");
    assert!(!run.log.needs_keyframe(Layer::MAX));
    assert!(!run.frame(1, 2, 2, Layer::MAX).forwarded, "it refers to frame 0");
    assert!(run.log.needs_keyframe(Layer::MAX));
}
