//! What selecting and rewriting a packet costs one subscriber, beside sealing it: `cargo run --release -p sfu-runtime --example
//! layers`. The last line is JSON: for each codec the nanoseconds a packet of its dearest case, and its share of an
//! AES-128-GCM seal of 1200 bytes; then each case.
//!
//! All cases and the seal are taken in each round, and the medians count. It stands in this crate because of the allocator that
//! counts: selecting and rewriting allocate nothing, or this fails.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "an example")]
#![allow(unsafe_code, reason = "the allocator that counts")]

#[path = "../../tests/support/counting.rs"]
mod counting;
mod stream;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use counting::allocations;
use sfu_core::codec::Kind;
use sfu_core::forward::Forwarder;
use sfu_core::layer::{Layer, Packet};
use sfu_core::stream::TimestampMap;
use sfu_transport::SrtpProfile;
use sfu_transport::srtp::{SrtpKeys, SrtpSender};
use sfu_wire::payload::DependencyDescriptor;
use sfu_wire::rtp::{ExtensionForms, RtpHeader, write_header};
use sfu_wire::{Pt, SeqNo, Ssrc};
use stream::{Stream, cases};

const ROUNDS: usize = 101;
/// Of each case: what comes first fills memories, and what comes behind it is measured.
const PICTURES: usize = 540;
const WARM_UP: usize = 360;
/// Pictures between two looks at the clock.
const AT_ONCE: usize = 60;
const SEALS: u32 = 2000;
const PAYLOAD: usize = 1200;
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;

fn main() {
    let cases = cases();
    let streams: Vec<Stream> =
        cases.iter().map(|(_, _, structure, way)| Stream::new(*structure, *way, PICTURES)).collect();
    let start = Instant::now();
    let runs: Vec<Run<'_>> = streams.iter().map(|stream| Run::new(stream, start)).collect();
    let mut sealer = Sealer::new();
    let (mut seals, mut costs) = (Vec::new(), vec![Vec::new(); runs.len()]);
    for _ in 0..ROUNDS {
        seals.push(sealer.seal());
        for (run, costs) in runs.iter().zip(&mut costs) {
            let went = run.go();
            assert_eq!(went.allocations, 0, "selecting and rewriting allocate nothing");
            costs.push(went.nanoseconds());
        }
    }
    let seal = median(&mut seals);
    println!("{:<32} {seal:>8.1} ns", "GCM-128 seal, 1200 B");
    let (mut worst, mut each) = (BTreeMap::<&str, f64>::new(), String::new());
    for ((codec, structure, _, way), costs) in cases.iter().zip(&mut costs) {
        let (cost, name) = (median(costs), format!("{codec} {structure}, {}", way.as_str()));
        println!("{name:<32} {cost:>8.1} ns   {:>5.1} % of a seal", cost / seal * 100.0);
        worst.entry(codec).and_modify(|worst| *worst = worst.max(cost)).or_insert(cost);
        let _ = write!(each, ", \"{name}\": {cost:.1}");
    }
    let mut json = format!("{{\"seal_ns\": {seal:.1}");
    for (codec, cost) in worst {
        let _ = write!(json, ", \"{codec}_ns\": {cost:.1}, \"{codec}_percent\": {:.1}", cost / seal * 100.0);
    }
    println!("{json}{each}}}");
}

/// One case, ready to go.
struct Run<'a> {
    start: Instant,
    pictures: Vec<(Layer, Vec<Packet<'a>>)>,
    descriptors: Vec<&'a [u8]>,
}

/// What came of a run, its warm-up left aside.
#[derive(Debug, Default)]
struct Went {
    took: Duration,
    packets: u32,
    sent: u32,
    allocations: u64,
}

impl<'a> Run<'a> {
    fn new(stream: &'a Stream, start: Instant) -> Self {
        Self { start, pictures: stream.pictures(start), descriptors: stream.descriptors() }
    }

