//! What holds for all demands and budgets.

use std::time::Duration;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use sfu_wire::Bitrate;

use super::oracle;
use crate::allocate::exact::Search;
use crate::allocate::{Allocation, Allocator, Current, Demand, Demands, Point, Role, allocate};
use crate::layer::Layer;

type Tracks = Vec<(Demand, Vec<Point>)>;

fn layers() -> impl Strategy<Value = Layer> {
    (0..3_u8, 0..3_u8).prop_map(|(spatial, temporal)| Layer { spatial, temporal })
}

/// Few different values, so that there are ties.
fn sizes() -> impl Strategy<Value = (u16, u16)> {
    prop_oneof![Just((160, 90)), Just((320, 180)), Just((640, 360)), Just((1280, 720)), (1..2000_u16, 1..1100_u16)]
}

fn points() -> impl Strategy<Value = Point> {
    let rates = prop_oneof![0..12_u64, 0..3000_u64, 10_000..2_000_000_u64];
    let fps = option::of(prop_oneof![Just(7_500), Just(30_000), 0..60_000_u32]);
    (layers(), rates, option::of(sizes()), fps, prop::bool::weighted(0.9), any::<bool>()).prop_map(
        |(layer, rate, size, millihertz, flowing, keyframe)| {
            let rate = Bitrate::new(rate);
            Point { layer, rate, size, millihertz, flowing, keyframe }
        },
    )
}

fn wishes() -> impl Strategy<Value = Demand> {
    let roles = prop_oneof![3 => Just(Role::Thumbnail), 1 => Just(Role::OnStage), 1 => Just(Role::Screen)];
    let priorities = prop_oneof![Just(1), 0..4_u8, any::<u8>()];
    let current = (option::weighted(0.8, layers()), 0..6000_u64)
        .prop_map(|(layer, age)| Current { layer, age: Duration::from_millis(age) });
    (roles, priorities, option::of(sizes()), option::weighted(0.2, layers()), option::of(current))
        .prop_map(|(role, priority, tile, limit, current)| Demand { role, priority, tile, limit, current })
}

fn tracks(count: impl Into<prop::collection::SizeRange>, most: usize) -> impl Strategy<Value = Tracks> {
    vec((wishes(), vec(points(), 0..=most)), count)
}

/// Cameras that are nearly alike, with rates in whole multiples of 10 kbit/s.
fn gallery() -> impl Strategy<Value = Tracks> {
    let wobbles = vec(-2..=2_i64, 9);
    let current = option::of((layers(), 0..6000_u64));
    let camera = (wobbles, 1..4_u8, current).prop_map(|(wobbles, priority, current)| {
        let current = current.map(|(layer, age)| Current { layer: Some(layer), age: Duration::from_millis(age) });
        let wobbling = |(point, by): (Point, i64)| {
            let rate = (point.rate.get() / 10_000).saturating_add_signed(by) * 10_000;
            Point { rate: Bitrate::new(rate), ..point }
        };
        let points = super::camera().into_iter().zip(wobbles).map(wobbling).collect();
        (Demand { priority, current, ..Demand::default() }, points)
    });
    vec(camera, 7..40)
}

fn demands(tracks: &Tracks) -> Demands {
    super::demands(tracks.iter().cloned())
}

/// A part of what everything together costs.
fn budget(tracks: &Tracks, percent: u64) -> Bitrate {
    let all: Bitrate = tracks.iter().filter_map(|(_, points)| points.iter().map(|point| point.rate).max()).sum();
    Bitrate::new(all.get() * percent / 100)
}

