//! A publisher and a viewer: they connect, see each other, and the same seed gives the same course.

use sfu_core::command::{Description, SdpType};
use sfu_core::config::{RoomConfig, SessionConfig};
use sfu_core::id::SessionId;
use sfu_core::layer::Layer;
use sfu_core::transport::TransportKind;
use sfu_peer::{AudioSource, FrameStats, PeerStats, VideoSource};

use super::*;
use crate::encoder::{InterLayer, Payload, Structure};
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
        video: vec![Video::Scripted(VideoSource::simulcast())],
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

/// A publisher of this structure, and a viewer for whom a fiftieth is lost; who takes the middle layer after ten seconds.
fn watch(structure: Structure) -> FrameStats {
    let mut call = Call::new(Instant::now(), 3, |_| {});
    let Ok(Reply::Room(room)) = call.command(Command::CreateRoom(RoomConfig::default())) else { panic!() };
    let keyframe_delay = Duration::from_millis(50);
    let video = Video::Modelled { structure, frames_per_second: 30, keyframe_delay };
    join(&mut call, room, ClientConfig { video: vec![video], ..ClientConfig::default() });
    let link = LinkConfig { loss: Loss::Uniform(0.02), ..LinkConfig::delayed(Duration::from_millis(20)) };
    let (bob, of_bob) =
        join(&mut call, room, ClientConfig { downlink: link, channels: true, ..ClientConfig::default() });
    let mut change = Some(Duration::from_secs(10));
    let mut subscription = None;
    while call.elapsed() < Duration::from_secs(20) {
        call.run(Duration::from_millis(100));
        while let Some(event) = call.poll_event() {
            if let Event::OfferReady(session, offer) = &event
                && *session == of_bob
            {
                let sdp = call.answer(bob, &offer.sdp).unwrap();
                let answer = Description { kind: SdpType::Answer, sdp, ..offer.clone() };
                call.command(Command::Receive(of_bob, answer)).unwrap();
            }
            if let Event::Subscribed { subscription: id, .. } = event {
                subscription = Some(id);
            }
        }
        if change.take_if(|at| call.elapsed() >= *at).is_some() {
            let layer = Layer { spatial: 1, temporal: 1 };
            call.command(Command::SetLayer(subscription.unwrap(), Some(layer))).unwrap();
        }
    }
    let stats = call.client(bob).peer().stats();
    let video = stats.streams.iter().find(|stream| stream.video).unwrap();
    assert_eq!((video.corrupt, video.misrouted), (0, 0), "{video:?}");
    video.frames
}

#[test]
fn every_codec_and_structure_is_decoded_behind_the_sfu() {
    let flexible = Payload::Vp9 { flexible: true };
    let structures = [
        Structure::simulcast(Payload::Vp8, 3),
        Structure::simulcast(Payload::H264, 3).described(),
        Structure::simulcast(Payload::H265, 3),
        Structure::simulcast(Payload::Av1, 2),
        Structure::l3t3(flexible, InterLayer::Always),
        Structure::l3t3(flexible, InterLayer::AtKeyframes),
        Structure::l3t3(Payload::Vp9 { flexible: false }, InterLayer::Always).looking_back(),
        Structure::l3t3(Payload::Av1, InterLayer::Always),
        Structure::l3t3(Payload::Av1, InterLayer::AtKeyframes),
        Structure::l3t3(Payload::Av1, InterLayer::Shifted),
        Structure::l3t3(Payload::Av1, InterLayer::Never),
    ];
    for structure in structures {
        let frames = watch(structure);
        assert!(frames.decoded > 400, "{structure:?}: {frames:?}");
        assert_eq!((frames.torn, frames.discontinuities, frames.bad_switches), (0, 0, 0), "{structure:?}: {frames:?}");
        assert_eq!((frames.undecodable, frames.freezes), (0, 0), "{structure:?}: {frames:?}");
        assert_eq!(frames.layer, Some((1, 1)), "{structure:?}: {frames:?}");
    }
}

#[test]
fn handshakes_get_through_where_a_third_of_the_datagrams_vanishes() {
    let mut call = Call::new(Instant::now(), 5, |config| config.connect_timeout = Duration::from_secs(60));
    let Ok(Reply::Room(room)) = call.command(Command::CreateRoom(RoomConfig::default())) else { panic!() };
    let link = LinkConfig { loss: Loss::Uniform(0.33), ..LinkConfig::delayed(Duration::from_millis(20)) };
    let config =
        ClientConfig { audio: vec![AudioSource::default()], uplink: link, downlink: link, ..Default::default() };
    let clients: Vec<ClientId> = (0..20).map(|_| join(&mut call, room, config.clone()).0).collect();
    while call.elapsed() < Duration::from_secs(25) {
        call.run(Duration::from_secs(1));
        while call.poll_event().is_some() {}
    }
    let connected = clients.iter().filter(|id| call.client(**id).peer().is_connected()).count();
    assert!(connected >= 15, "{connected} of 20");
    let lost: u64 = clients.iter().map(|id| call.clients[id.0].uplink.lost_handshakes()).sum();
    assert!(lost > 20, "{lost}");
}
