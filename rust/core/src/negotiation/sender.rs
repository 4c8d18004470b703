//! What the SFU wants to send, and how far that got.

use std::collections::BTreeMap;

use sfu_wire::{Mid, Ssrc};

use crate::codec::{CodecName, Kind};
use crate::id::SubscriptionId;

/// A track on its way to the client: wants a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// Names it.
    pub subscription: SubscriptionId,
    /// Audio or video.
    pub kind: Kind,
    /// The track's codec.
    pub codec: CodecName,
    /// The track's `a=fmtp` parameters at its publisher: chooses among the H264 profiles. May be empty.
    pub fmtp: String,
    /// Media is sent under this SSRC.
    pub ssrc: Ssrc,
    /// Retransmissions under this one.
    pub rtx_ssrc: Option<Ssrc>,
    /// The stream of `a=msid`.
    pub stream: String,
    /// The track of `a=msid`.
    pub track: String,
}

/// How far a [`Sender`] got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SenderStatus {
    /// Has no section yet.
    Waiting,
    /// Stands in an offer that waits for its answer.
    Offered,
    /// Has a section, and the client receives.
    Attached(Mid),
    /// Has a section, and the client does not receive there for now.
    Held(Mid),
    /// The client does not accept the track's codec.
    Unsupported,
    /// The client rejected the section.
    Rejected,
}

/// Where a sender stands in the agreed state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Waiting,
    /// The client's sections are known, and none takes the codec; the next one may.
    Unsupported,
    /// Has the section of this index.
    Placed(usize),
    /// For good.
    Rejected,
}

/// All senders of a transport, found by id and served in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Senders {
    entries: BTreeMap<SubscriptionId, Entry>,
    count: u64,
}

#[derive(Debug)]
struct Entry {
    sender: Sender,
    order: u64,
    standing: Standing,
}

impl Senders {
    /// A sender that is there already keeps its place.
    pub(super) fn add(&mut self, sender: Sender) {
        let order = self.count;
        self.count += 1;
        self.entries.entry(sender.subscription).or_insert(Entry { sender, order, standing: Standing::Waiting });
    }

    /// Returns where it stood.
    pub(super) fn remove(&mut self, subscription: SubscriptionId) -> Option<Standing> {
        self.entries.remove(&subscription).map(|entry| entry.standing)
    }

    /// The track carries another codec now; sections that did not take the old one may take this one.
    pub(super) fn change_codec(&mut self, subscription: SubscriptionId, codec: CodecName, fmtp: &str) {
        if let Some(entry) = self.entries.get_mut(&subscription) {
            entry.sender.codec = codec;
            fmtp.clone_into(&mut entry.sender.fmtp);
            if entry.standing == Standing::Unsupported {
                entry.standing = Standing::Waiting;
            }
        }
    }

    pub(super) fn get(&self, subscription: SubscriptionId) -> Option<&Sender> {
        self.entries.get(&subscription).map(|entry| &entry.sender)
    }

    pub(super) fn contains(&self, subscription: SubscriptionId) -> bool {
        self.entries.contains_key(&subscription)
    }

    pub(super) fn standing(&self, subscription: SubscriptionId) -> Option<Standing> {
        self.entries.get(&subscription).map(|entry| entry.standing)
    }

    pub(super) fn set_standing(&mut self, subscription: SubscriptionId, standing: Standing) {
        if let Some(entry) = self.entries.get_mut(&subscription) {
            entry.standing = standing;
        }
    }

    /// Those without a section that may still get one, in order.
    pub(super) fn unplaced(&self) -> Vec<&Sender> {
        let open = |entry: &&Entry| matches!(entry.standing, Standing::Waiting | Standing::Unsupported);
        let mut entries: Vec<&Entry> = self.entries.values().filter(open).collect();
        entries.sort_unstable_by_key(|entry| entry.order);
        entries.into_iter().map(|entry| &entry.sender).collect()
    }

    /// How many of `kind` wait for a section that does not exist yet.
    pub(super) fn waiting(&self, kind: Kind) -> usize {
        let waits = |entry: &&Entry| entry.standing == Standing::Waiting && entry.sender.kind == kind;
        self.entries.values().filter(waits).count()
    }

    pub(super) fn any_waiting(&self) -> bool {
        self.entries.values().any(|entry| entry.standing == Standing::Waiting)
    }
}
