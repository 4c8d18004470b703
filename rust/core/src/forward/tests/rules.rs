//! The rules one by one, and all together over random scenes.

use proptest::prelude::*;

use super::judge::{judge, judge_clean};
use super::scene::{Got, H264, H265, Network, Scene, VP8, VP9, any_layer};
use super::script::Structure;
use crate::forward::Forwarder;
use crate::layer::Layer;

const LOWEST: Option<Layer> = Some(Layer { spatial: 0, temporal: 0 });

fn frames_of(scene: &Scene, from: usize) -> Vec<u8> {
    let mut frames: Vec<&Got> = scene.got[from..].iter().collect();
    frames.dedup_by_key(|got| got.frame);
    frames.iter().map(|got| scene.encoders[got.encoding].frames[got.frame].temporal).collect()
}

#[test]
fn the_default_is_the_best_encoding_from_its_first_keyframe_on() {
    let mut scene = Scene::new(1, 3, VP8, Network::CLEAN);
    scene.run(60, |_, _, _| {});
    judge_clean(&scene);
    assert!(scene.switches <= 3);
    assert!(scene.got.iter().filter(|got| got.encoding == 2).count() > 50);
    assert_eq!(scene.forwarder.layer(), Some(Layer { spatial: 2, temporal: 2 }));
}

#[test]
fn a_manual_choice_switches_both_ways_and_tells() {
    let mut scene = Scene::new(2, 3, VP8, Network::CLEAN);
    let mut told = Vec::new();
    scene.run(120, |picture, _, forwarder| {
        match picture {
            40 => forwarder.set_max_layer(Some(Layer { spatial: 0, temporal: 2 })),
            80 => forwarder.set_max_layer(None),
            _ => {}
        }
        told.extend(forwarder.take_layer_change());
    });
    judge_clean(&scene);
    let spatial: Vec<u8> = told.iter().filter_map(|(_, to)| to.map(|layer| layer.spatial)).collect();
    let mut order = spatial.clone();
    order.dedup();
    assert!(order.ends_with(&[2, 0, 2]), "{order:?}");
    assert!(told.windows(2).all(|pair| pair[0].1 == pair[1].0));
}

#[test]
fn temporal_layers_are_dropped_at_once_and_joined_at_a_switch_point() {
    for structure in [VP8, VP9, H265] {
        let mut scene = Scene::new(3, 1, structure, Network::CLEAN);
        let mut marks = Vec::new();
        let mut count = 0;
        scene.run(48, |picture, _, forwarder| match picture {
            17 => forwarder.set_max_layer(LOWEST),
            33 => forwarder.set_max_layer(None),
            _ => count += 1,
        });
        judge_clean(&scene);
        let temporal = frames_of(&scene, 0);
        assert_eq!(scene.switches, 1, "no keyframe is needed");
        marks.extend(temporal.windows(5).position(|window| window == [0; 5]));
        assert_eq!(marks.len(), 1, "{structure:?}: {temporal:?}");
        assert!(temporal.ends_with(&[0, 2, 1, 2]), "{structure:?}: {temporal:?}");
        assert!(count > 0);
    }
}

#[test]
fn while_it_is_paused_nothing_goes_out_and_it_resumes_at_a_keyframe() {
    let mut scene = Scene::new(4, 1, VP8, Network::CLEAN);
    let mut got = 0;
    scene.run(60, |picture, _, forwarder| match picture {
        20 => forwarder.set_paused(true),
        40 => {
            got += 1;
            forwarder.set_paused(false);
            assert_eq!(forwarder.layer(), None);
            assert_eq!(forwarder.wants_keyframe(), Some(0));
        }
        30 => assert_eq!(forwarder.wants_keyframe(), None),
        _ => {}
    });
    judge_clean(&scene);
    assert_eq!((scene.switches, got), (2, 1));
    let resumed = scene.got.iter().find(|got| got.run == 2).unwrap();
    assert!(scene.encoders[0].frames[resumed.frame].keyframe);
    assert!(scene.got.iter().all(|got| got.frame < 20 || got.frame >= 40));
}

