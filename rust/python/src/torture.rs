//! `sfu._core.testing.torture`: the simulator's torture runs, with the GIL released.

use std::time::Instant;

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};
use sfu_sim::torture::{Codec, Torture, counts, run_while};

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(torture, module)?)
}

/// See `testing.pyi`.
#[pyfunction]
#[pyo3(signature = (codec, *, switches, seed))]
fn torture<'py>(
    py: Python<'py>,
    codec: &str,
    switches: u64,
    seed: u64,
) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyList>)> {
    let Some(codec) = Codec::from_name(codec) else {
        let names = Codec::ALL.map(Codec::as_str).join(", ");
        return Err(PyValueError::new_err(format!("codec is one of {names}, not {codec:?}")));
    };
    let mut interrupted = Ok(());
    let verdict = py.detach(|| {
        run_while(Instant::now(), Torture { codec, switches, seed }, |_| {
            #[expect(
                clippy::redundant_closure_for_method_calls,
                reason = "the method is for one lifetime, the closure for any"
            )]
            let signals = Python::attach(|py| py.check_signals());
            interrupted = signals;
            interrupted.is_ok()
        })
    });
    interrupted?;
    let verdict = verdict.map_err(|error| PyValueError::new_err(error.to_string()))?;
    let dict = PyDict::new(py);
    for (name, count) in counts(&verdict) {
        dict.set_item(name, count)?;
    }
    let problems = verdict.problems.iter().map(ToString::to_string);
    Ok((dict, PyList::new(py, problems.collect::<Vec<_>>())?))
}
