//! What is known of a track's layers, learnt from its stream.

use std::fmt;

use sfu_wire::{Bitrate, Rid};

use crate::layer::Layer;

/// Frames per second, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct FrameRate(u32);

impl FrameRate {
    /// Of thousandths of a frame per second.
    pub const fn from_millihertz(millihertz: u32) -> Self {
        Self(millihertz)
    }

    /// Thousandths of a frame per second.
    pub const fn millihertz(self) -> u32 {
        self.0
    }
}

impl fmt::Display for FrameRate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} fps", f64::from(self.0) / 1000.0)
    }
}

/// A layer as a subscriber of it gets it: with everything below it that it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerInfo {
    /// Which.
    pub layer: Layer,
    /// The simulcast encoding that it is part of.
    pub rid: Option<Rid>,
    /// Width and height in pixels, once the stream told.
    pub size: Option<(u16, u16)>,
    /// Over the last seconds that it flowed.
    pub frame_rate: FrameRate,
    /// Likewise.
    pub bitrate: Bitrate,
    /// Whether it flows now.
    pub flowing: bool,
}
