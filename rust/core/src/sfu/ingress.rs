//! A clear RTP packet comes in: whose it is, whether it is new, and off to the subscribers. One straight way.

use std::sync::Arc;
use std::time::Instant;

use sfu_transport::Egress;
use sfu_wire::rtp::extension_value::{AbsCaptureTime, AudioLevel, TransportSeq};
use sfu_wire::rtp::video_layers::VideoLayersAllocation;
use sfu_wire::rtp::{RtpHeader, RtpPacket};
use sfu_wire::{Extension, NtpTime, Pt, Ssrc};

use super::Sfu;
use crate::arena::{Arena, ConnectionId};
use crate::audio::has_frame;
use crate::binding::bind;
use crate::codec::CodecName;
use crate::connection::{Binding, Connection};
use crate::event::Event;
use crate::header::passing;
use crate::id::TrackId;
use crate::layer::{Packet, Reading, packet_facts};
use crate::relay::RelayedPacket;
use crate::stream::{Arrival, ToldNumbers};
use crate::timers::Timer;
use crate::track::Track;

/// A primary packet, whether it came as itself or out of a repair stream.
pub(super) struct Media<'a> {
    /// Its stream, when it came as itself.
    ssrc: Option<Ssrc>,
    codec: CodecName,
    marker: bool,
    seq: u16,
    timestamp: u32,
    payload: &'a [u8],
    repaired: bool,
}

/// Who gives a packet its numbers.
#[derive(Clone, Copy)]
pub(super) enum Numbers {
    /// This shard: it came from the publisher.
    Counted(ConnectionId),
    /// The publisher's shard, which sent it on.
    Told(ToldNumbers),
}

impl Numbers {
    /// The publisher's, if that is here.
    const fn connection(self) -> Option<ConnectionId> {
        match self {
            Self::Counted(connection) => Some(connection),
            Self::Told(_) => None,
        }
    }
}

impl<'a> Media<'a> {
    /// A packet as the publisher's shard understood it.
    pub(super) fn relayed(relayed: &RelayedPacket<'_>, packet: &RtpPacket<'a>) -> Option<Self> {
        let RelayedPacket { codec, marker, repaired, seq, timestamp, .. } = *relayed;
        let payload = packet.payload();
        let payload = if repaired { payload.split_first_chunk::<2>()?.1 } else { payload };
        let (seq, timestamp) = (seq.as_u16(), timestamp as u32);
        Some(Self { ssrc: None, codec, marker, seq, timestamp, payload, repaired })
    }
}

impl Media<'_> {
    /// Whether what comes now has nothing to do with what came before.
    fn begins_anew(&self, track: &Track, binding: Binding) -> bool {
        let known = track.encodings.get(binding.encoding).and_then(|encoding| encoding.ssrc);
        let other_stream = self.ssrc.is_some_and(|ssrc| known.is_some_and(|known| known != ssrc));
        other_stream || track.codec.is_some_and(|codec| codec != self.codec)
    }
}

impl Sfu {
    pub(super) fn ingress_rtp(
        &mut self,
        (now, arrived): (Instant, Instant),
        from: ConnectionId,
        clear: &[u8],
        egress: &mut Egress,
    ) {
        self.counts.packets_received += 1;
        self.counts.bytes_received += clear.len() as u64;
        let Some(connection) = self.connections.get_mut(from) else { return };
        let Ok(packet) = RtpPacket::parse(clear) else {
            self.counts.dropped.malformed += 1;
            return;
        };
        record_arrival(arrived, connection, &packet, from, &mut self.timers);
        let Some(binding) = find_binding(now, connection, &self.tracks, &packet) else {
            connection.unbound_packets += 1;
            self.counts.dropped.unbound_stream += 1;
            return;
        };
        let Some(track) = self.tracks.get_mut(binding.track) else { return };
        let Some(media) = unwrap(track, &packet, binding) else { return };
        self.take_media(now, Numbers::Counted(from), binding, &packet, media, egress);
    }

