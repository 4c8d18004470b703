//! Statistics: seconds, bytes and bits per second.

use std::time::Duration;

use pyo3::prelude::*;
use pyo3::types::PyList;
use sfu_core::stats as core;
use sfu_wire::Bitrate;

use crate::events::{kind_name, layer_numbers, state_name};
use crate::record::list;

record! {
    /// Datagrams dropped, by reason.
    DropCounts {
        unknown_path: u64,
        malformed: u64,
        authentication: u64,
        replayed: u64,
        half_open_limit: u64,
        unbound_stream: u64,
        kernel: u64,
    }
}
record! {
    /// Of one thread of the data plane.
    ShardStats {
        shard: u16,
        sessions: u64,
        received_per_second: f64,
        sent_per_second: f64,
        busy: f64,
        stall: f64,
        handed_over: u64,
        taken_over: u64,
        relayed_bytes: u64,
        ring_drops: u64,
    }
}
record! {
    /// Of all shards together.
    SfuStats {
        rooms: u64,
        sessions: u64,
        tracks: u64,
        subscriptions: u64,
        channels: u64,
        datagrams_received: u64,
        checks: u64,
        keep_alives: u64,
        dtls: u64,
        packets_received: u64,
        bytes_received: u64,
        packets_sent: u64,
        bytes_sent: u64,
        events_dropped: u64,
        dropped: Py<DropCounts>,
        runs: Vec<u64>,
        shards: Py<PyList>,
    }
}
record! {
    /// Of one room.
    RoomStats { room: u64, sessions: Py<PyList> }
}
record! {
    /// Of one session.
    SessionStats {
        session: u64,
        age: f64,
        transports: Py<PyList>,
        tracks: Py<PyList>,
        subscriptions: Py<PyList>,
    }
}
record! {
    /// Of one transport.
    TransportStats {
        transport: &'static str,
        state: &'static str,
        cipher: Option<String>,
        local: Option<String>,
        remote: Option<String>,
        packets_received: u64,
        bytes_received: u64,
        packets_sent: u64,
        bytes_sent: u64,
        rtt: Option<f64>,
        estimate: Option<u64>,
        dropped: Py<DropCounts>,
    }
}
record! {
    /// Of one published track.
    TrackStats {
        track: u64,
        kind: &'static str,
        mid: String,
        codec: &'static str,
        muted: bool,
        encodings: Py<PyList>,
    }
}
record! {
    /// Of one encoding: one SSRC in, with its repair.
    EncodingStats {
        rid: Option<String>,
        ssrc: u32,
        spatial: u8,
        active: bool,
        packets_received: u64,
        bytes_received: u64,
        packets_lost: u64,
        packets_repaired: u64,
        jitter: f64,
        nacks_sent: u64,
        plis_sent: u64,
        keyframes: u64,
        frames: u64,
        bitrate: u64,
    }
}
record! {
    /// Packets that a subscriber asked again and was not sent, by reason.
    ResendRefusals {
        unknown: u64,
        superseded: u64,
        too_old: u64,
        too_often: u64,
        too_soon: u64,
        over_budget: u64,
        flood: u64,
    }
}
record! {
    /// Of one subscription.
    SubscriptionStats {
        subscription: u64,
        track: u64,
        mid: Option<String>,
        ssrc: u32,
        layer: Option<(u8, u8)>,
        max_layer: Option<(u8, u8)>,
        paused: bool,
        choice: Option<(Option<(u8, u8)>, u64, &'static str, Option<u64>)>,
        packets_sent: u64,
        bytes_sent: u64,
        packets_retransmitted: u64,
        nacks_received: u64,
        resends_refused: Py<ResendRefusals>,
        plis_received: u64,
        packets_lost: i64,
        jitter: f64,
        rtt: Option<f64>,
    }
}

/// Adds the classes to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<DropCounts>()?;
    module.add_class::<SfuStats>()?;
    module.add_class::<ShardStats>()?;
    module.add_class::<RoomStats>()?;
    module.add_class::<SessionStats>()?;
    module.add_class::<TransportStats>()?;
    module.add_class::<TrackStats>()?;
    module.add_class::<EncodingStats>()?;
    module.add_class::<ResendRefusals>()?;
    module.add_class::<SubscriptionStats>()
}

impl DropCounts {
    fn from_core(py: Python<'_>, counts: &sfu_transport::DropCounts) -> PyResult<Py<Self>> {
        let counts = Self {
            unknown_path: counts.unknown_path,
            malformed: counts.malformed,
            authentication: counts.authentication,
            replayed: counts.replayed,
            half_open_limit: counts.half_open_limit,
            unbound_stream: counts.unbound_stream,
            kernel: counts.kernel,
        };
        Py::new(py, counts)
    }
}

impl SfuStats {
    pub(crate) fn from_core(py: Python<'_>, stats: &core::SfuStats) -> PyResult<Py<Self>> {
        let stats = Self {
            rooms: stats.rooms,
            sessions: stats.sessions,
            tracks: stats.tracks,
            subscriptions: stats.subscriptions,
            channels: stats.channels,
            datagrams_received: stats.datagrams_received,
            checks: stats.checks,
            keep_alives: stats.keep_alives,
            dtls: stats.dtls,
            packets_received: stats.packets_received,
            bytes_received: stats.bytes_received,
            packets_sent: stats.packets_sent,
            bytes_sent: stats.bytes_sent,
            events_dropped: stats.events_dropped,
            dropped: DropCounts::from_core(py, &stats.dropped)?,
            runs: stats.runs.clone(),
            shards: list(py, &stats.shards, |_, of| Ok(ShardStats::from(of)))?,
        };
        Py::new(py, stats)
    }
}

