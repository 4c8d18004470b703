//! What a picture is worth to who sees it: the side of what is shown, times a share for the frame rate, times the
//! track's weight.
//!
//! That size and frame rate multiply is what viewers' ratings show (Q-STAR, arXiv 1206.2320). Both factors are concave,
//! so the first bits of a track bring most and bandwidth spreads over tracks. Where a stream does not tell a size or a
//! frame rate, the layer's rank does. Invariant: integers only, at most [`MAX`], so sums stay exact.

use super::demand::{Demand, Point, Role, pixels};

/// Larger pictures count as this one (8192 × 8192): it keeps sums within 64 bits.
const MAX_PIXELS: u32 = 1 << 26;
/// The largest utility: the largest side, the whole share, the largest weight.
pub(super) const MAX: u64 = (1 << 13) * 255;
/// A share has so many steps. Higher: more frames are always worth more. Lower: frame rates as measured, which wobble,
/// are worth the same; fewer different sums, so that the best division is found sooner.
const SHARES: u64 = 32;
/// At so many frames in a thousand seconds a camera has half of what motion can bring. Higher: a smaller picture is
/// preferred to a slower one. Lower: a slower one. At this value 720 lines are worth more than 360 with 30 frames a
/// second as long as they keep 10. (jitsi-videobridge goes further: above 360 lines it lowers no frame rate.)
const CAMERA_HALF: u64 = 20_000;
/// Likewise for a screen, whose share goes from two thirds to one: any frame rate at one and a half times the side is
/// worth more than every frame rate at the side.
const SCREEN_HALF: u64 = 5_000;
/// The size of the highest layer of which nothing is known, and its frame rate: what cameras send to browsers unless
/// told otherwise, nearly.
const USUAL_PIXELS: u32 = 1280 * 720;
const USUAL_MILLIHERTZ: u32 = 30_000;

/// Worth of `shown` pixels at `millihertz` for who wants `demand`.
pub(super) fn utility(demand: &Demand, shown: u32, millihertz: u32) -> u64 {
    let side = u64::from(shown.min(MAX_PIXELS).isqrt());
    let rate = u64::from(millihertz);
    let (part, whole) = match demand.role {
        Role::Thumbnail | Role::OnStage => (rate, rate + CAMERA_HALF),
        Role::Screen => (rate + 2 * SCREEN_HALF, rate + 3 * SCREEN_HALF),
    };
    let share = (part * SHARES).div_ceil(whole);
    side * share / SHARES * u64::from(demand.priority.max(1))
}

/// Pixels and frames in a thousand seconds of `point`, one of a track's `points`.
pub(super) fn picture(point: &Point, points: &[Point]) -> (u32, u32) {
    let pixels = known_pixels(point).unwrap_or_else(|| derived_pixels(point, points));
    let millihertz = known_millihertz(point).unwrap_or_else(|| derived_millihertz(point, points));
    (pixels.clamp(1, MAX_PIXELS), millihertz)
}

fn known_pixels(point: &Point) -> Option<u32> {
    point.size.map(pixels).filter(|pixels| *pixels > 0)
}

fn known_millihertz(point: &Point) -> Option<u32> {
    point.millihertz.filter(|millihertz| *millihertz > 0)
}

/// A quarter of the pixels for each spatial layer below the nearest one that is known.
fn derived_pixels(point: &Point, points: &[Point]) -> u32 {
    let spatial = point.layer.spatial;
    let known = points.iter().filter_map(|other| Some((other.layer.spatial, known_pixels(other)?)));
    let nearest = known.min_by_key(|(other, pixels)| (other.abs_diff(spatial), *other, *pixels));
    let (from, pixels) = nearest.unwrap_or_else(|| (top(points, |point| point.layer.spatial), USUAL_PIXELS));
    by_rank(pixels, spatial, from, 2)
}

/// Half of the frames for each temporal layer below the nearest one that is known, of the same size if there is one.
fn derived_millihertz(point: &Point, points: &[Point]) -> u32 {
    let layer = point.layer;
    let known = points.iter().filter_map(|other| Some((other.layer, known_millihertz(other)?)));
    let nearest = known.min_by_key(|(other, millihertz)| {
        (other.temporal.abs_diff(layer.temporal), other.spatial != layer.spatial, *other, *millihertz)
    });
    let (from, millihertz) = nearest.map_or_else(
        || (top(points, |point| point.layer.temporal), USUAL_MILLIHERTZ),
        |(other, millihertz)| (other.temporal, millihertz),
    );
    by_rank(millihertz, layer.temporal, from, 1)
}

fn top(points: &[Point], rank: impl Fn(&Point) -> u8) -> u8 {
    points.iter().map(rank).max().unwrap_or(0)
}

