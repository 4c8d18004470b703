//! What shards say to each other, as bytes: about rooms to and from their home, about a track between the shard of its publisher
//! and those that it is carried to.
//!
//! A message is a length (32 bits, network order, of what follows), a kind (8 bits) and a body. The upper bit of the kind marks
//! media: it may be dropped when there is no room for it; everything else may be neither dropped nor overtaken.

use sfu_wire::NtpTime;
use sfu_wire::rtp::extension_value::AudioLevel;

use super::bytes::{Reader, Writer};
use super::parts::{
    Announcement, RelayedPacket, read_announcement, read_config, read_packet, read_timestamps, room, session, track,
    write_announcement, write_config, write_packet, write_timestamps,
};
use super::wants::Wants;
use crate::audio::Voice;
use crate::config::RoomConfig;
use crate::id::{RoomId, SessionId, TrackId};
use crate::layer::Encodings;
use crate::stream::{PublisherState, TimestampState};

/// Raised when a message changes its meaning: shards of one process always have the same, machines may not.
pub(crate) const VERSION: u16 = 1;

/// Marks kinds that may be dropped.
pub(super) const MEDIA: u8 = 0x80;

/// The kinds that are media.
const LEVEL: u8 = MEDIA | 0x03;
const PACKET: u8 = MEDIA | 0x13;

/// No message is longer with its length in front: shards of a process have no more room for one.
pub(super) const MAX_LEN: usize = (1 << 16) - 4;

/// What a message begins with before its body.
pub(super) const HEAD: usize = 5;

/// See the module's text.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "it lives for one call: a box would be an allocation for nothing")]
pub(crate) enum Message<'a> {
    /// The first of each pair.
    Hello {
        version: u16,
    },

    // To a room's home.
    /// A session wants to join; [`Message::Entered`] or [`Message::Refused`] answers.
    Enter {
        room: RoomId,
        session: SessionId,
    },
    /// It is gone, or does not wait any more.
    Leave {
        room: RoomId,
        session: SessionId,
    },
    /// One packet of audio that counts for who speaks. `measured`: the publisher says so.
    Level {
        track: TrackId,
        level: AudioLevel,
        measured: bool,
    },

    // From a room's home.
    /// What the first session of a shard finds: the room, all its tracks behind it.
    Room {
        room: RoomId,
        config: RoomConfig,
    },
    Entered {
        session: SessionId,
    },
    /// `full`: so many are in; else the room is closed.
    Refused {
        session: SessionId,
        full: Option<u32>,
    },
    RoomClosed {
        room: RoomId,
    },
    /// Who is heard in the slots of a room, the spare voice last.
    Places {
        room: RoomId,
        voices: Vec<Option<Voice>>,
    },

    // About a track: to the home, from there to all others; and to those that it is carried to.
    Track(Announcement),
    Ended {
        room: RoomId,
        track: TrackId,
    },

    // To the shard of its publisher.
    Start {
        track: TrackId,
    },
    Stop {
        track: TrackId,
    },
    Wants {
        track: TrackId,
        wants: Wants,
    },
    /// Packets that did not arrive, by the relay's numbers.
    Missing {
        track: TrackId,
        counters: Vec<u64>,
    },
    /// Somebody subscribes to a track that was not heard of in this room.
    Ask {
        track: TrackId,
        room: RoomId,
    },

    // From the shard of its publisher.
    /// What is relayed begins here; so far these encodings flow.
    Started {
        track: TrackId,
        flowing: Encodings,
    },
    /// How its timestamps stand to each other and to the publisher's clock.
    Clock {
        track: TrackId,
        timestamps: TimestampState,
        publisher: Option<PublisherState>,
    },
    /// There is no such track; `elsewhere`: it is in another room.
    Gone {
        track: TrackId,
        elsewhere: bool,
    },
    Packet(RelayedPacket<'a>),
}

impl<'a> Message<'a> {
    /// Appends it with its head. `false`: it is too long (a track whose description is longer than any real one).
    pub(super) fn write(&self, buffer: &mut Vec<u8>) -> bool {
        let start = buffer.len();
        let mut writer = Writer(buffer);
        writer.u32(0);
        self.write_body(&mut writer);
        let len = buffer.len() - start - 4;
        if len > MAX_LEN {
            buffer.truncate(start);
            return false;
        }
        buffer[start..start + 4].copy_from_slice(&(len as u32).to_be_bytes());
        true
    }

