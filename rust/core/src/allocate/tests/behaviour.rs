//! What tracks get, in words.

use sfu_wire::Bitrate;

use super::{camera, demands, encoding, from, having, layer, screen, told, wanting};
use crate::allocate::{Allocation, Allocator, Demand, Demands, Point, Reason, Role, allocate};

fn divide(kbps: u64, demands: &Demands) -> Allocation {
    allocate(Bitrate::from_kbps(kbps), demands)
}

/// One camera on stage that has had `from` for `seconds`.
fn on_stage(kbps: u64, spatial: u8, temporal: u8, seconds: u64) -> Allocation {
    let now = layer(spatial, temporal);
    divide(kbps, &demands([(having(wanting(Role::OnStage, 1), Some(now), seconds), from(now, camera()))]))
}

#[test]
fn who_is_alone_gets_everything_that_fits() {
    let choices = [50, 60, 150, 499, 500, 1019, 1020, 5000].map(|kbps| {
        let allocation = divide(kbps, &demands([(wanting(Role::OnStage, 1), camera())]));
        (told(&allocation.choices[0]), allocation.choices[0].reason)
    });
    let because = Reason::Budget;
    assert_eq!(
        choices,
        [
            (None, because),
            (Some((0, 0, 60)), because),
            (Some((0, 2, 150)), because),
            (Some((1, 1, 300)), because),
            (Some((1, 2, 500)), because),
            (Some((1, 2, 500)), because),
            (Some((2, 1, 1020)), because),
            (Some((2, 2, 1700)), Reason::Best),
        ]
    );
}

#[test]
fn nobody_gets_more_than_the_tile_shows() {
    let tile = Some((640, 360));
    let allocation = divide(10_000, &demands([(Demand { tile, ..wanting(Role::Thumbnail, 1) }, camera())]));
    assert_eq!(told(&allocation.choices[0]), Some((1, 2, 500)));
    assert_eq!((allocation.choices[0].reason, allocation.next), (Reason::Limit, None));
}

#[test]
fn a_larger_picture_is_taken_where_it_is_cheaper() {
    let points = encoding(0, (320, 180), 300).chain(encoding(1, (640, 360), 200)).collect();
    let tile = Some((320, 180));
    let allocation = divide(10_000, &demands([(Demand { tile, ..wanting(Role::Thumbnail, 1) }, points)]));
    assert_eq!(told(&allocation.choices[0]), Some((1, 2, 200)));
}

#[test]
fn the_reason_says_whether_the_publisher_or_the_application_sets_the_limit() {
    let stopped = |spatial| {
        camera().into_iter().map(move |point| {
            let flowing = point.layer.spatial != spatial;
            Point { flowing, ..point }
        })
    };
    let limited = Demand { limit: Some(layer(1, 7)), ..wanting(Role::OnStage, 1) };
    let reasons = [
        (wanting(Role::OnStage, 1), stopped(2).collect()),
        (limited, camera()),
        (limited, stopped(1).collect()),
        (limited, stopped(0).chain(stopped(1)).filter(|point| !point.flowing).collect()),
        (wanting(Role::OnStage, 1), vec![]),
    ]
    .map(|track| {
        let choice = divide(10_000, &demands([track])).choices[0];
        (told(&choice), choice.reason)
    });
    assert_eq!(
        reasons,
        [
            (Some((1, 2, 500)), Reason::NotFlowing),
            (Some((1, 2, 500)), Reason::Limit),
            (Some((0, 2, 150)), Reason::NotFlowing),
            (None, Reason::NotFlowing),
            (None, Reason::NotFlowing),
        ]
    );
}

#[test]
fn weight_draws_quality() {
    let both = |mine, theirs| {
        let tracks = [mine, theirs].map(|priority| (wanting(Role::Thumbnail, priority), camera()));
        divide(800, &demands(tracks)).choices.iter().map(|choice| choice.rate.get() / 1000).collect::<Vec<_>>()
    };
    assert_eq!(both(4, 1), [500, 300]);
    assert_eq!(both(1, 4), [300, 500]);
}

#[test]
fn frames_go_before_size_when_bandwidth_falls() {
    let rates = [1700, 1699, 1019, 679].map(|kbps| told(&on_stage(kbps, 2, 2, 60).choices[0]));
    assert_eq!(rates, [Some((2, 2, 1700)), Some((2, 1, 1020)), Some((2, 0, 680)), Some((1, 2, 500))]);
}

#[test]
fn a_screen_keeps_its_size_and_gives_up_frames() {
    let rates = [899, 539, 359, 99]
        .map(|kbps| told(&divide(kbps, &demands([(wanting(Role::Screen, 1), screen())])).choices[0]));
    assert_eq!(rates, [Some((1, 1, 540)), Some((1, 0, 360)), Some((0, 2, 250)), None]);
}

