//! A publisher of clips against a real server: published, forwarded as they are, gone when closed.
#![allow(clippy::unwrap_used)]

mod support;

use std::sync::Arc;

use sfu_core::codec::Kind;
use sfu_core::command::{Command, Description, Reply, SdpType};
use sfu_core::config::SessionConfig;
use sfu_core::transport::TransportKind;
use sfu_load::{Publisher, PublisherError};
use sfu_peer::{Clip, ClipSource};
use sfu_wire::Rid;
use support::House;

fn demo_clip(name: &str) -> Arc<Clip> {
    let path = format!("{}/../../python/sfu/clips/{name}.ivf", env!("CARGO_MANIFEST_DIR"));
    Arc::new(Clip::parse(&std::fs::read(path).unwrap()).unwrap())
}

fn anna() -> ClipSource {
    let video = ["l", "m", "h"].map(|rid| (Rid::new(rid), demo_clip(&format!("anna.{rid}"))));
    ClipSource { video: video.to_vec(), audio: Some(demo_clip("anna.opus")) }
}

#[test]
fn three_layers_and_a_voice_are_published_until_it_closes() {
    let mut house = House::new();
    let room = house.create_room();
    let mut publisher = Publisher::start(house.server.candidates()[0], anna()).unwrap();

    let Reply::Session(session) = house.ask(Command::Join(room, SessionConfig::default())) else { panic!() };
    let sdp = publisher.offer().to_string();
    let offer = Description { transport: TransportKind::Main, kind: SdpType::Offer, sdp, id: None };
    let Reply::Description(Some(answer)) = house.ask(Command::Receive(session, offer)) else { panic!() };
    publisher.answer(answer.sdp).unwrap();

    house.run_until("three layers with frames, and audio", |house| {
        let Reply::SessionStats(stats) = house.ask(Command::SessionStats(session)) else { panic!() };
        let encodings = |kind| {
            let tracks = stats.tracks.iter().filter(move |track| track.kind == kind);
            tracks.flat_map(|track| &track.encodings).collect::<Vec<_>>()
        };
        let rids: Vec<_> = encodings(Kind::Video).iter().filter_map(|one| one.rid).collect();
        rids == ["l", "m", "h"].map(|rid| Rid::new(rid).unwrap())
            && encodings(Kind::Video).iter().all(|one| one.frames > 20 && one.keyframes > 1)
            && encodings(Kind::Audio).iter().any(|one| one.packets_received > 50)
    });

    publisher.close();
    house.run_until("it is gone", |house| house.closed.contains(&session));
    assert!(matches!(publisher.answer(String::new()), Err(PublisherError::Closed)));
}

#[test]
fn a_wrong_answer_is_refused_and_the_right_one_still_works() {
    let house = House::new();
    let publisher = Publisher::start(house.server.candidates()[0], anna()).unwrap();
    let refused = publisher.answer("v=0\r\n".into()).unwrap_err();
    assert!(matches!(refused, PublisherError::Answer(_)), "{refused}");
    assert!(publisher.offer().contains("a=simulcast:send l;m;h"));
}