    fn write_body(&self, w: &mut Writer<'_>) {
        match self {
            Self::Hello { version } => {
                w.u8(0);
                w.u16(*version);
            }
            Self::Enter { room, session } => {
                w.head(1, room.get());
                w.u64(session.get());
            }
            Self::Leave { room, session } => {
                w.head(2, room.get());
                w.u64(session.get());
            }
            Self::Level { track, level, measured } => {
                w.head(LEVEL, track.get());
                w.bytes(&level.to_bytes());
                w.u8(u8::from(*measured));
            }
            Self::Room { room, config } => {
                w.head(4, room.get());
                write_config(w, config);
            }
            Self::Entered { session } => {
                w.head(5, session.get());
            }
            Self::Refused { session, full } => {
                w.head(6, session.get());
                w.option(*full, Writer::u32);
            }
            Self::RoomClosed { room } => {
                w.head(7, room.get());
            }
            Self::Places { room, voices } => {
                w.head(8, room.get());
                w.list(voices, |w, voice| {
                    w.option(voice, |w, voice| {
                        w.u64(voice.track.get());
                        w.u64(voice.session.get());
                    });
                });
            }
            Self::Track(announcement) => {
                w.u8(9);
                write_announcement(w, announcement);
            }
            Self::Ended { room, track } => {
                w.head(10, room.get());
                w.u64(track.get());
            }
            Self::Start { track } => {
                w.head(11, track.get());
            }
            Self::Stop { track } => {
                w.head(12, track.get());
            }
            Self::Wants { track, wants } => {
                w.head(13, track.get());
                w.bytes(&wants.to_bytes());
            }
            Self::Missing { track, counters } => {
                w.head(14, track.get());
                w.list(counters, Writer::u64);
            }
            Self::Ask { track, room } => {
                w.head(15, track.get());
                w.u64(room.get());
            }
            Self::Started { track, flowing } => {
                w.head(16, track.get());
                w.u8((0..Encodings::MAX).fold(0, |bits, one| bits | u8::from(flowing.contains(one)) << one));
            }
            Self::Clock { track, timestamps, publisher } => {
                w.head(17, track.get());
                write_timestamps(w, timestamps);
                w.option(*publisher, |w, state| {
                    w.u64(state.unix_nanos);
                    w.u64(state.ntp.get());
                    w.i64(state.wrong);
                });
            }
            Self::Gone { track, elsewhere } => {
                w.head(18, track.get());
                w.u8(u8::from(*elsewhere));
            }
            Self::Packet(packet) => {
                w.u8(PACKET);
                write_packet(w, packet);
            }
        }
    }

    /// Reads kind and body; `None`: it is none of this version.
    pub(super) fn parse(bytes: &'a [u8]) -> Option<Self> {
        let r = &mut Reader(bytes);
        let message = match r.u8()? {
            0 => Self::Hello { version: r.u16()? },
            1 => Self::Enter { room: room(r)?, session: session(r)? },
            2 => Self::Leave { room: room(r)?, session: session(r)? },
            LEVEL => Self::Level { track: track(r)?, level: AudioLevel::parse(r.take(1)?)?, measured: r.bool()? },
            4 => Self::Room { room: room(r)?, config: read_config(r)? },
            5 => Self::Entered { session: session(r)? },
            6 => Self::Refused { session: session(r)?, full: r.option(Reader::u32)? },
            7 => Self::RoomClosed { room: room(r)? },
            8 => Self::Places {
                room: room(r)?,
                voices: r.list(|r| r.option(|r| Some(Voice { track: track(r)?, session: session(r)? })))?,
            },
            9 => Self::Track(read_announcement(r)?),
            10 => Self::Ended { room: room(r)?, track: track(r)? },
            11 => Self::Start { track: track(r)? },
            12 => Self::Stop { track: track(r)? },
            13 => Self::Wants { track: track(r)?, wants: Wants::from_bytes(r.array()?) },
            14 => Self::Missing { track: track(r)?, counters: r.list(Reader::count)? },
            15 => Self::Ask { track: track(r)?, room: room(r)? },
            16 => {
                let (track, bits) = (track(r)?, r.u8()?);
                Self::Started { track, flowing: (0..Encodings::MAX).filter(|one| bits >> one & 1 == 1).collect() }
            }
            17 => Self::Clock {
                track: track(r)?,
                timestamps: read_timestamps(r)?,
                publisher: r.option(|r| {
                    Some(PublisherState { unix_nanos: r.u64()?, ntp: NtpTime::new(r.u64()?), wrong: r.offset()? })
                })?,
            },
            18 => Self::Gone { track: track(r)?, elsewhere: r.bool()? },
            PACKET => Self::Packet(read_packet(r)?),
            _ => return None,
        };
        r.rest().is_empty().then_some(message)
    }
}

#[cfg(test)]
mod tests;
