//! Floors: what each track gets before any track gets more. Screens first, then who is on stage, then everybody.
//!
//! All floors of a subscriber stand in one order of importance, and in that order each that still fits is granted. So
//! the set that is granted is the greatest in lexicographic order among all sets that fit (docs/allocation.md has the
//! proof), and it is the only one with that value: what remains to be decided is quality. Invariant: what is granted
//! fits the budget.

use std::cmp::{Ordering, Reverse};

use super::demand::{Demand, Demands, Role};
use super::hysteresis::floor_price;
use super::items::{Item, Items};
use super::utility::utility;

/// A camera on stage gets what this picture is worth before thumbnails get any. Higher: fewer thumbnails on thin links.
/// Lower: lips cannot be read. (jitsi-videobridge prefers 360 lines and 30 frames on stage before all others.)
const ON_STAGE_PIXELS: u32 = 640 * 360;
const ON_STAGE_MILLIHERTZ: u32 = 15_000;

/// A picture that a track should have at least.
#[derive(Debug, Clone, Copy)]
pub(super) struct Floor {
    pub(super) track: usize,
    /// The lowest rung that will do.
    pub(super) rung: u64,
    /// The least that has it.
    pub(super) cost: u64,
    /// What it counts among its equals.
    price: u64,
    tier: Reverse<Role>,
    /// The lowest rung first.
    step: u8,
    priority: Reverse<u8>,
}

/// What a track was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Granted {
    /// It gets this rung or a higher one.
    pub(super) rung: u64,
    /// Which costs so much at least.
    pub(super) cost: u64,
}

/// All floors of a subscriber.
#[derive(Debug, Default)]
pub(super) struct Floors {
    /// The most important first.
    list: Vec<Floor>,
    /// By track; `None`: it is paused.
    granted: Vec<Option<Granted>>,
    /// By floor.
    met: Vec<bool>,
    /// The first that was not met, and what those before it take.
    unmet: Option<(Floor, u64)>,
}

impl Floors {
    /// Grants as many as `budget` allows.
    pub(super) fn settle(&mut self, budget: u64, demands: &Demands, items: &Items) {
        self.list.clear();
        for (track, (demand, _)) in demands.iter().enumerate() {
            self.want(track, demand, items.of(track));
        }
        self.list.sort_unstable_by(|one, other| compare(one, other, items));
        self.granted.clear();
        self.granted.resize(items.tracks(), None);
        self.met.clear();
        self.unmet = None;
        let mut spent = 0_u64;
        for floor in &self.list {
            let Some(granted) = self.granted.get_mut(floor.track) else { continue };
            // The floor before this one of the same track costs no more, and is part of it.
            let more = floor.cost.saturating_sub(granted.map_or(0, |granted| granted.cost));
            let fits = spent.saturating_add(more) <= budget;
            if fits {
                spent += more;
                *granted = Some(Granted { rung: floor.rung, cost: floor.cost });
            } else if self.unmet.is_none() {
                self.unmet = Some((*floor, spent.saturating_add(more)));
            }
            self.met.push(fits);
        }
    }

    /// Of a track; `None`: nothing, so it is paused.
    pub(super) fn granted(&self, track: usize) -> Option<Granted> {
        self.granted.get(track).copied().flatten()
    }

    /// Which of them were met, the most important first.
    pub(super) fn met(&self) -> &[bool] {
        &self.met
    }

    /// The most important one that was not met, and the budget that it needs.
    pub(super) fn unmet(&self) -> Option<(Floor, u64)> {
        self.unmet
    }

    /// What is kept for its memory, in elements.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.list.capacity() + self.granted.capacity() + self.met.capacity()
    }

    /// The floors of a track.
    fn want(&mut self, track: usize, demand: &Demand, items: &[Item]) {
        let (tier, priority) = (Reverse(demand.role), Reverse(demand.priority));
        let mut add = |step, rung| {
            let enough = || items.iter().filter(|item| item.rung >= rung);
            let Some(cost) = enough().map(|item| item.cost).min() else { return };
            let price = enough().map(|item| floor_price(item.cost, item.keyframe)).min().unwrap_or(cost);
            self.list.push(Floor { track, rung, cost, price, tier, step, priority });
        };
        add(0, 0);
        match demand.role {
            Role::Thumbnail => {}
            Role::OnStage => {
                let best = items.iter().map(|item| item.rung).max().unwrap_or(0);
                let pixels = demand.tile_pixels().min(ON_STAGE_PIXELS);
                add(1, best.min(utility(demand, pixels, ON_STAGE_MILLIHERTZ)));
            }
            Role::Screen => {
                let rungs = || items.iter().map(|item| item.rung);
                let mut rung = rungs().min();
                let mut step = 1;
                // Every larger size is a floor of its own.
                while let Some(larger) = rung.and_then(|rung| rungs().filter(|larger| *larger > rung).min()) {
                    add(step, larger);
                    step = step.saturating_add(1);
                    rung = Some(larger);
                }
            }
        }
    }
}

