//! `self_signed`: a certificate for the page, for those who have none.

use std::time::{SystemTime, UNIX_EPOCH};

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use sfu_transport::Certificate;

/// A new P-256 certificate for hosts and IP addresses, good for 90 days: certificate and private key as PEM.
#[pyfunction]
#[expect(clippy::needless_pass_by_value, reason = "extracted from a Python list")]
pub(crate) fn self_signed(py: Python<'_>, names: Vec<String>) -> PyResult<(String, String)> {
    let now =
        SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| PyValueError::new_err("the clock is before 1970"))?;
    let certificate = py.detach(|| Certificate::for_page(&names, now));
    certificate.map(|made| made.to_pem()).map_err(|error| PyValueError::new_err(format!("names: {error}")))
}
