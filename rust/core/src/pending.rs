//! Commands that wait for another shard: for a room's home to let somebody in, for a track to become known here.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::command::{CommandError, PendingId, Reply};
use crate::id::{RoomId, SessionId, TrackId};
use crate::layer::Layer;

/// A shard that does not answer for so long has stalled. Higher: a command hangs. Lower: a busy moment fails it.
pub(crate) const PATIENCE: Duration = Duration::from_secs(1);

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wait {
    Join { session: SessionId, room: RoomId },
    Subscribe { session: SessionId, track: TrackId, max_layer: Option<Layer> },
}

impl Wait {
    /// Who wants to join.
    pub(crate) const fn joiner(&self) -> Option<SessionId> {
        match self {
            Self::Join { session, .. } => Some(*session),
            Self::Subscribe { .. } => None,
        }
    }

    /// Who wants to subscribe.
    pub(crate) const fn subscriber(&self) -> Option<SessionId> {
        match self {
            Self::Join { .. } => None,
            Self::Subscribe { session, .. } => Some(*session),
        }
    }

    /// To what.
    pub(crate) const fn track(&self) -> Option<TrackId> {
        match self {
            Self::Join { .. } => None,
            Self::Subscribe { track, .. } => Some(*track),
        }
    }
}

#[derive(Debug)]
struct Entry {
    id: PendingId,
    wait: Wait,
    deadline: Instant,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    /// In the order of their deadlines.
    entries: VecDeque<Entry>,
    last: u64,
    replies: VecDeque<(PendingId, Result<Reply, CommandError>)>,
}

impl Pending {
    pub(crate) fn add(&mut self, now: Instant, wait: Wait) -> PendingId {
        self.last += 1;
        let id = PendingId::new(self.last);
        self.entries.push_back(Entry { id, wait, deadline: now + PATIENCE });
        id
    }

    /// Takes out what `is_meant`.
    pub(crate) fn take(&mut self, mut is_meant: impl FnMut(&Wait) -> bool) -> Vec<(PendingId, Wait)> {
        let taken = self.entries.iter().filter(|entry| is_meant(&entry.wait)).map(|entry| (entry.id, entry.wait));
        let taken: Vec<_> = taken.collect();
        self.entries.retain(|entry| !taken.iter().any(|(id, _)| *id == entry.id));
        taken
    }

    /// Takes out what waited too long.
    pub(crate) fn take_overdue(&mut self, now: Instant) -> Option<(PendingId, Wait)> {
        self.entries.front().filter(|entry| entry.deadline <= now)?;
        self.entries.pop_front().map(|entry| (entry.id, entry.wait))
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.entries.front().map(|entry| entry.deadline)
    }

    /// Whether somebody waits to join this room.
    pub(crate) fn awaits(&self, room: RoomId) -> bool {
        self.entries.iter().any(|entry| matches!(entry.wait, Wait::Join { room: joined, .. } if joined == room))
    }

    pub(crate) fn answer(&mut self, id: PendingId, reply: Result<Reply, CommandError>) {
        self.replies.push_back((id, reply));
    }

    pub(crate) fn poll_reply(&mut self) -> Option<(PendingId, Result<Reply, CommandError>)> {
        self.replies.pop_front()
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}
