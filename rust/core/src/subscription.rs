//! A track going to one subscriber: what is chosen, how it is numbered, and how it looks on that subscriber's wire.

use std::mem::offset_of;

use sfu_wire::{Mid, Pt};

use crate::arena::ConnectionId;
use crate::audio::{Slot, Way};
use crate::bandwidth::Share;
use crate::change::Change;
use crate::codec::CodecName;
use crate::event::SubscriptionProblem;
use crate::forward::Forwarder;
use crate::header::HeaderWriter;
use crate::id::{SessionId, TrackId};
use crate::keyframe::PictureLoss;
use crate::layer::Layer;
use crate::negotiation::SendParameters;
use crate::stream::SendStream;

/// How packets look on the wire of one subscriber's section.
#[derive(Debug, Clone)]
pub(crate) struct Wire {
    pub(crate) header: HeaderWriter,
    /// What nearly all packets carry.
    first: Option<(CodecName, Pt, Option<Pt>)>,
    /// Few entries: a linear look-up beats a table.
    others: Vec<(CodecName, Pt, Option<Pt>)>,
}

impl Wire {
    pub(crate) fn new(mid: Mid, parameters: &SendParameters) -> Self {
        // The track's own format first: the client may accept several of one name (H.264 profiles).
        let codecs = parameters.codec.iter().chain(parameters.codecs.iter());
        let mut codecs = codecs.map(|codec| (codec.name, codec.pt, codec.rtx));
        Self { header: HeaderWriter::new(mid, parameters), first: codecs.next(), others: codecs.collect() }
    }

    /// Its section's.
    pub(crate) const fn mid(&self) -> Mid {
        self.header.mid()
    }

    /// How packets of `codec` go to this subscriber, and under which payload type: of audio it takes what it has of Opus and RED.
    /// `redundant`: Opus goes as RED where that is taken.
    pub(crate) fn way(&self, codec: CodecName, redundant: bool) -> Option<(Pt, Way)> {
        let pt = |codec| self.payload_types(codec).map(|(pt, _)| pt);
        match codec {
            CodecName::Red => match (pt(CodecName::Red), self.opus()) {
                (Some(red), opus) => Some((red, opus.map_or(Way::Whole, Way::Red))),
                (None, opus) => Some((opus?, Way::Frame)),
            },
            CodecName::Opus if redundant => {
                let opus = self.opus()?;
                Some(pt(CodecName::Red).map_or((opus, Way::Whole), |red| (red, Way::Red(opus))))
            }
            _ => Some((pt(codec)?, Way::Whole)),
        }
    }

    /// The payload type of Opus.
    pub(crate) fn opus(&self) -> Option<Pt> {
        self.payload_types(CodecName::Opus).map(|(pt, _)| pt)
    }

    /// The payload types of a codec and of its retransmissions.
    pub(crate) fn payload_types(&self, codec: CodecName) -> Option<(Pt, Option<Pt>)> {
        let mut codecs = self.first.iter().chain(&self.others);
        codecs.find(|(name, ..)| *name == codec).map(|(_, pt, rtx)| (*pt, *rtx))
    }
}

/// What an audio slot carries while nobody is in it: no id is zero (generations begin with one).
pub(crate) const NO_TRACK: TrackId = TrackId::new(0);

/// See the module's text.
#[derive(Debug)]
// What a packet that goes out needs comes first ([`Subscription::OUTGOING`]).
#[repr(C)]
pub(crate) struct Subscription {
    /// The subscriber's.
    pub(crate) connection: ConnectionId,
    /// Once negotiated.
    pub(crate) wire: Option<Wire>,
    pub(crate) send: SendStream,
    pub(crate) forwarder: Forwarder,
    pub(crate) session: SessionId,
    pub(crate) track: TrackId,
    /// An audio slot, whose track changes.
    pub(crate) slot: Option<Slot>,
    pub(crate) max_layer: Option<Layer>,
    pub(crate) paused: bool,
    /// Of the subscriber's bandwidth, once that is divided.
    pub(crate) share: Option<Share>,
    pub(crate) plis_received: u64,
    pub(crate) change: Change,
    pub(crate) picture_loss: PictureLoss,
    /// What the application was told.
    pub(crate) problem: Option<SubscriptionProblem>,
}

impl Subscription {
    /// So many of its bytes a packet that goes out may touch.
    pub(crate) const OUTGOING: usize = offset_of!(Self, session);

    /// The highest layer that is wanted and that there is bandwidth for.
    fn highest(&self) -> Option<Layer> {
        self.share.as_ref().map_or(self.max_layer, |share| share.within(self.max_layer))
    }

    fn is_starved(&self) -> bool {
        self.share.as_ref().is_some_and(Share::is_nothing)
    }

    /// Nothing above `max` is wanted.
    pub(crate) fn set_max_layer(&mut self, max: Option<Layer>) {
        self.max_layer = max;
        self.forwarder.set_max_layer(self.highest());
    }

    /// It gets this of the bandwidth; whether that changes what may pass.
    pub(crate) fn set_share(&mut self, share: Share) -> bool {
        let before = (self.highest(), self.is_starved());
        self.share = Some(share);
        let after = (self.highest(), self.is_starved());
        if before != after {
            self.forwarder.set_max_layer(after.0);
            self.forwarder.set_starved(after.1);
            self.forwarder.set_sparing(share.is_short());
        }
        before != after
    }

    /// Whether the subscriber would take what flows.
    pub(crate) fn is_wanted(&self) -> bool {
        !self.paused && self.problem.is_none()
    }
}
