//! `sfu._core.testing.Simulation`: a call in virtual time, its clients and its clock.
//!
//! The server's side is a `Core` like any other; here are the clients', the links and the time. Only `run` takes long and lets
//! go of the GIL.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use sfu_peer::{AudioSource, Encoding, Pacing, Peer, PeerEvent, StreamStats, VideoSource};
use sfu_runtime::ServerGone;
use sfu_sim::call::{Call, ClientConfig, ClientId, Video};
use sfu_sim::encoder::{InterLayer, Payload, Structure};
use sfu_sim::{LinkConfig, Loss};
use sfu_transport::{ChannelEvent, ChannelParameters, StreamId};
use sfu_wire::{Bitrate, Rid};

use crate::arguments::{estimation, seconds};
use crate::core::Core;
use crate::plane::{Plane, Simulated};

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Simulation>()
}

/// See `testing.pyi`.
#[pyclass(frozen, module = "sfu._core.testing")]
struct Simulation {
    simulated: Arc<Simulated>,
    clients: std::sync::Mutex<Vec<ClientId>>,
}

/// Attributes of `sfu.testing.Link`.
#[derive(FromPyObject)]
struct LinkArguments {
    delay: f64,
    jitter: f64,
    loss: f64,
    burst: f64,
    reorder: f64,
    reorder_by: u32,
    duplicate: f64,
    rate: Option<u64>,
    queue: f64,
}

/// Attributes of `sfu.testing.Video`.
#[derive(FromPyObject)]
struct VideoArguments {
    codec: String,
    structure: Option<String>,
    flexible: bool,
    dependency_descriptor: bool,
    simulcast: usize,
    frame_rate: u32,
    temporal_layers: bool,
    keyframe_delay: f64,
}