/// The more important first. Of equals the one that takes less, so that as many as possible get theirs; the rest only
/// keeps the order in which tracks were given from having a say.
fn compare(one: &Floor, other: &Floor, items: &Items) -> Ordering {
    let key = |floor: &Floor| (floor.tier, floor.step, floor.priority, floor.price, floor.cost);
    key(one)
        .cmp(&key(other))
        .then_with(|| items.of(one.track).cmp(items.of(other.track)))
        .then_with(|| one.track.cmp(&other.track))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sfu_wire::Bitrate;

    use super::*;
    use crate::allocate::demand::{Current, Demand, Point};
    use crate::layer::Layer;

    fn point(spatial: u8, temporal: u8, kbps: u64) -> Point {
        let layer = Layer { spatial, temporal };
        let (size, rate) = (Some((320 << spatial, 180 << spatial)), Bitrate::from_kbps(kbps));
        Point { layer, rate, size, millihertz: Some(7_500 << temporal), flowing: true, keyframe: true }
    }

    fn demand(role: Role, priority: u8) -> Demand {
        Demand { role, priority, ..Demand::default() }
    }

    /// What each track is granted, in kilobits.
    fn settle(kbps: u64, tracks: &[(Demand, &[Point])]) -> Vec<Option<u64>> {
        let mut demands = Demands::new();
        for (demand, points) in tracks {
            demands.push(*demand, points.iter().copied());
        }
        let (mut items, mut floors) = (Items::default(), Floors::default());
        items.fill(&demands);
        floors.settle(kbps * 1000, &demands, &items);
        (0..tracks.len()).map(|track| floors.granted(track).map(|granted| granted.cost / 1000)).collect()
    }

    #[test]
    fn a_screen_comes_before_who_is_on_stage_and_both_before_the_others() {
        let camera = [point(0, 0, 100), point(1, 1, 300), point(2, 1, 900)];
        let screen = [point(0, 0, 80), point(2, 0, 400), point(2, 2, 900)];
        let tracks: [(Demand, &[Point]); 3] = [
            (demand(Role::Thumbnail, 255), &camera),
            (demand(Role::OnStage, 1), &camera),
            (demand(Role::Screen, 1), &screen),
        ];
        assert_eq!(settle(1000, &tracks), [Some(100), Some(300), Some(400)]);
        assert_eq!(settle(799, &tracks), [None, Some(300), Some(400)]);
        assert_eq!(
            settle(699, &tracks),
            [Some(100), Some(100), Some(400)],
            "360 lines do not fit, so everybody is next"
        );
        assert_eq!(settle(499, &tracks), [None, None, Some(400)]);
        assert_eq!(settle(399, &tracks), [None, Some(300), Some(80)], "full size does not fit");
        assert_eq!(settle(79, &tracks), [None, None, None]);
    }

    #[test]
    fn a_screen_keeps_the_largest_size_that_fits() {
        let screen = [point(0, 0, 80), point(0, 2, 120), point(1, 0, 200), point(1, 2, 350), point(2, 0, 400)];
        let granted = |kbps| settle(kbps, &[(demand(Role::Screen, 1), &screen)])[0];
        assert_eq!([400, 399, 199, 79].map(granted), [Some(400), Some(200), Some(80), None]);
    }

    #[test]
    fn thumbnails_pause_from_the_least_important() {
        let cameras = [120, 100, 110].map(|kbps| [point(0, 0, kbps)]);
        let demands = [3, 1, 2].map(|priority| demand(Role::Thumbnail, priority));
        let tracks: Vec<(Demand, &[Point])> =
            demands.into_iter().zip(cameras.iter().map(|camera| &camera[..])).collect();
        assert_eq!(settle(330, &tracks), [Some(120), Some(100), Some(110)]);
        assert_eq!(settle(329, &tracks), [Some(120), None, Some(110)]);
        assert_eq!(settle(229, &tracks), [Some(120), Some(100), None], "the second does not fit, the third does");
        assert_eq!(settle(219, &tracks), [Some(120), None, None]);
    }

    #[test]
    fn of_equal_priority_as_many_as_fit() {
        let (large, small) = ([point(2, 0, 900)], [point(0, 0, 300)]);
        let tracks: [(Demand, &[Point]); 4] =
            [&large[..], &small, &small, &small].map(|points| (demand(Role::Thumbnail, 5), points));
        assert_eq!(settle(1000, &tracks), [None, Some(300), Some(300), Some(300)]);
        assert_eq!(settle(1800, &tracks), [Some(900), Some(300), Some(300), Some(300)]);
    }

    #[test]
    fn what_does_not_fit_leaves_room_for_the_less_important() {
        let (large, small) = ([point(2, 0, 900)], [point(0, 0, 300)]);
        let tracks: [(Demand, &[Point]); 2] =
            [(demand(Role::OnStage, 9), &large), (demand(Role::Thumbnail, 1), &small)];
        assert_eq!(settle(600, &tracks), [None, Some(300)]);
    }

    #[test]
    fn who_is_seen_stays_unless_another_is_much_cheaper() {
        let current = Some(Current { layer: Some(Layer::default()), age: Duration::from_mins(1) });
        let seen = Demand { current, ..Demand::default() };
        let granted = |other| {
            let (mine, theirs) = ([Point { keyframe: false, ..point(0, 0, 100) }], [point(0, 0, other)]);
            let tracks: [(Demand, &[Point]); 2] = [(seen, &mine), (Demand::default(), &theirs)];
            settle(110, &tracks)
        };
        assert_eq!(granted(81), [Some(100), None]);
        assert_eq!(granted(79), [None, Some(79)]);
    }
}