/// `amount` of rank `from` as it would be at `rank`, when each rank has `bits` bits more than the one below.
fn by_rank(amount: u32, rank: u8, from: u8, bits: u32) -> u32 {
    let shift = bits * u32::from(rank.abs_diff(from));
    if rank >= from {
        amount.saturating_mul(1_u32.checked_shl(shift).unwrap_or(u32::MAX))
    } else {
        amount.checked_shr(shift).unwrap_or(0).max(1)
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::Bitrate;

    use super::*;
    use crate::layer::Layer;

    const SIZES: [u32; 4] = [320 * 180, 640 * 360, 1280 * 720, 1920 * 1080];

    fn demand(role: Role, priority: u8) -> Demand {
        Demand { role, priority, ..Demand::default() }
    }

    fn point(spatial: u8, temporal: u8, size: Option<(u16, u16)>, fps: Option<u32>) -> Point {
        let layer = Layer { spatial, temporal };
        let millihertz = fps.map(|fps| fps * 1000);
        Point { layer, rate: Bitrate::ZERO, size, millihertz, flowing: true, keyframe: false }
    }

    #[test]
    fn more_of_anything_is_worth_more_and_never_more_so_than_the_first_of_it() {
        for role in [Role::Thumbnail, Role::OnStage, Role::Screen] {
            let demand = demand(role, 10);
            for fps in [2_000, 15_000, 30_000] {
                let worths = SIZES.map(|pixels| utility(&demand, pixels, fps));
                assert!(worths.is_sorted_by(|low, high| low < high), "{role:?}");
                let per_pixel: Vec<_> =
                    worths.iter().zip(SIZES).map(|(worth, pixels)| worth * 1_000_000 / u64::from(pixels)).collect();
                assert!(per_pixel.is_sorted_by(|low, high| low > high), "{role:?} {per_pixel:?}");
            }
            let rates = [3_750, 7_500, 15_000, 30_000, 60_000];
            let worths = rates.map(|fps| utility(&demand, SIZES[1], fps));
            let per_frame = |place: usize| (worths[place + 1] - worths[place]) * 1_000_000 / u64::from(rates[place]);
            let steps = [0, 1, 2, 3].map(per_frame);
            assert!(steps.is_sorted_by(|first, then| first >= then && *then > 0), "{role:?} {steps:?}");
        }
    }

    #[test]
    fn priority_is_a_factor_and_nothing_exceeds_the_maximum() {
        let worth = |priority| utility(&demand(Role::OnStage, priority), SIZES[2], 30_000);
        assert_eq!((worth(2), worth(100), worth(0)), (2 * worth(1), 100 * worth(1), worth(1)));
        let most = [Role::Screen, Role::OnStage].map(|role| utility(&demand(role, 255), u32::MAX, u32::MAX));
        assert_eq!(most, [MAX, MAX]);
    }

    #[test]
    fn a_camera_gives_up_half_of_its_frames_before_its_size_and_not_three_quarters() {
        let camera = demand(Role::OnStage, 1);
        let small = utility(&camera, SIZES[1], 30_000);
        assert!(utility(&camera, SIZES[2], 15_000) > small);
        assert!(utility(&camera, SIZES[2], 10_000) > small);
        assert!(utility(&camera, SIZES[2], 7_500) < small);
    }

    #[test]
    fn a_screen_gives_up_all_of_its_frames_before_its_size() {
        let screen = demand(Role::Screen, 1);
        for (small, large) in [(SIZES[1], SIZES[2]), (SIZES[2], SIZES[3])] {
            assert!(utility(&screen, large, 200) > utility(&screen, small, 60_000));
        }
    }

    #[test]
    fn what_is_unknown_follows_from_the_rank() {
        let points: Vec<_> = (0..3).flat_map(|s| (0..3).map(move |t| point(s, t, None, None))).collect();
        let pictures: Vec<_> = points.iter().map(|point| picture(point, &points)).collect();
        assert_eq!(pictures[0], (320 * 180, 7_500));
        assert_eq!(pictures[4], (640 * 360, 15_000));
        assert_eq!(pictures[8], (1280 * 720, 30_000));
    }

    #[test]
    fn what_is_known_of_one_layer_tells_the_others() {
        let points = [
            point(0, 0, None, Some(5)),
            point(0, 1, Some((480, 270)), Some(0)),
            point(1, 1, None, None),
            point(2, 2, Some((0, 0)), Some(24)),
        ];
        let pictures: Vec<_> = points.iter().map(|point| picture(point, &points)).collect();
        assert_eq!(pictures, [(129_600, 5_000), (129_600, 10_000), (518_400, 10_000), (2_073_600, 24_000)]);
    }

    #[test]
    fn nonsense_is_bounded() {
        let points = [point(255, 255, None, None), point(0, 0, Some((u16::MAX, u16::MAX)), Some(1))];
        for point in &points {
            let (pixels, millihertz) = picture(point, &points);
            assert!(pixels <= MAX_PIXELS && utility(&demand(Role::Screen, 255), pixels, millihertz) <= MAX);
        }
        assert_eq!(picture(&points[0], &points[..1]), (USUAL_PIXELS, USUAL_MILLIHERTZ));
    }
}