#[test]
fn the_spatial_layers_above_are_dropped_and_the_marker_moves_down() {
    let structure = Structure { spatial: 3, ..VP9 };
    let mut scene = Scene::new(5, 1, structure, Network::CLEAN);
    scene.run(60, |picture, _, forwarder| {
        if picture == 20 {
            forwarder.set_max_layer(Some(Layer { spatial: 1, temporal: 2 }));
        }
        if picture == 40 {
            assert_eq!(forwarder.layer(), Some(Layer { spatial: 1, temporal: 2 }));
            forwarder.set_max_layer(None);
        }
    });
    judge_clean(&scene);
    let top = |from: usize, to: usize| {
        let frames = scene.got.iter().map(|got| &scene.encoders[0].frames[got.frame]);
        frames.filter(|frame| (from as u64..to as u64).contains(&frame.picture)).map(|frame| frame.spatial).max()
    };
    assert_eq!((top(0, 20), top(21, 40), top(50, 60)), (Some(2), Some(1), Some(2)));
}

#[test]
fn a_keyframe_whose_pieces_overtook_its_start_is_complete() {
    let network = Network { reorder: 40, late: 12, ..Network::CLEAN };
    for seed in 0..50 {
        let mut scene = Scene::new(seed, 2, VP8, network);
        scene.run(40, |picture, _, forwarder| {
            forwarder.set_max_layer(Some(Layer { spatial: (picture / 8 % 2) as u8, temporal: 2 }));
        });
        judge(&scene);
        for run in 1..scene.switches {
            let first = scene.got.iter().find(|got| got.run == run).unwrap();
            let of_keyframe = |got: &&Got| got.run == run && got.frame == first.frame;
            let went = scene.got.iter().filter(of_keyframe).count();
            let came = scene.reached.iter();
            let came = came.filter(|((e, source), packet)| {
                *e == first.encoding && *source >= first.source && packet.frame == Some(first.frame)
            });
            assert!(went == came.count() || scene.got.iter().filter(|got| got.run == run).count() < 10);
        }
    }
}

#[test]
fn a_subscriber_that_lost_its_picture_waits_for_one_keyframe() {
    let mut scene = Scene::new(6, 1, VP8, Network::CLEAN);
    scene.run(60, |picture, _, forwarder| {
        if picture == 20 {
            forwarder.picture_lost();
            assert_eq!(forwarder.wants_keyframe(), Some(0));
        }
        if picture > 30 {
            assert_eq!(forwarder.wants_keyframe(), None);
        }
    });
    judge_clean(&scene);
    assert_eq!(scene.encoders[0].frames.iter().filter(|frame| frame.keyframe).count(), 2);
    assert_eq!(scene.switches, 1, "it goes on in the same run");
}

fn structures() -> impl Strategy<Value = (usize, Structure)> {
    let of_one_size = prop::sample::select(vec![VP8, VP9, H264, H265]);
    let simulcast = (of_one_size, any::<bool>(), any::<bool>(), 1..=3_usize).prop_map(
        |(structure, flexible, long_ids, encodings)| (encodings, Structure { flexible, long_ids, ..structure }),
    );
    let svc = (any::<bool>(), any::<bool>(), 2..=3_u8)
        .prop_map(|(flexible, long_ids, spatial)| (1, Structure { spatial, flexible, long_ids, ..VP9 }));
    prop_oneof![3 => simulcast, 1 => svc]
}

fn wishes(percent: u64) -> impl FnMut(u64, &mut super::script::Random, &mut Forwarder) {
    move |_, random, forwarder| {
        if random.chance(percent) {
            forwarder.set_max_layer(any_layer(random));
        }
        if random.chance(2) {
            forwarder.set_paused(random.chance(50));
        }
        if random.chance(2) {
            forwarder.picture_lost();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn without_loss_nothing_shows((encodings, structure) in structures(), seed: u64, percent in 1..30_u64) {
        let mut scene = Scene::new(seed, encodings, structure, Network::CLEAN);
        scene.run(150, wishes(percent));
        judge_clean(&scene);
    }

    #[test]
    fn with_loss_reordering_and_duplicates_the_rules_hold(
        (encodings, structure) in structures(),
        seed: u64,
        percent in 1..30_u64,
        loss in 0..20_u64,
        reorder in 0..30_u64,
        late in 1..60_u64,
    ) {
        let network = Network { loss, reorder, late, duplicates: 3 };
        let mut scene = Scene::new(seed, encodings, structure, network);
        scene.run(150, wishes(percent));
        judge(&scene);
    }
}
