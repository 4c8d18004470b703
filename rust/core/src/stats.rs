//! Counters as plain values, in the names of the W3C's webrtc-stats where it has one.

use std::time::Duration;

use sfu_transport::{DropCounts, SrtpProfile};
use sfu_wire::{Bitrate, Mid, Rid, Ssrc};

use crate::allocate::Reason;
use crate::codec::{CodecName, Kind};
use crate::id::{RoomId, SessionId, SubscriptionId, TrackId};
use crate::layer::Layer;
use crate::nack::Refusals;
use crate::transport::{ConnectionState, TransportKind};

/// Of one `Sfu`, or of all shards of a server together.
#[derive(Debug, Clone, Default)]
pub struct SfuStats {
    /// Rooms that exist.
    pub rooms: u64,
    /// Sessions that exist.
    pub sessions: u64,
    /// Tracks that exist.
    pub tracks: u64,
    /// Subscriptions that exist.
    pub subscriptions: u64,
    /// Data channels that exist.
    pub channels: u64,
    /// Datagrams that were taken in.
    pub datagrams_received: u64,
    /// RTP packets that went out.
    pub packets_sent: u64,
    /// Bytes of them, headers and tags included.
    pub bytes_sent: u64,
    /// RTP packets that were taken in.
    pub packets_received: u64,
    /// Bytes of them.
    pub bytes_received: u64,
    /// Authentic ICE checks.
    pub checks: u64,
    /// STUN binding indications over known paths.
    pub keep_alives: u64,
    /// DTLS datagrams of which something was taken.
    pub dtls: u64,
    /// Datagrams that were dropped, by reason.
    pub dropped: DropCounts,
    /// Events that were dropped because nobody drained them.
    pub events_dropped: u64,
    /// What it has to do with other shards.
    pub relay: RelayStats,
    /// Messages that the kernel took, by how many datagrams each held: of one datagram, of two and so on.
    pub runs: Vec<u64>,
    /// The threads, by their number.
    pub shards: Vec<ShardStats>,
}

/// Of one shard as its thread sees it: known to who runs it, not to an `Sfu`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShardStats {
    /// Its number.
    pub shard: u16,
    /// Sessions that live there.
    pub sessions: u64,
    /// Datagrams that came in, over the last second.
    pub received_per_second: f64,
    /// Datagrams that went out, over the last second.
    pub sent_per_second: f64,
    /// The share of a processor that its thread took in the last second.
    pub busy: f64,
    /// The longest time of the last ten seconds in which something was ready and the thread did not take it.
    pub stall: Duration,
    /// Datagrams that came to it and belonged to another shard.
    pub handed_over: u64,
    /// Datagrams that belonged to it and came to another shard.
    pub taken_over: u64,
    /// Bytes that it relayed to other shards.
    pub relayed_bytes: u64,
    /// Datagrams and relayed media lost because a ring to another shard was full.
    pub ring_drops: u64,
}

impl SfuStats {
    /// Adds another shard's.
    pub fn add(&mut self, other: &Self) {
        // All by name, so that none is forgotten.
        let Self {
            rooms,
            sessions,
            tracks,
            subscriptions,
            channels,
            datagrams_received,
            packets_sent,
            bytes_sent,
            packets_received,
            bytes_received,
            checks,
            keep_alives,
            dtls,
            dropped,
            events_dropped,
            relay,
            runs,
            shards,
        } = other;
        self.rooms += rooms;
        self.sessions += sessions;
        self.tracks += tracks;
        self.subscriptions += subscriptions;
        self.channels += channels;
        self.datagrams_received += datagrams_received;
        self.packets_sent += packets_sent;
        self.bytes_sent += bytes_sent;
        self.packets_received += packets_received;
        self.bytes_received += bytes_received;
        self.checks += checks;
        self.keep_alives += keep_alives;
        self.dtls += dtls;
        self.dropped += *dropped;
        self.events_dropped += events_dropped;
        self.relay.add(*relay);
        self.runs.resize(self.runs.len().max(runs.len()), 0);
        self.runs.iter_mut().zip(runs).for_each(|(sum, count)| *sum += count);
        self.shards.extend_from_slice(shards);
        self.shards.sort_by_key(|shard| shard.shard);
    }
}

/// What one shard has to do with others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayStats {
    /// Rooms of other shards with sessions on this one.
    pub rooms: u64,
    /// Tracks of other shards in rooms with sessions on this one.
    pub tracks: u64,
    /// Tracks of this shard, once for each other one that they are carried to.
    pub outlets: u64,
    /// Commands that wait for another shard.
    pub pending: u64,
    /// Packets that were given to other shards, once for each.
    pub packets_sent: u64,
    /// Packets of other shards that were taken in.
    pub packets_received: u64,
    /// Packets that did not arrive here and were asked for again.
    pub packets_missed: u64,
    /// Messages to other shards.
    pub messages_sent: u64,
    /// Bytes of them, as far as they were taken.
    pub bytes_sent: u64,
    /// Messages of other shards.
    pub messages_received: u64,
    /// Those that were none, or of another version.
    pub malformed: u64,
}

