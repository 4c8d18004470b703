//! `cargo run --release -p sfu-sim --example call`: an hour of a call of ten, everybody's three simulcast layers to everybody,
//! over links that lose a little; prints how long it took and what people saw.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for figures")]

use std::time::{Duration, Instant};

use sfu_core::codec::Kind;
use sfu_core::config::{Offers, SessionConfig};
use sfu_core::event::Event;
use sfu_sim::encoder::{Payload, Structure};
use sfu_sim::publisher::{Publisher, PublisherConfig, format};
use sfu_sim::receiver::{Receiver, ReceiverStats, Streams};
use sfu_sim::sdp::{self, Direction, Section};
use sfu_sim::{Arrived, LinkConfig, Loss, ParticipantId, Random, World, WorldConfig};
use sfu_wire::{Extension, Ssrc};

const PEOPLE: usize = 10;
const STRUCTURE: Structure = Structure::simulcast(Payload::Vp8, 3);

struct Call {
    world: World,
    /// In pairs: everybody publishes over one transport and watches over another.
    publishers: Vec<Publisher>,
    watching: Vec<(ParticipantId, Vec<Receiver>)>,
}

fn main() {
    let minutes: u64 = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(60);
    let began = Instant::now();
    let mut call = Call::new(began);
    call.run(Duration::from_secs(minutes * 60));
    let taken = began.elapsed();
    let seen = call.watching.iter().flat_map(|(_, receivers)| receivers).map(Receiver::stats);
    let total = seen.fold(ReceiverStats::default(), |sum, one| ReceiverStats {
        packets: sum.packets + one.packets,
        repaired: sum.repaired + one.repaired,
        decoded: sum.decoded + one.decoded,
        lost: sum.lost + one.lost,
        freezes: sum.freezes + one.freezes,
        plis: sum.plis + one.plis,
        ..sum
    });
    println!("{minutes} minutes of a call of {PEOPLE} took {:.1} s", taken.as_secs_f64());
    println!("{:.2} µs for each packet that reached a viewer", taken.as_secs_f64() * 1e6 / total.packets as f64);
    println!("{total:?}");
}

impl Call {
    fn new(start: Instant) -> Self {
        let link = LinkConfig { loss: Loss::Uniform(0.005), ..LinkConfig::delayed(Duration::from_millis(25)) };
        let mut world = World::new(WorldConfig { uplink: link, downlink: link, ..WorldConfig::new(1, start) });
        let interval = Duration::from_micros(66_667);
        let config = PublisherConfig { interval, ..PublisherConfig::new(STRUCTURE) };
        let mut call = Self { publishers: Vec::new(), watching: Vec::new(), world };
        for person in 0..PEOPLE {
            call.publishers.push(Publisher::join(&mut call.world, config, Random::new(person as u64)).unwrap());
        }
        call.run(Duration::from_secs(1));
        world = call.world;
        for _ in 0..PEOPLE {
            let session = SessionConfig { offers: Offers::Client, ..SessionConfig::default() };
            let who = world.join(session).unwrap();
            let sections: Vec<Section> = (0..PEOPLE).map(section).collect();
            let answer = world.offer(who, &sdp::offer(&sections)).unwrap();
            let streams = sdp::senders(&answer)
                .into_iter()
                .filter_map(|sender| sender.ssrc.map(|media| Streams { media, rtx: sender.rtx }));
            let receivers = streams.map(|streams| Receiver::new(&world, who, streams, Duration::from_millis(50)));
            call.watching.push((who, receivers.collect()));
        }
        Self { world, ..call }
    }

    fn run(&mut self, duration: Duration) {
        let end = self.world.now() + duration;
        while self.world.now() < end {
            let publishers = self.publishers.iter().filter_map(Publisher::poll_timeout);
            let receivers = self.watching.iter().flat_map(|(_, receivers)| receivers).map(Receiver::poll_timeout);
            let due = publishers.chain(receivers).min().map_or(end, |due| due.min(end));
            while let Some(arrived) = self.world.next(due) {
                self.take(&arrived);
                self.world.recycle(arrived.packet);
            }
            while let Some(event) = self.world.poll_event() {
                debug_assert!(!matches!(event, Event::SessionClosed(..)), "{event:?}");
            }
            for publisher in &mut self.publishers {
                if publisher.poll_timeout().is_some_and(|at| at <= due) {
                    publisher.handle_timeout(&mut self.world);
                }
            }
            for receiver in self.watching.iter_mut().flat_map(|(_, receivers)| receivers) {
                if receiver.poll_timeout() <= due {
                    receiver.handle_timeout(&mut self.world);
                }
            }
        }
    }

    fn take(&mut self, arrived: &Arrived) {
        if let Some(publisher) = self.publishers.get_mut(arrived.to.index()) {
            if arrived.rtcp {
                publisher.handle_rtcp(&mut self.world, &arrived.packet);
            }
            return;
        }
        let Some((_, receivers)) = self.watching.get_mut(arrived.to.index() - PEOPLE) else { return };
        let ssrc = arrived.packet.get(8..12).map(|bytes| Ssrc::new(u32::from_be_bytes(bytes.try_into().unwrap())));
        for receiver in receivers {
            if arrived.rtcp || ssrc.is_some_and(|ssrc| receiver.takes(ssrc)) {
                // VP8 tells keyframes in the first payload byte behind its descriptor: the tag's lowest bit is clear.
                receiver.handle(arrived, |token| token.part == 0 && is_keyframe(&arrived.packet));
            }
        }
    }
}

fn is_keyframe(packet: &[u8]) -> bool {
    let Ok(packet) = sfu_wire::rtp::RtpPacket::parse(packet) else { return false };
    // A repair carries the original number first.
    let payload = packet.payload();
    let payload = if packet.header().pt.get() == sfu_sim::publisher::RTX_PT { &payload[2..] } else { payload };
    sfu_wire::payload::Vp8Descriptor::parse(payload)
        .is_ok_and(|(descriptor, len)| descriptor.starts_keyframe(&payload[len..]))
}

fn section(number: usize) -> Section {
    Section {
        mid: number.to_string(),
        kind: Kind::Video,
        direction: Direction::RecvOnly,
        formats: vec![format(STRUCTURE)],
        extensions: sdp::extensions(&[Extension::Mid]),
        rids: Vec::new(),
        ssrcs: Vec::new(),
    }
}
