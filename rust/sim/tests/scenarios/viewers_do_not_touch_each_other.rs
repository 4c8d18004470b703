//! No subscriber's bytes change because of another: the same viewer alone and in company.

use std::time::Duration;

use proptest::prelude::*;
use sfu_core::command::Command;
use sfu_sim::publisher::PublisherConfig;
use sfu_sim::torture::Codec;
use sfu_sim::{LinkConfig, Loss, Random};

use crate::call::{Call, millis};

/// What the publisher sends and what of it arrives, and what the first viewer does.
#[derive(Debug, Clone, Copy)]
struct Scene {
    codec: Codec,
    seed: u64,
    /// On the way in and on the way to the first viewer.
    loss: f64,
}

/// The others.
#[derive(Debug, Clone, Copy)]
struct Company {
    seed: u64,
    /// How many there are at first; others come and go.
    viewers: usize,
    /// On the way to them.
    loss: f64,
    /// How likely each does something, each time the first viewer may.
    restless: f64,
}

impl Scene {
    /// What the first viewer gets.
    fn watched(self, company: Option<Company>) -> Vec<Vec<u8>> {
        // Keyframes come by themselves: whom others make the publisher serve is not the point here.
        let config = PublisherConfig {
            keyframe_delay: None,
            keyframe_interval: Some(millis(700)),
            ..PublisherConfig::new(self.codec.structure())
        };
        let mut call = Call::new(self.seed, config);
        call.keeps_packets = true;
        let uplink = LinkConfig {
            loss: Loss::Uniform(self.loss),
            reorder: 0.02,
            reorder_by: 5,
            ..LinkConfig::delayed(millis(25))
        };
        call.world.uplink(call.publisher.id()).set_config(uplink);
        call.run(millis(500));
        // Its reports and requests take no time, so that it asks at the same instants.
        call.join(LinkConfig::default(), lossy(self.loss));
        let mut others = company.map(|company| Others::join(&mut call, company));
        let mut own = Random::new(self.seed + 1);
        for round in 0..40 {
            call.run(millis(50 + own.below(200)));
            if round % 3 == 0 {
                call.set_layer(0, own.below(3) as u8, own.below(3) as u8);
            }
            if let Some(others) = &mut others {
                others.act(&mut call);
            }
        }
        call.run(Duration::from_secs(1));
        // Reports tell the time at which they were sent, which the company may shift; media must not differ in a bit.
        let media = |packet: &Vec<u8>| !(192..=223).contains(&packet[1]);
        std::mem::take(&mut call.viewers[0].packets).into_iter().filter(media).collect()
    }
}

struct Others {
    company: Company,
    random: Random,
    /// Indices of viewers.
    present: Vec<usize>,
}

impl Others {
    fn join(call: &mut Call, company: Company) -> Self {
        let mut others = Self { company, random: Random::new(company.seed), present: Vec::new() };
        (0..company.viewers).for_each(|_| others.welcome(call));
        others
    }

    fn welcome(&mut self, call: &mut Call) {
        let link = LinkConfig { delay: millis(self.random.below(100)), ..lossy(self.company.loss) };
        self.present.push(call.join(LinkConfig::delayed(link.delay), link));
    }

    /// Each may change its mind, rest, or leave; another one may come.
    fn act(&mut self, call: &mut Call) {
        for viewer in self.present.clone() {
            if !self.random.chance(self.company.restless) {
                continue;
            }
            let subscription = call.viewers[viewer].subscription.unwrap();
            match self.random.below(8) {
                0 => _ = call.world.command(Command::SetPaused(subscription, true)).unwrap(),
                1 => _ = call.world.command(Command::SetPaused(subscription, false)).unwrap(),
                2 => self.leave(call, viewer),
                _ => call.set_layer(viewer, self.random.below(3) as u8, self.random.below(3) as u8),
            }
        }
        if self.present.len() < 10 && self.random.chance(self.company.restless / 2.0) {
            self.welcome(call);
        }
    }

    fn leave(&mut self, call: &mut Call, viewer: usize) {
        let session = call.world.session(call.viewers[viewer].receiver.id());
        call.world.command(Command::CloseSession(session)).unwrap();
        self.present.retain(|present| *present != viewer);
    }
}

fn lossy(loss: f64) -> LinkConfig {
    LinkConfig { loss: Loss::Uniform(loss), ..LinkConfig::default() }
}

fn company() -> impl Strategy<Value = Company> {
    (any::<u32>(), 1..9_usize, 0.0..0.2, 0.05..0.7).prop_map(|(seed, viewers, loss, restless)| Company {
        seed: seed.into(),
        viewers,
        loss,
        restless,
    })
}

proptest! {
    // Each is one of every structure.
    #![proptest_config(ProptestConfig { cases: 3, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn alone_and_in_company_a_viewer_gets_the_same_bytes(seed: u32, loss in 0.0..0.1, company in company()) {
        for codec in Codec::ALL {
            let scene = Scene { codec, seed: seed.into(), loss };
            let (alone, in_company) = (scene.watched(None), scene.watched(Some(company)));
            prop_assert!(alone.len() > 100, "{} packets of {codec:?}", alone.len());
            prop_assert!(alone == in_company, "{scene:?}");
        }
    }
}
