//! Events: one frozen class each.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};
use sfu_core::codec::Kind;
use sfu_core::event::{self, CloseReason, Event, SubscriptionProblem};
use sfu_core::layer::Layer;
use sfu_core::transport::ConnectionState;

use crate::description::Description;
use crate::record::list;

record! {
    /// The server wants to change a transport: send this offer, receive the answer.
    OfferReady { session: u64, description: Py<Description> }
}
record! {
    /// The client should add so many receiving sections and offer.
    SectionsNeeded { session: u64, audio: u32, video: u32 }
}
record! {
    /// The session's media path changed state.
    ConnectionStateChanged { session: u64, state: &'static str }
}
record! {
    /// The session is gone; nothing more comes of it.
    SessionEnded { session: u64, reason: &'static str, detail: String }
}
record! {
    /// First media arrived.
    TrackPublished {
        room: u64,
        session: u64,
        track: u64,
        kind: &'static str,
        mid: String,
        codec: &'static str,
        rids: Vec<String>,
        stream: String,
        source: String,
    }
}
record! {
    /// The section was stopped or its session ended.
    TrackUnpublished { room: u64, session: u64, track: u64 }
}
record! {
    /// No packets have come for a while, or they come again.
    TrackStalled { track: u64, stalled: bool }
}
record! {
    /// The subscription has a section: media may flow.
    Subscribed { session: u64, subscription: u64, track: u64, mid: String, transport: &'static str }
}
record! {
    /// The subscription ended.
    Unsubscribed { session: u64, subscription: u64, track: u64 }
}
record! {
    /// The subscription cannot flow as things are.
    SubscriptionFailed {
        session: u64,
        subscription: u64,
        track: u64,
        problem: &'static str,
        codec: Option<&'static str>,
    }
}
record! {
    /// Another layer flows from now on; `None`: nothing flows.
    LayerChanged {
        session: u64,
        subscription: u64,
        before: Option<(u8, u8)>,
        after: Option<(u8, u8)>,
        reason: &'static str,
        wait: f64,
        keyframe_wait: f64,
    }
}
record! {
    /// One layer of a track.
    LayerInfo {
        layer: (u8, u8),
        rid: Option<String>,
        width: Option<u16>,
        height: Option<u16>,
        frame_rate: f64,
        bitrate: u64,
        flowing: bool,
    }
}
record! {
    /// The layers of a track, learnt from its stream.
    LayersChanged { track: u64, layers: Py<PyList> }
}
record! {
    /// The layers that the subscribers of a track may come to need: (spatial, highest temporal).
    LayersWanted { session: u64, track: u64, layers: Vec<(u8, u8)> }
}
record! {
    /// Somebody else is heard in an audio slot, or it has got its section; `track` `None`: nobody.
    AudioSlotChanged { session: u64, subscription: u64, slot: u8, mid: String, track: Option<u64> }
}
record! {
    /// The ranking of speakers changed: (session, track, level in dBov), loudest first.
    SpeakersChanged { room: u64, speakers: Vec<(u64, u64, i8)> }
}
record! {
    /// A channel is open.
    ChannelOpened { session: u64, channel: u64, label: String, protocol: String, ordered: bool, by_peer: bool }
}
record! {
    /// A message arrived.
    ChannelMessage { channel: u64, binary: bool, payload: Py<PyBytes> }
}
record! {
    /// There is room again after a message was not taken.
    ChannelWritable { channel: u64 }
}
record! {
    /// The channel is closed.
    ChannelEnded { channel: u64 }
}
record! {
    /// Frames wait in a tap, or its track has ended.
    TapReady { tap: u64 }
}
record! {
    /// A piece of a dump (rtpdump records without the file header); `last` ends it.
    Dump { track: u64, data: Py<PyBytes>, last: bool }
}

/// Adds the classes to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<OfferReady>()?;
    module.add_class::<SectionsNeeded>()?;
    module.add_class::<ConnectionStateChanged>()?;
    module.add_class::<SessionEnded>()?;
    module.add_class::<TrackPublished>()?;
    module.add_class::<TrackUnpublished>()?;
    module.add_class::<TrackStalled>()?;
    module.add_class::<Subscribed>()?;
    module.add_class::<Unsubscribed>()?;
    module.add_class::<SubscriptionFailed>()?;
    module.add_class::<LayerChanged>()?;
    module.add_class::<LayerInfo>()?;
    module.add_class::<LayersChanged>()?;
    module.add_class::<LayersWanted>()?;
    module.add_class::<AudioSlotChanged>()?;
    module.add_class::<SpeakersChanged>()?;
    module.add_class::<ChannelOpened>()?;
    module.add_class::<ChannelMessage>()?;
    module.add_class::<ChannelWritable>()?;
    module.add_class::<ChannelEnded>()?;
    module.add_class::<TapReady>()?;
    module.add_class::<Dump>()
}

/// What the stub calls `Event`.
pub(crate) fn from_core(py: Python<'_>, event: Event) -> PyResult<Py<PyAny>> {
    match event {
        Event::OfferReady(session, description) => {
            let description = Description::from_core(py, description)?;
            object(py, OfferReady { session: session.get(), description })
        }
        Event::SectionsNeeded { session, audio, video } => {
            object(py, SectionsNeeded { session: session.get(), audio, video })
        }
        Event::ConnectionStateChanged(session, state) => {
            object(py, ConnectionStateChanged { session: session.get(), state: state_name(state) })
        }
        Event::SessionClosed(session, reason) => {
            let (reason, detail) = close_reason(reason);
            object(py, SessionEnded { session: session.get(), reason, detail })
        }
        Event::TrackPublished(track) => object(py, TrackPublished::from(track)),
        Event::TrackUnpublished { room, session, track } => {
            object(py, TrackUnpublished { room: room.get(), session: session.get(), track: track.get() })
        }
        Event::TrackStalled(track, stalled) => object(py, TrackStalled { track: track.get(), stalled }),
        Event::Subscribed { session, subscription, track, mid, transport } => object(
            py,
            Subscribed {
                session: session.get(),
                subscription: subscription.get(),
                track: track.get(),
                mid: mid.to_string(),
                transport: transport.as_str(),
            },
        ),
        Event::Unsubscribed { session, subscription, track } => {
            object(py, Unsubscribed { session: session.get(), subscription: subscription.get(), track: track.get() })
        }
        Event::SubscriptionFailed { session, subscription, track, problem } => {
            let (problem, codec) = match problem {
                SubscriptionProblem::CodecUnsupported(codec) => ("codec_unsupported", Some(codec.as_str())),
                SubscriptionProblem::Rejected => ("rejected", None),
            };
            let (session, subscription, track) = (session.get(), subscription.get(), track.get());
            object(py, SubscriptionFailed { session, subscription, track, problem, codec })
        }
        Event::LayerChanged { session, subscription, from, to, reason, wait, keyframe_wait } => object(
            py,
            LayerChanged {
                session: session.get(),
                subscription: subscription.get(),
                before: from.map(layer_numbers),
                after: to.map(layer_numbers),
                reason: reason.as_str(),
                wait: wait.as_secs_f64(),
                keyframe_wait: keyframe_wait.as_secs_f64(),
            },
        ),
        Event::LayersChanged(track, layers) => {
            let layers = list(py, &layers, |_, layer| Ok(LayerInfo::from(layer)))?;
            object(py, LayersChanged { track: track.get(), layers })
        }
        Event::LayersWanted { session, track, layers } => {
            let layers = layers.into_iter().map(layer_numbers).collect();
            object(py, LayersWanted { session: session.get(), track: track.get(), layers })
        }
        Event::AudioSlotChanged { session, subscription, slot, mid, track } => object(
            py,
            AudioSlotChanged {
                session: session.get(),
                subscription: subscription.get(),
                slot,
                mid: mid.to_string(),
                track: track.map(sfu_core::id::TrackId::get),
            },
        ),
        Event::SpeakersChanged(room, speakers) => {
            let speakers = speakers.iter().map(|s| (s.session.get(), s.track.get(), s.level)).collect();
            object(py, SpeakersChanged { room: room.get(), speakers })
        }
        Event::ChannelOpened { session, channel, label, protocol, ordered, by_peer } => object(
            py,
            ChannelOpened { session: session.get(), channel: channel.get(), label, protocol, ordered, by_peer },
        ),
        Event::ChannelMessage { channel, binary, payload } => {
            let payload = PyBytes::new(py, &payload).unbind();
            object(py, ChannelMessage { channel: channel.get(), binary, payload })
        }
        Event::ChannelWritable(channel) => object(py, ChannelWritable { channel: channel.get() }),
        Event::ChannelClosed(channel) => object(py, ChannelEnded { channel: channel.get() }),
        Event::TapReady(tap) => object(py, TapReady { tap: tap.get() }),
        Event::Dump { track, bytes, last } => {
            let data = PyBytes::new(py, &bytes).unbind();
            object(py, Dump { track: track.get(), data, last })
        }
    }
}

fn object<T: pyo3::PyClass + Into<PyClassInitializer<T>>>(py: Python<'_>, value: T) -> PyResult<Py<PyAny>> {
    Ok(Py::new(py, value)?.into_any())
}

impl From<event::TrackPublished> for TrackPublished {
    fn from(track: event::TrackPublished) -> Self {
        let (stream, source) = track.msid;
        Self {
            room: track.room.get(),
            session: track.session.get(),
            track: track.track.get(),
            kind: kind_name(track.kind),
            mid: track.mid.to_string(),
            codec: track.codec.as_str(),
            rids: track.rids.iter().map(ToString::to_string).collect(),
            stream,
            source,
        }
    }
}

impl From<&sfu_core::stream::LayerInfo> for LayerInfo {
    fn from(of: &sfu_core::stream::LayerInfo) -> Self {
        Self {
            layer: layer_numbers(of.layer),
            rid: of.rid.map(|rid| rid.to_string()),
            width: of.size.map(|(width, _)| width),
            height: of.size.map(|(_, height)| height),
            frame_rate: f64::from(of.frame_rate.millihertz()) / 1000.0,
            bitrate: of.bitrate.get(),
            flowing: of.flowing,
        }
    }
}

fn close_reason(reason: CloseReason) -> (&'static str, String) {
    match reason {
        CloseReason::Requested => ("requested", String::new()),
        CloseReason::RoomClosed => ("room_closed", String::new()),
        CloseReason::PeerClosed => ("peer_closed", String::new()),
        CloseReason::Timeout => ("timeout", String::new()),
        CloseReason::FingerprintMismatch => ("fingerprint_mismatch", String::new()),
        CloseReason::HandshakeFailed(detail) => ("handshake_failed", detail),
    }
}

pub(crate) const fn state_name(state: ConnectionState) -> &'static str {
    match state {
        ConnectionState::Connecting => "connecting",
        ConnectionState::Connected => "connected",
        ConnectionState::Disconnected => "disconnected",
        ConnectionState::Closed => "closed",
    }
}

pub(crate) const fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
    }
}

pub(crate) const fn layer_numbers(layer: Layer) -> (u8, u8) {
    (layer.spatial, layer.temporal)
}