    /// Through a forwarder that has nothing yet.
    fn go(&self) -> Went {
        let mut clock = TimestampMap::new(Kind::Video);
        for packet in self.pictures.iter().take(1).flat_map(|(_, packets)| packets) {
            clock.arrived(self.start, packet.encoding.into(), packet.timestamp);
        }
        let mut forwarder = Forwarder::new(Kind::Video, SeqNo::new(1), 0);
        let (warm_up, measured) = self.pictures.split_at(WARM_UP);
        let filled = self.forward(&mut forwarder, &clock, warm_up, &self.descriptors);
        self.forward(&mut forwarder, &clock, measured, &self.descriptors[filled.packets as usize..])
    }

    /// Decided, rewritten, descriptors patched.
    fn forward(
        &self,
        forwarder: &mut Forwarder,
        clock: &TimestampMap,
        pictures: &[(Layer, Vec<Packet<'_>>)],
        descriptors: &[&[u8]],
    ) -> Went {
        let mut went = Went::default();
        let mut buffer = [0; DependencyDescriptor::MAX_LEN];
        let mut descriptors = descriptors.iter();
        for pictures in pictures.chunks(AT_ONCE) {
            pictures.iter().flat_map(|(_, packets)| packets).for_each(touch);
            let (began, before) = (Instant::now(), allocations());
            for (wish, packets) in pictures {
                forwarder.set_max_layer(Some(*wish));
                went.packets += packets.len() as u32;
                for (packet, descriptor) in packets.iter().zip(&mut descriptors) {
                    if let Some(patch) = &forwarder.forward(self.start, packet, clock) {
                        black_box(patch.apply(packet.payload));
                        if !descriptor.is_empty() {
                            black_box(patch.dependency_descriptor(descriptor, &mut buffer));
                        }
                        went.sent += 1;
                    }
                }
            }
            went.took += began.elapsed();
            went.allocations += allocations() - before;
        }
        went
    }
}

/// A packet has just been parsed when it is offered to subscribers: it is in the cache.
fn touch(packet: &Packet<'_>) {
    black_box((*packet, packet.payload.first(), packet.dependencies.known().cloned()));
}

impl Went {
    /// For each packet that came.
    fn nanoseconds(&self) -> f64 {
        self.took.as_nanos() as f64 / f64::from(self.packets)
    }
}

/// Seals packets of [`PAYLOAD`] bytes, one after the other.
struct Sealer {
    sender: SrtpSender,
    seq: u64,
    buffer: Vec<u8>,
}

impl Sealer {
    fn new() -> Self {
        let material: Vec<u8> = (0..56).collect();
        let keys = SrtpKeys::from_keying_material(PROFILE, &material).expect("as long as it must be");
        Self { sender: SrtpSender::new(PROFILE, &keys.server), seq: 0, buffer: vec![0; PAYLOAD + 64] }
    }

    /// Nanoseconds for one.
    fn seal(&mut self) -> f64 {
        let began = Instant::now();
        for _ in 0..SEALS {
            self.seq += 1;
            let (ssrc, number) = (Ssrc::new(7), SeqNo::new(self.seq));
            let header = RtpHeader { marker: true, pt: Pt::new(96), seq: number.as_u16(), timestamp: 0, ssrc };
            let buffer = &mut self.buffer;
            let head = write_header(buffer, &header, &[], &[], ExtensionForms::Mixed).expect("it fits").len();
            black_box(self.sender.protect_rtp(buffer, head + PAYLOAD, head, ssrc, number).expect("it is sealed"));
        }
        began.elapsed().as_nanos() as f64 / f64::from(SEALS)
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use stream::Way;

    #[test]
    fn what_is_selected_and_rewritten_costs_no_allocation_and_leaves_out_what_its_case_says() {
        for (codec, structure, encoder, way) in cases() {
            let stream = Stream::new(encoder, way, PICTURES);
            let went = Run::new(&stream, Instant::now()).go();
            let name = format!("{codec} {structure}, {}: {went:?}", way.as_str());
            assert_eq!(went.allocations, 0, "{name}");
            let share = f64::from(went.sent) / f64::from(went.packets);
            let expected = match way {
                // One packet in a hundred is padding.
                Way::Whole => 0.97..1.01,
                Way::Temporal | Way::Spatial => 0.1..0.8,
                Way::Simulcast => 0.25..0.4,
            };
            assert!(expected.contains(&share), "{name}");
        }
    }
}
