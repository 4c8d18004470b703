//! Behind a loss goes on what can be decoded, and nothing else.

use std::iter::once;

use sfu_wire::payload::dependency_descriptor::FrameDiffs;

use super::*;

fn counted(temporal: u8, base: u8, sync: bool) -> Needs {
    Needs::Layers(Layers { temporal, entry: if sync { Entry::FromBase } else { Entry::None }, base: Some(base) })
}

fn uncounted(temporal: u8, entry: Entry) -> Needs {
    Needs::Layers(Layers { temporal, entry, base: None })
}

fn named(number: i64, temporal: u8, diffs: &[u16]) -> Needs {
    Needs::Frames(Frames { number, temporal, diffs: FrameDiffs::new(diffs).unwrap() })
}

struct Scene(Gate);

impl Scene {
    /// Behind a keyframe with these needs.
    fn behind(keyframe: Needs) -> Self {
        let mut gate = Gate::new();
        assert!(gate.admit(true, once(keyframe)));
        Self(gate)
    }

    fn admit(&mut self, needs: Needs) -> bool {
        self.0.admit(false, once(needs))
    }

    /// Whether it is refused, and whether a keyframe helps alone.
    fn refuse(&mut self, needs: Needs) -> Option<bool> {
        (!self.admit(needs)).then(|| self.0.needs_keyframe(needs))
    }
}

#[test]
fn what_may_refer_to_anything_waits_for_a_keyframe() {
    assert!(!Gate::new().admit(false, once(Needs::Everything)));
    let mut scene = Scene::behind(Needs::Everything);
    assert!(scene.admit(Needs::Everything));
    scene.0.lose(0);
    assert_eq!(scene.refuse(Needs::Everything), Some(true));
    assert!(scene.0.admit(true, once(Needs::Everything)) && scene.admit(Needs::Everything));
}

#[test]
fn a_lost_frame_that_nothing_refers_to_costs_nothing() {
    let mut scene = Scene::behind(Needs::Everything);
    scene.0.lose(u8::MAX);
    assert!(scene.admit(Needs::Everything));
}

#[test]
fn a_lost_frame_of_an_upper_layer_costs_that_layer_until_its_sync() {
    let mut scene = Scene::behind(counted(0, 255, true));
    assert!(scene.admit(counted(2, 255, true)) && scene.admit(counted(1, 255, true)));
    // The frame of layer 2 behind it is lost.
    scene.0.lose(0);
    assert!(scene.admit(counted(0, 0, false)), "it refers to 255 of its own layer");
    assert_eq!(scene.refuse(counted(2, 0, false)), Some(false));
    assert_eq!(scene.refuse(counted(1, 0, false)), Some(false));
    assert!(scene.admit(counted(0, 1, false)) && scene.admit(counted(2, 1, true)));
    assert_eq!(scene.refuse(counted(2, 1, false)), Some(false), "layer 1 is not whole");
    assert!(scene.admit(counted(1, 1, true)) && scene.admit(counted(1, 1, false)));
    assert!(scene.admit(counted(2, 1, true)) && scene.admit(counted(2, 1, false)));
}

#[test]
fn a_counter_that_may_have_wrapped_proves_nothing() {
    let mut scene = Scene::behind(counted(0, 7, true));
    scene.0.lapse();
    assert!(scene.admit(counted(0, 8, false)), "nothing is missing");
    scene.0.lose(0);
    scene.0.lapse();
    assert_eq!(scene.refuse(counted(0, 9, false)), Some(true));
    assert_eq!(scene.refuse(counted(1, 8, true)), Some(true));
}

#[test]
fn a_lost_frame_of_layer_0_takes_a_keyframe() {
    let mut scene = Scene::behind(counted(0, 7, true));
    scene.0.lose(0);
    assert_eq!(scene.refuse(counted(1, 8, true)), Some(true), "of a base that was lost");
    assert_eq!(scene.refuse(counted(0, 9, false)), Some(true));
    assert!(scene.0.admit(true, once(counted(0, 10, true))) && scene.admit(counted(1, 10, false)));
}

#[test]
fn layers_without_a_count_go_on_when_it_is_known_which_was_lost() {
    let mut scene = Scene::behind(uncounted(0, Entry::None));
    assert!(scene.admit(uncounted(2, Entry::FromBelow)) && scene.admit(uncounted(1, Entry::FromBelow)));
    scene.0.lose(1);
    assert!(scene.admit(uncounted(0, Entry::None)));
    assert_eq!(scene.refuse(uncounted(2, Entry::FromBelow)), Some(false), "layer 1 is not there");
    assert_eq!(scene.refuse(uncounted(1, Entry::None)), Some(false));
    assert!(scene.admit(uncounted(1, Entry::FromBelowWithAbove)) && scene.admit(uncounted(2, Entry::None)));
    scene.0.lose(0);
    assert_eq!(scene.refuse(uncounted(1, Entry::FromBelow)), Some(true), "nobody knows what was lost");
}

#[test]
fn frames_that_name_their_references_go_on_with_all_of_them() {
    let mut scene = Scene::behind(named(10, 0, &[]));
    assert!(scene.admit(named(11, 1, &[1])));
    // 12 of layer 0 is there, 13 of layer 1 is lost.
    assert!(scene.admit(named(12, 0, &[2])));
    scene.0.lose(0);
    assert!(scene.admit(named(14, 0, &[2])));
    assert_eq!(scene.refuse(named(15, 1, &[1, 2])), Some(false), "it refers to 13");
    assert!(scene.admit(named(16, 1, &[2])));
    // 17 of layer 0 is lost.
    scene.0.lose(0);
    assert_eq!(scene.refuse(named(18, 0, &[1])), Some(true));
    assert!(scene.0.admit(true, once(named(20, 0, &[]))));
    scene.0.lose(0);
    assert_eq!(scene.refuse(named(21, 1, &[5])), Some(false), "what was before the keyframe is forgotten");
}

#[test]
fn frames_of_one_picture_may_refer_to_each_other() {
    let mut scene = Scene::behind(named(10, 0, &[]));
    scene.0.lose(0);
    let picture = [named(11, 0, &[1]), named(12, 0, &[1]), named(13, 0, &[3, 1])];
    assert!(scene.0.admit(false, picture.into_iter()));
    let torn = [named(14, 0, &[3]), named(15, 0, &[9])];
    assert!(!scene.0.admit(false, torn.into_iter()));
    assert_eq!(scene.refuse(named(17, 0, &[3])), Some(true), "14 was not given either");
}
