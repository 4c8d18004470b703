//! People exchanging media: who is in, what they publish, who speaks.

use std::collections::BTreeSet;

use crate::config::RoomConfig;
use crate::id::{SessionId, TrackId};
use crate::speakers::Speakers;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Room {
    pub(crate) config: RoomConfig,
    pub(crate) sessions: BTreeSet<SessionId>,
    /// Published ones only.
    pub(crate) tracks: BTreeSet<TrackId>,
    pub(crate) speakers: Speakers,
}

impl Room {
    pub(crate) fn new(config: RoomConfig) -> Self {
        Self { config, sessions: BTreeSet::new(), tracks: BTreeSet::new(), speakers: Speakers::default() }
    }

    /// Whether another session may join.
    pub(crate) fn is_full(&self) -> bool {
        self.config.max_sessions.is_some_and(|max| self.sessions.len() >= max as usize)
    }
}
