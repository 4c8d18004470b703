//! Rooms come and go.

use std::time::Instant;

use sfu_transport::Egress;

use super::Sfu;
use crate::command::CommandError;
use crate::config::RoomConfig;
use crate::event::CloseReason;
use crate::id::RoomId;
use crate::relay::Message;
use crate::room::Room;
use crate::timers::Timer;

impl Sfu {
    pub(super) fn create_room(&mut self, config: RoomConfig) -> RoomId {
        self.rooms.insert_with(|_| Room::new(config))
    }

    pub(super) fn close_room(&mut self, now: Instant, room: RoomId, egress: &mut Egress) -> Result<(), CommandError> {
        let known = self.rooms.get(room).filter(|_| self.is_home(room)).ok_or(CommandError::RoomClosed)?;
        let sessions = known.sessions.clone();
        self.tell_room(room, self.config.shard, &Message::RoomClosed { room });
        for session in sessions {
            self.end_session(now, session, CloseReason::RoomClosed, egress);
        }
        // Those of other shards.
        let tracks = self.rooms.get(room).map(|room| room.tracks.clone()).unwrap_or_default();
        for track in tracks {
            self.drop_track(now, track);
        }
        self.timers.remove(Timer::Room(room));
        self.rooms.remove(room);
        Ok(())
    }
}
