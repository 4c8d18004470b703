//! After warm-up a packet costs no allocation, from the datagram that comes in to the datagrams that go out.
//!
//! It stands here because of the allocator that counts them.
#![allow(unsafe_code, clippy::unwrap_used, clippy::panic, missing_docs, reason = "a test")]

#[path = "../../core/tests/scenarios/by_hand.rs"]
#[allow(dead_code, reason = "the scenarios use all of it")]
mod by_hand;
#[path = "support/counting.rs"]
mod counting;
#[path = "../../core/tests/scenarios/world.rs"]
#[allow(dead_code, reason = "the scenarios use all of it")]
mod world;

use by_hand::{DELTA, Hall, KEYFRAME, Packet, vp8};
use counting::allocations;
use sfu_core::command::Command;
use sfu_core::event::Event;
use sfu_core::id::SubscriptionId;
use sfu_core::layer::Layer;
use sfu_transport::Egress;
use sfu_wire::payload::DependencyDescriptor;
use sfu_wire::payload::dependency_descriptor::{FrameDependencies, Structure};
use world::millis;

const MID: &str = "extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid";
const TWCC: &str = "extmap:5 http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";
const DESCRIPTOR: &str =
    "extmap:6 https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";
const VIEWERS: usize = 10;

/// What is sent as packet `seq`: the beginning of its payload, and its dependency descriptor.
type Describe = fn(seq: u16) -> (Vec<u8>, Vec<u8>);

/// A publisher of frames of one packet, keyframes every second, and viewers of whom every second one takes the lowest frame rate.
struct Stream {
    /// As in `a=rtpmap`.
    codec: &'static str,
    fmtp: Option<&'static str>,
    has_layers: bool,
    describe: Describe,
}

#[test]
fn after_warm_up_a_packet_costs_no_allocation() {
    for stream in [
        Stream { codec: "VP8", fmtp: None, has_layers: false, describe: plain_vp8 },
        Stream { codec: "VP8", fmtp: None, has_layers: true, describe: layered_vp8 },
        Stream { codec: "VP9", fmtp: Some("fmtp:96 profile-id=0"), has_layers: true, describe: layered_vp9 },
        Stream {
            codec: "H264",
            fmtp: Some("fmtp:96 packetization-mode=1;profile-level-id=42e01f;level-asymmetry-allowed=1"),
            has_layers: false,
            describe: h264,
        },
        Stream { codec: "AV1", fmtp: None, has_layers: true, describe: described_av1 },
    ] {
        let (allocated, sent) = stream.play();
        let each = sent / VIEWERS;
        // Every second viewer takes half or a quarter of a stream that has layers.
        let expected = if stream.has_layers { 1150..1550 } else { 1900..2000 };
        assert!(expected.contains(&each), "{}: {each} packets went to each viewer", stream.codec);
        assert_eq!(allocated, 0, "{}", stream.codec);
    }
}

impl Stream {
    /// One packet a millisecond for eight seconds, with a loss now and then; the last two seconds count. Gives allocations, and
    /// packets that went out.
    fn play(&self) -> (u64, usize) {
        let mut hall = Hall::new();
        let lines = [MID, TWCC, DESCRIPTOR, "rtcp-fb:96 transport-cc", "rtcp-rsize"];
        let lines: Vec<&str> = lines.into_iter().chain(self.fmtp).collect();
        let section =
            |mid, direction| vp8(mid, direction, &lines).replace("VP8/90000", &format!("{}/90000", self.codec));
        hall.join(&[section("v", "sendonly")]);
        let mut egress = Egress::new();
        let (mut sent, mut allocated) = (0, 0);
        for seq in 0..8000_u16 {
            if seq == 1 {
                (0..VIEWERS).for_each(|_| _ = hall.join(&[section("w", "recvonly")]));
                take_lowest_frame_rate(&mut hall);
            }
            let (mut payload, descriptor) = (self.describe)(seq);
            payload.resize(1000, 0);
            let number = seq.to_be_bytes();
            let all: [(u8, &[u8]); 3] = [(4, b"v"), (5, &number), (6, &descriptor)];
            let extensions = if descriptor.is_empty() { &all[..2] } else { &all[..] };
            let packet = Packet { pt: 96, ssrc: 11, seq, extensions, payload: &payload };
            let (path, mut datagram) = hall.seal(0, &packet);
            if seq % 97 == 50 {
                continue;
            }
            hall.now += millis(1);
            let before = allocations();
            hall.sfu.handle_datagram(hall.now, path, &mut datagram, &mut egress);
            // A structure is kept, once for each keyframe.
            if seq >= 6000 && (descriptor.is_empty() || !is_keyframe(seq)) {
                allocated += allocations() - before;
                sent += egress.len();
            }
            egress.clear();
            if seq % 10 == 0 {
                hall.sfu.handle_timeout(hall.now, &mut egress);
                egress.clear();
            }
            if seq % 2000 == 0 {
                (0..hall.clients.len()).for_each(|index| hall.check(index, hall.clients[index].address));
            }
        }
        (allocated, sent)
    }
}

