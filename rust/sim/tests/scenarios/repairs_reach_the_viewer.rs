//! 5 % of random loss on the way to a viewer 100 ms of round trip away: what is lost comes again, and little more than that.

use std::time::Duration;

use sfu_sim::encoder::{Payload, Structure};
use sfu_sim::publisher::PublisherConfig;
use sfu_sim::{LinkConfig, Loss};

use crate::call::{Call, millis};

#[test]
fn residual_frame_loss_is_a_thousandth_and_repairs_are_about_what_was_lost() {
    let structure = Structure::single(Payload::Vp8);
    let mut call = Call::new(11, PublisherConfig { filler: 900, ..PublisherConfig::new(structure) });
    call.run(millis(500));
    let clear = LinkConfig::delayed(millis(50));
    let lossy = LinkConfig { loss: Loss::Uniform(0.05), ..clear };
    let viewer = call.join(clear, lossy);
    call.run(Duration::from_secs(120));
    let seen = call.viewers[viewer].receiver.stats();
    let who = call.viewers[viewer].receiver.id();
    let lost_bytes = call.world.downlink(who).lost_bytes();
    let sent = call.stats(viewer);
    assert!(seen.decoded > 3500 && seen.repaired > 300, "{seen:?}");
    assert!(seen.lost * 1000 <= seen.decoded, "{seen:?}");
    // What was sent again, lost repairs included, against everything that was lost.
    let repairs = sent.packets_retransmitted as f64 * (seen.repair_bytes as f64 / seen.repaired as f64);
    assert!(repairs <= 1.2 * lost_bytes as f64, "{repairs} bytes of repairs for {lost_bytes} lost ones, {seen:?}");
    assert_eq!(call.world.unopened(), 0);
}
