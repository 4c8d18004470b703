//! A clear RTP packet comes in: whose it is, whether it is new, and off to the subscribers. One straight way.

use std::time::Instant;

use sfu_transport::Egress;
use sfu_wire::Extension;
use sfu_wire::rtp::RtpPacket;
use sfu_wire::rtp::extension_value::{AudioLevel, TransportSeq};

use super::Sfu;
use crate::arena::{Arena, ConnectionId};
use crate::binding::bind;
use crate::connection::{Binding, Connection};
use crate::event::Event;
use crate::id::TrackId;
use crate::layer::{Packet, frame_facts};
use crate::negotiation::NegotiatedCodec;
use crate::stream::Arrival;
use crate::timers::Timer;
use crate::track::Track;

/// A primary packet, whether it came as itself or out of a repair stream.
struct Media<'a> {
    marker: bool,
    seq: u16,
    timestamp: u32,
    payload: &'a [u8],
    repaired: bool,
}

impl Sfu {
    pub(super) fn ingress_rtp(&mut self, now: Instant, from: ConnectionId, clear: &[u8], egress: &mut Egress) {
        self.counts.packets_received += 1;
        self.counts.bytes_received += clear.len() as u64;
        let Some(connection) = self.connections.get_mut(from) else { return };
        let Ok(packet) = RtpPacket::parse(clear) else {
            self.counts.dropped.malformed += 1;
            return;
        };
        record_arrival(now, connection, &packet, from, &mut self.timers);
        let Some(binding) = find_binding(connection, &self.tracks, &packet) else {
            connection.unbound_packets += 1;
            self.counts.dropped.unbound_stream += 1;
            return;
        };
        let Some(track) = self.tracks.get_mut(binding.track) else { return };
        let Some((codec, media)) = unwrap(track, &packet, binding) else { return };
        let Some(encoding) = track.encodings.get_mut(binding.encoding) else { return };
        let arrival = Arrival {
            seq: media.seq,
            timestamp: media.timestamp,
            len: packet.payload().len(),
            repaired: media.repaired,
        };
        let Some(accepted) = encoding.stream.receive(now, &arrival) else { return };
        if let Some(deadline) = encoding.stream.poll_timeout() {
            connection.next_nack = Some(connection.next_nack.map_or(deadline, |standing| standing.min(deadline)));
            self.timers.set(Timer::Connection(from), deadline);
        }
        if media.payload.is_empty() {
            // Padding only: counted above so that it is no loss; nobody needs it (RFC 3550 §5.1).
            self.forward_padding(binding, accepted.seq);
            return;
        }

        let extensions = packet.extensions();
        let map = track.parameters.extensions;
        for (id, value) in extensions.iter() {
            if map.extension(id) != Some(Extension::AudioLevel) || track.muted {
                continue;
            }
            if let (Some(level), Some(room)) = (AudioLevel::parse(value), self.rooms.get_mut(track.room)) {
                room.speakers.hear(now, track.session, binding.track, level);
                if let Some(due) = room.speakers.poll_timeout() {
                    self.timers.set(Timer::Room(track.room), due);
                }
            }
        }
        if let Some(dump) = &mut track.dump {
            if let Some(bytes) = dump.record(now, clear) {
                self.outbox.push(Event::Dump { track: binding.track, bytes, last: false });
            }
        }

        let facts = frame_facts(codec.name, media.payload, media.marker);
        encoding.stream.frame(&accepted, &facts);
        if facts.keyframe {
            encoding.keyframes.arrived();
        }
        let packet = Packet {
            encoding: binding.encoding as u8,
            epoch: accepted.epoch,
            seq: accepted.seq,
            newest: accepted.newest,
            timestamp: accepted.timestamp,
            marker: media.marker,
            codec: codec.name,
            payload: media.payload,
            facts,
            arrival: now,
        };
        encoding.history.push(&packet, extensions.iter());
        track.timestamps.arrived(now, binding.encoding, accepted.timestamp);
        track.activity.arrived(now, binding.encoding);
        let first = track.codec.is_none();
        let name = codec.name;
        let stalled = std::mem::replace(&mut track.stalled, false);
        if first || track.codec != Some(name) {
            if first {
                self.publish(now, binding.track, name);
            } else {
                self.change_codec(binding.track, name);
            }
        }
        if stalled {
            self.outbox.push(Event::TrackStalled(binding.track, false));
        }
        self.fan_out(now, binding.track, &packet, extensions, egress);
    }
}

/// Notes the arrival for transport-wide feedback: everything counts, repair and padding too.
fn record_arrival(
    now: Instant,
    connection: &mut Connection,
    packet: &RtpPacket<'_>,
    id: ConnectionId,
    timers: &mut crate::timers::Timers,
) {
    let Some(extension) = connection.extensions.id(Extension::TransportCc) else { return };
    let value = packet.extensions().iter().find(|(id, _)| *id == extension);
    if let Some(seq) = value.and_then(|(_, value)| TransportSeq::parse(value)) {
        connection.twcc_receiver.record(now, packet.header().ssrc, seq.0);
        if let Some(deadline) = connection.twcc_receiver.poll_timeout() {
            timers.set(Timer::Connection(id), deadline);
        }
    }
}

fn find_binding(
    connection: &mut Connection,
    tracks: &Arena<TrackId, Track>,
    packet: &RtpPacket<'_>,
) -> Option<Binding> {
    let ssrc = packet.header().ssrc;
    if let Some(binding) = connection.bindings.get(&ssrc) {
        return Some(*binding);
    }
    let binding = bind(connection, tracks, packet)?;
    // A new SSRC for a place that had one: the publisher restarted its stream.
    connection.bindings.retain(|_, standing| *standing != binding);
    connection.bindings.insert(ssrc, binding);
    Some(binding)
}

/// Finds the codec, and the primary packet inside a repair packet (RFC 4588 §4).
fn unwrap<'a>(track: &mut Track, packet: &RtpPacket<'a>, binding: Binding) -> Option<(NegotiatedCodec, Media<'a>)> {
    let header = packet.header();
    let codecs = &track.parameters.codecs;
    let encoding = track.encodings.get_mut(binding.encoding)?;
    if !binding.rtx {
        let codec = codecs.iter().find(|codec| codec.pt == header.pt)?.clone();
        if encoding.ssrc.replace(header.ssrc).is_some_and(|ssrc| ssrc != header.ssrc) {
            encoding.stream.restart();
            track.timestamps.restarted(binding.encoding);
        }
        let media = Media {
            marker: header.marker,
            seq: header.seq,
            timestamp: header.timestamp,
            payload: packet.payload(),
            repaired: false,
        };
        return Some((codec, media));
    }
    encoding.rtx = Some(header.ssrc);
    let codec = codecs.iter().find(|codec| codec.rtx == Some(header.pt))?.clone();
    // Without a payload it is a probe (padding only).
    let (osn, payload) = packet.payload().split_first_chunk::<2>()?;
    let media = Media {
        marker: header.marker,
        seq: u16::from_be_bytes(*osn),
        timestamp: header.timestamp,
        payload,
        repaired: true,
    };
    Some((codec, media))
}
