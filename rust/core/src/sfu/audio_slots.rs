//! Audio slots at work: voices are ranked packet by packet, and subscriptions follow who has a place (`audio/slots.rs`).

use std::collections::BTreeSet;
use std::time::Instant;

use sfu_transport::Egress;
use sfu_wire::rtp::RtpPacket;
use sfu_wire::rtp::extension_value::AudioLevel;

use super::Sfu;
use super::ingress::audio_level;
use crate::audio::{Changed, Slot, Slots, Voice, is_silent, is_speech};
use crate::codec::{CodecName, Kind};
use crate::event::Event;
use crate::id::{RoomId, SessionId, SubscriptionId, TrackId};
use crate::negotiation::Sender;
use crate::relay::Message;
use crate::subscription::NO_TRACK;
use crate::timers::Timer;

/// What a packet without a level is taken for: the least that is heard at once.
const UNKNOWN_LEVEL: u8 = 45;

impl Sfu {
    /// Gives a new session its slots.
    pub(super) fn add_slots(&mut self, now: Instant, session: SessionId) {
        let Some(count) = self.slots_of(session).map(|slots| slots.count()) else { return };
        for number in 0..count {
            let slot = Some(Slot { number, ..Slot::default() });
            let Some(id) = self.insert_subscription(now, session, NO_TRACK, (Kind::Audio, None), slot) else { return };
            let Some(subscription) = self.subscriptions.get(id) else { return };
            let sender = Sender {
                subscription: id,
                kind: Kind::Audio,
                codec: CodecName::Opus,
                ssrc: subscription.send.ssrc(),
                rtx_ssrc: Some(subscription.send.rtx_ssrc()),
                stream: format!("slot{number}"),
                track: format!("slot{number}"),
                fmtp: String::new(),
            };
            if let Some(connection) = self.connections.get_mut(subscription.connection) {
                connection.negotiator.add_sender(sender);
            }
            if let Some(slots) = self.slots_of(session) {
                slots.add_section(session, number, id);
            }
        }
        self.assign_slots_of(now, session);
    }

    /// Whether those who subscribe to everything hear this track in their slots.
    pub(super) fn is_in_slots(&self, id: TrackId) -> bool {
        let track = self.tracks.get(id);
        track.is_some_and(|track| self.rooms.get(track.room).is_some_and(|room| room.has_slots_for(track.kind)))
    }

    /// A packet of audio came: its voice may take a place.
    pub(super) fn rank_voice(
        &mut self,
        now: Instant,
        id: TrackId,
        (packet, codec): (&RtpPacket<'_>, CodecName),
        egress: &mut Egress,
    ) {
        let Some(track) = self.tracks.get(id).filter(|track| track.kind == Kind::Audio && !track.muted) else { return };
        let room = track.room;
        let measured = audio_level(track, packet);
        let level = measured.unwrap_or_else(|| guessed_level(packet, codec));
        if self.is_home(room) {
            self.hear_voice(now, id, (level, measured.is_some()), egress);
        } else {
            self.tell_level(room, id, level, measured.is_some());
        }
    }

    /// A packet of audio came, here or on another shard: its voice may take a place. `measured`: the publisher says how loud it is.
    pub(super) fn hear_voice(
        &mut self,
        now: Instant,
        id: TrackId,
        (level, measured): (AudioLevel, bool),
        egress: &mut Egress,
    ) {
        let Some(track) = self.tracks.get(id) else { return };
        let (room_id, voice) = (track.room, Voice { track: id, session: track.session });
        let Some(room) = self.rooms.get_mut(room_id) else { return };
        if measured {
            room.speakers.hear(now, voice.session, id, level);
            if let Some(due) = room.speakers.poll_timeout() {
                self.timers.set(Timer::Room(room_id), due);
            }
        }
        let Some(slots) = &mut room.slots else { return };
        let changed = slots.hear(now, voice, level);
        if changed != Changed::Nothing {
            // What waits is of those who had the places.
            self.forward_all(now, egress);
        }
        self.assign_slots(now, room_id, changed);
    }

    /// The home of the room hears what counts there: speech, its end, and whoever has a place.
    fn tell_level(&mut self, room: RoomId, id: TrackId, level: AudioLevel, measured: bool) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        let speaks = is_speech(level);
        let spoke = std::mem::replace(&mut track.speaks, speaks);
        let slots = self.rooms.get(room).and_then(|room| room.slots.as_ref());
        if speaks || spoke || slots.is_some_and(|slots| slots.holds(id)) {
            self.relay.send(room.shard(), &Message::Level { track: id, level, measured });
        }
    }

    /// A track ends: its place is free.
    pub(super) fn leave_place(&mut self, now: Instant, id: TrackId) {
        let Some(track) = self.tracks.get(id) else { return };
        let (room, voice) = (track.room, Voice { track: id, session: track.session });
        let Some(slots) = self.rooms.get_mut(room).and_then(|room| room.slots.as_mut()) else { return };
        let changed = slots.remove_voice(voice);
        self.assign_slots(now, room, changed);
    }

