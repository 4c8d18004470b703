//! What load needs of a peer: pacing, delays, repairs on demand, candidates that come late.

use std::time::Duration;

use sfu_peer::{AudioSource, Pacing, PeerConfig, VideoSource};

use crate::relay::{Relay, peer_config};

fn relay(pacing: Pacing, ask_again: f64) -> Relay {
    let video = VideoSource { pacing, ..VideoSource::single(40) };
    let publisher = PeerConfig { audio: vec![AudioSource::default()], video: vec![video], ..peer_config(1) };
    let mut relay =
        Relay::new(publisher, PeerConfig { receive_audio: 1, receive_video: 1, ask_again, ..peer_config(2) });
    relay.viewer.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(1));
    relay.publisher.offer_and_answer(relay.now);
    relay.run_for(Duration::from_secs(2));
    relay
}

/// Video packets that the publisher sent in each of the next 500 milliseconds.
fn rhythm(relay: &mut Relay) -> Vec<usize> {
    let step = |_| {
        relay.published.clear();
        relay.run_for(Duration::from_millis(1));
        relay.published.iter().filter(|packet| packet.len() > 1000).count()
    };
    (0..500).map(step).collect()
}

#[test]
fn packets_of_a_frame_leave_at_once_or_spread_over_two_fifths_of_its_time() {
    let bursts = rhythm(&mut relay(Pacing::Burst, 0.0));
    assert!(bursts.iter().all(|count| [0, 4].contains(count)), "{bursts:?}");
    let spread = rhythm(&mut relay(Pacing::Spread, 0.0));
    assert_eq!((bursts.iter().sum::<usize>(), spread.iter().sum::<usize>()), (20, 20), "ten frames a second of four");
    let times: Vec<usize> = spread.iter().enumerate().filter(|(_, count)| **count > 0).map(|(at, _)| at).collect();
    assert_eq!(times.len(), 20, "one after another: {spread:?}");
    let pauses: Vec<usize> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(pauses.iter().all(|pause| [10, 70].contains(pause)), "a quarter of 40 ms, and the rest of 100: {pauses:?}");
}

#[test]
fn delays_are_of_every_packet_that_came_first_hand() {
    let relay = relay(Pacing::Burst, 0.0);
    let (delays, stats) = (relay.viewer.peer.delays(), relay.viewer.peer.stats());
    assert_eq!(delays.count(), stats.streams.iter().map(|stream| stream.packets).sum::<u64>());
    assert!(delays.percentile(0.5).unwrap().as_millis().abs_diff(30) <= 1, "two legs of 15 ms");
}

#[test]
fn what_came_is_asked_for_again_and_whole_in_the_end() {
    let mut relay = relay(Pacing::Burst, 0.1);
    relay.run_for(Duration::from_secs(20));
    relay.publisher.peer.set_audio_sends(0, false);
    let stats = relay.viewer.peer.stats();
    for stream in &stats.streams {
        assert!(stream.repaired > 40, "a tenth: {stream:?}");
        assert!(stream.nacks >= stream.repaired && stream.lost == 0, "{stream:?}");
        assert_eq!((stream.corrupt, stream.needless_repairs, stream.frames.undecodable), (0, 0, 0));
    }
    let delays = relay.viewer.peer.delays();
    let first_hand = stats.streams.iter().map(|stream| stream.packets - stream.repaired).sum::<u64>();
    assert_eq!(delays.count(), first_hand);
    assert!(delays.percentile(1.0).unwrap() < Duration::from_millis(35), "a repair takes longer");
}

#[test]
fn a_candidate_may_come_after_the_description() {
    let mut relay = Relay::new(PeerConfig { video: vec![VideoSource::single(10)], ..peer_config(1) }, peer_config(2));
    let offer = relay.publisher.peer.create_offer();
    relay.publisher.set_remote(relay.now);
    let answer = relay.publisher.mirror(&offer, "passive");
    let (candidates, rest): (Vec<&str>, Vec<&str>) = answer.lines().partition(|line| line.starts_with("a=candidate"));
    let rest = rest.iter().flat_map(|line| [line, "\r\n"]).collect::<String>();
    relay.publisher.peer.receive_answer(relay.now, &rest).unwrap();
    relay.run_for(Duration::from_secs(1));
    assert!(!relay.publisher.peer.is_connected());
    for line in ["candidate:7 1 tcp 1 192.0.2.1 9 typ host", "nonsense", candidates[0]] {
        relay.publisher.peer.add_candidate(relay.now, line);
    }
    relay.run_for(Duration::from_secs(1));
    assert!(relay.publisher.peer.is_connected());
}
