//! Parts of messages: ids, settings of rooms, what is known of tracks, clocks, packets.
//!
//! Each is written and read side by side, so that a change is made to both.

use std::sync::Arc;

use sfu_wire::{Extension, ExtensionMap, Mid, NtpTime, Rid, SeqNo};

use super::bytes::{Reader, Writer};
use crate::codec::{CodecName, Kind};
use crate::config::RoomConfig;
use crate::id::{RoomId, SessionId, TrackId};
use crate::layer::Encodings;
use crate::stream::{PlaceState, TimestampState, ToldNumbers};

const CODECS: [CodecName; 7] =
    [CodecName::Opus, CodecName::Red, CodecName::Vp8, CodecName::Vp9, CodecName::Av1, CodecName::H264, CodecName::H265];

/// A published track as every shard with somebody in its room knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Announcement {
    pub(crate) room: RoomId,
    pub(crate) session: SessionId,
    pub(crate) track: TrackId,
    /// Counts what was changed about it: the same comes over two ways, and the newest counts.
    pub(crate) revision: u32,
    /// The publisher's.
    pub(crate) label: Arc<str>,
    pub(crate) mid: Mid,
    pub(crate) codec: CodecName,
    pub(crate) muted: bool,
    pub(crate) fmtp: Arc<str>,
    pub(crate) msid: (String, String),
    /// As in the packets.
    pub(crate) extensions: ExtensionMap,
    pub(crate) rids: Vec<Rid>,
}

/// A packet with the numbers that the publisher's shard gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RelayedPacket<'a> {
    pub(crate) track: TrackId,
    /// Counts what was relayed of the track to this shard.
    pub(crate) counter: SeqNo,
    pub(crate) encoding: u8,
    pub(crate) epoch: u16,
    pub(crate) seq: SeqNo,
    pub(crate) timestamp: u64,
    pub(crate) marker: bool,
    /// `packet` is of a repair stream: its payload begins with the original number (RFC 4588 §4).
    pub(crate) repaired: bool,
    pub(crate) codec: CodecName,
    /// Clear RTP.
    pub(crate) packet: &'a [u8],
}

impl RelayedPacket<'_> {
    /// As the publisher's shard counted it.
    pub(crate) const fn numbers(&self) -> ToldNumbers {
        ToldNumbers { seq: self.seq, timestamp: self.timestamp, epoch: self.epoch }
    }
}

impl Announcement {
    /// Audio or video.
    pub(crate) const fn kind(&self) -> Kind {
        self.codec.kind()
    }
}

pub(super) fn room(r: &mut Reader<'_>) -> Option<RoomId> {
    r.u64().map(RoomId::new)
}

pub(super) fn session(r: &mut Reader<'_>) -> Option<SessionId> {
    r.u64().map(SessionId::new)
}

pub(super) fn track(r: &mut Reader<'_>) -> Option<TrackId> {
    r.u64().map(TrackId::new)
}

pub(super) fn write_codec(w: &mut Writer<'_>, codec: CodecName) {
    w.u8(CODECS.iter().position(|known| *known == codec).unwrap_or_default() as u8);
}

pub(super) fn read_codec(r: &mut Reader<'_>) -> Option<CodecName> {
    CODECS.get(usize::from(r.u8()?)).copied()
}

pub(super) fn write_config(w: &mut Writer<'_>, config: &RoomConfig) {
    w.option(config.max_sessions, Writer::u32);
    w.list(&config.video_codecs, write_codec);
    w.list(&config.audio_codecs, write_codec);
    w.u8(config.red);
    w.option(config.audio_slots, Writer::u8);
}

pub(super) fn read_config(r: &mut Reader<'_>) -> Option<RoomConfig> {
    Some(RoomConfig {
        max_sessions: r.option(Reader::u32)?,
        video_codecs: r.list(read_codec)?,
        audio_codecs: r.list(read_codec)?,
        red: r.u8()?,
        audio_slots: r.option(Reader::u8)?,
    })
}

