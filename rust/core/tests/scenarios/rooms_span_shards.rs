//! A room over two shards is one room: what only its home may decide, what is lost between them, and that nothing stays behind.
//!
//! That everything else is as on one shard all other scenarios show, played over two (`SFU_SHARDS=2`).

use std::time::Instant;

use proptest::prelude::*;
use sfu_core::Sfu;
use sfu_core::command::{Command, CommandError, Reply};
use sfu_core::config::{RoomConfig, SessionConfig, SfuConfig};
use sfu_core::event::Event;
use sfu_core::id::{RoomId, SessionId};
use sfu_core::stats::RelayStats;
use sfu_peer::{AudioSource, PeerConfig, VideoSource};
use sfu_sim::world::RelayConfig;
use sfu_transport::Egress;

use crate::world::{World, config, millis, seconds};

fn two_shards(room: RoomConfig) -> World {
    World::over(config(), room, RelayConfig { shards: 2, ..RelayConfig::default() })
}

fn publish(config: &mut PeerConfig) {
    config.audio.push(AudioSource::default());
    config.video.push(VideoSource::simulcast());
}

/// What one shard has of another: rooms, tracks, tracks on their way there, commands that wait.
fn objects(stats: RelayStats) -> [u64; 4] {
    [stats.rooms, stats.tracks, stats.outlets, stats.pending]
}

#[test]
fn a_track_is_carried_once_to_a_shard_with_subscribers_and_only_there() {
    let mut world = two_shards(RoomConfig::default());
    world.join(publish);
    world.run(seconds(1));
    assert_eq!(objects(world.stats().relay), [0, 0, 0, 0], "nobody else is there");
    // The second, fourth and sixth who join are on the other shard.
    let viewers: Vec<usize> = (0..5).map(|_| world.join(|_| {})).collect();
    world.run(seconds(3));
    let stats = world.stats();
    assert_eq!(objects(stats.relay), [1, 2, 2, 0]);
    assert!(stats.relay.packets_sent <= stats.packets_received, "{stats:?}");
    assert_eq!((stats.relay.packets_received, stats.relay.malformed), (stats.relay.packets_sent, 0));
    for viewer in viewers {
        let streams = world.clients[viewer].peer.stats().streams;
        assert_eq!(streams.len(), 2);
        assert!(streams.iter().all(|stream| stream.packets > 100 && stream.lost == 0), "{streams:?}");
        let session = world.clients[viewer].session;
        world.command(Command::CloseSession(session)).unwrap();
    }
    assert_eq!(objects(world.stats().relay), [0, 0, 0, 0]);
}

#[test]
fn what_is_lost_between_shards_is_asked_for_again() {
    let mut world = two_shards(RoomConfig::default());
    world.join(|config| config.video.push(VideoSource::single(60)));
    let viewer = world.join(|_| {});
    world.run(seconds(2));
    let before = world.clients[viewer].peer.stats().streams[0].lost;
    world.sfu.set_relay(millis(1), 0.05);
    world.run(seconds(10));
    world.sfu.set_relay(millis(1), 0.0);
    world.run(seconds(2));
    let stats = world.stats();
    assert!(stats.relay.packets_missed > 10, "{stats:?}");
    let stream = &world.clients[viewer].peer.stats().streams[0];
    assert_eq!((stream.lost - before, stream.corrupt), (0, 0), "{stream:?}");
}

#[test]
fn the_home_counts_who_is_in() {
    let mut world = two_shards(RoomConfig { max_sessions: Some(3), ..RoomConfig::default() });
    let first = world.join(publish);
    world.join(publish);
    world.join(publish);
    let join = Command::Join(world.room, SessionConfig::default());
    assert_eq!(world.command(join.clone()).unwrap_err(), CommandError::RoomFull(3), "asked of the other shard");
    assert_eq!(world.command(join.clone()).unwrap_err(), CommandError::RoomFull(3), "and of the home");
    world.command(Command::CloseSession(world.clients[first].session)).unwrap();
    world.command(join.clone()).unwrap();
    world.command(Command::CloseRoom(world.room)).unwrap();
    assert_eq!(world.command(join.clone()).unwrap_err(), CommandError::RoomClosed);
    assert_eq!(world.command(join).unwrap_err(), CommandError::RoomClosed);
    let stats = world.stats();
    assert_eq!((stats.sessions, stats.tracks, objects(stats.relay)), (0, 0, [0, 0, 0, 0]));
}

#[test]
fn an_event_is_told_once_and_names_what_its_publisher_has() {
    let mut world = two_shards(RoomConfig::default());
    world.join(|_| {});
    let publisher = world.join(publish);
    world.run(seconds(2));
    let tracks = world.tracks_of(publisher);
    assert_eq!(tracks.len(), 2);
    assert!(tracks.iter().all(|track| track.shard() == 1));
    world.command(Command::CloseSession(world.clients[publisher].session)).unwrap();
    world.run(seconds(1));
    for track in tracks {
        let ended = |event: &&Event| matches!(event, Event::TrackUnpublished { track: of, .. } if *of == track);
        assert_eq!(world.events.iter().filter(ended).count(), 1);
        let left = |event: &&Event| matches!(event, Event::Unsubscribed { track: of, .. } if *of == track);
        assert_eq!(world.events.iter().filter(left).count(), 1);
    }
}

/// Two shards of which nothing is carried unless somebody does it.
struct Pair {
    now: Instant,
    shards: [Sfu; 2],
    room: RoomId,
    egress: Egress,
}