#[pymethods]
#[expect(clippy::needless_pass_by_value, reason = "PyO3 hands over what it converted")]
#[expect(clippy::too_many_arguments, reason = "keyword arguments of the Python signature, one field each")]
impl Simulation {
    #[new]
    #[pyo3(signature = (
        *, seed, consent_timeout, close_timeout, connect_timeout, max_half_open, channel_buffer, remb_bitrate,
        congestion_control
    ))]
    fn new(
        seed: u64,
        consent_timeout: f64,
        close_timeout: f64,
        connect_timeout: f64,
        max_half_open: usize,
        channel_buffer: usize,
        remb_bitrate: u64,
        congestion_control: bool,
    ) -> PyResult<Self> {
        let consent = seconds("consent_timeout", consent_timeout)?;
        let close = seconds("close_timeout", close_timeout)?;
        let connect = seconds("connect_timeout", connect_timeout)?;
        let make = move || {
            Call::new(Instant::now(), seed, |config| {
                (config.consent_timeout, config.close_timeout, config.connect_timeout) = (consent, close, connect);
                (config.max_half_open, config.channel_buffer) = (max_half_open, channel_buffer);
                config.remb = Bitrate::new(remb_bitrate);
                config.estimation = estimation(congestion_control);
            })
        };
        Ok(Self { simulated: Arc::new(Simulated::new(make)?), clients: std::sync::Mutex::default() })
    }

    fn core(&self) -> Core {
        Core::of(Plane::Simulated(Arc::clone(&self.simulated)))
    }

    fn now(&self) -> PyResult<f64> {
        self.with(move |call| call.elapsed().as_secs_f64())
    }

    fn run(&self, py: Python<'_>, duration: f64) -> PyResult<bool> {
        let duration = seconds("duration", duration)?;
        py.detach(|| self.simulated.with(move |call| call.run(duration))).map_err(gone)
    }

    #[pyo3(signature = (*, audio, video, channels, uplink, downlink))]
    fn add_client(
        &self,
        audio: Vec<u8>,
        video: Vec<VideoArguments>,
        channels: bool,
        uplink: LinkArguments,
        downlink: LinkArguments,
    ) -> PyResult<usize> {
        let config = ClientConfig {
            audio: audio.into_iter().map(audio_source).collect(),
            video: video.iter().map(video_source).collect::<PyResult<_>>()?,
            channels,
            uplink: link(&uplink)?,
            downlink: link(&downlink)?,
        };
        let id = self.with(move |call| call.add_client(config))?;
        let mut clients = self.clients.lock().map_err(|_| poisoned())?;
        clients.push(id);
        Ok(id.index())
    }

    fn set_links(&self, client: usize, uplink: LinkArguments, downlink: LinkArguments) -> PyResult<()> {
        let (id, configs) = (self.id(client)?, (link(&uplink)?, link(&downlink)?));
        self.with(move |call| {
            let links = call.links(id);
            links.0.set_config(configs.0);
            links.1.set_config(configs.1);
        })
    }

    fn add_audio(&self, client: usize, level: u8) -> PyResult<usize> {
        self.ask(client, move |peer, _| peer.add_audio(audio_source(level)))
    }

    fn add_video(&self, client: usize, video: VideoArguments) -> PyResult<usize> {
        let (id, source) = (self.id(client)?, video_source(&video)?);
        self.with(move |call| call.add_video(id, source))
    }

    fn add_receivers(&self, client: usize, audio: usize, video: usize) -> PyResult<()> {
        self.ask(client, move |peer, _| peer.add_receivers(audio, video))
    }

    fn create_offer(&self, client: usize) -> PyResult<String> {
        self.ask(client, move |peer, _| peer.create_offer())
    }

    fn receive_offer(&self, client: usize, sdp: String) -> PyResult<String> {
        self.ask(client, move |peer, now| peer.receive_offer(now, &sdp))?.map_err(refused)
    }

    fn receive_answer(&self, client: usize, sdp: String) -> PyResult<()> {
        self.ask(client, move |peer, now| peer.receive_answer(now, &sdp))?.map_err(refused)
    }

    fn restart_ice(&self, client: usize) -> PyResult<()> {
        self.ask(client, move |peer, _| peer.restart_ice())
    }

    fn set_sends(&self, client: usize, video: bool, source: usize, sends: bool) -> PyResult<()> {
        self.ask(
            client,
            move |peer, _| {
                if video { peer.set_video_sends(source, sends) } else { peer.set_audio_sends(source, sends) }
            },
        )
    }

    fn set_level(&self, client: usize, source: usize, level: u8) -> PyResult<()> {
        self.ask(client, move |peer, _| peer.set_audio_level(source, level))
    }

    fn set_encoding(&self, client: usize, source: usize, encoding: usize, active: bool) -> PyResult<()> {
        self.ask(client, move |peer, _| peer.set_encoding_active(source, encoding, active))
    }

    fn move_away(&self, client: usize) -> PyResult<()> {
        let id = self.id(client)?;
        self.with(move |call| call.move_client(id))
    }

    fn vanish(&self, client: usize) -> PyResult<()> {
        let id = self.id(client)?;
        self.with(move |call| call.vanish(id))
    }

    fn close(&self, client: usize) -> PyResult<()> {
        let id = self.id(client)?;
        self.with(move |call| call.with_peer(id, Peer::close))
    }

    fn open_channel(&self, client: usize, label: String, ordered: bool) -> PyResult<u16> {
        let parameters = ChannelParameters { label, ordered, ..ChannelParameters::default() };
        let stream = self.send(client, move |peer, now| peer.open_channel(now, parameters))?;
        stream.map(StreamId::get).map_err(refused)
    }

    fn send_message(&self, client: usize, stream: u16, binary: bool, payload: &[u8]) -> PyResult<bool> {
        let payload = payload.to_vec();
        self.send(client, move |peer, now| peer.send_message(now, StreamId::new(stream), binary, payload))?
            .map_err(refused)
    }

    fn close_channel(&self, client: usize, stream: u16) -> PyResult<()> {
        self.send(client, move |peer, now| peer.close_channel(now, StreamId::new(stream)))?.map_err(refused)
    }

    fn events<'py>(&self, py: Python<'py>, client: usize) -> PyResult<Vec<Bound<'py, PyAny>>> {
        let id = self.id(client)?;
        let events: Vec<PeerEvent> = self.with(move |call| std::iter::from_fn(|| call.poll_client(id)).collect())?;
        events.into_iter().filter_map(|event| translate(py, event).transpose()).collect()
    }

    fn received<'py>(&self, py: Python<'py>, client: usize) -> PyResult<Vec<Bound<'py, PyDict>>> {
        let id = self.id(client)?;
        let (now, streams) = self.with(move |call| {
            let streams: Vec<StreamStats> = call.client(id).peer().received().cloned().collect();
            (call.unix_time(), streams)
        })?;
        streams.iter().map(|stream| describe(py, now, stream)).collect()
    }

    fn sent<'py>(&self, py: Python<'py>, client: usize) -> PyResult<Bound<'py, PyDict>> {
        let id = self.id(client)?;
        let (connected, stats, lost) = self.with(move |call| {
            let client = call.client(id);
            (client.peer().is_connected(), client.peer().stats().uplink, client.lost())
        })?;
        let dict = PyDict::new(py);
        dict.set_item("connected", connected)?;
        dict.set_item("packets", stats.packets)?;
        dict.set_item("resent", stats.resent)?;
        dict.set_item("keyframes", stats.keyframes)?;
        dict.set_item("keyframe_requests", stats.keyframe_requests)?;
        dict.set_item("nacks", stats.nacks)?;
        dict.set_item("lost_up", lost.0)?;
        dict.set_item("lost_down", lost.1)?;
        Ok(dict)
    }
}

