//! What is told of a finished division: what goes out, why a track does not get more, and what would come next.
//!
//! Last step of an allocation; nothing is decided here. Invariant: a step that is named takes more than what is left.

use sfu_wire::Bitrate;

use super::allocation::{Allocation, Certificate, Choice, NextStep, Reason};
use super::bound::Frontier;
use super::demand::{Demand, Demands, Point};
use super::exact::Found;
use super::items::{Item, Items};
use super::tiers::Floors;
use super::utility::{picture, utility};
use crate::layer::Layer;

/// A finished division, as the steps left it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Division<'a> {
    /// What the reserved rate leaves of the budget.
    pub(super) room: u64,
    pub(super) demands: &'a Demands,
    pub(super) items: &'a Items,
    pub(super) floors: &'a Floors,
    pub(super) frontier: &'a Frontier,
    pub(super) found: Found,
}

impl<'a> Division<'a> {
    /// Writes it down.
    pub(super) fn tell(self, to: &mut Allocation) {
        to.used = Bitrate::new(self.chosen().map(|(_, item)| item.rate).sum());
        to.left = Bitrate::new(self.room) - to.used;
        to.reserved = self.demands.reserved;
        let quality = |value: i64| u64::try_from(value).unwrap_or(0);
        to.certificate = Certificate { found: quality(self.found.value), bound: quality(self.found.bound) };
        to.utility.set(self.floors.met(), to.certificate.found);
        to.choices.clear();
        let mut chosen = self.chosen().peekable();
        for (track, (demand, points)) in self.demands.iter().enumerate() {
            let item = chosen.next_if(|(of, _)| *of == track).map(|(_, item)| item);
            to.choices.push(Choice {
                layer: item.and_then(|item| layer(item, points)),
                rate: Bitrate::new(item.map_or(0, |item| item.rate)),
                reason: reason(demand, points, self.allowed(track), item, to.left),
            });
        }
        to.next = next_step(&self, to.used, to.left);
    }

    /// What a track may get: of one that is not paused, what has its floor.
    fn allowed(self, track: usize) -> impl Iterator<Item = &'a Item> {
        let rung = self.floors.granted(track).map_or(0, |granted| granted.rung);
        self.items.of(track).iter().filter(move |item| item.rung >= rung)
    }

    /// What each track that is not paused gets, in order of tracks.
    fn chosen(self) -> impl Iterator<Item = (usize, &'a Item)> {
        self.frontier.groups.iter().filter_map(move |group| {
            let entry = self.frontier.entries.get(group.chosen)?;
            Some((group.track, self.items.of(group.track).get(entry.item)?))
        })
    }
}

/// Why a track that may get `allowed` gets no more than `chosen` while `left` is left.
fn reason<'a>(
    demand: &Demand,
    points: &[Point],
    allowed: impl Iterator<Item = &'a Item>,
    chosen: Option<&Item>,
    left: Bitrate,
) -> Reason {
    let (worth, rate) = chosen.map_or((None, 0), |item| (Some(item.worth), item.rate));
    let mut better = allowed.filter(|item| Some(item.worth) > worth).peekable();
    if better.peek().is_some() {
        let fits = better.any(|item| item.rate <= rate.saturating_add(left.get()));
        return if fits { Reason::Hysteresis } else { Reason::Budget };
    }
    let now = chosen.and_then(|item| layer(item, points));
    if points.iter().any(|point| would_be_better(demand, point, points, worth)) || now.is_none() {
        return Reason::NotFlowing;
    }
    if points.iter().any(|point| Some(point.layer) > now) { Reason::Limit } else { Reason::Best }
}

/// Whether `point` would show more than what is worth `worth`, if it flowed.
fn would_be_better(demand: &Demand, point: &Point, points: &[Point], worth: Option<u64>) -> bool {
    let worth_of = |(pixels, millihertz): (u32, u32)| utility(demand, pixels.min(demand.tile_pixels()), millihertz);
    !point.flowing && demand.allows(point.layer) && Some(worth_of(picture(point, points))) > worth
}

/// The most important floor that is missing; else the step that brings most for its bits. What fits already needs no
/// probe.
fn next_step(division: &Division<'_>, used: Bitrate, left: Bitrate) -> Option<NextStep> {
    if let Some((floor, needed)) = division.floors.unmet() {
        let mut enough = division.items.of(floor.track).iter().filter(|item| item.rung >= floor.rung);
        let layer = layer_of(division, floor.track, enough.next()?)?;
        return Some(NextStep { track: floor.track, layer, cost: Bitrate::new(needed) - used });
    }
    let mut best: Option<Better<'_>> = None;
    for (track, now) in division.chosen() {
        let more = division.allowed(track).filter(|item| item.worth > now.worth);
        for item in more.filter(|item| item.rate.saturating_sub(now.rate) > left.get()) {
            let step = Better { track, item, gain: item.worth - now.worth, cost: item.rate - now.rate };
            if best.as_ref().is_none_or(|best| step.beats(best)) {
                best = Some(step);
            }
        }
    }
    let Better { track, item, cost, .. } = best?;
    Some(NextStep { track, layer: layer_of(division, track, item)?, cost: Bitrate::new(cost) })
}

struct Better<'a> {
    track: usize,
    item: &'a Item,
    gain: u64,
    cost: u64,
}

impl Better<'_> {
    /// More for a bit; of equals the one that takes less.
    fn beats(&self, other: &Self) -> bool {
        let mine = u128::from(self.gain) * u128::from(other.cost);
        let theirs = u128::from(other.gain) * u128::from(self.cost);
        mine > theirs || mine == theirs && self.cost < other.cost
    }
}

fn layer_of(division: &Division<'_>, track: usize, item: &Item) -> Option<Layer> {
    division.demands.iter().nth(track).and_then(|(_, points)| layer(item, points))
}

fn layer(item: &Item, points: &[Point]) -> Option<Layer> {
    points.get(item.point as usize).map(|point| point.layer)
}
