//! Checks, handshakes and first packets get lost too: everybody connects all the same and every picture starts.
#![allow(clippy::unwrap_used)]

mod support;

use sfu_core::config::SessionConfig;
use sfu_load::{Loss, PeerId};
use sfu_peer::{AudioSource, VideoSource};
use support::House;

const PEERS: usize = 6;

#[test]
fn everybody_connects_and_sees_everybody() {
    let mut house = House::new();
    let room = house.create_room();
    house.swarm.set_loss(Loss::both_ways(0.1));
    let join = |house: &mut House| {
        house.join(room, SessionConfig::default(), |config| {
            config.video.push(VideoSource::simulcast());
            config.audio.push(AudioSource::default());
        })
    };
    let peers: Vec<PeerId> = (0..PEERS).map(|_| join(&mut house)).collect();
    let took = house.run_until("all pictures", |house| {
        peers.iter().all(|peer| {
            let streams: Vec<_> = house.swarm.peer(*peer).unwrap().received().collect();
            streams.len() == 2 * (PEERS - 1) && streams.iter().all(|stream| !stream.video || stream.frames.decoded > 10)
        })
    });
    println!("{PEERS} peers over 10 % loss: all pictures after {} ms", took.as_millis());
    let counters = house.swarm.counters();
    assert!(counters.lost_up > 0 && counters.lost_down > 0);
}