fn take_lowest_frame_rate(hall: &mut Hall) {
    let subscribed = hall.events.iter().filter_map(|event| match event {
        Event::Subscribed { subscription, .. } => Some(*subscription),
        _ => None,
    });
    let subscribed: Vec<SubscriptionId> = subscribed.step_by(2).collect();
    assert_eq!(subscribed.len(), VIEWERS / 2);
    for subscription in subscribed {
        hall.command(Command::SetLayer(subscription, Some(Layer { spatial: 7, temporal: 0 }))).unwrap();
    }
}

const fn is_keyframe(seq: u16) -> bool {
    seq.is_multiple_of(1000) || seq == 2
}

/// Temporal layers 0 2 1 2.
const fn temporal(seq: u16) -> u8 {
    if is_keyframe(seq) { 0 } else { [0, 2, 1, 2][(seq % 4) as usize] }
}

fn plain_vp8(seq: u16) -> (Vec<u8>, Vec<u8>) {
    (if is_keyframe(seq) { KEYFRAME } else { DELTA }.to_vec(), Vec::new())
}

/// RFC 7741 §4.2: X S, I L T, picture id, TL0PICIDX, TID and Y.
fn layered_vp8(seq: u16) -> (Vec<u8>, Vec<u8>) {
    let [high, low] = (seq | 0x8000).to_be_bytes();
    let mut payload = vec![0x90, 0xe0, high, low, (seq / 4) as u8, temporal(seq) << 6 | 0x20];
    payload.extend_from_slice(if is_keyframe(seq) { &KEYFRAME[1..] } else { &DELTA[1..] });
    (payload, Vec::new())
}

/// RFC 9628 §4.2: I P L B E, picture id, TID U SID D, TL0PICIDX.
fn layered_vp9(seq: u16) -> (Vec<u8>, Vec<u8>) {
    let [high, low] = (seq | 0x8000).to_be_bytes();
    let first = if is_keyframe(seq) { 0xac } else { 0xec };
    (vec![first, high, low, temporal(seq) << 5 | 0x10, (seq / 4) as u8], Vec::new())
}

/// A sequence parameter set, or a slice.
fn h264(seq: u16) -> (Vec<u8>, Vec<u8>) {
    (if is_keyframe(seq) { vec![0x67, 0x42] } else { vec![0x41, 0x9a] }, Vec::new())
}

/// Two temporal layers by the dependency descriptor: the upper one refers to the frame before it, the lower one to the last but
/// one.
fn described_av1(seq: u16) -> (Vec<u8>, Vec<u8>) {
    let row = |temporal, dtis, frames: &[u16], chains: &[u8]| {
        FrameDependencies::new(0, temporal, dtis, frames, chains).unwrap()
    };
    let rows = vec![row(0, "SS", &[], &[0]), row(0, "SS", &[2], &[2]), row(1, "D-", &[1], &[1])];
    let structure = Structure::new(0, 1, &[Some(0), Some(0)], rows, Vec::new()).unwrap();
    let descriptor = DependencyDescriptor {
        start_of_frame: true,
        end_of_frame: true,
        template_id: if is_keyframe(seq) { 0 } else { 1 + (seq % 2) as u8 },
        frame_number: seq,
        structure_offset: is_keyframe(seq).then_some(0),
        ..DependencyDescriptor::default()
    };
    let mut buffer = [0; DependencyDescriptor::MAX_LEN];
    let len = descriptor.write(&structure, &mut buffer).unwrap();
    (vec![0x10, 0x30], buffer[..len].to_vec())
}
