//! Tracks over several shards: what is known of them everywhere, and how they are carried to where somebody is subscribed.

use std::time::{Duration, Instant};

use sfu_transport::Egress;
use sfu_wire::rtp::{ExtensionForms, MAX_EXTENSIONS, RtpHeader, RtpPacket, write_header};
use sfu_wire::{Pt, SeqNo, Ssrc};

use super::Sfu;
use super::ingress::{Media, Numbers};
use super::reports::publisher_label;
use super::ticks::REPORT_INTERVAL;
use crate::codec::Kind;
use crate::connection::Binding;
use crate::id::{RoomId, TrackId};
use crate::layer::{Dependencies, Encodings, Packet};
use crate::relay::{Announcement, Message, Outlet, RelayedPacket, Wants};
use crate::stream::{PublisherState, TimestampState};
use crate::track::{Track, parameters_of};

/// What came so shortly before somebody elsewhere began to listen was already meant for them: the voice was ranked by it. Higher: a
/// word may begin in the middle of the one before. Lower: its first packet is lost on the way of the ranking.
const OVERHEARD: Duration = Duration::from_millis(30);

impl Sfu {
    /// What other shards know of a published track.
    pub(super) fn announcement(&self, id: TrackId) -> Option<Announcement> {
        let track = self.tracks.get(id)?;
        track.announcement(id, publisher_label(track, &self.sessions))
    }

    /// Passes on what concerns a track: from its publisher to the room's home, and from there to everybody else.
    pub(super) fn tell_of_track(&mut self, room: RoomId, id: TrackId, message: &Message<'_>) {
        if self.is_home(room) {
            self.tell_room(room, id.shard(), message);
        } else if id.shard() == self.config.shard {
            self.relay.send(room.shard(), message);
        }
    }

    /// A track was published here, or something about it has changed.
    pub(super) fn announce(&mut self, id: TrackId) {
        if let Some(announcement) = self.announcement(id) {
            self.tell_of_track(announcement.room, id, &Message::Track(announcement));
        }
    }

