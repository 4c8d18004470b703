//! What can be chosen: for each track the points that flow and are allowed, with what they cost and count.
//!
//! First step of an allocation; the other steps see items only. Invariant: the items of a track are in order of their
//! cost, of equal cost the most valuable first, so that nothing below depends on the order in which points were given.

use std::cmp::Reverse;

use super::demand::{Demand, Demands, Point, Role};
use super::hysteresis::{Hysteresis, Plain};
use super::utility::{picture, utility};

/// A point that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Item {
    /// What it takes of the budget: its rate, and the room that a track has to leave that was just paused.
    pub(super) cost: u64,
    /// What the division makes as large as it can: the worth with hysteresis in it.
    pub(super) value: Reverse<u64>,
    /// Where it stands among floors: of a screen the pixels that are shown, of a camera the worth.
    pub(super) rung: u64,
    /// What it is worth to who sees it.
    pub(super) worth: u64,
    /// In bits per second.
    pub(super) rate: u64,
    /// Whether it can be shown only after a keyframe.
    pub(super) keyframe: bool,
    /// Its place among the track's points.
    pub(super) point: u32,
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Items {
    list: Vec<Item>,
    /// Where each track's end.
    ends: Vec<usize>,
    /// Of the track that is being read; kept for its memory.
    plain: Vec<(Plain, u64, u32)>,
}

impl Items {
    /// Reads `demands`.
    pub(super) fn fill(&mut self, demands: &Demands) {
        self.list.clear();
        self.ends.clear();
        for (demand, points) in demands.iter() {
            self.read(demand, points);
            self.ends.push(self.list.len());
        }
    }

    /// How many tracks there are.
    pub(super) fn tracks(&self) -> usize {
        self.ends.len()
    }

    /// Those of a track.
    pub(super) fn of(&self, track: usize) -> &[Item] {
        let begin = track.checked_sub(1).and_then(|before| self.ends.get(before)).copied().unwrap_or(0);
        let end = self.ends.get(track).copied().unwrap_or(begin);
        self.list.get(begin..end).unwrap_or_default()
    }

    /// What is kept for its memory, in elements.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.list.capacity() + self.ends.capacity() + self.plain.capacity()
    }

    fn read(&mut self, demand: &Demand, points: &[Point]) {
        self.plain.clear();
        let within = |point: &Point| demand.allows(point.layer);
        let flowing = || points.iter().filter(|point| point.flowing);
        // What flows above the limit only is better than nothing: the lowest of it, as the selector takes it.
        let lowest = if flowing().any(within) { None } else { flowing().map(|point| point.layer).min() };
        for (index, point) in (0..).zip(points) {
            if point.flowing && (within(point) || Some(point.layer) == lowest) {
                let (pixels, millihertz) = picture(point, points);
                let shown = pixels.min(demand.tile_pixels());
                let worth = utility(demand, shown, millihertz);
                let plain = Plain { layer: point.layer, rate: point.rate.get(), worth, keyframe: point.keyframe };
                let rung = if demand.role == Role::Screen { u64::from(shown) } else { worth };
                self.plain.push((plain, rung, index));
            }
        }
        let hysteresis = Hysteresis::new(demand, self.plain.iter().map(|(plain, ..)| *plain));
        let smallest = self.plain.iter().map(|(plain, ..)| plain.rate).min().unwrap_or(0);
        let begin = self.list.len();
        self.list.extend(self.plain.iter().map(|(plain, rung, point)| Item {
            cost: hysteresis.cost(plain.rate, smallest),
            value: Reverse(hysteresis.value(plain)),
            rung: *rung,
            worth: plain.worth,
            rate: plain.rate,
            keyframe: hysteresis.needs_keyframe(plain),
            point: *point,
        }));
        if let Some(own) = self.list.get_mut(begin..) {
            own.sort_unstable();
        }
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::Bitrate;

    use super::*;
    use crate::layer::Layer;

    fn point(spatial: u8, kbps: u64, flowing: bool) -> Point {
        let layer = Layer { spatial, temporal: 0 };
        let size = Some((320 << spatial, 180 << spatial));
        Point { layer, rate: Bitrate::from_kbps(kbps), size, millihertz: Some(30_000), flowing, keyframe: true }
    }

    /// Which points can be chosen, and how many lines of 16:9 they show.
    fn points_of(demand: Demand, points: &[Point]) -> Vec<(u32, u64)> {
        let mut demands = Demands::new();
        demands.push(Demand { role: Role::Screen, ..demand }, points.iter().copied());
        let mut items = Items::default();
        items.fill(&demands);
        items.of(0).iter().map(|item| (item.point, (item.rung * 9 / 16).isqrt())).collect()
    }

    #[test]
    fn what_does_not_flow_or_is_not_allowed_cannot_be_chosen() {
        let points = [point(2, 1500, true), point(1, 500, false), point(0, 150, true)];
        assert_eq!(points_of(Demand::default(), &points), [(2, 180), (0, 720)]);
        let limit = Some(Layer { spatial: 1, temporal: 7 });
        assert_eq!(points_of(Demand { limit, ..Demand::default() }, &points), [(2, 180)]);
    }

    #[test]
    fn when_all_that_flow_are_above_the_limit_the_lowest_of_them_remains() {
        let points = [point(2, 1500, true), point(1, 500, true), point(0, 150, false)];
        let limit = Some(Layer::default());
        assert_eq!(points_of(Demand { limit, ..Demand::default() }, &points), [(1, 360)]);
    }

    #[test]
    fn no_more_is_shown_than_the_tile_has() {
        let points = [point(0, 150, true), point(2, 1500, true)];
        let tile = Some((640, 360));
        assert_eq!(points_of(Demand { tile, ..Demand::default() }, &points), [(0, 180), (1, 360)]);
    }

    #[test]
    fn a_track_without_points_has_no_items_and_disturbs_nobody() {
        let mut demands = Demands::new();
        demands.push(Demand::default(), []);
        demands.push(Demand::default(), [point(0, 150, true)]);
        let mut items = Items::default();
        items.fill(&demands);
        assert_eq!((items.tracks(), items.of(0).len(), items.of(1).len(), items.of(2).len()), (2, 0, 1, 0));
    }
}
