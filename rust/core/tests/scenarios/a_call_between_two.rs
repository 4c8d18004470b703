//! Two peers see and hear each other, whoever comes first, with and without loss.

use sfu_core::transport::ConnectionState;
use sfu_peer::{AudioSource, PeerConfig, VideoSource};

use crate::world::{World, millis, seconds};

fn publish(config: &mut PeerConfig) {
    config.audio.push(AudioSource::default());
    config.video.push(VideoSource::single(30));
}

#[test]
fn both_receive_what_the_other_sends() {
    let mut world = World::new();
    let alice = world.join(publish);
    world.run(seconds(1));
    let bob = world.join(publish);
    world.run(seconds(5));
    assert_eq!(world.states(alice), [ConnectionState::Connected]);
    assert_eq!(world.states(bob), [ConnectionState::Connected]);
    for (index, other) in [(alice, 2), (bob, 1)] {
        let stats = world.clients[index].peer.stats();
        assert_eq!(stats.streams.len(), 2, "audio and video of the other");
        for stream in &stats.streams {
            assert_eq!(stream.source.unwrap().0, other);
            assert!(stream.packets > 100, "{stream:?}");
            assert_eq!((stream.corrupt, stream.misrouted, stream.missing, stream.lost), (0, 0, 0, 0), "{stream:?}");
            assert!(stream.numbers[0].unwrap().is_complete(), "{stream:?}");
        }
        assert_eq!((stats.unknown_packets, stats.dropped), (0, 0));
    }
}

#[test]
fn with_loss_both_ways_everything_arrives_after_retransmission() {
    let mut world = World::new();
    world.loss = 2;
    let alice = world.join(publish);
    let bob = world.join(publish);
    world.run(seconds(10));
    world.loss = 0;
    world.run(seconds(2));
    for index in [alice, bob] {
        let streams = world.clients[index].peer.stats().streams;
        assert_eq!(streams.len(), 2, "audio and video");
        for stream in &streams {
            assert!(stream.repaired > 0, "{stream:?}");
            assert_eq!((stream.corrupt, stream.missing, stream.lost), (0, 0, 0), "{stream:?}");
            assert!(stream.numbers[0].unwrap().is_complete(), "{stream:?}");
        }
    }
}

#[test]
fn who_leaves_is_gone_at_once_and_leaves_nothing_behind() {
    let mut world = World::new();
    let alice = world.join(publish);
    let bob = world.join(publish);
    world.run(seconds(3));
    assert_eq!(world.tracks_of(alice).len(), 2);
    let now = world.now;
    let mut egress = sfu_transport::Egress::new();
    world.clients[bob].peer.close(now, &mut egress);
    for (outgoing, datagram) in egress.iter() {
        let mut datagram = datagram.to_vec();
        let path = sfu_transport::Path { local: outgoing.path.remote, remote: outgoing.path.local };
        world.sfu.handle_datagram(now, path, &mut datagram, &mut sfu_transport::Egress::new());
    }
    world.clients[bob].dead = true;
    world.run(millis(100));
    let stats = world.stats();
    assert_eq!((stats.sessions, stats.tracks, stats.subscriptions), (1, 2, 0));
    let closed = world.events.iter().any(|event| {
        matches!(event, sfu_core::event::Event::SessionClosed(id, sfu_core::event::CloseReason::PeerClosed)
            if *id == world.clients[bob].session)
    });
    assert!(closed);
}
