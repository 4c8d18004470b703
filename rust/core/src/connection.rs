//! One transport of a session with all that hangs on it: negotiated state, SSRC bindings in both directions, transport-wide
//! feedback and the times of its reports.

use std::collections::HashMap;
use std::mem::offset_of;
use std::time::Instant;

use sfu_congestion::{TwccReceiver, TwccSender};
use sfu_transport::{StreamId, Transport};
use sfu_wire::{DataSize, ExtensionMap, Mid, Ssrc};

use crate::bandwidth::Bandwidth;
use crate::id::{ChannelId, SessionId, SubscriptionId, TrackId};
use crate::nack::responder::LookUps;
use crate::negotiation::Negotiator;
use crate::replaced::Replaced;
use crate::stream::PublisherClock;
use crate::transport::TransportKind;

/// What an incoming SSRC carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Binding {
    pub(crate) track: TrackId,
    pub(crate) encoding: usize,
    /// A repair stream (RFC 4588).
    pub(crate) rtx: bool,
}

/// The life of a connection before and after the handshake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// Nothing negotiated yet.
    Idle,
    /// Negotiated; no authenticated check yet. Closed at the deadline.
    Waiting { deadline: Instant },
    /// A handshake is under way (counted against `max_half_open`). Closed at the deadline.
    HalfOpen { deadline: Instant },
    /// Keys are there.
    Connected,
    /// Consent expired. Closed at the deadline.
    Disconnected { deadline: Instant },
}

impl Progress {
    pub(crate) fn deadline(self) -> Option<Instant> {
        match self {
            Self::Idle | Self::Connected => None,
            Self::Waiting { deadline } | Self::HalfOpen { deadline } | Self::Disconnected { deadline } => {
                Some(deadline)
            }
        }
    }
}

/// See the module's text.
#[derive(Debug)]
// What a packet that goes out needs comes first ([`Connection::OUTGOING`]).
#[repr(C)]
pub(crate) struct Connection {
    pub(crate) transport: Transport,
    pub(crate) twcc_sender: TwccSender,
    /// Once the peer has reported on what it receives.
    pub(crate) bandwidth: Option<Box<Bandwidth>>,
    pub(crate) session: SessionId,
    pub(crate) kind: TransportKind,
    pub(crate) negotiator: Negotiator,
    pub(crate) progress: Progress,
    /// Local user fragments by which a first contact finds this connection; during an ICE restart the old and the new one.
    pub(crate) ufrags: Vec<String>,
    /// The SSRC under which this side sends RTCP.
    pub(crate) rtcp_ssrc: Ssrc,
    /// The peer takes reports without the parts that a whole compound has (RFC 5506).
    pub(crate) reduced_reports: bool,
    /// Of everything the peer sends: one numbering over the whole bundle (RFC 8843 §9.2).
    pub(crate) extensions: ExtensionMap,
    pub(crate) bindings: HashMap<Ssrc, Binding>,
    /// SSRCs whose place others have taken: what is late of them is nobody's.
    pub(crate) replaced: Replaced,
    pub(crate) tracks: Vec<(Mid, TrackId)>,
    /// Subscriptions that this connection carries, by outgoing SSRC.
    pub(crate) outgoing: HashMap<Ssrc, SubscriptionId>,
    pub(crate) subscriptions: Vec<SubscriptionId>,
    /// By SCTP stream.
    pub(crate) channels: HashMap<StreamId, ChannelId>,
    pub(crate) twcc_receiver: TwccReceiver,
    /// One for all tracks, so that they stay in step.
    pub(crate) publisher_clock: PublisherClock,
    pub(crate) next_report: Instant,
    pub(crate) next_nack: Option<Instant>,
    pub(crate) rtt: Option<std::time::Duration>,
    /// Of what this peer asks for again.
    pub(crate) look_ups: LookUps,
    pub(crate) unbound_packets: u64,
}

impl Connection {
    /// So many of its bytes a packet that goes out may touch.
    pub(crate) const OUTGOING: usize = offset_of!(Self, session);

    /// So much has left for the peer.
    pub(crate) fn left(&mut self, now: Instant, size: DataSize) {
        if let Some(bandwidth) = self.bandwidth.as_deref_mut().filter(|_| size > DataSize::ZERO) {
            bandwidth.handle_sent(now, size);
        }
    }

    pub(crate) fn track_of_mid(&self, mid: Mid) -> Option<TrackId> {
        self.tracks.iter().find(|(known, _)| *known == mid).map(|(_, track)| *track)
    }
}
