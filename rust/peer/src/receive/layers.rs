//! Which layer a viewer sees: the highest of the last second's frames.

use std::collections::VecDeque;
use std::time::Duration;

/// As long as the slowest temporal layer of any stream takes for a few frames.
const SPAN: Duration = Duration::from_secs(1);

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct LayersShown {
    frames: VecDeque<(Duration, (u8, u8))>,
}

impl LayersShown {
    /// A frame of this spatial and temporal layer is decoded; the highest of either from a second ago on.
    pub(crate) fn show(&mut self, at: Duration, layer: (u8, u8)) -> Option<(u8, u8)> {
        self.frames.push_back((at, layer));
        while self.frames.front().is_some_and(|(shown, _)| *shown + SPAN < at) {
            self.frames.pop_front();
        }
        let layers = || self.frames.iter().map(|(_, layer)| layer);
        let spatial = layers().map(|(spatial, _)| *spatial).max()?;
        let temporal = layers().filter(|(of, _)| *of == spatial).map(|(_, temporal)| *temporal).max()?;
        Some((spatial, temporal))
    }
}