impl From<&core::ShardStats> for ShardStats {
    fn from(stats: &core::ShardStats) -> Self {
        Self {
            shard: stats.shard,
            sessions: stats.sessions,
            received_per_second: stats.received_per_second,
            sent_per_second: stats.sent_per_second,
            busy: stats.busy,
            stall: stats.stall.as_secs_f64(),
            handed_over: stats.handed_over,
            taken_over: stats.taken_over,
            relayed_bytes: stats.relayed_bytes,
            ring_drops: stats.ring_drops,
        }
    }
}

impl RoomStats {
    pub(crate) fn from_core(py: Python<'_>, stats: core::RoomStats) -> PyResult<Py<Self>> {
        let sessions = list(py, stats.sessions, SessionStats::from_core)?;
        Py::new(py, Self { room: stats.room.get(), sessions })
    }
}

impl SessionStats {
    pub(crate) fn from_core(py: Python<'_>, stats: core::SessionStats) -> PyResult<Py<Self>> {
        let stats = Self {
            session: stats.session.get(),
            age: stats.age.as_secs_f64(),
            transports: list(py, &stats.transports, TransportStats::from_core)?,
            tracks: list(py, stats.tracks, TrackStats::from_core)?,
            subscriptions: list(py, stats.subscriptions, |py, stats| SubscriptionStats::from_core(py, &stats))?,
        };
        Py::new(py, stats)
    }
}

impl TransportStats {
    fn from_core(py: Python<'_>, stats: &core::TransportStats) -> PyResult<Self> {
        Ok(Self {
            transport: stats.transport.as_str(),
            state: state_name(stats.state),
            cipher: stats.cipher.map(|cipher| cipher.to_string()),
            local: stats.local.map(|address| address.to_string()),
            remote: stats.remote.map(|address| address.to_string()),
            packets_received: stats.packets_received,
            bytes_received: stats.bytes_received,
            packets_sent: stats.packets_sent,
            bytes_sent: stats.bytes_sent,
            rtt: seconds(stats.rtt),
            estimate: stats.estimate.map(Bitrate::get),
            dropped: DropCounts::from_core(py, &stats.dropped)?,
        })
    }
}

impl TrackStats {
    fn from_core(py: Python<'_>, stats: core::TrackStats) -> PyResult<Self> {
        Ok(Self {
            track: stats.track.get(),
            kind: kind_name(stats.kind),
            mid: stats.mid.to_string(),
            codec: stats.codec.as_str(),
            muted: stats.muted,
            encodings: list(py, stats.encodings, |_, of| Ok(EncodingStats::from(of)))?,
        })
    }
}

impl From<core::EncodingStats> for EncodingStats {
    fn from(stats: core::EncodingStats) -> Self {
        Self {
            rid: stats.rid.map(|rid| rid.to_string()),
            ssrc: stats.ssrc.get(),
            spatial: stats.spatial,
            active: stats.active,
            packets_received: stats.packets_received,
            bytes_received: stats.bytes_received,
            packets_lost: stats.packets_lost,
            packets_repaired: stats.packets_repaired,
            jitter: stats.jitter.as_secs_f64(),
            nacks_sent: stats.nacks_sent,
            plis_sent: stats.plis_sent,
            keyframes: stats.keyframes,
            frames: stats.frames,
            bitrate: stats.bitrate.get(),
        }
    }
}

impl ResendRefusals {
    fn from_core(py: Python<'_>, refusals: sfu_core::nack::Refusals) -> PyResult<Py<Self>> {
        let sfu_core::nack::Refusals { unknown, superseded, too_old, too_often, too_soon, over_budget, flood } =
            refusals;
        Py::new(py, Self { unknown, superseded, too_old, too_often, too_soon, over_budget, flood })
    }
}

impl SubscriptionStats {
    fn from_core(py: Python<'_>, stats: &core::SubscriptionStats) -> PyResult<Self> {
        Ok(Self {
            subscription: stats.subscription.get(),
            track: stats.track.get(),
            mid: stats.mid.as_ref().map(ToString::to_string),
            ssrc: stats.ssrc.get(),
            layer: stats.layer.map(layer_numbers),
            max_layer: stats.max_layer.map(layer_numbers),
            paused: stats.paused,
            choice: stats.choice.map(|choice| {
                let waits_for = choice.waits_for.map(Bitrate::get);
                (choice.layer.map(layer_numbers), choice.rate.get(), choice.reason.as_str(), waits_for)
            }),
            packets_sent: stats.packets_sent,
            bytes_sent: stats.bytes_sent,
            packets_retransmitted: stats.packets_retransmitted,
            nacks_received: stats.nacks_received,
            resends_refused: ResendRefusals::from_core(py, stats.resends_refused)?,
            plis_received: stats.plis_received,
            packets_lost: stats.packets_lost,
            jitter: stats.jitter.as_secs_f64(),
            rtt: seconds(stats.rtt),
        })
    }
}

fn seconds(time: Option<Duration>) -> Option<f64> {
    time.map(|time| time.as_secs_f64())
}
