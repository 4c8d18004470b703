//! What a tap gives: whole encoded frames.

use std::time::Duration;

use crate::codec::CodecName;
use crate::layer::Layer;

/// One encoded frame, as a decoder wants it: VP8 and Opus as they are, the layers of a VP9 picture as one superframe, an AV1
/// temporal unit whose OBUs have sizes, H.264 and H.265 in Annex B with their parameter sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// What it is; [`CodecName::Opus`] also out of RED.
    pub codec: CodecName,
    /// In ticks of the RTP clock since the tap's first frame, continuous over layer switches and restarts of the publisher.
    pub timestamp: u64,
    /// Since the Unix epoch by this server's clock, once the publisher has reported its own (RFC 3550 §6.4.1); late by what its
    /// first report took on its way.
    pub captured: Option<Duration>,
    /// A decoder can start here.
    pub keyframe: bool,
    /// The spatial layer that the picture has, and its own temporal layer.
    pub layer: Layer,
    /// The bytes.
    pub data: Vec<u8>,
}

/// What was taken out of a tap.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TapFrames {
    /// In order.
    pub frames: Vec<EncodedFrame>,
    /// Frames so far that the ring had no room for, and those behind them that need them.
    pub dropped: u64,
    /// Frames so far that came with a hole, and those behind them that need them.
    pub damaged: u64,
    /// Its track has ended, nothing more comes and the tap is gone.
    pub ended: bool,
}
