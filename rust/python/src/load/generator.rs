//! `sfu._core.load.Generator`: many peers on a thread of its own. Orders return tickets at once; answers and what happens come
//! out of `drain()`.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};
use sfu_load::generator::{Answer, Ask, ConstantVideo, Figures, LoadPeer, News};
use sfu_load::{GeneratorConfig, GeneratorError};
use sfu_peer::{Feedback, Pacing, Receiving};
use sfu_transport::SrtpProfile;

/// Many peers on a thread of its own.
#[pyclass(frozen, module = "sfu._core.load")]
pub(super) struct Generator(Mutex<sfu_load::Generator>);

#[pymethods]
impl Generator {
    #[new]
    #[pyo3(signature = (ip, *, coalesce=false, cipher=None))]
    fn new(py: Python<'_>, ip: &str, coalesce: bool, cipher: Option<&str>) -> PyResult<Self> {
        let ip = ip.parse().map_err(|_| PyValueError::new_err(format!("ip: {ip:?} is not an IP address")))?;
        let profile = cipher.map(str::parse).transpose();
        let profile = profile.map_err(|_| {
            let (wrong, known) = (cipher.unwrap_or_default(), SrtpProfile::ALL.map(SrtpProfile::as_str).join(", "));
            PyValueError::new_err(format!("cipher: {wrong:?} is no SRTP profile; these are: {known}"))
        })?;
        let generator = py.detach(|| sfu_load::Generator::start(GeneratorConfig { ip, coalesce, profile }));
        Ok(Self(Mutex::new(generator.map_err(|error| refusal(&error))?)))
    }

    /// A descriptor that is readable while `drain` has something.
    fn fileno(&self) -> i32 {
        self.generator().fd()
    }

    /// A peer more that sends; its number.
    #[pyo3(signature = (*, size, packets_per_frame, frames_per_second, simulcast=false, paced=false, audio=false))]
    fn publisher(
        &self,
        size: usize,
        packets_per_frame: usize,
        frames_per_second: u32,
        simulcast: bool,
        paced: bool,
        audio: bool,
    ) -> PyResult<u64> {
        let pacing = if paced { Pacing::Spread } else { Pacing::Burst };
        let video = ConstantVideo { size, packets_per_frame, frames_per_second, simulcast, pacing };
        self.add(LoadPeer::Publisher { video: (size > 0).then_some(video), audio })
    }

    /// A peer more that receives; its number.
    #[pyo3(signature = (*, feedback, ask_again=0.0))]
    fn subscriber(&self, feedback: &str, ask_again: f64) -> PyResult<u64> {
        let receiving = match feedback {
            "none" => Receiving::Count(Feedback::None),
            "rr" => Receiving::Count(Feedback::Reports),
            "twcc" => Receiving::Count(Feedback::TransportWide),
            "verify" => Receiving::Verify,
            _ => return Err(PyValueError::new_err(format!("feedback: {feedback:?} is not none, rr, twcc or verify"))),
        };
        self.add(LoadPeer::Subscriber { receiving, ask_again })
    }

    /// Its offer, with so many sections more to receive in; a ticket for the SDP.
    #[pyo3(signature = (peer, *, audio=0, video=0))]
    fn offer(&self, peer: u64, audio: usize, video: usize) -> PyResult<u64> {
        self.ask(peer, Ask::Offer { audio, video })
    }

    /// The server's answer; a ticket.
    fn accept(&self, peer: u64, sdp: String) -> PyResult<u64> {
        self.ask(peer, Ask::Accept(sdp))
    }

    /// The server's offer; a ticket for the answer's SDP.
    fn answer(&self, peer: u64, sdp: String) -> PyResult<u64> {
        self.ask(peer, Ask::Answer(sdp))
    }

    /// A candidate of the server's; a ticket.
    fn add_candidate(&self, peer: u64, candidate: String) -> PyResult<u64> {
        self.ask(peer, Ask::Candidate(candidate))
    }

    /// Leaves as a closed page does; a ticket.
    fn leave(&self, peer: u64) -> PyResult<u64> {
        self.ask(peer, Ask::Leave)
    }

    /// Figures count from now on; a ticket.
    fn begin(&self) -> PyResult<u64> {
        self.generator().begin().map_err(|error| refusal(&error))
    }

    /// A ticket for the figures since the beginning.
    fn figures(&self) -> PyResult<u64> {
        self.generator().figures().map_err(|error| refusal(&error))
    }

    /// All that happened, in order.
    fn drain<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for news in self.generator().drain() {
            list.append(tuple(py, news)?)?;
        }
        Ok(list)
    }

    /// Have all peers leave and wait for the thread. Idempotent.
    fn close(&self, py: Python<'_>) {
        py.detach(|| self.generator().close());
    }
}

impl Generator {
    fn generator(&self) -> MutexGuard<'_, sfu_load::Generator> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, peer: LoadPeer) -> PyResult<u64> {
        self.generator().add(peer).map_err(|error| refusal(&error))
    }

    fn ask(&self, peer: u64, ask: Ask) -> PyResult<u64> {
        self.generator().ask(peer, ask).map_err(|error| refusal(&error))
    }
}

fn refusal(error: &GeneratorError) -> PyErr {
    match error {
        GeneratorError::Closed => PyRuntimeError::new_err(error.to_string()),
        _ => PyOSError::new_err(error.to_string()),
    }
}

/// What it is, whose it is, and what more there is to say.
fn tuple(py: Python<'_>, news: News) -> PyResult<(&'static str, u64, Py<PyAny>)> {
    let text = |text: &str| PyString::new(py, text).into_any().unbind();
    Ok(match news {
        News::Answered(ticket, Ok(Answer::Done)) => ("answered", ticket, py.None()),
        News::Answered(ticket, Ok(Answer::Sdp(sdp))) => ("answered", ticket, text(&sdp)),
        News::Answered(ticket, Ok(Answer::Figures(figures))) => {
            ("answered", ticket, dict(py, &figures)?.into_any().unbind())
        }
        News::Answered(ticket, Err(error)) => ("refused", ticket, text(&error)),
        News::Connected(peer, profile) => ("connected", peer, text(profile)),
        News::Media(peer) => ("media", peer, py.None()),
        News::Ended(peer, reason) => ("ended", peer, text(&reason)),
    })
}

fn dict<'py>(py: Python<'py>, figures: &Figures) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    for (name, value) in figures.totals.fields() {
        dict.set_item(name, value)?;
    }
    let micros = |share| figures.delays.percentile(share).map(|delay: Duration| delay.as_secs_f64() * 1e6);
    for (name, share) in [("delay_p50_us", 0.5), ("delay_p99_us", 0.99), ("delay_p999_us", 0.999)] {
        dict.set_item(name, micros(share))?;
    }
    dict.set_item("delays", figures.delays.count())?;
    dict.set_item("silent", figures.silent)?;
    dict.set_item("kernel_drops", figures.kernel_drops)?;
    dict.set_item("refused", figures.sockets.refused)?;
    dict.set_item("datagrams_sent", figures.sockets.sent)?;
    dict.set_item("datagrams_received", figures.sockets.received)?;
    dict.set_item("bytes_sent", figures.sockets.sent_bytes)?;
    dict.set_item("bytes_received", figures.sockets.received_bytes)?;
    dict.set_item("seconds", figures.elapsed.as_secs_f64())?;
    dict.set_item("cpu_seconds", figures.cpu.as_secs_f64())?;
    let profiles = PyDict::new(py);
    for (name, count) in &figures.profiles {
        profiles.set_item(name, count)?;
    }
    dict.set_item("profiles", profiles)?;
    Ok(dict)
}
