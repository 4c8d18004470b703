//! The application takes a track's encoded frames: whole, in order, decodable, and at nobody else's expense.

use std::time::Duration;

use sfu_core::command::{Command, CommandError, Reply};
use sfu_core::event::Event;
use sfu_core::id::{TapId, TrackId};
use sfu_core::layer::Layer;
use sfu_core::tap::{CaptureSource, EncodedFrame, TapFrames};
use sfu_peer::VideoSource;
use sfu_wire::rtcp::SenderReport;
use sfu_wire::rtp::extension_value::AbsCaptureTime;
use sfu_wire::{NtpTime, Ssrc};

use crate::by_hand::{Hall, Packet, opus};
use crate::world::{World, millis, seconds};

struct Scene {
    world: World,
    publisher: usize,
    track: TrackId,
    tap: TapId,
}

impl Scene {
    fn new(max_layer: Option<Layer>, capacity: usize) -> Self {
        let mut world = World::new();
        let publisher = world.join(|config| config.video.push(VideoSource::simulcast()));
        world.run(seconds(3));
        let track = world.tracks_of(publisher)[0];
        let Ok(Reply::Tap(tap)) = world.command(Command::Tap { track, max_layer, capacity }) else {
            panic!("it is tapped")
        };
        Self { world, publisher, track, tap }
    }

    fn take(&mut self) -> TapFrames {
        let Ok(Reply::Frames(frames)) = self.world.command(Command::TakeFrames(self.tap)) else { panic!("it lives") };
        *frames
    }

    /// Takes what comes within so long, every 100 ms.
    fn collect(&mut self, tenths: u64) -> Vec<EncodedFrame> {
        let mut frames = Vec::new();
        for _ in 0..tenths {
            self.world.run(millis(100));
            frames.append(&mut self.take().frames);
        }
        frames
    }

    fn notices(&self) -> usize {
        self.world.events.iter().filter(|event| matches!(event, Event::TapReady(tap) if *tap == self.tap)).count()
    }
}

/// Ticks from one frame to the next.
fn steps(frames: &[EncodedFrame]) -> Vec<u64> {
    frames.windows(2).map(|pair| pair[1].timestamp - pair[0].timestamp).collect()
}

#[test]
fn frames_come_from_a_keyframe_on_without_a_gap() {
    let mut scene = Scene::new(None, 64);
    let frames = scene.collect(20);
    assert!(frames.len() > 20, "{}", frames.len());
    assert!(frames[0].keyframe && frames[0].timestamp == 0);
    // The highest encoding flows once its keyframe has come; from there on nothing is missing.
    let top = frames.iter().position(|frame| frame.layer.spatial == 2).expect("the highest flows");
    assert!(frames[top].keyframe);
    let steps = steps(&frames[top..]);
    assert!(steps.iter().all(|step| step.abs_diff(steps[0]) < 200), "{steps:?}");
    assert!(frames.iter().skip(1).all(|frame| frame.captured.is_some()), "the publisher has reported");
    assert!(scene.notices() > 10);
}

#[test]
fn what_is_lost_on_the_way_is_repaired_before_it_is_given() {
    let mut scene = Scene::new(Some(Layer { spatial: 0, temporal: 7 }), 64);
    scene.collect(10);
    scene.world.loss = 5;
    let frames = scene.collect(100);
    let taken = scene.take();
    assert!(frames.len() > 100);
    let damaged = steps(&frames).iter().filter(|step| **step > 9000).count();
    assert!(damaged <= 2 && taken.damaged < frames.len() as u64 / 20, "{damaged} {}", taken.damaged);
    assert_eq!(taken.dropped, 0);
}

#[test]
fn who_takes_nothing_loses_frames_and_resumes_at_a_keyframe() {
    let mut scene = Scene::new(Some(Layer { spatial: 0, temporal: 7 }), 4);
    scene.world.run(seconds(10));
    assert_eq!(scene.notices(), 1, "told once until it takes");
    let taken = scene.take();
    assert_eq!(taken.frames.len(), 4);
    assert!(taken.dropped > 50);
    let frames = scene.collect(30);
    assert!(frames[0].keyframe, "behind what was dropped");
    assert!(frames[0].timestamp > taken.frames[3].timestamp + 9 * 90_000);
    let steps = steps(&frames);
    assert!(steps.iter().all(|step| step.abs_diff(steps[0]) < 200), "{steps:?}");
}

