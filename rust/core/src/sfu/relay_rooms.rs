//! Rooms over several shards: who is in, at their home; what the home tells, everywhere else.
//!
//! The home counts a session from `Enter` to `Leave`, and tells a shard of the room as long as it counts one there. A shard has a
//! replica from the home's `Room` until its last session has gone and none waits to come in. Both hear each other in order,
//! so they agree.

use std::time::Instant;

use sfu_transport::Egress;
use sfu_wire::rtp::extension_value::AudioLevel;

use super::Sfu;
use crate::audio::Voice;
use crate::command::{CommandError, Reply};
use crate::config::{RoomConfig, SessionConfig};
use crate::event::CloseReason;
use crate::id::{RoomId, SessionId, TrackId};
use crate::pending::Wait;
use crate::relay::Message;
use crate::room::Room;
use crate::session::Session;

impl Sfu {
    /// Whether a room's home is this shard.
    pub(super) fn is_home(&self, room: RoomId) -> bool {
        room.shard() == self.config.shard
    }

    /// A session wants to join a room of another shard: that one is asked.
    pub(super) fn enter(&mut self, now: Instant, room: RoomId, config: SessionConfig) -> Result<Reply, CommandError> {
        if !self.relay.reaches(room.shard()) {
            return Err(CommandError::RoomClosed);
        }
        let session = self.sessions.insert_with(|_| Session::new(now, room, config));
        self.relay.send(room.shard(), &Message::Enter { room, session });
        Ok(self.wait(now, Wait::Join { session, room }))
    }

    /// To all other shards that have somebody in a room of this one, but for `except`.
    pub(super) fn tell_room(&mut self, id: RoomId, except: u16, message: &Message<'_>) {
        let own = self.config.shard;
        let Some(room) = self.rooms.get(id).filter(|_| id.shard() == own) else { return };
        for shard in room.shards().filter(|shard| *shard != own && *shard != except) {
            self.relay.send(shard, message);
        }
    }

    /// The last of this shard's sessions is gone from a room of another one.
    pub(super) fn release_room(&mut self, now: Instant, id: RoomId) {
        let unused = self.rooms.get(id).is_some_and(|room| room.sessions.is_empty());
        if unused && !self.is_home(id) && !self.pending.awaits(id) {
            self.drop_replica(now, id);
        }
    }

    fn drop_replica(&mut self, now: Instant, id: RoomId) {
        let tracks = self.rooms.get(id).map(|room| room.tracks.clone()).unwrap_or_default();
        for track in tracks {
            self.drop_track(now, track);
        }
        self.rooms.remove(id);
    }

    pub(super) fn relayed_enter(&mut self, from: u16, id: RoomId, session: SessionId) {
        if let Err(error) = self.admit(id) {
            let full = if let CommandError::RoomFull(count) = error { Some(count) } else { None };
            self.relay.send(from, &Message::Refused { session, full });
            return;
        }
        let Some(room) = self.rooms.get_mut(id).filter(|_| session.shard() == from) else { return };
        let first = room.shards().all(|shard| shard != from);
        room.sessions.insert(session);
        if first {
            self.describe_room(from, id);
        }
        self.relay.send(from, &Message::Entered { session });
    }

    /// The room with all that is in it.
    fn describe_room(&mut self, to: u16, id: RoomId) {
        let Some(room) = self.rooms.get(id) else { return };
        self.relay.send(to, &Message::Room { room: id, config: room.config.clone() });
        for track in &room.tracks {
            if let Some(announcement) = self.announcement(*track) {
                self.relay.send(to, &Message::Track(announcement));
            }
        }
        if let Some(slots) = &room.slots {
            self.relay.send(to, &Message::Places { room: id, voices: slots.places() });
        }
    }

    pub(super) fn relayed_leave(&mut self, from: u16, id: RoomId, session: SessionId) {
        if let Some(room) = self.rooms.get_mut(id).filter(|_| session.shard() == from) {
            room.sessions.remove(&session);
        }
    }

    pub(super) fn relayed_room(&mut self, now: Instant, from: u16, id: RoomId, config: RoomConfig) {
        // Who asked may have given up.
        if id.shard() != from || !self.pending.awaits(id) {
            return;
        }
        // An older one is of somebody who gave up: since then nothing was told.
        self.drop_replica(now, id);
        self.rooms.insert_foreign(id, Room::replica(config));
    }

    pub(super) fn relayed_entered(&mut self, now: Instant, session: SessionId) {
        for (id, wait) in self.pending.take(|wait| wait.joiner() == Some(session)) {
            let Wait::Join { room, .. } = wait else { continue };
            let reply = if self.rooms.get(room).is_some() {
                self.seat(now, session);
                Ok(Reply::Session(session))
            } else {
                self.sessions.remove(session);
                Err(CommandError::RoomClosed)
            };
            self.pending.answer(id, reply);
        }
    }

    pub(super) fn relayed_refused(&mut self, now: Instant, session: SessionId, error: &CommandError) {
        for (id, wait) in self.pending.take(|wait| wait.joiner() == Some(session)) {
            self.sessions.remove(session);
            self.pending.answer(id, Err(error.clone()));
            if let Wait::Join { room, .. } = wait {
                self.release_room(now, room);
            }
        }
    }

    pub(super) fn relayed_close(&mut self, now: Instant, from: u16, id: RoomId, egress: &mut Egress) {
        if id.shard() != from {
            return;
        }
        let waiting = self.pending.take(|wait| matches!(wait, Wait::Join { room, .. } if *room == id));
        for (pending, wait) in waiting {
            wait.joiner().map(|session| self.sessions.remove(session));
            self.pending.answer(pending, Err(CommandError::RoomClosed));
        }
        let sessions = self.rooms.get(id).map(|room| room.sessions.clone()).unwrap_or_default();
        for session in sessions {
            self.end_session(now, session, CloseReason::RoomClosed, egress);
        }
        self.drop_replica(now, id);
    }

    /// A voice on another shard: the ranking is the home's.
    pub(super) fn relayed_level(
        &mut self,
        now: Instant,
        from: u16,
        id: TrackId,
        level: (AudioLevel, bool),
        egress: &mut Egress,
    ) {
        let Some(room) = self.tracks.get(id).map(|track| track.room) else { return };
        if id.shard() == from && self.is_home(room) {
            self.hear_voice(now, id, level, egress);
        }
    }

    pub(super) fn relayed_places(&mut self, now: Instant, from: u16, id: RoomId, voices: Vec<Option<Voice>>) {
        let Some(room) = self.rooms.get_mut(id).filter(|_| id.shard() == from) else { return };
        if let Some(slots) = &mut room.slots {
            let changed = slots.set_places(voices);
            self.assign_slots(now, id, changed);
        }
    }
}
