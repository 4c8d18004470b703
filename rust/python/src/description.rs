//! Session descriptions.

use pyo3::prelude::*;
use sfu_core::command::{self, SdpType};

record! {
    /// A session description; `id` counts the server's offers of a transport.
    Description {
        transport: &'static str,
        r#type: &'static str,
        sdp: String,
        id: Option<u64>,
    }
}

impl Description {
    pub(crate) fn from_core(py: Python<'_>, description: command::Description) -> PyResult<Py<Self>> {
        let command::Description { transport, kind, sdp, id } = description;
        let r#type = match kind {
            SdpType::Offer => "offer",
            SdpType::Answer => "answer",
        };
        Py::new(py, Self { transport: transport.as_str(), r#type, sdp, id })
    }
}