impl Simulation {
    fn with<T: Send + 'static>(&self, ask: impl FnOnce(&mut Call) -> T + Send + 'static) -> PyResult<T> {
        self.simulated.with(ask).map_err(gone)
    }

    fn ask<T: Send + 'static>(
        &self,
        client: usize,
        ask: impl FnOnce(&mut Peer, Instant) -> T + Send + 'static,
    ) -> PyResult<T> {
        let id = self.id(client)?;
        self.with(move |call| call.with_peer(id, |peer, now, _| ask(peer, now)))
    }

    /// The same for what leaves at once.
    fn send<T: Send + 'static>(
        &self,
        client: usize,
        ask: impl FnOnce(&mut Peer, Instant) -> T + Send + 'static,
    ) -> PyResult<T> {
        let id = self.id(client)?;
        self.with(move |call| {
            call.with_peer(id, |peer, now, egress| {
                let answer = ask(peer, now);
                peer.handle_timeout(now, egress);
                answer
            })
        })
    }

    fn id(&self, client: usize) -> PyResult<ClientId> {
        let clients = self.clients.lock().map_err(|_| poisoned())?;
        clients.get(client).copied().ok_or_else(|| PyValueError::new_err(format!("there is no client {client}")))
    }
}

fn audio_source(level: u8) -> AudioSource {
    AudioSource { level: level.min(127), ..AudioSource::default() }
}

/// A structure by its name (W3C webrtc-svc §6: `L3T3_KEY`), else the peer's own VP8.
fn video_source(video: &VideoArguments) -> PyResult<Video> {
    let Some(mode) = &video.structure else { return scripted(video).map(Video::Scripted) };
    let payload = match video.codec.as_str() {
        "vp8" => Payload::Vp8,
        "vp9" => Payload::Vp9 { flexible: video.flexible },
        "av1" => Payload::Av1,
        "h264" => Payload::H264,
        "h265" => Payload::H265,
        other => return Err(PyValueError::new_err(format!("codec is vp8, vp9, av1, h264 or h265, not {other:?}"))),
    };
    let unknown = || PyValueError::new_err(format!("{mode:?} is no structure such as L1T3 or L3T3_KEY"));
    let (layers, inter_layer) = match mode.split_once('_') {
        None if mode.starts_with('S') => (mode.as_str(), InterLayer::Never),
        None => (mode.as_str(), InterLayer::Always),
        Some((layers, "KEY")) => (layers, InterLayer::AtKeyframes),
        Some((layers, "KEY_SHIFT")) => (layers, InterLayer::Shifted),
        Some(_) => return Err(unknown()),
    };
    let [b'L' | b'S', spatial @ b'1'..=b'3', b'T', temporal @ b'1'..=b'3'] = *layers.as_bytes() else {
        return Err(unknown());
    };
    let encodings = u8::try_from(video.simulcast).unwrap_or(u8::MAX);
    let structure = Structure {
        encodings,
        spatial: spatial - b'0',
        temporal: temporal - b'0',
        inter_layer,
        // Without a list of references in each packet a group of pictures tells them, which looks back.
        looks_back: payload == Payload::Vp9 { flexible: false },
        described: video.dependency_descriptor,
        ..Structure::single(payload)
    };
    let keyframe_delay = seconds("keyframe_delay", video.keyframe_delay)?;
    Ok(Video::Modelled { structure, frames_per_second: video.frame_rate, keyframe_delay })
}

