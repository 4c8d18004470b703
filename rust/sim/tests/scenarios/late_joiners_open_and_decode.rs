//! Whoever joins after many wraps of the publisher's numbers starts at rollover counter 0 and can open everything, repairs
//! across a wrap of its own included (RFC 3711 §3.3.1).

use std::time::Duration;

use sfu_sim::encoder::{Payload, Structure};
use sfu_sim::publisher::PublisherConfig;
use sfu_sim::{LinkConfig, Loss};

use crate::call::{Call, millis};

/// Virtual time until the publisher's extended number is beyond `seq`.
fn reach(call: &mut Call, seq: u64) {
    let newest = |call: &Call| call.publisher.streams()[0].encoder().frames().last().map_or(0, |frame| frame.first_seq);
    while newest(call) < seq {
        call.run(Duration::from_secs(1));
    }
}

#[test]
fn joiners_at_70_000_and_200_000_see_and_so_does_who_wraps_under_loss() {
    let config = PublisherConfig { interval: millis(5), ..PublisherConfig::new(Structure::single(Payload::Vp8)) };
    let mut call = Call::new(3, config);
    call.run(millis(500));
    let clear = LinkConfig::delayed(millis(20));
    let lossy = LinkConfig { loss: Loss::Uniform(0.03), ..clear };
    // The first to come sees its own numbers wrap twice, with repairs under way.
    call.join(clear, lossy);
    for seq in [70_000, 200_000] {
        reach(&mut call, seq);
        let viewer = call.join(clear, lossy);
        call.run(Duration::from_secs(5));
        let seen = call.viewers[viewer].receiver.stats();
        assert!(seen.first_frame.is_some_and(|wait| wait < millis(500)), "{seen:?}");
        assert!(seen.decoded > 900, "{seen:?}");
    }
    let first = call.viewers[0].receiver.stats();
    assert!(first.packets > 1 << 17 && first.repaired > 1000, "{first:?}");
    assert_eq!(call.world.unopened(), 0, "everything authenticates");
}
