//! No subscriber's bytes change because of another: the same viewer alone and in company.

use std::time::Duration;

use sfu_sim::encoder::{InterLayer, Payload, Structure};
use sfu_sim::publisher::PublisherConfig;
use sfu_sim::{LinkConfig, Loss, Random};

use crate::call::{Call, millis};

/// What the first viewer gets while so many others watch and change layers.
fn watched(structure: Structure, others: usize, seed: u64) -> Vec<Vec<u8>> {
    // Keyframes come by themselves: whom others make the publisher serve is not the point here.
    let config = PublisherConfig {
        keyframe_delay: None,
        keyframe_interval: Some(millis(700)),
        ..PublisherConfig::new(structure)
    };
    let mut call = Call::new(seed, config);
    call.keeps_packets = true;
    let uplink =
        LinkConfig { loss: Loss::Uniform(0.03), reorder: 0.02, reorder_by: 5, ..LinkConfig::delayed(millis(25)) };
    call.world.uplink(call.publisher.id()).set_config(uplink);
    call.run(millis(500));
    // Its reports and requests take no time, so that it asks at the same instants.
    call.join(LinkConfig::default(), LinkConfig { loss: Loss::Uniform(0.02), ..LinkConfig::default() });
    (0..others).for_each(|_| {
        call.join(LinkConfig::default(), LinkConfig::default());
    });
    let mut random = Random::new(seed);
    let mut own = Random::new(seed + 1);
    for round in 0..60 {
        call.run(millis(50 + own.below(200)));
        if round % 3 == 0 {
            call.set_layer(0, own.below(3) as u8, own.below(3) as u8);
        }
        for other in 1..=others {
            if random.chance(0.5) {
                call.set_layer(other, random.below(3) as u8, random.below(3) as u8);
            }
        }
    }
    call.run(Duration::from_secs(1));
    // Reports tell the time at which they were sent, which the company may shift; media must not differ in a bit.
    let media = |packet: &Vec<u8>| !(192..=223).contains(&packet[1]);
    std::mem::take(&mut call.viewers[0].packets).into_iter().filter(media).collect()
}

#[test]
fn alone_and_in_company_a_viewer_gets_the_same_bytes() {
    let structures = [
        Structure::simulcast(Payload::Vp8, 3).looking_back(),
        Structure::l3t3(Payload::Vp9 { flexible: false }, InterLayer::Always).looking_back(),
        Structure::l3t3(Payload::Av1, InterLayer::Always),
        Structure::simulcast(Payload::H264, 1),
    ];
    for (structure, seed) in structures.into_iter().zip(20..) {
        let alone = watched(structure, 0, seed);
        let in_company = watched(structure, 7, seed);
        assert!(alone.len() > 300, "{} packets", alone.len());
        assert!(alone == in_company, "{structure:?} with seed {seed}");
    }
}
