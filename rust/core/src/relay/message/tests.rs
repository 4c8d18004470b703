use proptest::prelude::*;

use super::super::{Relay, may_be_dropped, messages};
use sfu_wire::{Extension, Mid, Rid, SeqNo};

use super::*;
use crate::codec::CodecName;
use crate::keyframe::Wish;
use crate::layer::Layer;
use crate::stream::PlaceState;

const ROOM: RoomId = RoomId::new(7);
const SESSION: SessionId = SessionId::new(1 << 48 | 8);
const TRACK: TrackId = TrackId::new(2 << 48 | 9);

fn announcement() -> Announcement {
    Announcement {
        room: ROOM,
        session: SESSION,
        track: TRACK,
        revision: 3,
        label: "anna".into(),
        mid: Mid::new("0").unwrap(),
        codec: CodecName::H264,
        muted: true,
        fmtp: "profile-level-id=42e01f".into(),
        msid: (String::from("stream"), String::from("ü")),
        extensions: [(3, Extension::Mid), (200, Extension::DependencyDescriptor)].into_iter().collect(),
        rids: ["q", "h"].iter().map(|rid| Rid::new(rid).unwrap()).collect(),
    }
}

fn timestamps() -> TimestampState {
    let mut state = TimestampState { reference: Some(1), anchor: Some((NtpTime::new(5), -6)), ..Default::default() };
    state.places[1] = PlaceState { offset: Some(-70_000), tie: Some((NtpTime::new(u64::MAX), 80, true)) };
    state
}

fn wants() -> Wants {
    let mut wants = Wants::default();
    wants.keyframe(2, Wish::Again);
    wants.keyframe(2, Wish::First);
    wants.layers.add(Layer { spatial: 1, temporal: 2 });
    wants
}

/// One of each.
fn all() -> Vec<Message<'static>> {
    let config = RoomConfig {
        max_sessions: Some(9),
        video_codecs: vec![CodecName::Av1, CodecName::Vp8],
        audio_slots: Some(5),
        ..RoomConfig::default()
    };
    let publisher = Some(PublisherState { unix_nanos: 1, ntp: NtpTime::new(2), wrong: -3 });
    vec![
        Message::Hello { version: VERSION },
        Message::Enter { room: ROOM, session: SESSION },
        Message::Leave { room: ROOM, session: SESSION },
        Message::Level { track: TRACK, level: AudioLevel { voice: true, level: 30 }, measured: false },
        Message::Room { room: ROOM, config },
        Message::Entered { session: SESSION },
        Message::Refused { session: SESSION, full: Some(9) },
        Message::RoomClosed { room: ROOM },
        Message::Places { room: ROOM, voices: vec![Some(Voice { track: TRACK, session: SESSION }), None] },
        Message::Track(announcement()),
        Message::Ended { room: ROOM, track: TRACK },
        Message::Start { track: TRACK },
        Message::Stop { track: TRACK },
        Message::Wants { track: TRACK, wants: wants() },
        Message::Missing { track: TRACK, counters: vec![4, 6, 7] },
        Message::Ask { track: TRACK, room: ROOM },
        Message::Started { track: TRACK, flowing: [0, 2].into_iter().collect() },
        Message::Clock { track: TRACK, timestamps: timestamps(), publisher },
        Message::Gone { track: TRACK, elsewhere: true },
        Message::Packet(RelayedPacket {
            track: TRACK,
            counter: SeqNo::new(1),
            encoding: 2,
            epoch: 3,
            seq: SeqNo::new(1 << 40),
            timestamp: 5,
            marker: true,
            repaired: false,
            codec: CodecName::Vp9,
            packet: &[0x80, 1, 2],
        }),
    ]
}

#[test]
fn what_is_written_is_read_again_and_only_media_may_be_dropped() {
    let mut relay = Relay::new(0, 2);
    for message in &all() {
        relay.send(1, message);
    }
    let (to, bytes) = relay.poll().expect("something waits");
    let (to, bytes) = (to, bytes.to_vec());
    assert_eq!((to, relay.poll()), (1, None));
    // The first of a pair tells the version by itself.
    let whole: Vec<&[u8]> = messages(&bytes).skip(1).collect();
    assert_eq!(whole.iter().map(|message| message.len()).sum::<usize>() + 7, bytes.len());
    let mut there = Relay::new(1, 2);
    let read: Vec<_> = whole.iter().filter_map(|message| there.read(0, message)).collect();
    assert_eq!((read, there.stats.malformed), (all(), 0));
    let media = whole.iter().filter(|message| may_be_dropped(message)).count();
    assert_eq!(media, 2, "levels and packets");
}

#[test]
fn who_speaks_another_version_or_none_is_not_listened_to() {
    let mut bytes = Vec::new();
    Message::Start { track: TRACK }.write(&mut bytes);
    let mut relay = Relay::new(0, 2);
    assert_eq!(relay.read(1, &bytes), None, "nothing was said about a version");
    let mut hello = Vec::new();
    Message::Hello { version: VERSION + 1 }.write(&mut hello);
    assert_eq!((relay.read(1, &hello), relay.read(1, &bytes)), (None, None));
    hello.clear();
    Message::Hello { version: VERSION }.write(&mut hello);
    relay.read(1, &hello);
    assert_eq!(relay.read(1, &bytes), Some(Message::Start { track: TRACK }));
    assert_eq!((relay.read(7, &bytes), relay.stats.malformed), (None, 3), "there is no such shard");
}

#[test]
fn a_message_that_nobody_has_room_for_is_not_sent() {
    let mut relay = Relay::new(0, 2);
    relay.send(1, &Message::Track(Announcement { fmtp: "x".repeat(MAX_LEN).into(), ..announcement() }));
    relay.send(1, &Message::Stop { track: TRACK });
    let (_, bytes) = relay.poll().expect("something waits");
    assert_eq!(messages(bytes).count(), 2);
}

proptest! {
    #[test]
    fn pieces_of_messages_are_none(cut in any::<prop::sample::Index>(), which in any::<prop::sample::Index>()) {
        let mut bytes = Vec::new();
        which.get(&all()).write(&mut bytes);
        let body = &bytes[4..];
        // A packet's bytes may end anywhere: what is in them is looked at later.
        let cut = cut.index(body.len());
        if !matches!(Message::parse(body), Some(Message::Packet(_))) {
            prop_assert_eq!(Message::parse(&body[..cut]), None);
        }
        prop_assert_eq!(messages(&bytes[..4 + cut]).count(), 0);
    }
}