/// The rate of each choice is that of the track's point, and together they keep within the budget.
fn check(allocation: &Allocation, budget: Bitrate, tracks: &Tracks) -> Result<(), TestCaseError> {
    let rates = allocation.choices.iter().map(|choice| choice.rate).sum::<Bitrate>();
    prop_assert!(rates <= budget);
    prop_assert_eq!((allocation.used, allocation.left), (rates, budget - rates));
    prop_assert_eq!(allocation.choices.len(), tracks.len());
    for (choice, (_, points)) in allocation.choices.iter().zip(tracks) {
        let exists = |point: &Point| Some(point.layer) == choice.layer && point.rate == choice.rate && point.flowing;
        prop_assert!(choice.layer.is_none() || points.iter().any(exists));
        prop_assert!(choice.layer.is_some() || choice.rate == Bitrate::ZERO);
    }
    prop_assert!(allocation.certificate.bound >= allocation.certificate.found);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(10_000))]

    #[test]
    fn equal_to_trying_everything(tracks in tracks(1..=6, 4), percent in 0..120_u64) {
        let (demands, budget) = (demands(&tracks), budget(&tracks, percent));
        let allocation = allocate(budget, &demands);
        check(&allocation, budget, &tracks)?;
        let found = (allocation.utility.floors.first().copied().unwrap_or(0), allocation.utility.quality());
        prop_assert_eq!(found, oracle::best(budget.get(), &demands));
        prop_assert!(allocation.certificate.is_exact());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn equal_to_a_table_for_many_tracks_that_are_nearly_alike(tracks in gallery(), percent in 0..100_u64) {
        let (demands, budget) = (demands(&tracks), budget(&tracks, percent));
        let allocation = allocate(budget, &demands);
        prop_assert_eq!(allocation.utility.quality(), oracle::best_of_many(budget.get(), 10_000, &demands));
        prop_assert!(allocation.certificate.is_exact());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn more_budget_is_never_worse(tracks in tracks(0..30, 9), percents in vec(0..120_u64, 8)) {
        let demands = demands(&tracks);
        let mut budgets: Vec<_> = percents.iter().map(|percent| budget(&tracks, *percent)).collect();
        budgets.sort();
        let utilities: Vec<_> = budgets.iter().map(|budget| allocate(*budget, &demands).utility).collect();
        prop_assert!(utilities.is_sorted(), "{:?}", utilities);
    }

    #[test]
    fn neither_the_order_of_tracks_nor_that_of_points_counts(
        tracks in tracks(1..20, 9),
        percent in 0..120_u64,
        seed in any::<u64>(),
    ) {
        let mut shuffled = tracks.clone();
        let by = |number: usize| (number as u64 + 1).wrapping_mul(seed | 1);
        for (number, (_, points)) in shuffled.iter_mut().enumerate() {
            let turn = by(number) as usize % points.len().max(1);
            points.rotate_left(turn);
        }
        let mut order: Vec<usize> = (0..tracks.len()).collect();
        order.sort_by_key(|number| by(*number));
        let shuffled: Tracks = order.iter().map(|number| shuffled[*number].clone()).collect();
        let budget = budget(&tracks, percent);
        let (one, other) = (allocate(budget, &demands(&tracks)), allocate(budget, &demands(&shuffled)));
        prop_assert_eq!(one.utility, other.utility);
    }

    #[test]
    fn memory_of_earlier_allocations_has_no_say(batch in vec((tracks(0..12, 6), 0..120_u64), 1..6)) {
        let mut allocator = Allocator::new();
        for (tracks, percent) in &batch {
            let (demands, budget) = (demands(tracks), budget(tracks, *percent));
            let again = allocator.allocate(budget, &demands).clone();
            prop_assert_eq!(again, allocate(budget, &demands));
        }
    }

    #[test]
    fn the_bound_holds_whatever_is_left_out_of_the_search(
        tracks in tracks(1..=100, 9),
        percent in 0..120_u64,
        states in 1..8_usize,
    ) {
        let (demands, budget) = (demands(&tracks), budget(&tracks, percent));
        let whole = allocate(budget, &demands);
        check(&whole, budget, &tracks)?;
        prop_assert!(whole.certificate.gap_ppm() <= 1000, "{:?}", whole.certificate);
        let mut hasty = Allocator { search: Search::keeping(states), ..Allocator::new() };
        let hasty = hasty.allocate(budget, &demands);
        check(hasty, budget, &tracks)?;
        prop_assert!(hasty.certificate.found <= whole.certificate.found);
        prop_assert!(hasty.certificate.bound >= whole.certificate.found);
        prop_assert_eq!(&hasty.utility.floors, &whole.utility.floors);
    }

    #[test]
    fn what_is_reserved_is_no_part_of_the_budget(
        tracks in tracks(1..10, 6),
        percent in 0..120_u64,
        kbps in 0..100_u64,
    ) {
        let (mut demands, budget) = (demands(&tracks), budget(&tracks, percent));
        let plain = allocate(budget, &demands);
        demands.reserved = Bitrate::from_kbps(kbps);
        let reserving = allocate(budget + demands.reserved, &demands);
        prop_assert_eq!(&plain.choices, &reserving.choices);
        prop_assert_eq!((plain.used, plain.left, plain.next), (reserving.used, reserving.left, reserving.next));
        prop_assert_eq!(plain.probe_goal().map(|goal| goal + demands.reserved), reserving.probe_goal());
    }

    #[test]
    fn the_budget_of_the_next_step_brings_more_and_none_is_named_when_none_is_left(
        tracks in tracks(1..30, 9),
        percent in 0..120_u64,
    ) {
        let new = |(demand, points): &(Demand, Vec<Point>)| (Demand { current: None, ..*demand }, points.clone());
        let tracks: Tracks = tracks.iter().map(new).collect();
        let (demands, budget) = (demands(&tracks), budget(&tracks, percent));
        let now = allocate(budget, &demands);
        if let Some(next) = now.next {
            prop_assert!(next.cost > now.left);
            let then = allocate(now.used + next.cost, &demands);
            prop_assert!(then.utility > now.utility);
        } else {
            let all = allocate(Bitrate::new(u64::MAX), &demands);
            prop_assert_eq!(all.utility, now.utility);
        }
    }
}
