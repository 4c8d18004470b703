//! The best division by trying all of them, written from the definition (docs/allocation.md).

use std::cmp::Reverse;

use crate::allocate::demand::{Demands, Role};
use crate::allocate::items::{Item, Items};
use crate::allocate::utility::utility;

/// The floors that are kept, the most important in the highest bit, and the quality.
pub(super) type Worth = (u64, u64);

/// Tries every choice of every track.
pub(super) fn best(budget: u64, demands: &Demands) -> Worth {
    let mut items = Items::default();
    items.fill(demands);
    let floors = floors(demands, &items);
    let keeps = |track: usize, item: &Item| {
        let kept = floors.iter().zip((0..64).rev()).filter(|((of, rung), _)| *of == track && item.rung >= *rung);
        kept.map(|(_, bit)| 1_u64 << bit).sum()
    };
    let option = |track: usize, item: &Item| (item.cost, keeps(track, item), item.value.0);
    let options: Vec<Vec<_>> =
        (0..items.tracks()).map(|track| items.of(track).iter().map(|item| option(track, item)).collect()).collect();
    try_all(&options, budget, (0, 0))
}

fn try_all(options: &[Vec<(u64, u64, u64)>], budget: u64, so_far: Worth) -> Worth {
    let Some((first, rest)) = options.split_first() else { return so_far };
    let paused = try_all(rest, budget, so_far);
    let fitting = first.iter().filter(|(cost, ..)| *cost <= budget);
    let worths = fitting.map(|(cost, kept, value)| try_all(rest, budget - cost, (so_far.0 | kept, so_far.1 + value)));
    worths.fold(paused, Worth::max)
}

/// The best quality by a table: for each budget in multiples of `unit` what the tracks so far can have.
pub(super) fn best_of_many(budget: u64, unit: u64, demands: &Demands) -> u64 {
    let mut items = Items::default();
    items.fill(demands);
    let mut least: Vec<Option<u64>> = vec![None; items.tracks()];
    let allowed = |track: usize, rung: u64| items.of(track).iter().filter(move |item| item.rung >= rung);
    for (track, rung) in floors(demands, &items) {
        let before = least[track].replace(rung);
        let cheapest = |track, rung| allowed(track, rung).map(|item| item.cost).min().unwrap_or(0);
        let cost: u64 = least.iter().enumerate().filter_map(|(track, rung)| Some(cheapest(track, (*rung)?))).sum();
        if cost > budget {
            least[track] = before;
        }
    }
    let mut table = vec![Some(0); (budget / unit) as usize + 1];
    for (track, rung) in least.iter().enumerate().filter_map(|(track, rung)| Some((track, (*rung)?))) {
        let with =
            |place: usize, item: &Item| Some(table[place.checked_sub((item.cost / unit) as usize)?]? + item.value.0);
        table = (0..table.len()).map(|place| allowed(track, rung).filter_map(|item| with(place, item)).max()).collect();
    }
    table.last().copied().flatten().unwrap_or(0)
}

/// Track and least rung of each floor, the most important first.
fn floors(demands: &Demands, items: &Items) -> Vec<(usize, u64)> {
    let mut floors = Vec::new();
    for (track, (demand, _)) in demands.iter().enumerate() {
        let own = items.of(track);
        let mut rungs: Vec<u64> = own.iter().map(|item| item.rung).collect();
        rungs.sort_unstable();
        rungs.dedup();
        let stage = utility(demand, demand.tile_pixels().min(640 * 360), 15_000);
        let wanted = match demand.role {
            Role::Thumbnail => vec![0],
            Role::OnStage => vec![0, rungs.last().copied().unwrap_or(0).min(stage)],
            Role::Screen => [0].into_iter().chain(rungs.iter().copied().skip(1)).collect(),
        };
        for (step, rung) in wanted.into_iter().enumerate() {
            let enough = own.iter().filter(|item| item.rung >= rung);
            let dearer = |item: &Item| item.cost + if item.keyframe { item.cost / 4 } else { 0 };
            let Some(price) = enough.clone().map(dearer).min() else { continue };
            let cost = enough.map(|item| item.cost).min();
            let key = (Reverse(demand.role), step, Reverse(demand.priority), price, cost);
            floors.push((key, own, track, rung));
        }
    }
    floors.sort();
    floors.into_iter().map(|(_, _, track, rung)| (track, rung)).collect()
}
