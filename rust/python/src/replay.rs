//! `sfu._core.testing.replay`: a captured publisher through the SFU in virtual time.
//!
//! Texts and bytes in, bytes and a dictionary of plain values out; the work is `sfu_sim::replay`'s, with the GIL released.

use std::time::{Duration, Instant};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sfu_core::layer::Layer;
use sfu_sim::capture::Capture;
use sfu_sim::replay::{EncodingReport, ReplayConfig, Replayed, Report, Schedule, Switch, extension};

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(replay, module)?)
}

/// See `testing.pyi`.
#[pyfunction]
#[pyo3(signature = (capture, *, codec, extmap, schedule, loss = 0.0, reorder = 0, seed = 0, rtcp = false))]
#[allow(clippy::too_many_arguments, reason = "keyword arguments of Python")]
#[allow(clippy::needless_pass_by_value, reason = "PyO3 hands over what it converted")]
fn replay<'py>(
    py: Python<'py>,
    capture: &[u8],
    codec: String,
    extmap: Vec<String>,
    schedule: &str,
    loss: f64,
    reorder: u32,
    seed: u64,
    rtcp: bool,
) -> PyResult<(Bound<'py, PyBytes>, Bound<'py, PyDict>)> {
    if !(0.0..=1.0).contains(&loss) {
        return Err(PyValueError::new_err(format!("loss is a share from 0 to 1, not {loss}")));
    }
    let extensions = extmap.iter().map(|text| extension(text)).collect::<Result<_, _>>().map_err(refused)?;
    let schedule = Schedule::parse(schedule).map_err(refused)?;
    let config = ReplayConfig { codec, extensions, schedule, loss, reorder, seed, rtcp };
    let Replayed { out, report } = py.detach(|| {
        let capture = Capture::parse(capture).map_err(refused)?;
        sfu_sim::replay::replay(Instant::now(), &config, &capture).map_err(refused)
    })?;
    Ok((PyBytes::new(py, &out), describe(py, &report)?))
}

fn refused(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn describe<'py>(py: Python<'py>, report: &Report) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("codec", report.codec.to_ascii_lowercase())?;
    dict.set_item("duration", report.duration.as_secs_f64())?;
    dict.set_item("encodings", all(&report.encodings, |one| encoding(py, one))?)?;
    let ignored = all(&report.ignored, |(ssrc, packets, why)| {
        let dict = PyDict::new(py);
        dict.set_item("ssrc", ssrc)?;
        dict.set_item("packets", packets)?;
        dict.set_item("reason", why)?;
        Ok(dict)
    })?;
    dict.set_item("ignored", ignored)?;
    dict.set_item("packets_sent", report.packets_sent)?;
    dict.set_item("packets_lost", report.packets_lost)?;
    dict.set_item("packets_overtaken", report.packets_overtaken)?;
    dict.set_item("sender_reports", report.sender_reports)?;
    dict.set_item("packets_received", report.packets_received)?;
    dict.set_item("frames", report.frames)?;
    dict.set_item("frames_forwarded", report.frames_forwarded)?;
    dict.set_item("frames_dropped", report.frames_dropped)?;
    dict.set_item("switches", all(&report.switches, |one| switch(py, one))?)?;
    let steps = all(&report.reached, |(at, target, reached)| {
        let dict = PyDict::new(py);
        dict.set_item("at", at.as_secs_f64())?;
        dict.set_item("target", pair(*target))?;
        dict.set_item("reached", reached.map(pair))?;
        Ok(dict)
    })?;
    dict.set_item("steps", steps)?;
    dict.set_item("keyframe_requests", report.keyframe_requests)?;
    dict.set_item("packets_asked_again", report.packets_asked_again)?;
    dict.set_item("payload_type", report.payload_type)?;
    dict.set_item("ssrc", report.ssrc)?;
    let extensions = PyDict::new(py);
    for (id, uri) in &report.extensions {
        extensions.set_item(uri, id)?;
    }
    dict.set_item("extmap", extensions)?;
    dict.set_item("anomalies", &report.anomalies)?;
    Ok(dict)
}

fn all<'py, T>(items: &[T], one: impl Fn(&T) -> PyResult<Bound<'py, PyDict>>) -> PyResult<Vec<Bound<'py, PyDict>>> {
    items.iter().map(one).collect()
}

fn encoding<'py>(py: Python<'py>, encoding: &EncodingReport) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("rid", &encoding.rid)?;
    dict.set_item("ssrcs", &encoding.ssrcs)?;
    dict.set_item("repairs", &encoding.repairs)?;
    let payload_types: Vec<u32> = encoding.payload_types.iter().copied().map(u32::from).collect();
    dict.set_item("payload_types", payload_types)?;
    dict.set_item("packets", encoding.packets)?;
    dict.set_item("bytes", encoding.bytes)?;
    dict.set_item("bitrate", encoding.bitrate)?;
    dict.set_item("frames", encoding.frames)?;
    dict.set_item("keyframes", encoding.keyframes)?;
    dict.set_item("missing", encoding.missing)?;
    Ok(dict)
}

fn switch<'py>(py: Python<'py>, switch: &Switch) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    dict.set_item("at", switch.at.as_secs_f64())?;
    dict.set_item("target", switch.target.map(pair))?;
    dict.set_item("from", switch.from.map(pair))?;
    dict.set_item("to", switch.to.map(pair))?;
    dict.set_item("reason", switch.reason.as_str())?;
    dict.set_item("wait_ms", milliseconds(switch.wait))?;
    dict.set_item("keyframe_wait_ms", milliseconds(switch.keyframe_wait))?;
    Ok(dict)
}

const fn pair(layer: Layer) -> (u8, u8) {
    (layer.spatial, layer.temporal)
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