pub(super) fn write_announcement(w: &mut Writer<'_>, announcement: &Announcement) {
    let Announcement { room, session, track, revision, label, mid, codec, muted, fmtp, msid, extensions, rids } =
        announcement;
    w.u64(room.get());
    w.u64(session.get());
    w.u64(track.get());
    w.u32(*revision);
    w.text(label);
    w.text(mid.as_str());
    write_codec(w, *codec);
    w.u8(u8::from(*muted));
    w.text(fmtp);
    w.text(&msid.0);
    w.text(&msid.1);
    for extension in Extension::ALL {
        w.u8(extensions.id(extension).unwrap_or(0));
    }
    w.list(rids, |w, rid| w.text(rid.as_str()));
}

pub(super) fn read_announcement(r: &mut Reader<'_>) -> Option<Announcement> {
    Some(Announcement {
        room: room(r)?,
        session: session(r)?,
        track: track(r)?,
        revision: r.u32()?,
        label: r.text()?.into(),
        mid: Mid::new(r.text()?)?,
        codec: read_codec(r)?,
        muted: r.bool()?,
        fmtp: r.text()?.into(),
        msid: (r.text()?.to_owned(), r.text()?.to_owned()),
        extensions: {
            let ids: [u8; Extension::COUNT] = r.array()?;
            ids.into_iter().zip(Extension::ALL).collect()
        },
        rids: r.list(|r| Rid::new(r.text()?)).filter(|rids| rids.len() <= usize::from(Encodings::MAX))?,
    })
}

pub(super) fn write_timestamps(w: &mut Writer<'_>, state: &TimestampState) {
    for place in &state.places {
        w.option(place.offset, Writer::i64);
        w.option(place.tie, |w, (ntp, timestamp, reported)| {
            w.u64(ntp.get());
            w.i64(timestamp);
            w.u8(u8::from(reported));
        });
    }
    w.option(state.reference, Writer::u8);
    w.option(state.anchor, |w, (ntp, timeline)| {
        w.u64(ntp.get());
        w.i64(timeline);
    });
}

pub(super) fn read_timestamps(r: &mut Reader<'_>) -> Option<TimestampState> {
    let mut state = TimestampState::default();
    for place in &mut state.places {
        let offset = r.option(Reader::offset)?;
        let tie = r.option(|r| Some((NtpTime::new(r.u64()?), r.offset()?, r.bool()?)))?;
        *place = PlaceState { offset, tie };
    }
    state.reference = r.option(Reader::u8)?;
    state.anchor = r.option(|r| Some((NtpTime::new(r.u64()?), r.offset()?)))?;
    Some(state)
}

pub(super) fn write_packet(w: &mut Writer<'_>, packet: &RelayedPacket<'_>) {
    let RelayedPacket { track, counter, encoding, epoch, seq, timestamp, marker, repaired, codec, packet } = *packet;
    w.u64(track.get());
    w.u64(counter.get());
    w.u64(seq.get());
    w.u64(timestamp);
    w.u16(epoch);
    w.u8(encoding);
    w.u8(u8::from(marker) | u8::from(repaired) << 1);
    write_codec(w, codec);
    w.bytes(packet);
}

pub(super) fn read_packet<'a>(r: &mut Reader<'a>) -> Option<RelayedPacket<'a>> {
    let (track, counter, seq) = (track(r)?, r.count()?, r.count()?);
    let (timestamp, epoch, encoding, flags) = (r.count()?, r.u16()?, r.u8()?, r.u8()?);
    Some(RelayedPacket {
        track,
        counter: SeqNo::new(counter),
        encoding,
        epoch,
        seq: SeqNo::new(seq),
        timestamp,
        marker: flags & 1 != 0,
        repaired: flags & 2 != 0,
        codec: read_codec(r)?,
        packet: r.rest(),
    })
}
