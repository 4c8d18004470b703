//! Random loss on the way to a viewer: what is lost comes again, and little more than that. Over short ways and over ways of
//! more than half a second, where a request comes when other players would have given up.

use std::time::Duration;

use sfu_sim::encoder::{InterLayer, Payload, Structure};
use sfu_sim::publisher::PublisherConfig;
use sfu_sim::receiver::ReceiverStats;
use sfu_sim::{LinkConfig, Loss};

use crate::call::{Call, millis};

/// What became of what was sent to a viewer while its link lost packets.
#[derive(Debug)]
struct Lossy {
    frames: u64,
    /// Of those, never decoded.
    lost_frames: u64,
    lost_bytes: u64,
    repair_bytes: u64,
    seen: ReceiverStats,
}

/// A minute of a viewer this far away whose link loses every `one_in`th packet.
fn watch(structure: Structure, seed: u64, rtt: Duration, one_in: u32) -> Lossy {
    let mut call = Call::new(seed, PublisherConfig { filler: 900, ..PublisherConfig::new(structure) });
    call.run(millis(500));
    let clear = LinkConfig::delayed(rtt / 2);
    let viewer = call.join(clear, clear);
    // Its first reports tell how far away it is.
    call.run(Duration::from_secs(5));
    let who = call.viewers[viewer].receiver.id();
    // A picture without the highest layer is nothing for who has that.
    let pictures = |call: &Call| {
        let frames = call.publisher.streams()[0].encoder().frames();
        frames.iter().filter(|frame| frame.spatial + 1 == structure.spatial).count() as u64
    };
    let before = (pictures(&call), call.viewers[viewer].receiver.stats());
    call.world.downlink(who).set_config(LinkConfig { loss: Loss::Uniform(1.0 / f64::from(one_in)), ..clear });
    call.run(Duration::from_secs(60));
    // Everything that is under way comes.
    call.world.downlink(who).set_config(clear);
    call.run(Duration::from_secs(5));
    let mut seen = call.viewers[viewer].receiver.stats();
    assert_eq!(call.world.unopened(), 0);
    let frames = pictures(&call) - before.0;
    let lost_frames = frames.saturating_sub(seen.decoded - before.1.decoded);
    (seen.plis, seen.freezes) = (seen.plis - before.1.plis, seen.freezes - before.1.freezes);
    let lost_bytes = call.world.downlink(who).lost_bytes();
    // Those that were lost, too: they are as large as those that came.
    let repair_bytes = call.stats(viewer).packets_retransmitted * seen.repair_bytes / seen.repaired.max(1);
    Lossy { frames, lost_frames, lost_bytes, repair_bytes, seen }
}

fn svc(payload: Payload) -> Structure {
    Structure { spatial: 3, temporal: 3, inter_layer: InterLayer::AtKeyframes, ..Structure::single(payload) }
}

#[test]
fn of_a_twentieth_lost_a_thousandth_of_the_frames_is_missing_and_repairs_are_about_what_was_lost() {
    let structures = [
        Structure::single(Payload::Vp8),
        Structure::single(Payload::H264),
        svc(Payload::Vp9 { flexible: false }),
        svc(Payload::Av1),
    ];
    for (structure, seed) in structures.into_iter().flat_map(|structure| [11, 12, 13].map(|seed| (structure, seed))) {
        let lossy = watch(structure, seed, millis(100), 20);
        assert!(lossy.frames > 1900 && lossy.seen.repaired > 100, "{structure:?}: {lossy:?}");
        assert!(lossy.repair_bytes * 10 <= lossy.lost_bytes * 12, "{structure:?}: {lossy:?}");
        assert!(lossy.lost_frames * 1000 <= lossy.frames, "{structure:?}: {lossy:?}");
    }
}

#[test]
fn repairs_come_in_time_however_long_the_way() {
    for rtt in [50, 100, 400, 600] {
        let lossy = watch(Structure::single(Payload::Vp8), 13, millis(rtt), 50);
        assert!(lossy.seen.repaired > 50, "{rtt} ms: {lossy:?}");
        assert!(lossy.lost_frames * 1000 <= lossy.frames, "{rtt} ms: {lossy:?}");
        // The buffer holds a round trip more as soon as it needs one.
        assert!(lossy.seen.freezes <= 3, "{rtt} ms: {lossy:?}");
        assert_eq!(lossy.seen.plis, 0, "{rtt} ms: {lossy:?}");
    }
}