#[test]
fn what_only_a_tap_needs_is_needed() {
    let mut scene = Scene::new(Some(Layer { spatial: 1, temporal: 7 }), 64);
    let wanted = |scene: &mut Scene| {
        scene.world.run(seconds(6));
        let told = scene.world.events.iter().rev().find_map(|event| match event {
            Event::LayersWanted { track, layers, .. } if *track == scene.track => Some(layers.clone()),
            _ => None,
        });
        told.map(|layers| layers.iter().map(|layer| layer.spatial).collect::<Vec<_>>())
    };
    let first = wanted(&mut scene).expect("told");
    assert!(first.contains(&1) && !first.contains(&2), "{first:?}");
    scene.world.command(Command::Untap(scene.tap)).unwrap();
    assert_eq!(wanted(&mut scene), Some(vec![]));
    assert!(matches!(scene.world.command(Command::Untap(scene.tap)), Err(CommandError::TapEnded)));
}

#[test]
fn a_tap_ends_with_its_track_and_gives_what_it_has() {
    let mut scene = Scene::new(None, 64);
    scene.world.run(seconds(1));
    let session = scene.world.clients[scene.publisher].session;
    scene.world.command(Command::CloseSession(session)).unwrap();
    let taken = scene.take();
    assert!(taken.ended && !taken.frames.is_empty());
    assert!(matches!(scene.world.command(Command::TakeFrames(scene.tap)), Err(CommandError::TapEnded)));
    let Scene { mut world, track, .. } = scene;
    let refused = world.command(Command::Tap { track, max_layer: None, capacity: 1 });
    assert!(matches!(refused, Err(CommandError::TrackEnded)));
}

#[test]
fn what_nobody_takes_out_of_an_ended_tap_is_gone_after_a_while() {
    let mut scene = Scene::new(None, 64);
    let session = scene.world.clients[scene.publisher].session;
    scene.world.command(Command::CloseSession(session)).unwrap();
    scene.world.run(seconds(31));
    assert!(matches!(scene.world.command(Command::TakeFrames(scene.tap)), Err(CommandError::TapEnded)));
}

#[test]
fn the_time_of_capture_is_the_publishers_word_or_follows_from_its_reports() {
    const AUDIO: &[&str] = &[
        "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid",
        "extmap:5 http://www.webrtc.org/experiments/rtp-hdrext/abs-capture-time",
    ];
    let mut hall = Hall::new();
    hall.join(&[opus("v", "sendonly", AUDIO)]);
    // 48 ticks are a millisecond.
    let send = |hall: &mut Hall, seq: u16, millis: u32, extensions: &[(u8, &[u8])]| {
        hall.send_at(0, 48 * millis, &Packet { pt: 111, ssrc: 11, seq, extensions, payload: &[0x78, 1, 2] });
    };
    let mid = (4, &b"v"[..]);
    send(&mut hall, 16, 0, &[mid]);
    let track = hall.published()[0];
    let Ok(Reply::Tap(tap)) = hall.command(Command::Tap { track, max_layer: None, capacity: 9 }) else {
        panic!("it is tapped")
    };
    let captured = |hall: &mut Hall| {
        let Ok(Reply::Frames(taken)) = hall.command(Command::TakeFrames(tap)) else { panic!("it lives") };
        taken.frames.last().expect("a frame").captured
    };
    send(&mut hall, 17, 20, &[mid]);
    assert_eq!(captured(&mut hall), None, "nothing was reported");
    let ntp = |millis: u64| NtpTime::from_unix(Duration::from_millis(1_700_000_000_000 + millis));
    hall.report(0, &SenderReport { ssrc: Ssrc::new(11), ntp: ntp(0), rtp_timestamp: 0, ..SenderReport::default() });
    send(&mut hall, 18, 1000, &[mid]);
    let sampled = captured(&mut hall).expect("it was reported");
    assert_eq!(sampled.by, CaptureSource::SenderReport);
    // It was captured 40 ms before it was sampled.
    let (value, len) = AbsCaptureTime { timestamp: ntp(980), clock_offset: None }.to_bytes();
    send(&mut hall, 19, 1020, &[mid, (5, &value[..len])]);
    let told = captured(&mut hall).expect("it was told");
    assert_eq!(told.by, CaptureSource::AbsCaptureTime);
    assert!(sampled.at.abs_diff(told.at + millis(20)) < millis(1), "{sampled:?} {told:?}");
    send(&mut hall, 20, 1040, &[mid]);
    let next = captured(&mut hall).expect("it follows from the one before");
    assert_eq!(next.by, CaptureSource::AbsCaptureTime);
    assert!(next.at.abs_diff(sampled.at) < millis(1), "{sampled:?} {next:?}");
}
