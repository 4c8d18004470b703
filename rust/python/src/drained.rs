//! One batch out of the outbox.

use log::Level;
use pyo3::prelude::*;
use pyo3::types::PyList;

use crate::record::list;
use crate::{events, replies};

record! {
    /// One batch out of the outbox, in order.
    Drained {
        replies: Py<PyList>,
        events: Py<PyList>,
        logs: Py<PyList>,
        events_dropped: u64,
    }
}

impl Drained {
    pub(crate) fn from_runtime(py: Python<'_>, drained: sfu_runtime::Drained) -> PyResult<Self> {
        let logs = list(py, drained.logs, |_, record| Ok((level(record.level), record.target, record.message)))?;
        if drained.logs_dropped > 0 {
            let message = format!("{} log records were dropped: nobody took them in time", drained.logs_dropped);
            logs.bind(py).append((level(Level::Warn), "sfu_runtime::outbox", message))?;
        }
        Ok(Self {
            replies: list(py, drained.replies, |py, (ticket, reply)| {
                Ok((ticket.get(), replies::from_runtime(py, reply)?))
            })?,
            events: list(py, drained.events, events::from_core)?,
            logs,
            events_dropped: drained.events_dropped,
        })
    }
}

/// Numbers of the `logging` module; trace has none there and takes half of debug.
const fn level(level: Level) -> u8 {
    match level {
        Level::Error => 40,
        Level::Warn => 30,
        Level::Info => 20,
        Level::Debug => 10,
        Level::Trace => 5,
    }
}
