//! What a subscriber wants: one [`Demand`] for each track, and the points at which the track could be sent.
//!
//! The caller fills [`Demands`] before each allocation and keeps it for its memory. Everything is a plain value: what
//! flows and how fast was measured elsewhere. Invariant: the points of a track lie together, in the order in which the
//! tracks came.

use std::time::Duration;

use sfu_wire::Bitrate;

use crate::layer::Layer;

/// What a track is to its subscriber. Each role has its own floor, the last one's comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Role {
    /// A camera among others: its floor is any picture.
    #[default]
    Thumbnail,
    /// The camera that is looked at: its floor is a picture of 360 lines.
    OnStage,
    /// A shared screen: its floor is its full size, at whatever frame rate.
    Screen,
}

/// A quality at which a track could be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Point {
    /// Which.
    pub layer: Layer,
    /// What goes out for it: with everything below it that a decoder needs.
    pub rate: Bitrate,
    /// Width and height in pixels. Unknown: half of each for a spatial layer below another.
    pub size: Option<(u16, u16)>,
    /// Frames in a thousand seconds. Unknown, or nothing measured: half for a temporal layer below another.
    pub millihertz: Option<u32>,
    /// Whether it comes at all. One that does not is never chosen; it only explains why a lower one is.
    pub flowing: bool,
    /// Whether who has the current point needs a keyframe to get here.
    pub keyframe: bool,
}

/// What was chosen before, and for how long that has stood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Current {
    /// `None`: paused for lack of bandwidth.
    pub layer: Option<Layer>,
    /// Since when.
    pub age: Duration,
}

/// What is wanted of one track.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Demand {
    /// What it is to the subscriber.
    pub role: Role,
    /// How much it counts: for floors an order within a role, for quality a weight (0 counts as 1).
    pub priority: u8,
    /// The largest size that is shown, in pixels. `None`: unknown, so nothing is too large.
    pub tile: Option<(u16, u16)>,
    /// The highest layer that the application allows. When all that flow are above it, the lowest of them is taken.
    pub limit: Option<Layer>,
    /// The choice that stands. `None`: the track is new.
    pub current: Option<Current>,
}

/// All tracks of a subscriber.
#[derive(Debug, Clone, Default)]
pub struct Demands {
    /// Goes out in any case and is no part of the division: audio, and what is kept for repairs.
    pub reserved: Bitrate,
    tracks: Vec<Wanted>,
    points: Vec<Point>,
}

#[derive(Debug, Clone, Copy)]
struct Wanted {
    demand: Demand,
    /// Where its points end; those of the track before it end where they begin.
    end: usize,
}

impl Demands {
    /// Of nobody yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets the tracks and keeps the memory.
    pub fn clear(&mut self) {
        self.reserved = Bitrate::ZERO;
        self.tracks.clear();
        self.points.clear();
    }

    /// Adds a track with its points, in any order. It is called by how many came before it.
    pub fn push(&mut self, demand: Demand, points: impl IntoIterator<Item = Point>) {
        self.points.extend(points);
        self.tracks.push(Wanted { demand, end: self.points.len() });
    }

    /// How many tracks there are.
    pub fn len(&self) -> usize {
        self.tracks.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Each track with its points.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Demand, &[Point])> {
        let mut begin = 0;
        self.tracks.iter().map(move |Wanted { demand, end }| {
            let points = self.points.get(begin..*end).unwrap_or_default();
            begin = *end;
            (demand, points)
        })
    }
}

impl Demand {
    /// The layer that goes out now, if one does.
    pub(super) fn running(&self) -> Option<Layer> {
        self.current.and_then(|current| current.layer)
    }

    /// Whether the application allows `layer`.
    pub(super) fn allows(&self, layer: Layer) -> bool {
        self.limit.is_none_or(|limit| layer.spatial <= limit.spatial && layer.temporal <= limit.temporal)
    }

    /// Pixels of the tile.
    pub(super) fn tile_pixels(&self) -> u32 {
        self.tile.map_or(u32::MAX, pixels)
    }
}

/// How many pixels `size` has.
pub(super) fn pixels(size: (u16, u16)) -> u32 {
    u32::from(size.0) * u32::from(size.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(spatial: u8) -> Point {
        let layer = Layer { spatial, temporal: 0 };
        Point { layer, rate: Bitrate::from_kbps(100), size: None, millihertz: None, flowing: true, keyframe: false }
    }

    #[test]
    fn each_track_has_its_own_points() {
        let mut demands = Demands::new();
        demands.push(Demand::default(), [point(0), point(1)]);
        demands.push(Demand { priority: 9, ..Demand::default() }, []);
        demands.push(Demand::default(), [point(2)]);
        let layers = |points: &[Point]| points.iter().map(|point| point.layer.spatial).collect::<Vec<_>>();
        let found: Vec<_> = demands.iter().map(|(_, points)| layers(points)).collect();
        assert_eq!(found, [vec![0, 1], vec![], vec![2]]);
        demands.clear();
        assert_eq!((demands.len(), demands.is_empty(), demands.iter().count()), (0, true, 0));
    }

    #[test]
    fn a_limit_bounds_size_and_frame_rate() {
        let demand = Demand { limit: Some(Layer { spatial: 1, temporal: 1 }), ..Demand::default() };
        let allowed = |spatial, temporal| demand.allows(Layer { spatial, temporal });
        assert_eq!([allowed(1, 1), allowed(0, 1), allowed(0, 2), allowed(2, 0)], [true, true, false, false]);
        assert!(Demand::default().allows(Layer::MAX));
    }
}