    /// A packet of a track: numbered, understood, kept. It waits in the batch for those who want it.
    pub(super) fn take_media(
        &mut self,
        now: Instant,
        numbers: Numbers,
        binding: Binding,
        packet: &RtpPacket<'_>,
        mut media: Media<'_>,
        egress: &mut Egress,
    ) {
        let anew = self.tracks.get(binding.track).is_some_and(|track| media.begins_anew(track, binding));
        if anew {
            // What waits belongs to what was before.
            self.forward_all(now, egress);
        }
        let Some(track) = self.tracks.get_mut(binding.track) else { return };
        if let Some(ssrc) = media.ssrc {
            track.heard_from(binding.encoding, ssrc);
        }
        if media.codec == CodecName::Red && !media.payload.is_empty() && !has_frame(media.payload) {
            // Its number is known, so it is no loss; but there is nothing in it for anybody.
            self.counts.dropped.malformed += 1;
            media.payload = &[];
        }
        let Some(encoding) = track.encodings.get_mut(binding.encoding) else { return };
        let Media { seq, timestamp, repaired, .. } = media;
        let arrival = Arrival { seq, timestamp, len: packet.payload().len(), repaired };
        let accepted = match numbers {
            Numbers::Counted(_) => encoding.stream.receive(now, &arrival),
            Numbers::Told(told) => encoding.stream.follow(now, told, &arrival),
        };
        let Some(accepted) = accepted else { return };
        let from = numbers.connection();
        if let (Some(deadline), Some(from)) = (encoding.stream.poll_timeout(), from) {
            if let Some(connection) = self.connections.get_mut(from) {
                connection.next_nack = Some(connection.next_nack.map_or(deadline, |standing| standing.min(deadline)));
            }
            self.timers.set(Timer::Connection(from), deadline);
        }

        let descriptor = track.parameters.extensions.id(Extension::DependencyDescriptor);
        let reading = match descriptor.and_then(|id| packet.extension(id)) {
            Some(value) => encoding.dependencies.read(accepted.epoch, accepted.seq == accepted.newest, value),
            None => Reading::None,
        };
        let dependencies = reading.as_ref();
        let mut packet_in = Packet {
            encoding: binding.encoding as u8,
            epoch: accepted.epoch,
            seq: accepted.seq,
            newest: accepted.newest,
            timestamp: accepted.timestamp,
            marker: media.marker,
            codec: media.codec,
            payload: media.payload,
            facts: packet_facts(media.codec, media.payload, media.marker, dependencies),
            dependencies,
            arrival: now,
        };
        let recovered = encoding.listen(&mut packet_in);
        let known = encoding.starts.settle(&mut packet_in, &encoding.history);
        encoding.learn(now, &packet_in);
        let passed = passing(track.parameters.extensions, packet.extensions().iter());
        let mark = encoding.history.push(&packet_in, passed.clone());
        let placed = track.timestamps.is_placed(binding.encoding);
        // Padding only: numbered like the rest so that it is no loss, but nobody is to hear of it (RFC 3550 §5.1).
        if !media.payload.is_empty() {
            track.timestamps.arrived(now, binding.encoding, accepted.timestamp);
            if let Some(captured) = capture_time(track, packet) {
                track.timestamps.captured(binding.encoding, captured, accepted.timestamp);
                let timeline = accepted.timestamp as i64 + track.timestamps.offset(packet_in.encoding);
                track.capture_times.learn(timeline, captured);
            }
            self.note_flow(now, binding);
            if from.is_some() {
                self.note_media(now, binding, (packet, media.codec), egress);
            }
        }
        let Some(track) = self.tracks.get(binding.track) else { return };
        let (is_carried, is_taken) = (!track.outlets.is_empty(), track.is_taken());
        if is_carried {
            if anew || !placed {
                self.tell_clock(binding.track, None);
            }
            self.relay_media(binding.track, &packet_in, (packet, repaired));
        }
        if let Some(recovered) = recovered {
            self.forward_all(now, egress);
            self.fan_out_recovered(now, binding.track, (&packet_in, &recovered), egress);
        }
        if is_taken {
            self.batch.push((from, binding.track), &packet_in, passed, mark);
        }
        if let Some(seq) = known {
            self.forward_all(now, egress);
            self.fan_out_keyframe(now, binding, seq, egress);
        }
    }

    /// Whether encodings have stopped, now that this one goes on.
    fn note_flow(&mut self, now: Instant, binding: Binding) {
        let Some(track) = self.tracks.get_mut(binding.track) else { return };
        track.activity.arrived(now, binding.encoding);
        if let Some(flowing) = track.activity.take_stop(now) {
            self.set_available(binding.track, flowing);
        }
    }

