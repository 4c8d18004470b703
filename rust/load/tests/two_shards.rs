//! A server of two shards over real sockets: the kernel spreads forty flows over both by their addresses, half of them to the
//! wrong one, and nobody notices; or it is told where they belong.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use sfu_core::config::SessionConfig;
use sfu_core::id::RoomId;
use sfu_core::stats::ShardStats;
use sfu_load::PeerId;
use sfu_peer::AudioSource;
use sfu_runtime::RuntimeConfig;
use support::House;

const ROOMS: usize = 4;
const PEERS: usize = 10;
/// Packets a second of one who speaks.
const SOUND: u64 = 50;

#[test]
fn flows_that_come_to_the_wrong_shard_are_handed_to_their_own() {
    let (mut house, peers) = rooms(false);

    let stats = house.stats();
    let [one, other] = &stats.shards[..] else { panic!("{stats:?}") };
    assert_eq!((one.shard, other.shard), (0, 1));
    assert_eq!((one.sessions, other.sessions), (20, 20), "rooms take turns");
    assert_eq!(stats.sessions, 40);
    for shard in [one, other] {
        let ShardStats { handed_over, taken_over, ring_drops, received_per_second, sent_per_second, .. } = shard;
        assert!(*handed_over > 100 && *taken_over > 100, "{shard:?}");
        assert_eq!(*ring_drops, 0, "{shard:?}");
        assert!(*received_per_second > 100.0 && *sent_per_second > 1000.0, "{shard:?}");
        assert!(shard.busy > 0.0 && shard.stall > Duration::ZERO, "{shard:?}");
    }
    // What is on its way now was given and is not taken yet.
    assert!(one.taken_over.abs_diff(other.handed_over) < 1000 && other.taken_over.abs_diff(one.handed_over) < 1000);

    for peer in &peers {
        house.hang_up(*peer);
    }
    house.run_until("everybody is gone", |house| house.closed.len() == ROOMS * PEERS);
    let stats = house.stats();
    assert_eq!((stats.sessions, stats.tracks, stats.subscriptions), (0, 0, 0));
}

#[test]
fn the_kernel_learns_where_they_belong() {
    let (mut house, _) = rooms(true);
    let handed_over = |house: &mut House| house.stats().shards.iter().map(|shard| shard.handed_over).sum::<u64>();
    let before = handed_over(&mut house);
    house.run_for(Duration::from_secs(1));
    let strays = handed_over(&mut house) - before;
    assert!(before > 0, "until it knows");
    // Two flows of different shards that fall into one bucket of its table are rare, and three pairs of them rarer.
    assert!(strays < 3 * SOUND, "{strays} in a second of {}", (ROOMS * PEERS) as u64 * SOUND);
}

/// Everybody speaks and hears the others of the room, and did so for a second.
fn rooms(steer: bool) -> (House, Vec<PeerId>) {
    let mut house = House::with(&RuntimeConfig { shards: Some(2), steer, ..support::settings() });
    let rooms: Vec<RoomId> = (0..ROOMS).map(|_| house.create_room()).collect();
    let peers: Vec<PeerId> = rooms
        .iter()
        .flat_map(|room| [*room; PEERS])
        .map(|room| house.join(room, SessionConfig::default(), |config| config.audio.push(AudioSource::default())))
        .collect();
    house.run_until("everybody hears the others in the room", |house| {
        peers.iter().all(|peer| house.swarm.peer(*peer).unwrap().received().count() == PEERS - 1)
    });
    house.run_until("sound of everybody", |house| {
        let mut streams = peers.iter().flat_map(|peer| house.swarm.peer(*peer).unwrap().received());
        streams.all(|stream| stream.packets > 50)
    });
    house.run_for(Duration::from_secs(1));
    (house, peers)
}
