//! What was taken out of a tap.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use sfu_core::tap;

use crate::events::layer_numbers;
use crate::record::list;

record! {
    /// One encoded frame, as a decoder wants it.
    EncodedFrame {
        codec: &'static str,
        timestamp: u64,
        captured: Option<f64>,
        capture_source: Option<&'static str>,
        keyframe: bool,
        layer: (u8, u8),
        data: Py<PyBytes>,
    }
}
record! {
    /// What waited in a tap; `ended`: nothing more comes and the tap is gone.
    TapFrames { frames: Py<PyList>, dropped: u64, damaged: u64, ended: bool }
}

/// Adds the classes to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<EncodedFrame>()?;
    module.add_class::<TapFrames>()
}

impl TapFrames {
    pub(crate) fn from_core(py: Python<'_>, of: tap::TapFrames) -> PyResult<Py<Self>> {
        let frames = list(py, of.frames, |py, frame| {
            Py::new(
                py,
                EncodedFrame {
                    codec: frame.codec.as_str(),
                    timestamp: frame.timestamp,
                    captured: frame.captured.map(|captured| captured.at.as_secs_f64()),
                    capture_source: frame.captured.map(|captured| captured.by.as_str()),
                    keyframe: frame.keyframe,
                    layer: layer_numbers(frame.layer),
                    data: PyBytes::new(py, &frame.data).unbind(),
                },
            )
        })?;
        Py::new(py, Self { frames, dropped: of.dropped, damaged: of.damaged, ended: of.ended })
    }
}
