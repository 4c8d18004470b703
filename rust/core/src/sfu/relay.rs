//! What other shards say, and commands that wait for them.

use std::time::Instant;

use sfu_transport::Egress;

use super::Sfu;
use crate::command::{CommandError, PendingId, Reply};
use crate::id::{SessionId, TrackId};
use crate::layer::Layer;
use crate::pending::{PATIENCE, Wait};
use crate::relay::{Message, messages};
use crate::timers::Timer;

impl Sfu {
    /// Takes whole messages of shard `from`, as its [`Sfu::poll_relay`] gave them, in their order. The media in them waits for
    /// [`Sfu::forward`].
    pub fn handle_relay(&mut self, now: Instant, from: u16, bytes: &[u8], egress: &mut Egress) {
        let mut taken = 0;
        for message in messages(bytes) {
            taken += message.len();
            let Some(message) = self.relay.read(from, message) else { continue };
            if let Message::Packet(packet) = message {
                self.relayed_packet(now, &packet, egress);
            } else {
                // What waits came before.
                self.forward_all(now, egress);
                self.relayed(now, from, message, egress);
            }
        }
        self.relay.stats.malformed += u64::from(taken < bytes.len());
    }

    /// All that waits for one other shard: whole messages ([`crate::relay`]), given once. To be called until there is nothing.
    pub fn poll_relay(&mut self) -> Option<(u16, &[u8])> {
        self.relay.poll()
    }

    /// The reply of a command that was answered by [`Reply::Pending`].
    pub fn poll_reply(&mut self) -> Option<(PendingId, Result<Reply, CommandError>)> {
        self.pending.poll_reply()
    }

    fn relayed(&mut self, now: Instant, from: u16, message: Message<'_>, egress: &mut Egress) {
        match message {
            Message::Hello { .. } | Message::Packet(_) => {}
            Message::Enter { room, session } => self.relayed_enter(from, room, session),
            Message::Leave { room, session } => self.relayed_leave(from, room, session),
            Message::Level { track, level, measured } => {
                self.relayed_level(now, from, track, (level, measured), egress);
            }
            Message::Room { room, config } => self.relayed_room(now, from, room, config),
            Message::Entered { session } => self.relayed_entered(now, session),
            Message::Refused { session, full } => {
                let error = full.map_or(CommandError::RoomClosed, CommandError::RoomFull);
                self.relayed_refused(now, session, &error);
            }
            Message::RoomClosed { room } => self.relayed_close(now, from, room, egress),
            Message::Places { room, voices } => self.relayed_places(now, from, room, voices),
            Message::Track(announcement) => self.relayed_track(now, from, announcement, egress),
            Message::Ended { room, track } => self.relayed_end(now, from, room, track),
            Message::Start { track } => self.relayed_start(now, from, track),
            Message::Stop { track } => self.relayed_stop(now, from, track, egress),
            Message::Wants { track, wants } => self.relayed_wants(now, from, track, wants, egress),
            Message::Missing { track, counters } => self.relayed_missing(from, track, &counters),
            Message::Ask { track, room } => self.relayed_ask(from, track, room),
            Message::Started { track, flowing } => self.relayed_started(now, track, flowing),
            Message::Clock { track, timestamps, publisher } => self.relayed_clock(track, &timestamps, publisher),
            Message::Gone { track, elsewhere } => {
                let error = if elsewhere { CommandError::NotInRoom } else { CommandError::TrackEnded };
                for (id, _) in self.pending.take(|wait| wait.track() == Some(track)) {
                    self.pending.answer(id, Err(error.clone()));
                }
            }
        }
    }

    /// The reply of a command comes later.
    pub(super) fn wait(&mut self, now: Instant, wait: Wait) -> Reply {
        self.timers.set(Timer::Pending, now + PATIENCE);
        Reply::Pending(self.pending.add(now, wait))
    }

    /// Somebody in a room wants a track of another shard that was not heard of: it may have been published just now.
    pub(super) fn subscribe_later(
        &mut self,
        now: Instant,
        session: SessionId,
        track: TrackId,
        max_layer: Option<Layer>,
    ) -> Result<Reply, CommandError> {
        let room = self.sessions.get(session).ok_or(CommandError::SessionClosed)?.room;
        if track.shard() == self.config.shard || !self.relay.reaches(track.shard()) {
            return Err(CommandError::TrackEnded);
        }
        self.relay.send(track.shard(), &Message::Ask { track, room });
        Ok(self.wait(now, Wait::Subscribe { session, track, max_layer }))
    }

    /// A track is known now: who waited for it gets it.
    pub(super) fn resume_subscriptions(&mut self, now: Instant, track: TrackId, egress: &mut Egress) {
        for (id, wait) in self.pending.take(|wait| wait.track() == Some(track)) {
            let Wait::Subscribe { session, max_layer, .. } = wait else { continue };
            let reply = self.subscribe(now, session, track, max_layer, egress);
            self.pending.answer(id, reply);
        }
    }

    /// The session is gone: nothing is waited for on its behalf.
    pub(super) fn forsake(&mut self, session: SessionId) {
        for (id, _) in self.pending.take(|wait| wait.subscriber() == Some(session)) {
            self.pending.answer(id, Err(CommandError::SessionClosed));
        }
    }

    /// Shards that do not answer.
    pub(super) fn tick_pending(&mut self, now: Instant) {
        while let Some((id, wait)) = self.pending.take_overdue(now) {
            let error = match wait {
                Wait::Join { session, room } => {
                    self.relay.send(room.shard(), &Message::Leave { room, session });
                    self.sessions.remove(session);
                    self.release_room(now, room);
                    CommandError::RoomUnavailable
                }
                Wait::Subscribe { .. } => CommandError::TrackEnded,
            };
            self.pending.answer(id, Err(error));
        }
        if let Some(deadline) = self.pending.poll_timeout() {
            self.timers.set(Timer::Pending, deadline);
        }
    }
}
