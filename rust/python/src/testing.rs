//! `sfu._core.testing`: parts of the data plane by themselves, for tests against other implementations.
//!
//! Nothing here is on a packet's way; a part behaves as it does inside a transport.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use sfu_transport::srtp::{KeySalt, SrtpError, SrtpProfile, SrtpReceiver, SrtpSender};

/// Adds the submodule to `parent`, importable by its full name.
pub(crate) fn register(parent: &Bound<'_, PyModule>) -> PyResult<()> {
    let module = PyModule::new(parent.py(), "testing")?;
    module.add_class::<Srtp>()?;
    crate::replay::register(&module)?;
    crate::torture::register(&module)?;
    crate::testing_simulation::register(&module)?;
    parent.add_submodule(&module)?;
    // `import a.b.c` looks here; an extension module has no path to search.
    let name = format!("{}.testing", parent.name()?);
    module.setattr("__name__", &name)?;
    let modules = parent.py().import("sys")?.getattr("modules")?;
    modules.set_item(name, module)
}

/// Both directions of SRTP under one key.
#[pyclass(frozen, module = "sfu._core.testing")]
struct Srtp(std::sync::Mutex<Ends>);

struct Ends {
    profile: SrtpProfile,
    sender: SrtpSender,
    receiver: SrtpReceiver,
}

#[pymethods]
impl Srtp {
    #[new]
    fn new(profile: &str, key: &[u8], salt: &[u8]) -> PyResult<Self> {
        let Ok(profile) = profile.parse::<SrtpProfile>() else {
            let names = SrtpProfile::ALL.map(SrtpProfile::as_str).join(", ");
            return Err(PyValueError::new_err(format!("profile is one of {names}, not {profile:?}")));
        };
        let keys = KeySalt::new(profile, key, salt).map_err(|_| {
            let (key, salt) = (profile.key_len(), profile.salt_len());
            PyValueError::new_err(format!("{profile} takes {key} bytes of key and {salt} of salt"))
        })?;
        Ok(Self(std::sync::Mutex::new(Ends {
            profile,
            sender: SrtpSender::new(profile, &keys),
            receiver: SrtpReceiver::new(profile, &keys),
        })))
    }

    fn protect_rtp<'py>(&self, py: Python<'py>, packet: &[u8], roc: u32) -> PyResult<Bound<'py, PyBytes>> {
        let mut ends = self.ends()?;
        let (ssrc, seq, header_len) = rtp_header(packet).ok_or_else(|| error(SrtpError::TooShort))?;
        let mut buf = with_room(packet, ends.profile.rtp_overhead());
        let index = u64::from(roc) << 16 | u64::from(seq);
        let len =
            ends.sender.protect_rtp(&mut buf, packet.len(), header_len, ssrc.into(), index.into()).map_err(error)?;
        Ok(PyBytes::new(py, &buf[..len]))
    }

    fn unprotect_rtp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut buf = packet.to_vec();
        let len = self.ends()?.receiver.unprotect_rtp(&mut buf).map_err(error)?;
        Ok(PyBytes::new(py, &buf[..len]))
    }

    fn protect_rtcp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut ends = self.ends()?;
        let mut buf = with_room(packet, ends.profile.rtcp_overhead());
        let len = ends.sender.protect_rtcp(&mut buf, packet.len()).map_err(error)?;
        Ok(PyBytes::new(py, &buf[..len]))
    }

    fn unprotect_rtcp<'py>(&self, py: Python<'py>, packet: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let mut buf = packet.to_vec();
        let len = self.ends()?.receiver.unprotect_rtcp(&mut buf).map_err(error)?;
        Ok(PyBytes::new(py, &buf[..len]))
    }
}

impl Srtp {
    fn ends(&self) -> PyResult<std::sync::MutexGuard<'_, Ends>> {
        self.0.lock().map_err(|_| PyValueError::new_err("a call before panicked"))
    }
}

fn error(error: SrtpError) -> PyErr {
    PyValueError::new_err(error.name())
}

fn with_room(packet: &[u8], room: usize) -> Vec<u8> {
    let mut buf = Vec::with_capacity(packet.len() + room);
    buf.extend_from_slice(packet);
    buf.resize(packet.len() + room, 0);
    buf
}

/// SSRC, sequence number and length of a clear header with its CSRCs and extensions (RFC 3550 §5.1).
fn rtp_header(packet: &[u8]) -> Option<(u32, u16, usize)> {
    let [first, _, seq0, seq1, _, _, _, _, ssrc @ ..] = *packet.first_chunk::<12>()?;
    let mut len = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        let words = packet.get(len + 2..len + 4)?;
        len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
    }
    Some((u32::from_be_bytes(ssrc), u16::from_be_bytes([seq0, seq1]), len))
}
