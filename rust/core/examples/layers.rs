//! What selecting and rewriting a packet costs one subscriber, beside sealing it: `cargo run --release -p sfu-core --example
//! layers`. The last line is JSON: nanoseconds a packet for each codec, and its share of an AES-128-GCM seal of 1200 bytes.

#![allow(clippy::print_stdout, clippy::expect_used, reason = "an example")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use sfu_core::codec::{CodecName, Kind};
use sfu_core::forward::Forwarder;
use sfu_core::layer::{Dependencies, DependencyReader, FrameFacts, Layer, Packet, Reading, packet_facts};
use sfu_core::stream::TimestampMap;
use sfu_transport::SrtpProfile;
use sfu_transport::srtp::{SrtpKeys, SrtpSender};
use sfu_wire::payload::dependency_descriptor::{FrameDependencies, Structure};
use sfu_wire::payload::vp8::Vp8Temporal;
use sfu_wire::payload::vp9::Vp9Layer;
use sfu_wire::payload::{DependencyDescriptor, PictureId, Vp8Descriptor, Vp9Descriptor};
use sfu_wire::rtp::{ExtensionForms, RtpHeader, write_header};
use sfu_wire::{Pt, SeqNo, Ssrc};

const PACKETS: u64 = 30_000;
/// The best round counts: the others shared the processor.
const ROUNDS: usize = 15;
const PAYLOAD: usize = 1200;
const PROFILE: SrtpProfile = SrtpProfile::AeadAes128Gcm;

fn main() {
    let seal = seal();
    println!("{:<22} {:>8.1} ns", "GCM-128 seal, 1200 B", seal);
    let mut json = format!("{{\"seal_ns\": {seal:.1}");
    for (name, codec, describe) in [
        ("vp8", CodecName::Vp8, vp8 as Describe),
        ("h264", CodecName::H264, h264),
        ("vp9", CodecName::Vp9, vp9),
        ("av1_dd", CodecName::Av1, av1),
    ] {
        let cost = cost(codec, &stream(describe));
        let share = cost / seal * 100.0;
        println!("{name:<22} {cost:>8.1} ns   {share:>5.1} % of a seal");
        let _ = write!(json, ", \"{name}_ns\": {cost:.1}, \"{name}_percent\": {share:.1}");
    }
    println!("{json}}}");
}

/// The payload's head and the dependency descriptor of frame `n`, in its first, a middle or its last packet.
type Describe = fn(n: u64, part: u64) -> (Vec<u8>, Option<Vec<u8>>);

/// Packets of 1200 bytes in a frame: 0.9 Mbit/s at 30 frames a second.
const PARTS: u64 = 3;
const LAST: u64 = PARTS - 1;

struct Described {
    payload: Vec<u8>,
    descriptor: Option<Vec<u8>>,
}

fn stream(describe: Describe) -> Vec<Described> {
    let whole = |n| {
        let (mut payload, descriptor) = describe(n / PARTS, n % PARTS);
        payload.resize(PAYLOAD, 0x5a);
        Described { payload, descriptor }
    };
    (0..PACKETS).map(whole).collect()
}

/// Nanoseconds a packet: decided, rewritten, its descriptors patched. Half of the time one layer is left out.
fn cost(codec: CodecName, stream: &[Described]) -> f64 {
    let start = Instant::now();
    let mut reader = DependencyReader::default();
    let readings: Vec<Reading> = stream
        .iter()
        .map(|packet| packet.descriptor.as_ref().map_or(Reading::None, |value| reader.read(0, true, value)))
        .collect();
    let facts: Vec<FrameFacts> = stream
        .iter()
        .zip(&readings)
        .zip(0_u64..)
        .map(|((packet, reading), n)| packet_facts(codec, &packet.payload, n % PARTS == LAST, reading.as_ref()))
        .collect();
    let round = || {
        let mut clock = TimestampMap::new(Kind::Video);
        clock.arrived(start, 0, 0);
        let mut forwarder = Forwarder::new(Kind::Video, SeqNo::new(1), 0);
        let mut buffer = [0; DependencyDescriptor::MAX_LEN];
        let began = Instant::now();
        for (n, packet) in (0_u64..).zip(stream) {
            if n.is_multiple_of(1000) {
                let spatial = if n.is_multiple_of(2000) { 7 } else { 0 };
                forwarder.set_max_layer(Some(Layer { spatial, temporal: 1 }));
            }
            let dependencies = readings.get(n as usize).map_or(Dependencies::None, Reading::as_ref);
            let incoming = Packet {
                encoding: 0,
                epoch: 0,
                seq: SeqNo::new(70_000 + n),
                newest: SeqNo::new(70_000 + n),
                timestamp: n / PARTS * 3000,
                marker: n % PARTS == LAST,
                codec,
                payload: &packet.payload,
                facts: *facts.get(n as usize).expect("one for each"),
                dependencies,
                arrival: start,
            };
            if let Some(patch) = forwarder.forward(start, &incoming, &clock) {
                black_box(patch.apply(&packet.payload));
                if let Some(value) = &packet.descriptor {
                    black_box(patch.dependency_descriptor(value, &mut buffer));
                }
            }
        }
        began.elapsed()
    };
    best(round) / PACKETS as f64
}