    /// What a publisher's packet means to others than its subscribers: speakers, dumps, and whether its track lives.
    fn note_media(
        &mut self,
        now: Instant,
        binding: Binding,
        (packet, codec): (&RtpPacket<'_>, CodecName),
        egress: &mut Egress,
    ) {
        let Some(track) = self.tracks.get_mut(binding.track) else { return };
        if let Some(bytes) = track.dump.as_mut().and_then(|dump| dump.record(now, packet.as_bytes())) {
            self.outbox.push(Event::Dump { track: binding.track, bytes, last: false });
        }
        if std::mem::take(&mut track.stalled) {
            self.outbox.push(Event::TrackStalled(binding.track, false));
        }
        if let Some(allocation) = allocation(track, packet) {
            track.learn_allocation(&allocation);
        }
        match track.codec {
            None => {
                track.fmtp = fmtp_of(track, packet.header().pt);
                self.publish(now, binding.track, codec);
            }
            Some(known) if known != codec => {
                track.fmtp = fmtp_of(track, packet.header().pt);
                self.change_codec(binding.track, codec);
                self.announce_change(binding.track);
            }
            Some(_) => {}
        }
        self.rank_voice(now, binding.track, (packet, codec), egress);
    }
}

/// The level that the client says the packet has; a muted track is not heard.
pub(super) fn audio_level(track: &Track, packet: &RtpPacket<'_>) -> Option<AudioLevel> {
    let id = track.parameters.extensions.id(Extension::AudioLevel).filter(|_| !track.muted)?;
    AudioLevel::parse(packet.extension(id)?)
}

/// When the packet's frame was captured, in the clock of the publisher's sender reports.
fn capture_time(track: &Track, packet: &RtpPacket<'_>) -> Option<NtpTime> {
    let id = track.parameters.extensions.id(Extension::AbsCaptureTime)?;
    Some(AbsCaptureTime::parse(packet.extension(id)?)?.sender_time())
}

/// What the publisher says of its layers: with keyframes and when something changes.
fn allocation(track: &Track, packet: &RtpPacket<'_>) -> Option<VideoLayersAllocation> {
    let id = track.parameters.extensions.id(Extension::VideoLayersAllocation)?;
    VideoLayersAllocation::parse(packet.extension(id)?).ok()
}

/// The format parameters that belong to a payload type or to its repairs.
fn fmtp_of(track: &Track, pt: Pt) -> Arc<str> {
    let codec = track.parameters.codecs.iter().find(|codec| codec.pt == pt || codec.rtx == Some(pt));
    codec.map_or_else(Arc::default, |codec| codec.fmtp.clone())
}

/// Notes the arrival for transport-wide feedback: everything counts, repair and padding too.
fn record_arrival(
    arrived: Instant,
    connection: &mut Connection,
    packet: &RtpPacket<'_>,
    id: ConnectionId,
    timers: &mut crate::timers::Timers,
) {
    let Some(extension) = connection.extensions.id(Extension::TransportCc) else { return };
    if let Some(seq) = packet.extension(extension).and_then(TransportSeq::parse) {
        connection.twcc_receiver.record(arrived, packet.header().ssrc, seq.0);
        if let Some(deadline) = connection.twcc_receiver.poll_timeout() {
            timers.set(Timer::Connection(id), deadline);
        }
    }
}

fn find_binding(
    now: Instant,
    connection: &mut Connection,
    tracks: &Arena<TrackId, Track>,
    packet: &RtpPacket<'_>,
) -> Option<Binding> {
    let ssrc = packet.header().ssrc;
    if let Some(binding) = connection.bindings.get(&ssrc) {
        return Some(*binding);
    }
    // A straggler must not bring back the stream from before a restart.
    if !connection.replaced.admits(now, packet.header()) {
        return None;
    }
    let binding = bind(connection, tracks, packet)?;
    // A new SSRC for a place that had one: the publisher restarted its stream.
    let encoding = tracks.get(binding.track)?.encodings.get(binding.encoding)?;
    let end = encoding.stream.end().filter(|_| !binding.rtx);
    let replaced = connection.bindings.iter().filter(|(_, standing)| **standing == binding).map(|(ssrc, _)| *ssrc);
    replaced.for_each(|ssrc| connection.replaced.insert(now, ssrc, end));
    connection.bindings.retain(|_, standing| *standing != binding);
    connection.bindings.insert(ssrc, binding);
    Some(binding)
}

/// Finds the codec, and the primary packet inside a repair packet (RFC 4588 §4).
fn unwrap<'a>(track: &mut Track, packet: &RtpPacket<'a>, binding: Binding) -> Option<Media<'a>> {
    let header = packet.header();
    let codecs = &track.parameters.codecs;
    let encoding = track.encodings.get_mut(binding.encoding)?;
    if binding.rtx {
        encoding.rtx = Some(header.ssrc);
        let codec = codecs.iter().find(|codec| codec.rtx == Some(header.pt))?.name;
        // Without the original number it is a probe (padding only).
        let (original, payload) = packet.payload().split_first_chunk::<2>()?;
        let seq = u16::from_be_bytes(*original);
        let (marker, timestamp) = (header.marker, header.timestamp);
        return Some(Media { ssrc: None, codec, marker, seq, timestamp, payload, repaired: true });
    }
    let codec = codecs.iter().find(|codec| codec.pt == header.pt)?.name;
    let RtpHeader { marker, seq, timestamp, ssrc, .. } = *header;
    Some(Media { ssrc: Some(ssrc), codec, marker, seq, timestamp, payload: packet.payload(), repaired: false })
}
