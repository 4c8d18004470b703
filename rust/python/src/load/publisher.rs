//! `sfu._core.load.Publisher`: one peer that publishes clips, on a thread of its own over a real socket like any peer; it
//! needs the server's address and its answer.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};
use sfu_load::PublisherError;
use sfu_peer::{Clip, ClipCodec, ClipSource};
use sfu_wire::Rid;

/// A publisher of clips on a thread of its own.
#[pyclass(frozen, module = "sfu._core.load")]
pub(super) struct Publisher(Mutex<sfu_load::Publisher>);

#[pymethods]
impl Publisher {
    #[new]
    #[pyo3(signature = (server, *, video, audio=None))]
    fn new(py: Python<'_>, server: &str, video: &Bound<'_, PyDict>, audio: Option<&[u8]>) -> PyResult<Self> {
        let server = server.parse().map_err(|_| {
            PyValueError::new_err(format!("server is IP:PORT, \"127.0.0.1:7882\" or so, not {server:?}"))
        })?;
        let source = source(video, audio)?;
        let publisher = py.detach(|| sfu_load::Publisher::start(server, source)).map_err(|error| refusal(&error))?;
        Ok(Self(Mutex::new(publisher)))
    }

    /// SDP for the server.
    fn offer(&self, py: Python<'_>) -> String {
        py.detach(|| self.publisher().offer().to_owned())
    }

    /// Take the server's answer: publishing begins.
    fn answer(&self, py: Python<'_>, sdp: String) -> PyResult<()> {
        py.detach(|| self.publisher().answer(sdp)).map_err(|error| refusal(&error))
    }

    /// Leave as a closed page does. Idempotent.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.publisher().close());
    }
}

impl Publisher {
    fn publisher(&self) -> MutexGuard<'_, sfu_load::Publisher> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn source(video: &Bound<'_, PyDict>, audio: Option<&[u8]>) -> PyResult<ClipSource> {
    let mut source = ClipSource::default();
    for (rid, ivf) in video {
        let name = rid.cast::<PyString>()?.to_string();
        let rid = Rid::new(&name).ok_or_else(|| {
            PyValueError::new_err(format!("video: {name:?} is no rid: letters and digits, 16 at most"))
        })?;
        source.video.push((Some(rid), clip(&format!("video[{name:?}]"), ivf.extract()?, ClipCodec::Vp8)?));
    }
    source.audio = audio.map(|ivf| clip("audio", ivf, ClipCodec::Opus)).transpose()?;
    if source.video.is_empty() && source.audio.is_none() {
        return Err(PyValueError::new_err("video, audio: give one of them"));
    }
    Ok(source)
}

fn clip(name: &str, ivf: &[u8], codec: ClipCodec) -> PyResult<Arc<Clip>> {
    let clip = Clip::parse(ivf).map_err(|error| PyValueError::new_err(format!("{name}: {error}")))?;
    if clip.codec() != codec {
        return Err(PyValueError::new_err(format!("{name}: {codec:?} is wanted, not {:?}", clip.codec())));
    }
    Ok(Arc::new(clip))
}

fn refusal(error: &PublisherError) -> PyErr {
    match error {
        PublisherError::Answer(_) => PyValueError::new_err(error.to_string()),
        PublisherError::Closed => PyRuntimeError::new_err(error.to_string()),
        _ => PyOSError::new_err(error.to_string()),
    }
}
