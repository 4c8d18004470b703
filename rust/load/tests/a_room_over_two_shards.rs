//! A room whose sessions live on two shards, over real sockets: everybody sees and hears everybody, layers change, people come and
//! go all the time, nothing is lost, and when they have left nothing remains.
//!
//! `SFU_SOAK=60 cargo test --release -p sfu-load --test a_room_over_two_shards` runs for sixty seconds with sixty people.
#![allow(clippy::unwrap_used)]
#![allow(clippy::print_stdout, reason = "figures that are worth a look")]

mod support;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sfu_core::command::{Command, Reply};
use sfu_core::config::SessionConfig;
use sfu_core::id::{RoomId, SubscriptionId};
use sfu_core::layer::Layer;
use sfu_core::stats::SfuStats;
use sfu_load::PeerId;
use sfu_peer::{AudioSource, PeerConfig, VideoSource};
use sfu_runtime::RuntimeConfig;
use support::House;

/// Who publishes; the others watch and listen.
const PUBLISHERS: usize = 4;
/// Whoever does not run for so long cannot tell what was lost: the machine did not let it.
const STARVED: Duration = Duration::from_millis(200);

/// How many people, and for how long they come and go.
fn scale() -> (usize, Duration) {
    let seconds = std::env::var("SFU_SOAK").ok().and_then(|text| text.parse().ok());
    seconds.map_or((20, Duration::from_secs(3)), |seconds| (60, Duration::from_secs(seconds)))
}

#[test]
fn people_come_and_go_and_switch_layers_and_nothing_is_lost_or_left_behind() {
    let (people, time) = scale();
    let mut house = House::with(&RuntimeConfig { shards: Some(2), spread: true, ..support::settings() });
    let room = house.create_room();
    let mut hall = Hall { room, stayers: Vec::new(), guests: VecDeque::new(), left: 0 };
    for _ in 0..PUBLISHERS {
        hall.stayers.push(house.join(room, SessionConfig::default(), publish));
    }
    while hall.guests.len() < people - PUBLISHERS {
        hall.guests.push_back(house.join(room, SessionConfig::default(), watch));
    }
    hall.wait_until_all_flows(&mut house);
    let stats = house.stats();
    assert_eq!(stats.shards.iter().map(|shard| shard.sessions).collect::<Vec<_>>(), [people as u64 / 2; 2]);
    assert!(stats.relay.tracks > 0 && stats.shards.iter().all(|shard| shard.relayed_bytes > 0), "{stats:?}");

    let end = Instant::now() + time;
    let (mut turns, mut subscriptions, mut longest) = (0_u32, Vec::new(), Duration::ZERO);
    while Instant::now() < end {
        longest = longest.max(house.run_for(Duration::from_millis(5)));
        turns += 1;
        if turns.is_multiple_of(10) {
            hall.somebody_else(&mut house);
        }
        if turns.is_multiple_of(50) {
            subscriptions = hall.subscriptions(&mut house);
        }
        if let Some(subscription) = subscriptions.pop() {
            let layer = Layer { spatial: (turns % 3) as u8, temporal: 2 };
            house.tell(Command::SetLayer(subscription, Some(layer)));
        }
    }
    hall.wait_until_all_flows(&mut house);
    house.run_until("nobody waits for a repair", |house| {
        hall.stayers.iter().flat_map(|peer| house.swarm.peer(*peer).unwrap().received()).all(|one| one.missing == 0)
    });
    let stats = house.stats();
    longest = longest.max(stats.shards.iter().map(|shard| shard.stall).max().unwrap_or_default());
    for stream in hall.stayers.iter().flat_map(|peer| house.swarm.peer(*peer).unwrap().received()) {
        let frames = &stream.frames;
        let wrong = [stream.corrupt, stream.misrouted, frames.torn, frames.discontinuities, frames.bad_switches];
        assert_eq!(wrong, [0; 5], "{stream:?}");
        assert!((stream.lost, frames.undecodable) == (0, 0) || longest > STARVED, "{stream:?}");
    }
    println!("{people} people, {} have left, longest pause {longest:?}: {:?}", hall.left, stats.relay);

    let all = hall.stayers.iter().chain(&hall.guests);
    all.for_each(|peer| house.hang_up(*peer));
    house.run_until("everybody is gone", |house| house.closed.len() == hall.left + people);
    house.ask(Command::CloseRoom(room));
    house.run_until("nothing is left", |house| {
        let SfuStats { rooms, sessions, tracks, subscriptions, channels, relay, .. } = house.stats();
        let relays = [relay.rooms, relay.tracks, relay.outlets, relay.pending];
        [rooms, sessions, tracks, subscriptions, channels] == [0; 5] && relays == [0; 4]
    });
    assert_eq!(house.stats().relay.malformed, 0);
}

fn publish(config: &mut PeerConfig) {
    config.video.push(VideoSource::simulcast());
    config.audio.push(AudioSource::default());
}

fn watch(config: &mut PeerConfig) {
    (config.receive_audio, config.receive_video) = (PUBLISHERS, PUBLISHERS);
}

/// Who is in the room.
struct Hall {
    room: RoomId,
    /// They publish, and stay.
    stayers: Vec<PeerId>,
    /// They watch, the first of them for the longest time.
    guests: VecDeque<PeerId>,
    left: usize,
}

impl Hall {
    /// One leaves, one comes.
    fn somebody_else(&mut self, house: &mut House) {
        if let Some(peer) = self.guests.pop_front() {
            house.hang_up(peer);
            self.left += 1;
        }
        self.guests.push_back(house.join(self.room, SessionConfig::default(), watch));
    }

    fn wait_until_all_flows(&self, house: &mut House) {
        house.run_until("everybody sees and hears all publishers", |house| {
            let receives = |peer: &PeerId, publishers: usize| {
                let Some(peer) = house.swarm.peer(*peer) else { return false };
                peer.received().filter(|stream| stream.packets > 20).count() == 2 * publishers
            };
            self.stayers.iter().all(|peer| receives(peer, PUBLISHERS - 1))
                && self.guests.iter().all(|peer| receives(peer, PUBLISHERS))
        });
    }

    /// Those of somebody who stays.
    fn subscriptions(&self, house: &mut House) -> Vec<SubscriptionId> {
        let sessions = self.stayers.iter().filter_map(|peer| house.session_of(*peer)).collect::<Vec<_>>();
        let subscriptions = sessions.into_iter().flat_map(|session| match house.ask(Command::SessionStats(session)) {
            Reply::SessionStats(stats) => stats.subscriptions,
            other => panic!("{other:?}"),
        });
        subscriptions.map(|one| one.subscription).collect()
    }
}
