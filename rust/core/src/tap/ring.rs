//! Frames that wait for whoever taps: bounded in number and bytes, so that somebody slow costs nobody else anything.

use std::collections::VecDeque;

use super::frame::EncodedFrame;

/// Bytes that wait at most. Higher: bursts of large frames fit. Lower: less memory for each tap that nobody reads.
const MAX_BYTES: usize = 32 << 20;

/// See the module's text.
#[derive(Debug)]
pub(super) struct Ring {
    frames: VecDeque<EncodedFrame>,
    bytes: usize,
    capacity: usize,
}

impl Ring {
    pub(super) fn new(capacity: usize) -> Self {
        Self { frames: VecDeque::new(), bytes: 0, capacity: capacity.max(1) }
    }

    /// Whether it fitted.
    pub(super) fn push(&mut self, frame: EncodedFrame) -> bool {
        let fits = self.frames.len() < self.capacity && self.bytes + frame.data.len() <= MAX_BYTES;
        if fits {
            self.bytes += frame.data.len();
            self.frames.push_back(frame);
        }
        fits
    }

    /// Everything that waits.
    pub(super) fn take(&mut self) -> Vec<EncodedFrame> {
        self.bytes = 0;
        self.frames.drain(..).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::CodecName;
    use crate::layer::Layer;

    fn frame(bytes: usize) -> EncodedFrame {
        let layer = Layer::default();
        EncodedFrame {
            codec: CodecName::Vp8,
            timestamp: 0,
            captured: None,
            keyframe: true,
            layer,
            data: vec![0; bytes],
        }
    }

    #[test]
    fn no_more_bytes_wait_than_fit_until_they_are_taken() {
        let mut ring = Ring::new(100);
        assert!(ring.push(frame(MAX_BYTES / 2)) && ring.push(frame(MAX_BYTES / 2)));
        assert!(!ring.push(frame(1)));
        assert_eq!(ring.take().len(), 2);
        assert!(ring.push(frame(MAX_BYTES)));
    }
}
