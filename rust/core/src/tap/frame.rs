//! What a tap gives: whole encoded frames.

use std::time::Duration;

use crate::codec::CodecName;
use crate::layer::Layer;
use crate::stream::CaptureSource;

/// One encoded frame, as a decoder wants it: VP8 and Opus as they are, the layers of a VP9 picture as one superframe, an AV1
/// temporal unit whose OBUs have sizes, H.264 and H.265 in Annex B with their parameter sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// What it is; [`CodecName::Opus`] also out of RED.
    pub codec: CodecName,
    /// In ticks of the RTP clock since the tap's first frame, continuous over layer switches and restarts of the publisher.
    pub timestamp: u64,
    /// When it was captured, once the publisher has sent a sender report.
    pub captured: Option<Captured>,
    /// A decoder can start here.
    pub keyframe: bool,
    /// The spatial layer that the picture has, and its own temporal layer.
    pub layer: Layer,
    /// The bytes.
    pub data: Vec<u8>,
}

/// When a frame was captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Captured {
    /// Since the Unix epoch by this server's clock, to which sender reports tie the publisher's (RFC 3550 §6.4.1): late by what the
    /// first of them took on its way.
    pub at: Duration,
    /// Whence it is known.
    pub by: CaptureSource,
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
