//! A publisher and a viewer: they connect, see each other, and the same seed gives the same course.

use sfu_core::command::{Description, SdpType};
use sfu_core::config::{RoomConfig, SessionConfig};
use sfu_core::id::SessionId;
use sfu_core::transport::TransportKind;
use sfu_peer::{AudioSource, PeerStats, VideoSource};

use super::*;
use crate::link::{LinkConfig, Loss};

fn join(call: &mut Call, room: sfu_core::id::RoomId, config: ClientConfig) -> (ClientId, SessionId) {
    let Ok(Reply::Session(session)) = call.command(Command::Join(room, SessionConfig::default())) else { panic!() };
    let client = call.add_client(config);
    let sdp = call.with_peer(client, |peer, _, _| peer.create_offer());
    let offer = Description { transport: TransportKind::Main, kind: SdpType::Offer, sdp, id: None };
    let Ok(Reply::Description(Some(answer))) = call.command(Command::Receive(session, offer)) else { panic!() };
    call.with_peer(client, |peer, now, _| peer.receive_answer(now, &answer.sdp)).unwrap();
    (client, session)
}

fn play(seed: u64) -> (Vec<(Duration, String)>, PeerStats) {
    let mut call = Call::new(Instant::now(), seed, |config| config.consent_timeout = Duration::from_secs(10));
    let Ok(Reply::Room(room)) = call.command(Command::CreateRoom(RoomConfig::default())) else { panic!() };
    let link = LinkConfig {
        loss: Loss::Uniform(0.02),
        jitter: Duration::from_millis(5),
        ..LinkConfig::delayed(Duration::from_millis(40))
    };
    let publishes = ClientConfig {
        audio: vec![AudioSource::default()],
        video: vec![VideoSource::simulcast()],
        ..ClientConfig::default()
    };
    let (ann, _) = join(&mut call, room, ClientConfig { uplink: link, downlink: link, ..publishes });
    let (bob, of_bob) =
        join(&mut call, room, ClientConfig { uplink: link, downlink: link, channels: true, ..ClientConfig::default() });
    let mut events = Vec::new();
    let end = Duration::from_secs(60);
    while call.elapsed() < end {
        call.run(end.saturating_sub(call.elapsed()));
        while let Some(event) = call.poll_event() {
            if let Event::OfferReady(session, offer) = &event {
                let client = if *session == of_bob { bob } else { ann };
                let sdp = call.answer(client, &offer.sdp).unwrap();
                let answer = Description { kind: SdpType::Answer, sdp, ..offer.clone() };
                call.command(Command::Receive(*session, answer)).unwrap();
            }
            events.push((call.elapsed(), format!("{event:?}")));
        }
    }
    let stats = call.client(bob).peer().stats();
    (events, stats)
}

#[test]
fn a_viewer_sees_a_publisher_over_bad_links() {
    let (_, stats) = play(7);
    let video = stats.streams.iter().find(|stream| stream.video).unwrap();
    assert!(video.frames.decoded > 850, "{video:?}");
    assert_eq!((video.frames.undecodable, video.frames.freezes, video.frames.broken), (0, 0, 0), "{video:?}");
    assert!(video.repaired > 50, "{video:?}");
    let audio = stats.streams.iter().find(|stream| !stream.video).unwrap();
    assert!(audio.packets > 2900, "{audio:?}");
}

#[test]
fn a_seed_gives_one_course_and_another_seed_another() {
    let (one, again, other) = (play(7), play(7), play(8));
    assert!(one == again);
    assert!(one.1 != other.1);
}
