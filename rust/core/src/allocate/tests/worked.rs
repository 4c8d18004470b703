//! The worked examples of docs/allocation.md, number by number.

use sfu_wire::Bitrate;

use super::{camera, demands, from, having, layer, screen, told, wanting};
use crate::allocate::bound::{FRACTION, Frontier};
use crate::allocate::items::Items;
use crate::allocate::tiers::Floors;
use crate::allocate::{Allocation, Demand, Demands, Reason, Role, allocate};

/// A screen, a camera on stage and seven thumbnails in order of priority.
fn meeting() -> Demands {
    let thumbnail = |number: u8| Demand { tile: Some((320, 180)), ..wanting(Role::Thumbnail, 10 - number) };
    let first = [(wanting(Role::Screen, 1), screen()), (wanting(Role::OnStage, 1), camera())];
    demands(first.into_iter().chain((1..=7).map(|number| (thumbnail(number), camera()))))
}

fn two_cameras() -> Demands {
    demands([(wanting(Role::Thumbnail, 1), camera()), (wanting(Role::Thumbnail, 1), camera())])
}

/// The kilobits of each choice; none: paused.
fn rates(allocation: &Allocation) -> Vec<u64> {
    allocation.choices.iter().map(|choice| choice.rate.get() / 1000).collect()
}

#[test]
fn a_screen_and_eight_cameras_in_800_kbps() {
    let allocation = allocate(Bitrate::from_kbps(800), &meeting());
    let choices: Vec<_> = allocation.choices.iter().map(told).collect();
    let (low, none) = (Some((0, 0, 60)), None);
    assert_eq!(choices, [Some((1, 0, 360)), Some((1, 1, 300)), low, low, none, none, none, none, none]);
    assert_eq!((allocation.used, allocation.left), (Bitrate::from_kbps(780), Bitrate::from_kbps(20)));
    assert!(allocation.choices.iter().all(|choice| choice.reason == Reason::Budget));
    assert!(allocation.certificate.is_exact());
    let next = allocation.next.unwrap();
    assert_eq!((next.track, next.layer, next.cost), (4, layer(0, 0), Bitrate::from_kbps(60)));
    assert_eq!(allocation.probe_goal(), Some(Bitrate::from_kbps(840)));
}

#[test]
fn the_same_meeting_with_less_and_with_more() {
    let divided = [99, 100, 300, 500, 660, 1080, 1500, 2000, 3000, 4000].map(|kbps| {
        let allocation = allocate(Bitrate::from_kbps(kbps), &meeting());
        (kbps, rates(&allocation), allocation.left.get() / 1000)
    });
    let expected: [(u64, [u64; 9], u64); 10] = [
        (99, [0, 90, 0, 0, 0, 0, 0, 0, 0], 9),
        (100, [100, 0, 0, 0, 0, 0, 0, 0, 0], 0),
        (300, [100, 60, 60, 60, 0, 0, 0, 0, 0], 20),
        (500, [360, 60, 60, 0, 0, 0, 0, 0, 0], 20),
        (660, [360, 300, 0, 0, 0, 0, 0, 0, 0], 0),
        (1080, [360, 300, 60, 60, 60, 60, 60, 60, 60], 0),
        (1500, [360, 300, 150, 150, 150, 150, 90, 90, 60], 0),
        (2000, [540, 300, 150, 150, 150, 150, 150, 150, 150], 110),
        (3000, [900, 1020, 150, 150, 150, 150, 150, 150, 150], 30),
        (4000, [900, 1700, 150, 150, 150, 150, 150, 150, 150], 350),
    ];
    assert_eq!(divided, expected.map(|(kbps, rates, left)| (kbps, rates.to_vec(), left)));
}

#[test]
fn two_cameras_in_800_kbps_and_their_bound() {
    let (mut items, mut floors, mut frontier) = (Items::default(), Floors::default(), Frontier::default());
    items.fill(&two_cameras());
    let worths: Vec<_> = items.of(0).iter().map(|item| (item.rate / 1000, item.worth)).collect();
    assert_eq!(
        worths,
        [(60, 67), (90, 105), (150, 150), (200, 135), (300, 210), (500, 300), (680, 270), (1020, 420), (1700, 600),]
    );
    floors.settle(800_000, &two_cameras(), &items);
    let relaxed = frontier.relax(800_000, &items, &floors);
    assert_eq!(relaxed.value + ((relaxed.slack * relaxed.price) >> FRACTION), 514);
    let allocation = allocate(Bitrate::from_kbps(800), &two_cameras());
    assert_eq!((rates(&allocation), allocation.utility.quality()), (vec![500, 300], 510));
    assert!(allocation.certificate.is_exact());
}

#[test]
fn a_link_gets_worse_and_recovers() {
    let mut now = layer(2, 2);
    // What the link carries, and for how long the choice before has stood.
    let story =
        [(1700, 60), (1000, 60), (1000, 60), (600, 60), (2000, 0), (2000, 1), (2000, 2)].map(|(kbps, seconds)| {
            let demand = having(wanting(Role::OnStage, 1), Some(now), seconds);
            let choice = allocate(Bitrate::from_kbps(kbps), &demands([(demand, from(now, camera()))])).choices[0];
            now = choice.layer.unwrap();
            (now.spatial, now.temporal, choice.reason)
        });
    let (best, budget, hysteresis) = (Reason::Best, Reason::Budget, Reason::Hysteresis);
    assert_eq!(
        story,
        [
            (2, 2, best),
            (2, 0, hysteresis),
            (2, 0, hysteresis),
            (1, 2, budget),
            (1, 2, hysteresis),
            (1, 2, hysteresis),
            (2, 2, best),
        ]
    );
}
