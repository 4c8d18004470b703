//! The application taps a track whose publisher loses packets on the way: what is repaired is given, what is given can be decoded,
//! and keyframes are asked for only when a repair failed.

use std::collections::BTreeSet;
use std::time::Duration;

use sfu_core::command::{Command, Reply};
use sfu_core::id::{TapId, TrackId};
use sfu_core::tap::EncodedFrame;
use sfu_sim::encoder::{Frame, InterLayer, Payload, Structure, Token};
use sfu_sim::publisher::PublisherConfig;
use sfu_sim::{LinkConfig, Loss};

use crate::call::{Call, millis};

/// A publisher that is tapped.
struct Tapped {
    call: Call,
    tap: TapId,
    /// By their numbers among the encoder's frames.
    given: BTreeSet<u32>,
    damaged: u64,
}

impl Tapped {
    /// Half a second after the track was published; with `loss` from then on.
    fn new(structure: Structure, one_way: Duration, loss: Loss) -> Self {
        let config = PublisherConfig { filler: 300, ..PublisherConfig::new(structure) };
        let mut call = Call::new(17, config);
        let publisher = call.publisher.id();
        call.world.uplink(publisher).set_config(LinkConfig::delayed(one_way));
        call.world.downlink(publisher).set_config(LinkConfig::delayed(one_way));
        let track = published(&mut call);
        let Ok(Reply::Tap(tap)) = call.world.command(Command::Tap { track, max_layer: None, capacity: 256 }) else {
            panic!("it is tapped")
        };
        let mut tapped = Self { call, tap, given: BTreeSet::new(), damaged: 0 };
        tapped.run(millis(2000));
        tapped.call.world.uplink(publisher).set_config(LinkConfig { loss, ..LinkConfig::delayed(one_way) });
        tapped
    }

    /// Takes what comes, and looks at every frame.
    fn run(&mut self, duration: Duration) {
        for _ in 0..duration.as_millis() / 100 {
            self.call.run(millis(100));
            let Ok(Reply::Frames(taken)) = self.call.world.command(Command::TakeFrames(self.tap)) else {
                panic!("it lives")
            };
            assert_eq!(taken.dropped, 0);
            self.damaged = taken.damaged;
            taken.frames.iter().for_each(|frame| self.look(frame));
        }
    }

    /// All packets of all layers are there, and everything that they refer to was given before.
    fn look(&mut self, encoded: &EncodedFrame) {
        let frames = self.call.publisher.streams()[0].encoder().frames();
        let parts: BTreeSet<(u32, u8)> = tokens(&encoded.data, frames).map(|token| (token.frame, token.part)).collect();
        let numbers: BTreeSet<u32> = parts.iter().map(|(frame, _)| *frame).collect();
        assert!(!numbers.is_empty(), "no frame in {} bytes", encoded.data.len());
        for number in numbers {
            let frame = &frames[number as usize];
            let complete = (0..frame.packets).all(|part| parts.contains(&(number, part)));
            assert!(complete, "frame {number} has {parts:?} of {} packets", frame.packets);
            let lacks = frame.references.iter().find(|reference| !self.given.contains(reference));
            assert_eq!(lacks, None, "frame {number} cannot be decoded without it");
            self.given.insert(number);
        }
    }

    /// Of the pictures that were to be given, from the first to the last that were: how many were not, and how many there are.
    fn missed(&self) -> (usize, usize) {
        let encoder = self.call.publisher.streams()[0].encoder();
        let (frames, structure) = (encoder.frames(), encoder.structure());
        let given: BTreeSet<u32> = self.given.iter().map(|number| frames[*number as usize].picture).collect();
        let reach = given.first().copied().unwrap_or_default()..=given.last().copied().unwrap_or_default();
        // Without prediction between layers a picture that lacks the highest has nothing for who watches that.
        let is_whole = |top: u8| structure.inter_layer == InterLayer::Always || top + 1 == structure.spatial;
        let wanted = frames.iter().filter(|frame| is_whole(frame.top) && reach.contains(&frame.picture));
        let wanted: BTreeSet<u32> = wanted.map(|frame| frame.picture).collect();
        (wanted.difference(&given).count(), wanted.len())
    }
}

fn published(call: &mut Call) -> TrackId {
    let publisher = call.publisher.id();
    for _ in 0..100 {
        call.run(millis(10));
        let session = call.world.session(publisher);
        if let Ok(Reply::SessionStats(stats)) = call.world.command(Command::SessionStats(session))
            && let Some(track) = stats.tracks.first()
        {
            return track.track;
        }
    }
    panic!("it publishes")
}

/// Other bytes may look like one.
fn tokens(data: &[u8], frames: &[Frame]) -> impl Iterator<Item = Token> {
    let is_true = |token: &Token| frames.get(token.frame as usize).is_some_and(|frame| frame.packets == token.count);
    let found = data.windows(Token::LEN).filter_map(Token::of_payload);
    found.filter(move |token| token.source == 0 && token.part < token.count && is_true(token))
}

/// With what tells which frames there are, so that lost padding, which nobody repairs, is not taken for one.
const EVERY_CODEC: [Structure; 11] = [
    Structure { temporal: 3, ..Structure::single(Payload::Vp8) },
    Structure::single(Payload::Vp8),
    Structure::l3t3(Payload::Vp9 { flexible: false }, InterLayer::Always),
    Structure::l3t3(Payload::Vp9 { flexible: true }, InterLayer::Always),
    Structure::l3t3(Payload::Vp9 { flexible: true }, InterLayer::AtKeyframes),
    Structure::l3t3(Payload::Vp9 { flexible: false }, InterLayer::AtKeyframes),
    Structure::l3t3(Payload::Av1, InterLayer::Always),
    Structure::l3t3(Payload::Av1, InterLayer::AtKeyframes),
    Structure { temporal: 2, ..Structure::single(Payload::Av1) },
    Structure::single(Payload::H264).described(),
    Structure { temporal: 3, ..Structure::single(Payload::H265).described() },
];

#[test]
fn what_is_repaired_is_given_and_nobody_is_asked_for_a_keyframe() {
    for structure in EVERY_CODEC {
        for one_way in [10, 100] {
            let mut tapped = Tapped::new(structure, millis(one_way), Loss::Uniform(0.05));
            let asked = tapped.call.publisher.keyframe_requests();
            tapped.run(Duration::from_secs(60));
            let (missed, all) = tapped.missed();
            assert!(all > 1700 && missed * 1000 <= all, "{missed} of {all} are missing: {structure:?}, {one_way} ms");
            assert_eq!(tapped.call.publisher.keyframe_requests(), asked, "{structure:?}, {one_way} ms");
        }
    }
}

#[test]
fn what_is_not_repaired_costs_what_needs_it_until_a_keyframe() {
    let undescribed = [Payload::H264, Payload::H265].map(Structure::single);
    for structure in EVERY_CODEC.into_iter().chain(undescribed) {
        // A packet is asked for five times at most before it is given up.
        let mut tapped = Tapped::new(structure, millis(100), Loss::Uniform(0.4));
        tapped.run(Duration::from_secs(60));
        let (missed, all) = tapped.missed();
        assert!(tapped.damaged > 0 && missed > 0, "{structure:?}: nothing was lost for good");
        // Two of five keyframe packets are lost as well, and a keyframe counts as asked for every two seconds.
        assert!(missed * 4 <= all * 3, "{missed} of {all} are missing: {structure:?}");
    }
}