fn best(round: impl FnMut() -> Duration) -> f64 {
    let mut times: Vec<Duration> = std::iter::repeat_with(round).take(ROUNDS).collect();
    times.sort_unstable();
    times.first().map_or(0.0, |time| time.as_nanos() as f64)
}

fn seal() -> f64 {
    let material: Vec<u8> = (0..56).collect();
    let keys = SrtpKeys::from_keying_material(PROFILE, &material).expect("as long as it must be");
    let mut sender = SrtpSender::new(PROFILE, &keys.server);
    let mut seq = 0;
    let mut buffer = vec![0; PAYLOAD + 64];
    let round = || {
        let began = Instant::now();
        for _ in 0..PACKETS {
            seq += 1;
            let (ssrc, number) = (Ssrc::new(7), SeqNo::new(seq));
            let header = RtpHeader { marker: true, pt: Pt::new(96), seq: number.as_u16(), timestamp: 0, ssrc };
            let head = write_header(&mut buffer, &header, &[], &[], ExtensionForms::Mixed).expect("it fits").len();
            black_box(sender.protect_rtp(&mut buffer, head + PAYLOAD, head, ssrc, number).expect("it is sealed"));
        }
        began.elapsed()
    };
    best(round) / PACKETS as f64
}

/// Temporal layers 0 2 1 2.
const fn temporal(n: u64) -> u8 {
    [0, 2, 1, 2][(n % 4) as usize]
}

fn vp8(n: u64, part: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let tid = temporal(n);
    let descriptor = Vp8Descriptor {
        starts_partition: part == 0,
        picture_id: Some(PictureId::long(n as u16)),
        tl0_pic_idx: Some((n / 4) as u8),
        temporal: Some(Vp8Temporal { tid, layer_sync: n % 8 < 4 && tid > 0 }),
        key_idx: Some(0),
        ..Vp8Descriptor::default()
    };
    let mut buffer = [0; Vp8Descriptor::MAX_LEN];
    let len = descriptor.write(&mut buffer).expect("it fits");
    let keyframe = n.is_multiple_of(1000);
    (buffer.iter().take(len).copied().chain([u8::from(!keyframe)]).collect(), None)
}

fn h264(n: u64, part: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    (if part == 0 && n.is_multiple_of(1000) { vec![0x67, 0x42] } else { vec![0x41, 0x9a] }, None)
}

fn vp9(n: u64, part: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let (picture, spatial) = (n, 0);
    let keyframe = n.is_multiple_of(1000);
    let descriptor = Vp9Descriptor {
        picture_id: Some(PictureId::long(picture as u16)),
        inter_picture: !keyframe,
        starts_frame: part == 0,
        ends_frame: part == LAST,
        layer: Some(Vp9Layer { temporal: temporal(n), switch_up: n % 8 < 4, spatial, inter_layer: false }),
        tl0_pic_idx: Some((n / 4) as u8),
        ..Vp9Descriptor::default()
    };
    let mut buffer = [0; Vp9Descriptor::MAX_PREFIX];
    let len = descriptor.write_prefix(&mut buffer).expect("it fits");
    (buffer.iter().take(len).copied().collect(), None)
}

/// Two temporal layers by the dependency descriptor.
fn av1(n: u64, part: u64) -> (Vec<u8>, Option<Vec<u8>>) {
    let row = |temporal, dtis: &str, frames: &[u16], chains: &[u8]| {
        FrameDependencies::new(0, temporal, dtis, frames, chains).expect("a template")
    };
    let rows = vec![row(0, "SS", &[], &[0]), row(0, "SS", &[2], &[2]), row(1, "D-", &[1], &[1])];
    let structure = Structure::new(0, 1, &[Some(0), Some(0)], rows, Vec::new()).expect("a structure");
    let keyframe = n.is_multiple_of(1000);
    let descriptor = DependencyDescriptor {
        start_of_frame: part == 0,
        end_of_frame: part == LAST,
        template_id: if keyframe { 0 } else { 1 + (n % 2) as u8 },
        frame_number: n as u16,
        structure_offset: (keyframe && part == 0).then_some(0),
        ..DependencyDescriptor::default()
    };
    let mut buffer = [0; DependencyDescriptor::MAX_LEN];
    let len = descriptor.write(&structure, &mut buffer).expect("it fits");
    (vec![0x10, 0x32], Some(buffer.iter().take(len).copied().collect()))
}