#[test]
fn a_young_choice_is_left_for_much_more_only_and_an_old_one_for_any_more() {
    let after = |seconds| on_stage(10_000, 1, 2, seconds).choices[0];
    assert_eq!((told(&after(0)), after(0).reason), (Some((1, 2, 500)), Reason::Hysteresis));
    assert_eq!((told(&after(2)), after(2).reason), (Some((2, 2, 1700)), Reason::Best));
    let frames = |seconds| told(&on_stage(500, 1, 1, seconds).choices[0]);
    assert_eq!((frames(2), frames(3)), (Some((1, 1, 300)), Some((1, 2, 500))));
}

#[test]
fn a_young_choice_that_does_not_fit_any_more_is_left_at_once() {
    assert_eq!(told(&on_stage(600, 2, 2, 0).choices[0]), Some((1, 2, 500)));
}

#[test]
fn who_was_just_paused_comes_back_with_room_to_spare_or_after_a_while() {
    let back = |kbps, seconds| {
        let allocation = divide(kbps, &demands([(having(wanting(Role::Thumbnail, 1), None, seconds), camera())]));
        (told(&allocation.choices[0]), allocation.choices[0].reason)
    };
    assert_eq!(back(74, 0), (None, Reason::Hysteresis));
    assert_eq!(back(75, 0), (Some((0, 0, 60)), Reason::Budget));
    assert_eq!(back(60, 4), (Some((0, 0, 60)), Reason::Budget));
    assert_eq!(back(59, 4), (None, Reason::Budget));
}

#[test]
fn a_tile_that_became_small_gives_its_bits_back() {
    let tile = Some((320, 180));
    let shrunk = |seconds| {
        let now = layer(2, 2);
        let demand = Demand { tile, ..having(wanting(Role::Thumbnail, 1), Some(now), seconds) };
        told(&divide(10_000, &demands([(demand, from(now, camera()))])).choices[0])
    };
    assert_eq!((shrunk(3), shrunk(4)), (Some((2, 2, 1700)), Some((0, 2, 150))));
}

#[test]
fn the_next_step_is_the_missing_floor_then_what_brings_most_for_a_bit() {
    let tracks = [3, 2, 1].map(|priority| (wanting(Role::Thumbnail, priority), camera()));
    let demands = demands(tracks);
    let step = |kbps| {
        let allocation = divide(kbps, &demands);
        let next = allocation.next.map(|next| (next.track, (next.layer.spatial, next.layer.temporal)));
        (next, allocation.probe_goal().map(|goal| goal.get() / 1000))
    };
    assert_eq!(step(100), (Some((1, (0, 0))), Some(120)));
    assert_eq!(step(120), (Some((2, (0, 0))), Some(180)));
    assert_eq!(step(180), (Some((0, (0, 1))), Some(210)));
    assert_eq!(step(3 * 1700), (None, None));
}

#[test]
fn nothing_to_divide_and_nobody_to_give_it_to() {
    let nobody = divide(800, &Demands::new());
    assert_eq!((nobody.choices.len(), nobody.used, nobody.left.get()), (0, Bitrate::ZERO, 800_000));
    let nothing = divide(0, &demands([(wanting(Role::Screen, 255), screen())]));
    assert_eq!((told(&nothing.choices[0]), nothing.choices[0].reason), (None, Reason::Budget));
    let mut reserving = demands([(wanting(Role::Screen, 255), screen())]);
    reserving.reserved = Bitrate::from_kbps(900);
    assert_eq!(divide(800, &reserving).left, Bitrate::ZERO);
}

#[test]
fn absurd_rates_disturb_nobody() {
    let absurd = Point { rate: Bitrate::new(u64::MAX), ..camera()[0] };
    let free = Point { rate: Bitrate::ZERO, ..camera()[8] };
    let tracks = [(wanting(Role::Screen, 255), vec![absurd; 3]), (wanting(Role::Thumbnail, 1), vec![free, absurd])];
    for kbps in [0, 1000, u64::MAX] {
        let choices = divide(kbps, &demands(tracks.clone())).choices;
        assert_eq!((told(&choices[0]), told(&choices[1])), (None, Some((2, 2, 0))), "{kbps}");
    }
}

#[test]
fn after_the_first_allocations_no_memory_is_asked_for() {
    let tracks = |count: u8| (0..count).map(|priority| (wanting(Role::Thumbnail, priority), camera()));
    let mut allocator = Allocator::new();
    let mut day = || {
        for demands in [1, 25, 100, 99].map(|count| demands(tracks(count))) {
            let kbps = |step: u64| step * 57 * demands.len() as u64;
            (0..30).for_each(|step| _ = allocator.allocate(Bitrate::from_kbps(kbps(step)), &demands));
        }
        allocator.capacity()
    };
    let first = day();
    assert!(first > 0);
    assert_eq!(day(), first);
}
