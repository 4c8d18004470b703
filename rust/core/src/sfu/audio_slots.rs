//! Audio slots: sections that stay while the voices in them change, for rooms with more voices than anybody wants to receive.
//!
//! One ranking per room gives places to the loudest; a subscriber's slot carries who has the place of the same number. Whoever
//! hears that one otherwise (it is its own voice, or subscribed to by itself) gets the last place's in that slot, for which there
//! is one place more than slots. Invariant: nobody hears itself, and nobody anybody twice.

use std::collections::BTreeSet;
use std::time::Instant;

use sfu_wire::rtp::RtpPacket;
use sfu_wire::rtp::extension_value::AudioLevel;

use super::Sfu;
use super::ingress::audio_level;
use crate::audio::is_silent;
use crate::codec::{CodecName, Kind};
use crate::event::Event;
use crate::id::{RoomId, SessionId, SubscriptionId, TrackId};
use crate::negotiation::Sender;
use crate::subscription::NO_TRACK;
use crate::track::Track;

/// What a packet without a level is taken for: the least that is heard at once.
const UNKNOWN_LEVEL: u8 = 45;

impl Sfu {
    /// Gives a new session its slots.
    pub(super) fn add_slots(&mut self, now: Instant, session: SessionId) {
        let Some(room_id) = self.sessions.get(session).map(|session| session.room) else { return };
        let Some(count) = self.rooms.get(room_id).and_then(|room| room.config.audio_slots) else { return };
        for slot in 0..count {
            let Some(id) = self.insert_subscription(now, session, NO_TRACK, (Kind::Audio, None), Some(slot)) else {
                return;
            };
            let Some(subscription) = self.subscriptions.get(id) else { return };
            let sender = Sender {
                subscription: id,
                kind: Kind::Audio,
                codec: CodecName::Opus,
                ssrc: subscription.send.ssrc(),
                rtx_ssrc: Some(subscription.send.rtx_ssrc()),
                stream: format!("slot{slot}"),
                track: format!("slot{slot}"),
                fmtp: String::new(),
            };
            if let Some(connection) = self.connections.get_mut(subscription.connection) {
                connection.negotiator.add_sender(sender);
            }
            if let Some(room) = self.rooms.get_mut(room_id) {
                room.slots.entry(session).or_default().push(id);
            }
        }
        self.assign_slots(now, room_id);
    }

    /// Whether those who subscribe to everything hear this track in their slots.
    pub(super) fn is_in_slots(&self, id: TrackId) -> bool {
        let track = self.tracks.get(id);
        track.is_some_and(|track| self.rooms.get(track.room).is_some_and(|room| room.has_slots_for(track.kind)))
    }

    /// A packet of audio came: its voice may take a place.
    pub(super) fn rank_voice(&mut self, now: Instant, id: TrackId, packet: &RtpPacket<'_>, codec: CodecName) {
        let Some(track) = self.tracks.get(id).filter(|track| track.kind == Kind::Audio && !track.muted) else { return };
        let room_id = track.room;
        let Some(room) = self.rooms.get_mut(room_id).filter(|room| room.config.audio_slots.is_some()) else { return };
        if room.loudest.hear(now, id, level(track, packet, codec)) {
            self.assign_slots(now, room_id);
        }
    }

    /// A track ends: its place is free.
    pub(super) fn leave_place(&mut self, now: Instant, id: TrackId) {
        let Some(room_id) = self.tracks.get(id).map(|track| track.room) else { return };
        if self.rooms.get_mut(room_id).is_some_and(|room| room.loudest.remove(id)) {
            self.assign_slots(now, room_id);
        }
    }

    /// Points every slot of a room at who has its place now.
    pub(super) fn assign_slots(&mut self, now: Instant, room: RoomId) {
        let Some(room) = self.rooms.get(room).filter(|room| room.config.audio_slots.is_some()) else { return };
        let places: Vec<Option<Voice>> = room.loudest.holders().map(|track| self.voice(track?)).collect();
        let Some((spare, places)) = places.split_last() else { return };
        let mut moves: Vec<(SubscriptionId, TrackId)> = Vec::new();
        for (session, slots) in &room.slots {
            let mut spare = spare.as_ref().filter(|voice| !voice.excluded.contains(session));
            for id in slots {
                let Some(subscription) = self.subscriptions.get(*id) else { continue };
                let place = subscription.slot.and_then(|slot| places.get(usize::from(slot))?.as_ref());
                let voice = place.and_then(|voice| if voice.excluded.contains(session) { spare.take() } else { place });
                let track = voice.map_or(NO_TRACK, |voice| voice.track);
                if subscription.track != track {
                    moves.push((*id, track));
                }
            }
        }
        self.move_slots(now, &moves);
    }

    fn move_slots(&mut self, now: Instant, moves: &[(SubscriptionId, TrackId)]) {
        let mut left = BTreeSet::new();
        for (id, to) in moves {
            let Some(subscription) = self.subscriptions.get_mut(*id) else { continue };
            left.insert(std::mem::replace(&mut subscription.track, *to));
            subscription.send.forget_sent();
            subscription.forwarder.change_track();
            if let Some(track) = self.tracks.get(*to) {
                subscription.forwarder.set_muted(track.muted);
                subscription.forwarder.set_available(track.activity.flowing(now));
            }
            self.tell_slot(*id);
        }
        for track_id in left {
            let Some(track) = self.tracks.get_mut(track_id) else { continue };
            let subscriptions = &self.subscriptions;
            track.subscriptions.retain(|id| subscriptions.get(*id).is_some_and(|one| one.track == track_id));
        }
        for (id, to) in moves {
            if let Some(track) = self.tracks.get_mut(*to) {
                track.subscriptions.push(*id);
            }
        }
    }

    /// Tells who is in a slot, once it has a section.
    pub(super) fn tell_slot(&mut self, id: SubscriptionId) {
        let Some(subscription) = self.subscriptions.get(id) else { return };
        if let (Some(slot), Some(wire)) = (subscription.slot, &subscription.wire) {
            self.outbox.push(Event::AudioSlotChanged {
                session: subscription.session,
                subscription: id,
                slot,
                mid: wire.mid,
                track: Some(subscription.track).filter(|track| *track != NO_TRACK),
            });
        }
    }

    fn voice(&self, id: TrackId) -> Option<Voice> {
        let track = self.tracks.get(id)?;
        let explicit = track.subscriptions.iter().filter_map(|id| self.subscriptions.get(*id));
        let explicit = explicit.filter(|subscription| subscription.slot.is_none());
        let excluded = explicit.map(|subscription| subscription.session).chain([track.session]).collect();
        Some(Voice { track: id, excluded })
    }
}

/// Who has a place, and who is not to hear it there.
struct Voice {
    track: TrackId,
    excluded: BTreeSet<SessionId>,
}

/// As the client says, or else whether there is sound in it at all.
fn level(track: &Track, packet: &RtpPacket<'_>, codec: CodecName) -> AudioLevel {
    let level = if is_silent(codec, packet.payload()) { 127 } else { UNKNOWN_LEVEL };
    audio_level(track, packet).unwrap_or(AudioLevel { voice: false, level })
}