impl Pair {
    fn new() -> Self {
        let now = Instant::now();
        let mut shards = [0, 1].map(|shard| Sfu::new(now, SfuConfig { shard, shards: 2, ..config() }));
        let mut egress = Egress::new();
        let reply = shards[0].handle_command(now, Command::CreateRoom(RoomConfig::default()), &mut egress);
        let Ok(Reply::Room(room)) = reply else { panic!("a room is made") };
        Self { now, shards, room, egress }
    }

    fn command(&mut self, shard: usize, command: Command) -> Result<Reply, CommandError> {
        self.shards[shard].handle_command(self.now, command, &mut self.egress)
    }

    /// Carries what one of them has to say.
    fn carry(&mut self, from: usize) {
        while let Some((to, bytes)) = self.shards[from].poll_relay() {
            let bytes = bytes.to_vec();
            self.shards[usize::from(to)].handle_relay(self.now, from as u16, &bytes, &mut self.egress);
        }
    }

    fn carry_all(&mut self) {
        (0..4).for_each(|turn| self.carry(turn % 2));
    }

    fn passes(&mut self, ms: u64) {
        self.now += millis(ms);
        for shard in &mut self.shards {
            shard.handle_timeout(self.now, &mut self.egress);
        }
    }

    fn joins(&mut self) -> Result<Reply, CommandError> {
        self.command(1, Command::Join(self.room, SessionConfig::default()))
    }

    fn is_empty(&self) -> bool {
        self.shards.iter().all(|shard| {
            let stats = shard.stats();
            (stats.sessions, stats.tracks, objects(stats.relay)) == (0, 0, [0, 0, 0, 0])
        })
    }
}

#[test]
fn a_home_that_does_not_answer_within_a_second_fails_the_join() {
    let mut pair = Pair::new();
    let Ok(Reply::Pending(id)) = pair.joins() else { panic!("it waits") };
    pair.passes(999);
    assert_eq!(pair.shards[1].poll_reply().map(|(id, _)| id), None);
    pair.passes(1);
    let (answered, reply) = pair.shards[1].poll_reply().expect("an answer");
    assert_eq!((answered, reply.unwrap_err()), (id, CommandError::RoomUnavailable));
    // It wakes up, and hears both that somebody came and that they went.
    pair.carry_all();
    assert!(pair.is_empty());
    pair.command(0, Command::CloseRoom(pair.room)).unwrap();
}

#[test]
fn who_asks_for_a_track_before_it_is_known_gets_it_or_an_answer() {
    let mut pair = Pair::new();
    let Ok(Reply::Pending(_)) = pair.joins() else { panic!("it waits") };
    pair.carry_all();
    let Some((_, Ok(Reply::Session(session)))) = pair.shards[1].poll_reply() else { panic!("it is in") };
    let track = sfu_core::id::TrackId::new(1 << 24);
    let subscribe = Command::Subscribe { session, track, max_layer: None };
    assert!(matches!(pair.command(1, subscribe.clone()), Ok(Reply::Pending(_))));
    pair.carry_all();
    let (_, reply) = pair.shards[1].poll_reply().expect("an answer");
    assert_eq!(reply.unwrap_err(), CommandError::TrackEnded, "there is none");
    assert!(matches!(pair.command(1, subscribe), Ok(Reply::Pending(_))));
    pair.command(1, Command::CloseSession(session)).unwrap();
    let (_, reply) = pair.shards[1].poll_reply().expect("an answer");
    assert_eq!(reply.unwrap_err(), CommandError::SessionClosed);
    pair.carry_all();
    assert!(pair.is_empty());
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Join(usize),
    Leave(usize),
    Carry(usize),
    Wait,
    Close,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..2_usize).prop_map(Step::Join),
        3 => any::<usize>().prop_map(Step::Leave),
        6 => (0..2_usize).prop_map(Step::Carry),
        1 => Just(Step::Wait),
        1 => Just(Step::Close),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Joins that are overtaken by the end of their patience, of the room, of the others; in any order, carried at any time.
    #[test]
    fn nothing_stays_behind_whatever_was_carried_when(steps in prop::collection::vec(step(), 0..60)) {
        let mut pair = Pair::new();
        let mut sessions: Vec<SessionId> = Vec::new();
        for step in steps {
            match step {
                Step::Join(shard) => {
                    let reply = pair.command(shard, Command::Join(pair.room, SessionConfig::default()));
                    if let Ok(Reply::Session(session)) = reply {
                        sessions.push(session);
                    }
                }
                Step::Leave(which) if !sessions.is_empty() => {
                    let session = sessions.swap_remove(which % sessions.len());
                    _ = pair.command(usize::from(session.shard()), Command::CloseSession(session));
                }
                Step::Leave(_) => {}
                Step::Carry(from) => pair.carry(from),
                Step::Wait => pair.passes(400),
                Step::Close => _ = pair.command(0, Command::CloseRoom(pair.room)),
            }
            while let Some((_, reply)) = pair.shards[1].poll_reply() {
                if let Ok(Reply::Session(session)) = reply {
                    sessions.push(session);
                }
            }
        }
        pair.carry_all();
        pair.passes(1000);
        while let Some((_, reply)) = pair.shards[1].poll_reply() {
            if let Ok(Reply::Session(session)) = reply {
                sessions.push(session);
            }
        }
        for session in sessions {
            _ = pair.command(usize::from(session.shard()), Command::CloseSession(session));
        }
        pair.carry_all();
        prop_assert!(pair.is_empty());
        if let Ok(Reply::RoomStats(stats)) = pair.command(0, Command::RoomStats(pair.room)) {
            prop_assert_eq!(stats.sessions.len(), 0);
        }
    }
}