    /// The same when it is known to others. Those that it is carried to hear it before the packets that it concerns.
    pub(super) fn announce_change(&mut self, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id).filter(|track| track.connection().is_some()) else { return };
        track.revision += 1;
        let shards: Vec<u16> = track.outlets.iter().map(|outlet| outlet.shard).collect();
        for shard in shards {
            if let Some(announcement) = self.announcement(id) {
                self.relay.send(shard, &Message::Track(announcement));
            }
        }
        self.announce(id);
    }

    pub(super) fn relayed_track(&mut self, now: Instant, from: u16, told: Announcement, egress: &mut Egress) {
        let (id, home) = (told.track, told.room.shard());
        let Some(room) = self.rooms.get(told.room).filter(|_| id.shard() != self.config.shard) else { return };
        if let Some(known) = self.tracks.get(id) {
            if told.revision <= known.revision || ![id.shard(), home].contains(&from) {
                return;
            }
            self.change_replica(now, &told, egress);
        } else {
            // A new one comes from its publisher to the home, from there to the others: so it ends after it began.
            let source = if self.is_home(told.room) { id.shard() } else { home };
            if from != source || self.is_home(told.room) && !room.sessions.contains(&told.session) {
                return;
            }
            let red = room.config.red;
            let replica = self.relay.replicas.insert_with(|_| id);
            self.tracks.insert_foreign(id, Track::replica(replica, &told, red));
            self.relay.publishers.entry(told.session).or_default().tracks += 1;
            self.offer_to_all(now, id);
            self.resume_subscriptions(now, id, egress);
        }
        self.tell_of_track(told.room, id, &Message::Track(told));
    }

    /// Something about a track of another shard has changed.
    fn change_replica(&mut self, now: Instant, told: &Announcement, egress: &mut Egress) {
        let id = told.track;
        let Some(track) = self.tracks.get_mut(id) else { return };
        track.revision = told.revision;
        let (codec, muted) = (track.codec != Some(told.codec), track.muted != told.muted);
        track.fmtp.clone_from(&told.fmtp);
        if track.renegotiate(parameters_of(told)).is_some() {
            self.encodings_moved(now, id);
        }
        if codec {
            self.change_codec(id, told.codec);
        }
        if muted {
            self.mute(now, id, told.muted, egress);
        }
    }

    /// A track has ended, here or elsewhere.
    pub(super) fn tell_end(&mut self, room: RoomId, id: TrackId) {
        self.tell_of_track(room, id, &Message::Ended { room, track: id });
    }

    pub(super) fn relayed_end(&mut self, now: Instant, from: u16, room: RoomId, id: TrackId) {
        let source = if self.is_home(room) { id.shard() } else { room.shard() };
        if from != source || id.shard() == self.config.shard {
            return;
        }
        for session in self.drop_track(now, id) {
            self.settle_negotiation(now, session);
        }
    }

    /// Has a track carried to this shard while somebody here is subscribed to it.
    pub(super) fn carry(&mut self, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        let wanted = !track.subscriptions.is_empty();
        if !track.inlet().is_some_and(|inlet| inlet.set_wanted(wanted)) {
            return;
        }
        // A voice that left its slot may be asked for again for a while; what a video leaves is memory.
        if wanted || track.kind == Kind::Video {
            track.start_over();
        }
        let message = if wanted { Message::Start { track: id } } else { Message::Stop { track: id } };
        self.relay.send(id.shard(), &message);
    }

    pub(super) fn relayed_start(&mut self, now: Instant, to: u16, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id).filter(|track| track.connection().is_some()) else { return };
        if track.outlet(to).is_none() {
            self.relay.stats.outlets += 1;
        }
        track.outlets.retain(|outlet| outlet.shard != to);
        track.outlets.push(Outlet::new(to));
        self.relay.send(to, &Message::Started { track: id, flowing: track.activity.flowing(now) });
        self.tell_clock(id, Some(to));
        let Some(track) = self.tracks.get(id).filter(|track| track.kind == Kind::Audio) else { return };
        let lately: Vec<(u8, SeqNo)> = track.lately(now, OVERHEARD).collect();
        for (encoding, seq) in lately {
            self.relay_stored(to, id, (encoding, seq), None);
        }
    }

    pub(super) fn relayed_stop(&mut self, now: Instant, to: u16, id: TrackId, egress: &mut Egress) {
        let Some(track) = self.tracks.get_mut(id).filter(|track| track.outlets.iter().any(|one| one.shard == to))
        else {
            return;
        };
        track.outlets.retain(|outlet| outlet.shard != to);
        self.relay.stats.outlets -= 1;
        self.settle_track(now, id, egress);
    }

    pub(super) fn relayed_wants(&mut self, now: Instant, from: u16, id: TrackId, wants: Wants, egress: &mut Egress) {
        let outlet = self.tracks.get_mut(id).and_then(|track| track.outlet(from));
        if let Some(outlet) = outlet {
            outlet.wants = wants;
            self.settle_track(now, id, egress);
        }
    }

    /// What was lost on the way between the shards and is still here goes once more, under the relay's number that it had.
    pub(super) fn relayed_missing(&mut self, to: u16, id: TrackId, counters: &[u64]) {
        for counter in counters.iter().copied().map(SeqNo::new) {
            let found = self.tracks.get_mut(id).and_then(|track| track.outlet(to)?.find(counter));
            if let Some(found) = found {
                self.relay_stored(to, id, found, Some(counter));
            }
        }
    }

    pub(super) fn relayed_ask(&mut self, from: u16, id: TrackId, room: RoomId) {
        let known = self.tracks.get(id).filter(|track| track.is_published()).map(|track| track.room);
        if known != Some(room) {
            self.relay.send(from, &Message::Gone { track: id, elsewhere: known.is_some() });
        }
    }

    pub(super) fn relayed_started(&mut self, now: Instant, id: TrackId, flowing: Encodings) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        let Some(inlet) = track.inlet() else { return };
        if !inlet.begin() {
            return;
        }
        inlet.next_review = Some(now + REPORT_INTERVAL);
        track.activity.assume(now, flowing);
        self.set_available(id, flowing);
        let Some(track) = self.tracks.get(id) else { return };
        self.timers.set(track.timer(), now);
    }

    pub(super) fn relayed_clock(&mut self, id: TrackId, state: &TimestampState, publisher: Option<PublisherState>) {
        let Some(track) = self.tracks.get_mut(id).filter(|track| track.connection().is_none()) else { return };
        track.timestamps.adopt(state);
        if let (Some(state), Some(publisher)) = (publisher, self.relay.publishers.get_mut(&track.session)) {
            publisher.clock.adopt(&state);
        }
    }

    /// Tells how the clocks of a track stand: the shard `to`, or all that it is carried to.
    pub(super) fn tell_clock(&mut self, id: TrackId, to: Option<u16>) {
        let Some(track) = self.tracks.get(id).filter(|track| !track.outlets.is_empty()) else { return };
        let connection = track.connection().and_then(|connection| self.connections.get(connection));
        let publisher = connection.and_then(|connection| connection.publisher_clock.state());
        let message = Message::Clock { track: id, timestamps: track.timestamps.state(), publisher };
        for outlet in track.outlets.iter().filter(|outlet| to.is_none_or(|to| to == outlet.shard)) {
            self.relay.send(outlet.shard, &message);
        }
    }

    /// A packet that was taken in goes to the shards that its track is carried to.
    pub(super) fn relay_media(&mut self, id: TrackId, taken: &Packet<'_>, (packet, repaired): (&RtpPacket<'_>, bool)) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        for outlet in &mut track.outlets {
            let message = RelayedPacket {
                track: id,
                counter: outlet.number(taken.encoding, taken.seq),
                encoding: taken.encoding,
                epoch: taken.epoch,
                seq: taken.seq,
                timestamp: taken.timestamp,
                marker: taken.marker,
                repaired,
                codec: taken.codec,
                packet: packet.as_bytes(),
            };
            self.relay.send(outlet.shard, &Message::Packet(message));
            self.relay.stats.packets_sent += 1;
        }
    }

    /// The same with one out of the history, under a number that it had or a new one.
    fn relay_stored(&mut self, to: u16, id: TrackId, (encoding, seq): (u8, SeqNo), counter: Option<SeqNo>) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        let Some(outlet) = track.outlets.iter_mut().find(|outlet| outlet.shard == to) else { return };
        let Some(stored) = track.encodings.get(usize::from(encoding)).and_then(|one| one.history.get(seq)) else {
            return;
        };
        let mut list: [(u8, &[u8]); MAX_EXTENSIONS] = [(0, &[]); MAX_EXTENSIONS];
        let mut count = 0;
        for (place, extension) in list.iter_mut().zip(stored.extensions()) {
            *place = extension;
            count += 1;
        }
        // Codec, numbers and marker are told beside it.
        let header = RtpHeader { marker: false, pt: Pt::new(0), seq: 0, timestamp: 0, ssrc: Ssrc::new(0) };
        self.scratch.resize(MAX_HEADER + stored.payload().len(), 0);
        let written = write_header(&mut self.scratch, &header, &[], &list[..count], ExtensionForms::Mixed);
        let Some(head) = written.map(|head| head.len()) else { return };
        let end = head + stored.payload().len();
        let Some(place) = self.scratch.get_mut(head..end) else { return };
        place.copy_from_slice(stored.payload());
        let taken = stored.packet(seq, Dependencies::None);
        let message = RelayedPacket {
            track: id,
            counter: counter.unwrap_or_else(|| outlet.number(encoding, seq)),
            encoding,
            epoch: taken.epoch,
            seq,
            timestamp: taken.timestamp,
            marker: taken.marker,
            repaired: false,
            codec: stored.codec(),
            packet: &self.scratch[..end],
        };
        self.relay.send(to, &Message::Packet(message));
        self.relay.stats.packets_sent += 1;
    }

    /// A packet of a track of another shard: the rest of its way is as if the publisher were here.
    pub(super) fn relayed_packet(&mut self, now: Instant, relayed: &RelayedPacket<'_>, egress: &mut Egress) {
        let id = relayed.track;
        let Some(track) = self.tracks.get_mut(id) else { return };
        let timer = track.timer();
        let Some(inlet) = track.inlet().filter(|_| relayed.encoding < Encodings::MAX) else { return };
        if !inlet.arrived(now, relayed.counter) {
            return;
        }
        if let Some(due) = inlet.poll_timeout() {
            self.timers.set(timer, due);
        }
        let Ok(packet) = RtpPacket::parse(relayed.packet) else {
            self.relay.stats.malformed += 1;
            return;
        };
        self.relay.stats.packets_received += 1;
        let binding = Binding { track: id, encoding: usize::from(relayed.encoding), rtx: relayed.repaired };
        if let Some(media) = Media::relayed(relayed, &packet) {
            self.take_media(now, Numbers::Told(relayed.numbers()), binding, &packet, media, egress);
        }
    }

    /// What is due for a track of another shard.
    pub(super) fn tick_replica(&mut self, now: Instant, id: TrackId, egress: &mut Egress) {
        let Some(inlet) = self.tracks.get_mut(id).and_then(Track::inlet) else { return };
        let missing: Vec<u64> = inlet.poll_missing(now).iter().map(|counter| counter.get()).collect();
        let review = inlet.next_review.is_some_and(|due| due <= now);
        if review {
            inlet.next_review = Some(now + REPORT_INTERVAL);
        }
        self.relay.stats.packets_missed += missing.len() as u64;
        for counters in missing.chunks(usize::from(u8::MAX)) {
            self.relay.send(id.shard(), &Message::Missing { track: id, counters: counters.to_vec() });
        }
        if review {
            self.find_playable(now, id);
            let flowing = self.tracks.get(id).map(|track| track.activity.flowing(now));
            self.set_available(id, flowing.unwrap_or_default());
            self.tell_layers(now, id);
        }
        self.settle_track(now, id, egress);
        let Some(track) = self.tracks.get_mut(id) else { return };
        let timer = track.timer();
        if let Some(inlet) = track.inlet()
            && let Some(due) = [inlet.poll_timeout(), inlet.next_review].into_iter().flatten().min()
        {
            self.timers.set(timer, due);
        }
    }
}

/// A header with all extensions that there is room for.
const MAX_HEADER: usize = 12 + 4 + MAX_EXTENSIONS * (2 + 255);
