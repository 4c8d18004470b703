//! Rooms come and go.

use std::time::Instant;

use sfu_transport::Egress;

use super::Sfu;
use crate::command::CommandError;
use crate::config::RoomConfig;
use crate::event::CloseReason;
use crate::id::RoomId;
use crate::room::Room;
use crate::timers::Timer;

impl Sfu {
    pub(super) fn create_room(&mut self, config: RoomConfig) -> RoomId {
        self.rooms.insert_with(|_| Room::new(config))
    }

    pub(super) fn close_room(&mut self, now: Instant, room: RoomId, egress: &mut Egress) -> Result<(), CommandError> {
        let sessions = self.rooms.get(room).ok_or(CommandError::RoomClosed)?.sessions.clone();
        for session in sessions {
            self.end_session(now, session, CloseReason::RoomClosed, egress);
        }
        self.timers.remove(Timer::Room(room));
        self.rooms.remove(room);
        Ok(())
    }
}