/// The upper encodings of three; alone, without a name.
fn scripted(video: &VideoArguments) -> PyResult<VideoSource> {
    let VideoSource { encodings, .. } = VideoSource::simulcast();
    let Some(first) = encodings.len().checked_sub(video.simulcast).filter(|_| video.simulcast > 0) else {
        return Err(PyValueError::new_err(format!("simulcast is 1 to 3 encodings, not {}", video.simulcast)));
    };
    if !(1..=120).contains(&video.frame_rate) {
        return Err(PyValueError::new_err(format!("frame_rate is 1 to 120 a second, not {}", video.frame_rate)));
    }
    let name = |encoding: Encoding| Encoding { rid: encoding.rid.filter(|_: &Rid| video.simulcast > 1), ..encoding };
    Ok(VideoSource {
        encodings: encodings.into_iter().skip(first).map(name).collect(),
        frames_per_second: video.frame_rate,
        temporal_layers: video.temporal_layers,
        keyframe_delay: seconds("keyframe_delay", video.keyframe_delay)?,
        pacing: Pacing::Burst,
    })
}

fn link(of: &LinkArguments) -> PyResult<LinkConfig> {
    let loss = if of.loss <= 0.0 {
        Loss::Never
    } else if of.burst > 1.0 && of.loss < 1.0 {
        // In the bad state everything is lost, and it is left after `burst` datagrams; the share of time in it is `loss`.
        let end = 1.0 / of.burst;
        Loss::Bursts { begin: (of.loss * end / (1.0 - of.loss)).min(1.0), end, lost: 1.0 }
    } else {
        Loss::Uniform(of.loss)
    };
    Ok(LinkConfig {
        delay: seconds("delay", of.delay)?,
        jitter: seconds("jitter", of.jitter)?,
        loss,
        reorder: of.reorder,
        reorder_by: of.reorder_by,
        duplicate: of.duplicate,
        rate: of.rate.map(Bitrate::new),
        queue: seconds("queue", of.queue)?,
    })
}

fn translate(py: Python<'_>, event: PeerEvent) -> PyResult<Option<Bound<'_, PyAny>>> {
    let tuple = match event {
        PeerEvent::Connected(profile) => ("connected", 0, profile.to_string(), py.None()),
        PeerEvent::Closed(reason) => ("closed", 0, format!("{reason:?}"), py.None()),
        PeerEvent::ConsentLost => ("consent_lost", 0, String::new(), py.None()),
        PeerEvent::Channel(ChannelEvent::Opened { stream, parameters, by_peer }) => {
            let by_peer = by_peer.into_pyobject(py)?.to_owned().into_any().unbind();
            ("opened", stream.get(), parameters.label, by_peer)
        }
        PeerEvent::Channel(ChannelEvent::Message { stream, binary, payload }) => {
            let kind = if binary { "binary" } else { "text" };
            ("message", stream.get(), kind.to_owned(), PyBytes::new(py, &payload).into_any().unbind())
        }
        PeerEvent::Channel(ChannelEvent::Closed(stream)) => ("ended", stream.get(), String::new(), py.None()),
        _ => return Ok(None),
    };
    Ok(Some(tuple.into_pyobject(py)?.into_any()))
}

fn describe<'py>(py: Python<'py>, now: Duration, stream: &StreamStats) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let frames = &stream.frames;
    dict.set_item("video", stream.video)?;
    dict.set_item("client", stream.source.map(|(client, _)| client))?;
    dict.set_item("source", stream.source.map(|(_, source)| source & 0x7fff))?;
    dict.set_item("mid", stream.mid.as_str())?;
    dict.set_item("packets", stream.packets)?;
    dict.set_item("repaired", stream.repaired)?;
    dict.set_item("lost", stream.lost)?;
    dict.set_item("nacks", stream.nacks)?;
    dict.set_item("keyframe_requests", stream.keyframe_requests)?;
    dict.set_item("wrong", stream.corrupt + stream.misrouted)?;
    dict.set_item("longest_delay", stream.max_latency.as_secs_f64())?;
    dict.set_item("encoding", stream.encoding)?;
    dict.set_item("layer", frames.layer)?;
    dict.set_item("decoded", frames.decoded)?;
    dict.set_item("keyframes", frames.keyframes)?;
    dict.set_item("undecodable", frames.undecodable)?;
    dict.set_item("faults", frames.torn + frames.discontinuities + frames.bad_switches)?;
    dict.set_item("freezes", frames.freezes)?;
    dict.set_item("idle", frames.last.map(|last| now.saturating_sub(last).as_secs_f64()))?;
    Ok(dict)
}

fn refused(error: impl std::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

fn gone(error: ServerGone) -> PyErr {
    PyRuntimeError::new_err(error.to_string())
}

fn poisoned() -> PyErr {
    PyRuntimeError::new_err("a call before panicked")
}
