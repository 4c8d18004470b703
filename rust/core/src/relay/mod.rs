//! What is carried between shards: rooms of which sessions live on several, and tracks with subscribers elsewhere.
//!
//! A room has a home, the shard in its id: membership, caps and the ranking of voices are the home's, others have replicas. A
//! track lives with its publisher's session; where somebody is subscribed to it a replica of it gets each packet once, clear and
//! numbered, and does the rest as if the publisher were there. Only bytes go between them ([`messages`]): the other side may as well
//! be another machine. Invariant: nothing here points into another shard.

mod bytes;
mod inlet;
mod message;
mod outlet;
mod parts;
mod wants;

use std::collections::{BTreeMap, VecDeque};

pub(crate) use inlet::Inlet;
pub(crate) use message::Message;
use message::{HEAD, MAX_LEN, MEDIA, VERSION};
pub(crate) use outlet::{Outlet, Outlets};
pub(crate) use parts::{Announcement, RelayedPacket};
pub(crate) use wants::Wants;

use crate::arena::{Arena, ReplicaId};
use crate::id::{SessionId, TrackId};
use crate::stats::RelayStats;
use crate::stream::PublisherClock;

/// The whole messages at the beginning of `bytes`, each with its head.
pub fn messages(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let head = rest.first_chunk::<4>()?;
        let len = u32::from_be_bytes(*head) as usize;
        let (message, behind) = rest.split_at_checked(4 + len).filter(|_| (1..=MAX_LEN).contains(&len))?;
        rest = behind;
        Some(message)
    })
}

/// Whether a message, with its head, is media: when there is no room it may be dropped; others may be neither dropped nor
/// overtaken by anything.
pub fn may_be_dropped(message: &[u8]) -> bool {
    message.get(HEAD - 1).is_some_and(|kind| kind & MEDIA != 0)
}

/// One other shard.
#[derive(Debug, Default)]
struct Link {
    /// What waits to be taken there.
    outgoing: Vec<u8>,
    /// It was told which version this side speaks.
    greeted: bool,
    /// It speaks the same.
    understood: bool,
}

/// Somebody on another shard who publishes.
#[derive(Debug, Default)]
pub(crate) struct Publisher {
    /// One for all tracks, so that they stay in step.
    pub(crate) clock: PublisherClock,
    /// How many of its tracks are known here.
    pub(crate) tracks: usize,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Relay {
    links: Vec<Link>,
    /// Shards for which something waits, in the order in which it began to.
    ready: VecDeque<u16>,
    /// What was given out last; its memory is used again.
    taken: Vec<u8>,
    /// What replicas of tracks are called under.
    pub(crate) replicas: Arena<ReplicaId, TrackId>,
    pub(crate) publishers: BTreeMap<SessionId, Publisher>,
    pub(crate) stats: RelayStats,
}

impl Relay {
    /// Of one of so many shards.
    pub(crate) fn new(shard: u16, shards: u16) -> Self {
        Self {
            links: std::iter::repeat_with(Link::default).take(usize::from(shards)).collect(),
            ready: VecDeque::new(),
            taken: Vec::new(),
            replicas: Arena::new(shard),
            publishers: BTreeMap::new(),
            stats: RelayStats::default(),
        }
    }

    /// Whether there is such a shard.
    pub(crate) fn reaches(&self, shard: u16) -> bool {
        usize::from(shard) < self.links.len()
    }

    /// Appends a message to what waits for a shard.
    pub(crate) fn send(&mut self, to: u16, message: &Message<'_>) {
        let Some(link) = self.links.get_mut(usize::from(to)) else { return };
        if link.outgoing.is_empty() {
            self.ready.push_back(to);
        }
        if !std::mem::replace(&mut link.greeted, true) {
            Message::Hello { version: VERSION }.write(&mut link.outgoing);
        }
        if message.write(&mut link.outgoing) {
            self.stats.messages_sent += 1;
        } else {
            log::warn!("nothing is said about a track to shard {to}: its description is too long");
        }
    }

    /// A track of another shard is gone.
    pub(crate) fn forget(&mut self, replica: ReplicaId, publisher: SessionId) {
        self.replicas.remove(replica);
        if let Some(known) = self.publishers.get_mut(&publisher) {
            known.tracks -= 1;
            if known.tracks == 0 {
                self.publishers.remove(&publisher);
            }
        }
    }

    /// All that waits for one shard.
    pub(crate) fn poll(&mut self) -> Option<(u16, &[u8])> {
        let to = self.ready.pop_front()?;
        let link = self.links.get_mut(usize::from(to))?;
        self.taken.clear();
        std::mem::swap(&mut self.taken, &mut link.outgoing);
        self.stats.bytes_sent += self.taken.len() as u64;
        Some((to, &self.taken))
    }

    /// Reads a whole message of a shard; what is none, or of another version, is counted.
    pub(crate) fn read<'a>(&mut self, from: u16, message: &'a [u8]) -> Option<Message<'a>> {
        let link = self.links.get_mut(usize::from(from))?;
        let parsed = message.get(HEAD - 1..).and_then(Message::parse);
        if let Some(Message::Hello { version }) = parsed {
            link.understood = version == VERSION;
        }
        let parsed = parsed.filter(|_| link.understood);
        self.stats.malformed += u64::from(parsed.is_none());
        self.stats.messages_received += 1;
        parsed
    }
}
