//! What holds for whole allocations.

mod behaviour;
mod oracle;
mod properties;
mod worked;

use std::time::Duration;

use sfu_wire::Bitrate;

use super::{Choice, Current, Demand, Demands, Point, Role};
use crate::layer::Layer;

/// What three temporal layers take of an encoding's rate, in tenths (libwebrtc `simulcast_rate_allocator.cc`).
const TENTHS: [u64; 3] = [4, 6, 10];

fn layer(spatial: u8, temporal: u8) -> Layer {
    Layer { spatial, temporal }
}

/// An encoding of three temporal layers with 30 frames a second.
fn encoding(spatial: u8, size: (u16, u16), kbps: u64) -> impl Iterator<Item = Point> {
    (0..).zip(TENTHS).map(move |(temporal, tenths)| Point {
        layer: layer(spatial, temporal),
        rate: Bitrate::from_kbps(kbps * tenths / 10),
        size: Some(size),
        millihertz: Some(7_500 << temporal),
        flowing: true,
        keyframe: true,
    })
}

/// As browsers send it: 180 lines with 150 kbit/s, 360 with 500, 720 with 1700.
fn camera() -> Vec<Point> {
    let encodings = [encoding(0, (320, 180), 150), encoding(1, (640, 360), 500), encoding(2, (1280, 720), 1700)];
    encodings.into_iter().flatten().collect()
}

/// 540 lines with 250 kbit/s, 1080 with 900.
fn screen() -> Vec<Point> {
    encoding(0, (960, 540), 250).chain(encoding(1, (1920, 1080), 900)).collect()
}

/// The points for who has `layer`: the frame rate of an encoding changes without a keyframe.
fn from(layer: Layer, points: Vec<Point>) -> Vec<Point> {
    let other = |point: &Point| point.layer.spatial != layer.spatial;
    points.into_iter().map(|point| Point { keyframe: other(&point), ..point }).collect()
}

fn wanting(role: Role, priority: u8) -> Demand {
    Demand { role, priority, ..Demand::default() }
}

fn having(demand: Demand, layer: Option<Layer>, seconds: u64) -> Demand {
    Demand { current: Some(Current { layer, age: Duration::from_secs(seconds) }), ..demand }
}

fn demands(tracks: impl IntoIterator<Item = (Demand, Vec<Point>)>) -> Demands {
    let mut demands = Demands::new();
    for (demand, points) in tracks {
        demands.push(demand, points);
    }
    demands
}

/// Spatial and temporal layer, and kilobits.
fn told(choice: &Choice) -> Option<(u8, u8, u64)> {
    choice.layer.map(|layer| (layer.spatial, layer.temporal, choice.rate.get() / 1000))
}
