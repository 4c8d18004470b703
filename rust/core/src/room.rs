//! People exchanging media: who is in, what they publish, who speaks.

use std::collections::BTreeSet;

use crate::audio::Slots;
use crate::codec::Kind;
use crate::config::RoomConfig;
use crate::id::{SessionId, TrackId};
use crate::speakers::Speakers;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) config: RoomConfig,
    /// At the room's home all, elsewhere those of this shard.
    pub(crate) sessions: BTreeSet<SessionId>,
    /// Published ones only.
    pub(crate) tracks: BTreeSet<TrackId>,
    pub(crate) speakers: Speakers,
    /// Those that carry the loudest, if it has any.
    pub(crate) slots: Option<Slots>,
}

impl Room {
    pub(crate) fn new(config: RoomConfig) -> Self {
        Self {
            slots: config.audio_slots.map(Slots::new),
            config,
            sessions: BTreeSet::new(),
            tracks: BTreeSet::new(),
            speakers: Speakers::default(),
        }
    }

    /// One whose home is another shard.
    pub(crate) fn replica(config: RoomConfig) -> Self {
        Self { slots: config.audio_slots.map(Slots::told), ..Self::new(config) }
    }

    /// The shards that have somebody in it.
    pub(crate) fn shards(&self) -> impl Iterator<Item = u16> {
        let mut next = Some(0);
        std::iter::from_fn(move || {
            let session = self.sessions.range(SessionId::new(u64::from(next?) << 48)..).next()?;
            next = session.shard().checked_add(1);
            Some(session.shard())
        })
    }

    /// Whether tracks of this kind are in slots, for those who subscribe to everything.
    pub(crate) fn has_slots_for(&self, kind: Kind) -> bool {
        kind == Kind::Audio && self.slots.is_some()
    }

    /// Whether another session may join.
    pub(crate) fn is_full(&self) -> bool {
        self.config.max_sessions.is_some_and(|max| self.sessions.len() >= max as usize)
    }
}
