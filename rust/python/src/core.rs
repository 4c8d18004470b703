//! `Core`: one running data plane.

use std::os::fd::AsRawFd as _;

use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use sfu_core::command::{self, ChannelConfig, Command, IceCredentials};
use sfu_core::config::{RoomConfig, SessionConfig};
use sfu_core::id::{ChannelId, RoomId, SessionId, SubscriptionId, TapId, TrackId};
use sfu_runtime::{CertificatePem, CoreSettings, RuntimeConfig, Server, ServerGone, StartError};
use sfu_wire::Bitrate;

use crate::arguments;
use crate::drained::Drained;
use crate::plane::Plane;

/// One running data plane: threads, sockets, outbox.
#[pyclass(frozen, module = "sfu._core")]
pub(crate) struct Core {
    plane: Plane,
}

#[pymethods]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python signature, one field each")]
impl Core {
    /// Bind the sockets and start the threads.
    #[new]
    #[pyo3(signature = (
        *, udp, announce, shards=None, pin=Vec::new(), spread=false, hold=0.0, certificate_pem=None, private_key_pem=None,
        consent_timeout=10.0, close_timeout=20.0, connect_timeout=20.0, max_half_open=1024, channel_buffer=4_194_304,
        remb_bitrate=8_000_000, receive_buffer=8_388_608, send_buffer=8_388_608, event_capacity=65536,
        congestion_control=true, log_level="info"
    ))]
    fn new(
        py: Python<'_>,
        udp: Vec<String>,
        announce: Vec<String>,
        shards: Option<usize>,
        pin: Vec<usize>,
        spread: bool,
        hold: f64,
        certificate_pem: Option<String>,
        private_key_pem: Option<String>,
        consent_timeout: f64,
        close_timeout: f64,
        connect_timeout: f64,
        max_half_open: usize,
        channel_buffer: usize,
        remb_bitrate: u64,
        receive_buffer: usize,
        send_buffer: usize,
        event_capacity: usize,
        congestion_control: bool,
        log_level: &str,
    ) -> PyResult<Self> {
        let config = RuntimeConfig {
            udp: arguments::socket_addresses(udp)?,
            announce: arguments::ip_addresses(announce)?,
            shards,
            pin,
            spread,
            steer: true,
            hold: arguments::seconds("hold", hold)?,
            receive_buffer,
            send_buffer,
            certificate: certificate(certificate_pem, private_key_pem)?,
            event_capacity,
            log_level: arguments::log_level(log_level)?,
            core: CoreSettings {
                consent_timeout: arguments::seconds("consent_timeout", consent_timeout)?,
                close_timeout: arguments::seconds("close_timeout", close_timeout)?,
                connect_timeout: arguments::seconds("connect_timeout", connect_timeout)?,
                max_half_open,
                channel_buffer,
                remb: Bitrate::new(remb_bitrate),
                estimation: arguments::estimation(congestion_control),
            },
        };
        let server = py.detach(|| Server::start(&config)).map_err(|error| start_error(&error))?;
        Ok(Self { plane: Plane::Threads(server) })
    }

    /// Readable while the outbox holds something; `drain` resets it. A simulation has none.
    fn event_fd(&self) -> PyResult<i32> {
        match &self.plane {
            Plane::Threads(server) => Ok(server.event_fd().as_raw_fd()),
            Plane::Simulated(_) => {
                Err(PyRuntimeError::new_err("a simulation has no descriptor: drain after a command"))
            }
        }
    }

    /// The announced socket addresses.
    fn candidates(&self) -> Vec<String> {
        self.plane.candidates().iter().map(ToString::to_string).collect()
    }

    /// The certificate's `sha-256 AA:BB:…`.
    fn fingerprint(&self) -> String {
        self.plane.fingerprint()
    }

    /// What the start had to put up with.
    fn warnings(&self) -> Vec<String> {
        match &self.plane {
            Plane::Threads(server) => server.warnings().to_vec(),
            Plane::Simulated(_) => Vec::new(),
        }
    }

    /// Stop and join all threads (the GIL is released), close the sockets. Idempotent.
    fn close(&self, py: Python<'_>) {
        match &self.plane {
            Plane::Threads(server) => py.detach(|| server.close()),
            Plane::Simulated(simulated) => simulated.close(),
        }
    }

    /// Everything that waits: replies, events, log records.
    fn drain(&self, py: Python<'_>) -> PyResult<Drained> {
        let mut drained = sfu_runtime::Drained::default();
        self.plane.drain(&mut drained).map_err(gone)?;
        Drained::from_runtime(py, drained)
    }

    #[pyo3(signature = (*, max_sessions, video_codecs, audio_codecs, red=0, audio_slots=None))]
    fn create_room(
        &self,
        max_sessions: Option<u32>,
        video_codecs: Vec<String>,
        audio_codecs: Vec<String>,
        red: u8,
        audio_slots: Option<u8>,
    ) -> PyResult<u64> {
        self.post(Command::CreateRoom(RoomConfig {
            max_sessions,
            video_codecs: arguments::codecs("video_codecs", video_codecs)?,
            audio_codecs: arguments::codecs("audio_codecs", audio_codecs)?,
            red,
            audio_slots,
        }))
    }

    fn close_room(&self, room: u64) -> PyResult<u64> {
        self.post(Command::CloseRoom(RoomId::new(room)))
    }

    #[pyo3(signature = (room, *, offers, label, auto_subscribe, publish_audio, publish_video))]
    fn join(
        &self,
        room: u64,
        offers: &str,
        label: String,
        auto_subscribe: bool,
        publish_audio: bool,
        publish_video: bool,
    ) -> PyResult<u64> {
        let offers = arguments::offers(offers)?;
        let session = SessionConfig { offers, label, auto_subscribe, publish_audio, publish_video };
        self.post(Command::Join(RoomId::new(room), session))
    }

    fn close_session(&self, session: u64) -> PyResult<u64> {
        self.post(Command::CloseSession(SessionId::new(session)))
    }

    #[pyo3(signature = (session, transport, r#type, sdp, id))]
    fn receive(&self, session: u64, transport: &str, r#type: &str, sdp: String, id: Option<u64>) -> PyResult<u64> {
        let (transport, kind) = (arguments::transport(transport)?, arguments::sdp_type(r#type)?);
        self.post(Command::Receive(SessionId::new(session), command::Description { transport, kind, sdp, id }))
    }

    fn add_candidate(&self, session: u64, transport: &str, candidate: String) -> PyResult<u64> {
        self.post(Command::AddCandidate(SessionId::new(session), arguments::transport(transport)?, candidate))
    }

    fn restart_ice(&self, session: u64, transport: &str, ufrag: String, pwd: String) -> PyResult<u64> {
        let transport = arguments::transport(transport)?;
        self.post(Command::RestartIce(SessionId::new(session), transport, IceCredentials { ufrag, pwd }))
    }

    fn offer_ice_restart(&self, session: u64, transport: &str) -> PyResult<u64> {
        let transport = arguments::transport(transport)?;
        self.post(Command::OfferIceRestart(SessionId::new(session), transport))
    }

    #[pyo3(signature = (session, track, max_layer))]
    fn subscribe(&self, session: u64, track: u64, max_layer: Option<(i64, i64)>) -> PyResult<u64> {
        let max_layer = arguments::layer(max_layer)?;
        self.post(Command::Subscribe { session: SessionId::new(session), track: TrackId::new(track), max_layer })
    }

    fn unsubscribe(&self, subscription: u64) -> PyResult<u64> {
        self.post(Command::Unsubscribe(SubscriptionId::new(subscription)))
    }

    #[pyo3(signature = (subscription, max_layer))]
    fn set_layer(&self, subscription: u64, max_layer: Option<(i64, i64)>) -> PyResult<u64> {
        self.post(Command::SetLayer(SubscriptionId::new(subscription), arguments::layer(max_layer)?))
    }

    fn set_paused(&self, subscription: u64, paused: bool) -> PyResult<u64> {
        self.post(Command::SetPaused(SubscriptionId::new(subscription), paused))
    }

    fn set_muted(&self, track: u64, muted: bool) -> PyResult<u64> {
        self.post(Command::SetMuted(TrackId::new(track), muted))
    }

    fn request_keyframe(&self, track: u64) -> PyResult<u64> {
        self.post(Command::RequestKeyframe(TrackId::new(track)))
    }

    #[pyo3(signature = (session, *, label, protocol, ordered, max_retransmits, max_lifetime))]
    fn open_channel(
        &self,
        session: u64,
        label: String,
        protocol: String,
        ordered: bool,
        max_retransmits: Option<u16>,
        max_lifetime: Option<f64>,
    ) -> PyResult<u64> {
        let max_lifetime = max_lifetime.map(|time| arguments::seconds("max_lifetime", time)).transpose()?;
        if max_retransmits.is_some() && max_lifetime.is_some() {
            return Err(PyValueError::new_err("max_retransmits, max_lifetime: give one of them (RFC 8832 §5.1)"));
        }
        let channel = ChannelConfig { label, protocol, ordered, max_retransmits, max_lifetime };
        self.post(Command::OpenChannel(SessionId::new(session), channel))
    }

    fn send_message(&self, channel: u64, binary: bool, payload: &[u8]) -> PyResult<u64> {
        self.post(Command::SendMessage { channel: ChannelId::new(channel), binary, payload: payload.to_vec() })
    }

    fn close_channel(&self, channel: u64) -> PyResult<u64> {
        self.post(Command::CloseChannel(ChannelId::new(channel)))
    }

    fn dump(&self, track: u64, seconds: f64, max_bytes: usize) -> PyResult<u64> {
        let duration = arguments::seconds("seconds", seconds)?;
        self.post(Command::Dump { track: TrackId::new(track), duration, max_bytes })
    }

    #[pyo3(signature = (track, max_layer, capacity))]
    fn tap(&self, track: u64, max_layer: Option<(i64, i64)>, capacity: usize) -> PyResult<u64> {
        let max_layer = arguments::layer(max_layer)?;
        self.post(Command::Tap { track: TrackId::new(track), max_layer, capacity })
    }

    fn take_frames(&self, tap: u64) -> PyResult<u64> {
        self.post(Command::TakeFrames(TapId::new(tap)))
    }

    fn untap(&self, tap: u64) -> PyResult<u64> {
        self.post(Command::Untap(TapId::new(tap)))
    }

    fn sfu_stats(&self) -> PyResult<u64> {
        self.post(Command::SfuStats)
    }

    fn room_stats(&self, room: u64) -> PyResult<u64> {
        self.post(Command::RoomStats(RoomId::new(room)))
    }

    fn session_stats(&self, session: u64) -> PyResult<u64> {
        self.post(Command::SessionStats(SessionId::new(session)))
    }
}

impl Core {
    fn post(&self, command: Command) -> PyResult<u64> {
        self.plane.command(command).map_err(gone)
    }

    /// The handle of a simulation.
    pub(crate) const fn of(plane: Plane) -> Self {
        Self { plane }
    }
}

fn certificate(certificate: Option<String>, private_key: Option<String>) -> PyResult<Option<CertificatePem>> {
    match (certificate, private_key) {
        (Some(certificate), Some(private_key)) => Ok(Some(CertificatePem { certificate, private_key })),
        (None, None) => Ok(None),
        _ => Err(PyValueError::new_err("certificate_pem, private_key_pem: give both or none")),
    }
}

/// The kernel's refusals are `OSError` with their errno, everything else is a wrong argument.
fn start_error(error: &StartError) -> PyErr {
    match error.os_error().and_then(std::io::Error::raw_os_error) {
        Some(errno) => PyOSError::new_err((errno, error.to_string())),
        None if error.os_error().is_some() => PyOSError::new_err(error.to_string()),
        None => PyValueError::new_err(error.to_string()),
    }
}

fn gone(error: ServerGone) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}