impl RelayStats {
    /// Adds another shard's.
    fn add(&mut self, other: Self) {
        let Self { rooms, tracks, outlets, pending, packets_sent, packets_received, .. } = other;
        let Self { packets_missed, messages_sent, bytes_sent, messages_received, malformed, .. } = other;
        self.rooms += rooms;
        self.tracks += tracks;
        self.outlets += outlets;
        self.pending += pending;
        self.packets_sent += packets_sent;
        self.packets_received += packets_received;
        self.packets_missed += packets_missed;
        self.messages_sent += messages_sent;
        self.bytes_sent += bytes_sent;
        self.messages_received += messages_received;
        self.malformed += malformed;
    }
}

/// Of one room.
#[derive(Debug, Clone)]
pub struct RoomStats {
    /// The room.
    pub room: RoomId,
    /// Its sessions.
    pub sessions: Vec<SessionStats>,
}

/// Of one session.
#[derive(Debug, Clone)]
pub struct SessionStats {
    /// The session.
    pub session: SessionId,
    /// Since it joined.
    pub age: Duration,
    /// Its transports.
    pub transports: Vec<TransportStats>,
    /// What it publishes.
    pub tracks: Vec<TrackStats>,
    /// What it receives.
    pub subscriptions: Vec<SubscriptionStats>,
}

/// Of one transport.
#[derive(Debug, Clone)]
pub struct TransportStats {
    /// Which.
    pub transport: TransportKind,
    /// Its state.
    pub state: ConnectionState,
    /// The SRTP profile in use.
    pub cipher: Option<SrtpProfile>,
    /// The selected path's remote address.
    pub remote: Option<std::net::SocketAddr>,
    /// The selected path's local address.
    pub local: Option<std::net::SocketAddr>,
    /// Protected bytes in.
    pub bytes_received: u64,
    /// Protected bytes out.
    pub bytes_sent: u64,
    /// Packets in.
    pub packets_received: u64,
    /// Packets out.
    pub packets_sent: u64,
    /// Dropped, by reason.
    pub dropped: DropCounts,
    /// From receiver reports or TWCC feedback.
    pub rtt: Option<Duration>,
    /// What the way to the peer carries, once it has reported on what it receives.
    pub estimate: Option<Bitrate>,
}

/// Of one published track.
#[derive(Debug, Clone)]
pub struct TrackStats {
    /// The track.
    pub track: TrackId,
    /// Audio or video.
    pub kind: Kind,
    /// The section.
    pub mid: Mid,
    /// What it carries now.
    pub codec: CodecName,
    /// Muted by the server.
    pub muted: bool,
    /// Its encodings by rising quality.
    pub encodings: Vec<EncodingStats>,
}

/// Of one encoding: one SSRC in, with its repair.
#[derive(Debug, Clone)]
pub struct EncodingStats {
    /// The rid, with simulcast.
    pub rid: Option<Rid>,
    /// The primary SSRC.
    pub ssrc: Ssrc,
    /// The layer's number.
    pub spatial: u8,
    /// Whether packets came lately.
    pub active: bool,
    /// Packets, without duplicates, repaired ones included.
    pub packets_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Still missing and given up.
    pub packets_lost: u64,
    /// Repaired by retransmission.
    pub packets_repaired: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1).
    pub jitter: Duration,
    /// Packets asked again.
    pub nacks_sent: u64,
    /// Keyframes asked.
    pub plis_sent: u64,
    /// Keyframes that came.
    pub keyframes: u64,
    /// Frames that came.
    pub frames: u64,
    /// Over the last second.
    pub bitrate: Bitrate,
}

/// What a subscription gets of its subscriber's bandwidth.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChoiceStats {
    /// The highest layer that there is bandwidth for; `None`: for none.
    pub layer: Option<Layer>,
    /// What goes out for it, as measured.
    pub rate: Bitrate,
    /// Why not more.
    pub reason: Reason,
    /// The estimate that the probes are to show before anybody's next step; `None`: nothing is looked for.
    pub waits_for: Option<Bitrate>,
}

/// Of one subscription.
#[derive(Debug, Clone)]
pub struct SubscriptionStats {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// Of what.
    pub track: TrackId,
    /// The section, once negotiated.
    pub mid: Option<Mid>,
    /// The outgoing SSRC.
    pub ssrc: Ssrc,
    /// What flows.
    pub layer: Option<Layer>,
    /// What was asked.
    pub max_layer: Option<Layer>,
    /// Paused by the application.
    pub paused: bool,
    /// Its share when the subscriber's bandwidth was divided last.
    pub choice: Option<ChoiceStats>,
    /// Packets out.
    pub packets_sent: u64,
    /// Bytes out.
    pub bytes_sent: u64,
    /// Packets sent again.
    pub packets_retransmitted: u64,
    /// Sequence numbers that the peer asked again.
    pub nacks_received: u64,
    /// Those of them that it was not sent, by reason.
    pub resends_refused: Refusals,
    /// Keyframes that the peer asked.
    pub plis_received: u64,
    /// The peer's count of lost packets.
    pub packets_lost: i64,
    /// The peer's jitter.
    pub jitter: Duration,
    /// From its receiver reports.
    pub rtt: Option<Duration>,
}
