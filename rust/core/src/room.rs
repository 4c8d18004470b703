//! People exchanging media: who is in, what they publish, who speaks.

use std::collections::{BTreeMap, BTreeSet};

use crate::audio::Loudest;
use crate::codec::Kind;
use crate::config::RoomConfig;
use crate::id::{SessionId, SubscriptionId, TrackId};
use crate::speakers::Speakers;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) config: RoomConfig,
    pub(crate) sessions: BTreeSet<SessionId>,
    /// Published ones only.
    pub(crate) tracks: BTreeSet<TrackId>,
    pub(crate) speakers: Speakers,
    /// Who has the places that audio slots carry; one more than slots.
    pub(crate) loudest: Loudest<TrackId>,
    pub(crate) slots: BTreeMap<SessionId, Vec<SubscriptionId>>,
}

impl Room {
    pub(crate) fn new(config: RoomConfig) -> Self {
        Self {
            loudest: Loudest::new(config.audio_slots.map_or(0, usize::from)),
            config,
            sessions: BTreeSet::new(),
            tracks: BTreeSet::new(),
            speakers: Speakers::default(),
            slots: BTreeMap::new(),
        }
    }

    /// Whether tracks of this kind are in slots, for those who subscribe to everything.
    pub(crate) fn has_slots_for(&self, kind: Kind) -> bool {
        kind == Kind::Audio && self.config.audio_slots.is_some()
    }

    /// Whether another session may join.
    pub(crate) fn is_full(&self) -> bool {
        self.config.max_sessions.is_some_and(|max| self.sessions.len() >= max as usize)
    }
}
