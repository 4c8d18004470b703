//! Five hundred viewers within five seconds; and one who cries for keyframes all the time.

use std::time::Duration;

use sfu_sim::LinkConfig;
use sfu_sim::encoder::{Payload, Structure};
use sfu_sim::publisher::PublisherConfig;
use sfu_wire::Ssrc;
use sfu_wire::rtcp::{CompoundWriter, Pli};

use crate::call::{Call, millis};

#[test]
fn five_hundred_viewers_share_keyframes_and_see_soon() {
    let structure = Structure::simulcast(Payload::Vp8, 3);
    let mut call = Call::new(5, PublisherConfig { filler: 600, ..PublisherConfig::new(structure) });
    call.run(millis(2000));
    let before = call.publisher.keyframe_requests();
    let link = LinkConfig::delayed(millis(25));
    for _ in 0..500 {
        call.join(link, link);
        call.run(millis(10));
    }
    call.run(Duration::from_secs(3));
    let requests = call.publisher.keyframe_requests() - before;
    // One for each encoding in each half second, and all want the same encoding.
    assert!(requests <= 2 * 8 + 2, "{requests} requests in 8 s");
    let mut waits: Vec<_> = call
        .viewers
        .iter()
        .map(|viewer| viewer.receiver.stats().first_frame.expect("everybody sees something"))
        .collect();
    waits.sort_unstable();
    assert!(waits[waits.len() * 95 / 100] <= millis(1500), "{:?}", &waits[waits.len() * 9 / 10..]);
}

#[test]
fn who_asks_twenty_times_a_second_is_heard_every_two_seconds() {
    let mut call = Call::new(6, PublisherConfig::new(Structure::single(Payload::Vp8)));
    call.run(millis(500));
    let link = LinkConfig::delayed(millis(25));
    let viewer = call.join(link, link);
    call.run(Duration::from_secs(5));
    let before = call.publisher.keyframe_requests();
    let (who, media) = (call.viewers[viewer].receiver.id(), call.stats(viewer).ssrc);
    for _ in 0..400 {
        let mut buffer = [0; 64];
        let mut writer = CompoundWriter::new(&mut buffer);
        writer.push(&Pli { sender: Ssrc::new(1), media });
        call.world.send_rtcp(who, writer.as_bytes());
        call.run(millis(50));
    }
    let requests = call.publisher.keyframe_requests() - before;
    assert!((1..=11).contains(&requests), "{requests} requests in 20 s");
}