    /// A session hears a voice in a section of its own, or no longer; the caller assigns its slots.
    pub(super) fn set_apart(&mut self, id: TrackId, session: SessionId, apart: bool) {
        let Some(track) = self.tracks.get(id).filter(|track| track.kind == Kind::Audio) else { return };
        if let Some(slots) = self.rooms.get_mut(track.room).and_then(|room| room.slots.as_mut()) {
            slots.set_apart(id, session, apart);
        }
    }

    /// A slot has got its section.
    pub(super) fn open_slot(&mut self, now: Instant, id: SubscriptionId) {
        let Some((session, before)) = self.subscriptions.get(id).map(|one| (one.session, one.track)) else { return };
        self.assign_slots_of(now, session);
        if self.subscriptions.get(id).is_some_and(|subscription| subscription.track == before) {
            self.tell_slot(id);
        }
    }

    /// Points the slots of one session at who has their places now.
    pub(super) fn assign_slots_of(&mut self, now: Instant, session: SessionId) {
        let room = self.sessions.get(session).and_then(|session| self.rooms.get(session.room));
        let Some(slots) = room.and_then(|room| room.slots.as_ref()) else { return };
        let moves: Vec<Move> = self.moves_of(slots, session).collect();
        self.move_slots(now, &moves);
    }

    /// The same for all whom a change concerns.
    pub(super) fn assign_slots(&mut self, now: Instant, id: RoomId, changed: Changed) {
        if changed == Changed::Nothing {
            return;
        }
        let own = self.config.shard;
        let Some(room) = self.rooms.get(id) else { return };
        if id.shard() == own && room.shards().any(|shard| shard != own) {
            let voices = room.slots.as_ref().map(Slots::places).unwrap_or_default();
            self.tell_room(id, own, &Message::Places { room: id, voices });
        }
        let Some(slots) = self.rooms.get(id).and_then(|room| room.slots.as_ref()) else { return };
        let concerned = slots.concerned(changed);
        let moves: Vec<Move> = concerned.into_iter().flat_map(|session| self.moves_of(slots, session)).collect();
        self.move_slots(now, &moves);
    }

    /// The slots of a session that carry somebody else than they should. One that the client does not take carries nobody.
    fn moves_of(&self, slots: &Slots, session: SessionId) -> impl Iterator<Item = Move> {
        slots.heard_by(session).filter_map(|(id, track)| {
            let subscription = self.subscriptions.get(id)?;
            let to = track.filter(|_| subscription.problem.is_none()).unwrap_or(NO_TRACK);
            (subscription.track != to).then_some((id, to))
        })
    }

    fn move_slots(&mut self, now: Instant, moves: &[Move]) {
        let mut left = BTreeSet::new();
        for (id, to) in moves {
            let Some(subscription) = self.subscriptions.get_mut(*id) else { continue };
            let from = std::mem::replace(&mut subscription.track, *to);
            left.insert(from);
            if let Some(slot) = subscription.slot.as_mut().filter(|_| from != NO_TRACK) {
                slot.past.leave(now, from, subscription.send.newest());
            }
            subscription.forwarder.change_track();
            if let Some(track) = self.tracks.get(*to) {
                subscription.forwarder.set_muted(track.muted);
                subscription.forwarder.set_available(track.activity.flowing(now));
            }
            self.tell_slot(*id);
        }
        for track_id in &left {
            let Some(track) = self.tracks.get_mut(*track_id) else { continue };
            let subscriptions = &self.subscriptions;
            track.subscriptions.retain(|id| subscriptions.get(*id).is_some_and(|one| one.track == *track_id));
        }
        for (id, to) in moves {
            if let Some(track) = self.tracks.get_mut(*to) {
                track.subscriptions.push(*id);
            }
            self.carry(*to);
        }
        for track in left {
            self.carry(track);
        }
    }

    /// Tells who is in a slot, once it has a section.
    fn tell_slot(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get(id) else { return };
        if let (Some(slot), Some(wire)) = (&subscription.slot, &subscription.wire) {
            self.outbox.push(Event::AudioSlotChanged {
                session: subscription.session,
                subscription: id,
                slot: slot.number,
                mid: wire.mid(),
                track: Some(subscription.track).filter(|track| *track != NO_TRACK),
            });
        }
    }

    /// Those of the room that a session is in.
    fn slots_of(&mut self, session: SessionId) -> Option<&mut Slots> {
        let room = self.sessions.get(session)?.room;
        self.rooms.get_mut(room)?.slots.as_mut()
    }
}

/// A slot, and who is in it from now on.
type Move = (SubscriptionId, TrackId);

/// Of a client that does not say: by whether there is sound in it at all.
fn guessed_level(packet: &RtpPacket<'_>, codec: CodecName) -> AudioLevel {
    let level = if is_silent(codec, packet.payload()) { 127 } else { UNKNOWN_LEVEL };
    AudioLevel { voice: false, level }
}
