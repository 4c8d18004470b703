//! Five hundred viewers within five seconds, many who change layers, one who cries for keyframes all the time, and a publisher who
//! answers nobody.

use std::time::Duration;

use sfu_sim::LinkConfig;
use sfu_sim::encoder::{Payload, Structure, Token};
use sfu_sim::publisher::{PublisherConfig, Stream};
use sfu_wire::Ssrc;
use sfu_wire::rtcp::{CompoundWriter, Pli};
use sfu_wire::rtp::RtpPacket;

use crate::call::{Call, millis};

/// What the encoding sent between two pictures: packets of keyframes, and of all.
fn packets(stream: &Stream, from: usize) -> (u64, u64) {
    let frames = &stream.encoder().frames()[from..];
    let count = |keyframes: bool| {
        let counted = frames.iter().filter(|frame| !keyframes || frame.is_keyframe());
        counted.map(|frame| u64::from(frame.packets)).sum()
    };
    (count(true), count(false))
}

#[test]
fn five_hundred_viewers_share_keyframes_and_see_soon() {
    // About 600 kbit/s, and keyframes of 25 kB: a third of a second of that.
    let config = PublisherConfig {
        filler: 1200,
        keyframe_packets: 20,
        ..PublisherConfig::new(Structure::simulcast(Payload::Vp8, 3))
    };
    let mut call = Call::new(5, config);
    call.run(Duration::from_secs(30));
    let began = call.world.elapsed();
    let sent = call.publisher.streams()[0].encoder().frames().len();
    let link = LinkConfig::delayed(millis(25));
    for _ in 0..500 {
        call.join(link, link);
        call.run(millis(10));
    }
    assert_eq!(call.world.elapsed().abs_diff(began), Duration::from_secs(5));
    call.run(Duration::from_secs(3));
    let mut waits: Vec<_> = call
        .viewers
        .iter()
        .map(|viewer| viewer.receiver.stats().first_frame.expect("everybody sees something"))
        .collect();
    waits.sort_unstable();
    assert!(waits[waits.len() * 95 / 100] <= millis(1500), "{:?}", &waits[waits.len() * 9 / 10..]);
    assert!(call.viewers.iter().all(|viewer| viewer.receiver.stats().lost == 0));

    // What was sent until a minute had passed since the first came.
    for _ in 1..500 {
        call.leave();
    }
    call.run(Duration::from_secs(52));
    let mut asked = 0;
    for stream in call.publisher.streams() {
        let requests: Vec<_> = stream.requests().iter().filter(|at| **at >= began).collect();
        assert!(requests.windows(2).all(|pair| pair[1].abs_diff(*pair[0]) >= millis(500)), "{requests:?}");
        let (keyframes, all) = packets(stream, sent);
        // One more is on its way while the share runs out.
        assert!(keyframes <= all / 10 + 20, "{keyframes} of {all} packets");
        asked += requests.len();
    }
    assert!((3..=13).contains(&asked), "{asked} requests");
}

#[test]
fn viewers_who_want_the_same_layer_switch_on_the_same_keyframe() {
    let mut call = Call::new(7, PublisherConfig::new(Structure::simulcast(Payload::Vp8, 1)));
    call.run(millis(500));
    let link = LinkConfig::delayed(millis(25));
    let viewers: Vec<usize> = (0..20).map(|_| call.join(link, link)).collect();
    for viewer in &viewers {
        call.set_layer(*viewer, 0, 7);
    }
    call.run(Duration::from_secs(5));
    call.keeps_packets = true;
    let began = call.world.elapsed();
    // While the keyframe that the first of them wants is made and on its way (100 ms).
    for viewer in viewers {
        call.set_layer(viewer, 2, 7);
        call.run(millis(4));
    }
    call.run(Duration::from_secs(2));
    let requests = call.publisher.streams()[2].requests().iter().filter(|at| **at >= began).count();
    assert_eq!(requests, 1);
    let first = |packets: &[Vec<u8>]| {
        let tokens = packets.iter().filter_map(|bytes| Token::of_payload(RtpPacket::parse(bytes).ok()?.payload()));
        tokens.into_iter().find(|token| token.source == 2).map(|token| token.frame)
    };
    let firsts: Vec<_> = call.viewers.iter().map(|viewer| first(&viewer.packets)).collect();
    assert!(firsts[0].is_some() && firsts.iter().all(|frame| *frame == firsts[0]), "{firsts:?}");
}

#[test]
fn a_publisher_that_does_not_answer_is_asked_less_and_less_often() {
    let config = PublisherConfig { keyframe_delay: None, ..PublisherConfig::new(Structure::single(Payload::Vp8)) };
    let mut call = Call::new(8, config);
    call.run(millis(500));
    let link = LinkConfig::delayed(millis(25));
    call.join(link, link);
    call.run(Duration::from_secs(40));
    let requests = call.publisher.streams()[0].requests();
    let gaps: Vec<u128> = requests.windows(2).map(|pair| pair[1].abs_diff(pair[0]).as_millis()).collect();
    assert_eq!(gaps, [1000, 2000, 4000, 8000, 8000, 8000, 8000]);
}

#[test]
fn who_asks_twenty_times_a_second_is_heard_every_two_seconds() {
    let mut call = Call::new(6, PublisherConfig::new(Structure::single(Payload::Vp8)));
    call.run(millis(500));
    let link = LinkConfig::delayed(millis(25));
    let viewer = call.join(link, link);
    call.run(Duration::from_secs(5));
    let began = call.world.elapsed();
    let (who, media) = (call.viewers[viewer].receiver.id(), call.stats(viewer).ssrc);
    for _ in 0..1200 {
        let mut buffer = [0; 64];
        let mut writer = CompoundWriter::new(&mut buffer);
        writer.push(&Pli { sender: Ssrc::new(1), media });
        call.world.send_rtcp(who, writer.as_bytes());
        call.run(millis(50));
    }
    let requests: Vec<_> = call.publisher.streams()[0].requests().iter().filter(|at| **at >= began).collect();
    assert!(requests.windows(2).all(|pair| pair[1].abs_diff(*pair[0]) >= Duration::from_secs(2)), "{requests:?}");
    assert!((5..=31).contains(&requests.len()), "{} requests in a minute", requests.len());
}
