//! Clients that lack a feature, or come another way, get what they can use.

use sfu_core::config::{Offers, SessionConfig};
use sfu_core::transport::TransportKind;
use sfu_peer::{AudioSource, PeerConfig, VideoSource};

use crate::world::{World, seconds};

fn publish(config: &mut PeerConfig) {
    config.audio.push(AudioSource::default());
    config.video.push(VideoSource::single(20));
}

fn without(sdp: &str, unwanted: &[&str]) -> String {
    let kept = sdp.lines().filter(|line| !unwanted.iter().any(|word| line.contains(word)));
    kept.flat_map(|line| [line, "\r\n"]).collect()
}

/// Joins with an offer that lacks all lines with one of `unwanted`.
pub(crate) fn join_without(world: &mut World, unwanted: &[&str]) -> usize {
    use sfu_core::command::{Command, Reply};
    let config = SessionConfig { offers: Offers::Either, ..SessionConfig::default() };
    let reply = world.command(Command::Join(world.room, config));
    let Ok(Reply::Session(session)) = reply else { panic!("{reply:?}") };
    let index = world.add_client(session, TransportKind::Main, publish);
    world.offer_edited(index, |sdp| without(&sdp, unwanted));
    index
}

#[test]
fn a_publisher_without_transport_wide_feedback_is_granted_the_configured_rate() {
    let mut world = World::new();
    let old = join_without(&mut world, &["transport-cc", "transport-wide-cc"]);
    let new = world.join(publish);
    world.run(seconds(4));
    let stats = world.clients[old].peer.stats().uplink;
    assert_eq!((stats.feedbacks, stats.remb), (0, Some(3_000_000)));
    let stats = world.clients[new].peer.stats().uplink;
    assert!(stats.feedbacks > 20, "every 50 to 100 ms: {stats:?}");
    assert_eq!(stats.remb, None);
}

#[test]
fn streams_bind_by_the_ssrcs_of_the_description_when_packets_carry_no_mid() {
    let mut world = World::new();
    let old = join_without(&mut world, &["urn:ietf:params:rtp-hdrext:sdes"]);
    let viewer = world.join(|config| config.channels = true);
    world.run(seconds(3));
    assert_eq!(world.tracks_of(old).len(), 2);
    let streams = world.clients[viewer].peer.stats().streams;
    assert!(streams.len() == 2 && streams.iter().all(|stream| stream.packets > 30), "{streams:?}");
    assert_eq!(world.stats().dropped.unbound_stream, 0);
}

#[test]
fn a_peer_on_ipv6_is_in_the_same_room() {
    let mut world = World::new();
    let four = world.join(publish);
    let six = world.join(|config| {
        publish(config);
        config.local = "[fd00::2]:5000".parse().unwrap();
    });
    world.run(seconds(3));
    for index in [four, six] {
        let streams = world.clients[index].peer.stats().streams;
        assert!(streams.len() == 2 && streams.iter().all(|stream| stream.packets > 30 && stream.lost == 0));
    }
    assert!(world.session_stats(six).transports[0].local.unwrap().is_ipv6());
}
