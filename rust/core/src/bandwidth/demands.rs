//! What the tracks of a subscriber could take, as the division wants it told.
//!
//! Rates are those that are measured; before that, what browsers are known to send. Invariant: a track that flows has a point.

use std::time::Instant;

use sfu_congestion::PacketResult;
use sfu_wire::Bitrate;

use crate::allocate::{Allocator, Demands, Point};
use crate::id::SubscriptionId;
use crate::layer::Layer;
use crate::stream::LayerInfo;
use crate::track::Track;

/// What headers add to the measured rates, which are those of payloads: 30 bytes to 1100.
const HEADERS: f64 = 1.03;
/// A voice takes so much at least, however it is silent now: it may begin to speak at any time. (Opus at 32 kbit/s, headers included.)
const VOICE: Bitrate = Bitrate::from_kbps(40);
/// What the encodings of a camera take before it is known, by rising quality; a further one as much as the last.
/// (libwebrtc `simulcast.cc`: 150, 500 and 1700 kbit/s below 180, 360 and 720 lines; one alone is taken for the middle.)
const GUESSES: [Bitrate; 3] = [Bitrate::from_kbps(150), Bitrate::from_kbps(500), Bitrate::from_kbps(1700)];

/// Memory of one who divides, for all subscribers in turn.
#[derive(Debug, Default)]
pub(crate) struct Divider {
    pub(crate) allocator: Allocator,
    pub(crate) demands: Demands,
    /// Whose demands they are, in their order.
    pub(crate) asking: Vec<SubscriptionId>,
    /// What a report told.
    pub(crate) results: Vec<PacketResult>,
}

/// What is set apart for a track of audio.
pub(crate) fn audio_rate(now: Instant, track: &mut Track) -> Bitrate {
    if track.muted || track.stalled {
        return Bitrate::ZERO;
    }
    let rates = track.encodings.iter_mut().map(|encoding| encoding.stream.bitrate(now) * HEADERS);
    rates.max().unwrap_or_default().max(VOICE)
}

/// The qualities of a track of video, for who has `running`.
pub(crate) fn video_points(track: &Track, running: Option<Layer>) -> impl Iterator<Item = Point> + Clone {
    let known = track.told_layers.layers();
    let needs_keyframe = move |layer: Layer| running.is_none_or(|running| running.spatial != layer.spatial);
    let measured = known.iter().map(move |info| Point {
        layer: info.layer,
        rate: if info.bitrate > Bitrate::ZERO { info.bitrate * HEADERS } else { guess(info.layer.spatial, known) },
        size: info.size,
        millihertz: Some(info.frame_rate.millihertz()).filter(|rate| *rate > 0),
        flowing: info.flowing,
        keyframe: needs_keyframe(info.layer),
    });
    let encodings = if known.is_empty() { track.encodings.len() } else { 0 };
    let guessed = (0..encodings as u8).map(move |spatial| {
        let layer = Layer { spatial, temporal: Layer::MAX.temporal };
        let rate = GUESSES[usize::from(spatial).min(GUESSES.len() - 1)];
        Point { layer, rate, size: None, millihertz: None, flowing: true, keyframe: needs_keyframe(layer) }
    });
    measured.chain(guessed)
}

/// Whether no known layer of the same size has more frames.
pub(crate) fn is_whole(track: &Track, layer: Layer) -> bool {
    let known = track.told_layers.layers();
    !known.iter().any(|info| info.layer.spatial == layer.spatial && info.layer.temporal > layer.temporal)
}

fn guess(spatial: u8, known: &[LayerInfo]) -> Bitrate {
    let alone = known.iter().all(|info| info.layer.spatial == 0);
    GUESSES[if alone { 1 } else { usize::from(spatial).min(GUESSES.len() - 1) }]
}
