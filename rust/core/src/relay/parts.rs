//! Parts of messages: ids, settings of rooms, what is known of tracks, clocks, packets.
//!
//! Each is written and read side by side, so that a change is made to both.

use sfu_wire::{Extension, Mid, NtpTime, Rid, SeqNo};

use super::bytes::{Reader, Writer};
use super::message::{Announcement, RelayedPacket};
use crate::codec::CodecName;
use crate::config::RoomConfig;
use crate::id::{RoomId, SessionId, TrackId};
use crate::layer::Encodings;
use crate::stream::{PlaceState, TimestampState};

const CODECS: [CodecName; 7] =
    [CodecName::Opus, CodecName::Red, CodecName::Vp8, CodecName::Vp9, CodecName::Av1, CodecName::H264, CodecName::H265];

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
