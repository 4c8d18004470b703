//! The tables of docs/forwarding.md: the same packets in, the same numbers out.

use std::time::{Duration, Instant};

use sfu_wire::SeqNo;
use sfu_wire::payload::vp8::Vp8Temporal;
use sfu_wire::payload::{PictureId, Vp8Descriptor, Vp9Descriptor};

use crate::codec::{CodecName, Kind};
use crate::forward::Forwarder;
use crate::layer::{Dependencies, Encodings, Layer, Packet, frame_facts};
use crate::stream::{Arrival, RecvStream, TimestampMap};

/// A subscriber of two encodings, whose numbers start at 100 and timestamps at 5000.
struct Way {
    forwarder: Forwarder,
    streams: [RecvStream; 2],
    clock: TimestampMap,
    now: Instant,
}

/// Sequence number, timestamp, marker; picture id, TL0PICIDX, and VP8's KEYIDX.
type Out = Option<(u64, u32, bool, (u16, u8, u8))>;

const M: bool = true;
const KEY: bool = true;
const DELTA: bool = false;

impl Way {
    fn new(encodings: usize) -> Self {
        let mut forwarder = Forwarder::new(Kind::Video, SeqNo::new(100), 5000);
        forwarder.set_available((0..encodings as u8).collect::<Encodings>());
        forwarder.set_max_layer(Some(Layer { spatial: 0, temporal: 7 }));
        let streams = [RecvStream::new(Kind::Video), RecvStream::new(Kind::Video)];
        Self { forwarder, streams, clock: TimestampMap::new(Kind::Video), now: super::any_instant() }
    }

    fn packet(&mut self, encoding: usize, (seq, timestamp, marker): (u16, u32, bool), payload: &[u8]) -> Out {
        let codec = if payload.len() > 6 { CodecName::Vp8 } else { CodecName::Vp9 };
        let arrival = Arrival { seq, timestamp, len: payload.len(), repaired: false };
        let accepted = self.streams[encoding].receive(self.now, &arrival)?;
        let packet = Packet {
            encoding: encoding as u8,
            epoch: accepted.epoch,
            seq: accepted.seq,
            newest: accepted.newest,
            timestamp: accepted.timestamp,
            marker,
            codec,
            payload,
            facts: frame_facts(codec, payload, marker),
            dependencies: Dependencies::None,
            arrival: self.now,
        };
        if !payload.is_empty() {
            self.clock.arrived(self.now, encoding, accepted.timestamp);
        }
        let patch = self.forwarder.forward(self.now, &packet, &self.clock)?;
        let (prefix, rest) = patch.apply(payload);
        let numbers = numbers(codec, &[prefix, rest].concat());
        Some((patch.seq.get(), patch.timestamp, patch.marker, numbers))
    }
}

fn numbers(codec: CodecName, payload: &[u8]) -> (u16, u8, u8) {
    let (picture, tl0, key) = if codec == CodecName::Vp8 {
        let (descriptor, _) = Vp8Descriptor::parse(payload).expect("a descriptor");
        (descriptor.picture_id, descriptor.tl0_pic_idx, descriptor.key_idx)
    } else {
        let (descriptor, _) = Vp9Descriptor::parse(payload).expect("a descriptor");
        (descriptor.picture_id, descriptor.tl0_pic_idx, None)
    };
    (picture.expect("with a picture id").get(), tl0.expect("with TL0PICIDX"), key.unwrap_or_default())
}

/// The first packet of a frame, or another one.
fn vp8((picture, tl0, key): (u16, u8, u8), (tid, layer_sync): (u8, bool), first: bool, keyframe: bool) -> Vec<u8> {
    let descriptor = Vp8Descriptor {
        starts_partition: first,
        picture_id: Some(PictureId::Long(picture)),
        tl0_pic_idx: Some(tl0),
        temporal: Some(Vp8Temporal { tid, layer_sync }),
        key_idx: Some(key),
        ..Vp8Descriptor::default()
    };
    let mut payload = vec![0; Vp8Descriptor::MAX_LEN + 1];
    descriptor.write(&mut payload).expect("there is room");
    payload[Vp8Descriptor::MAX_LEN] = u8::from(!keyframe);
    payload
}

fn first(numbers: (u16, u8, u8), keyframe: bool) -> Vec<u8> {
    vp8(numbers, (0, false), true, keyframe)
}

fn rest(numbers: (u16, u8, u8)) -> Vec<u8> {
    vp8(numbers, (0, false), false, DELTA)
}

#[test]
fn a_loss_on_the_way_in_stays_a_gap() {
    let mut way = Way::new(1);
    let (key, end) = (first((300, 40, 3), KEY), rest((300, 40, 3)));
    assert_eq!(way.packet(0, (65_533, 90_000, false), &key), Some((100, 5000, false, (300, 40, 3))));
    assert_eq!(way.packet(0, (65_534, 90_000, M), &end), Some((101, 5000, M, (300, 40, 3))));
    assert_eq!(way.packet(0, (0, 93_000, M), &rest((301, 41, 3))), Some((103, 8000, M, (301, 41, 3))));
    assert_eq!(way.packet(0, (1, 96_000, M), &first((302, 42, 3), DELTA)), Some((104, 11_000, M, (302, 42, 3))));
}

/// A subscriber that has the keyframe 10 of the lower encoding.
fn watching() -> Way {
    let mut way = Way::new(2);
    assert_eq!(way.packet(0, (10, 90_000, M), &first((300, 40, 3), KEY)), Some((100, 5000, M, (300, 40, 3))));
    way
}

#[test]
fn a_switch_after_a_complete_frame_goes_on_with_the_next_number() {
    let mut way = watching();
    let high = |picture, tl0, key| first((picture, tl0, key), DELTA);
    assert_eq!(way.packet(0, (11, 93_000, M), &high(301, 41, 3)), Some((101, 8000, M, (301, 41, 3))));
    way.forwarder.set_max_layer(None);
    assert_eq!(way.packet(1, (5001, 703_000, M), &high(9001, 201, 17)), None);
    assert_eq!(way.forwarder.wants_keyframe(), Some(1));
    assert_eq!(way.packet(0, (12, 96_000, M), &high(302, 42, 3)), Some((102, 11_000, M, (302, 42, 3))));
    let key = first((9002, 202, 18), KEY);
    assert_eq!(way.packet(1, (5002, 706_000, false), &key), Some((103, 11_001, false, (303, 43, 4))));
    assert!(way.forwarder.switched(), "a sender report goes out at once");
    assert_eq!(way.packet(1, (5003, 706_000, M), &rest((9002, 202, 18))), Some((104, 11_001, M, (303, 43, 4))));
    assert_eq!(way.packet(0, (13, 99_000, M), &high(303, 43, 3)), None);
    assert_eq!(way.packet(1, (5004, 709_000, M), &high(9003, 203, 18)), Some((105, 14_000, M, (304, 44, 4))));
}

#[test]
fn a_switch_in_mid_frame_leaves_a_gap_of_one() {
    let mut way = watching();
    assert_eq!(way.packet(0, (11, 93_000, false), &first((301, 41, 3), DELTA)), Some((101, 8000, false, (301, 41, 3))));
    way.forwarder.set_max_layer(None);
    let key = first((9001, 201, 18), KEY);
    assert_eq!(way.packet(1, (5001, 703_000, M), &key), Some((103, 8001, M, (302, 42, 4))));
    assert_eq!(way.packet(0, (12, 93_000, M), &rest((301, 41, 3))), None);
    assert_eq!(way.packet(1, (5002, 706_000, M), &first((9002, 202, 18), DELTA)), Some((104, 11_000, M, (303, 43, 4))));
}

#[test]
fn pieces_of_a_keyframe_that_overtook_its_start_follow_it() {
    let mut way = watching();
    way.forwarder.set_max_layer(None);
    assert_eq!(way.packet(1, (5000, 700_000, M), &first((9000, 200, 17), DELTA)), None);
    assert_eq!(way.packet(1, (5002, 703_000, M), &rest((9001, 201, 18))), None);
    let key = first((9001, 201, 18), KEY);
    assert_eq!(way.packet(1, (5001, 703_000, false), &key).map(|out| out.0), Some(101));
    let caught = way.forwarder.take_catch_up().map(|(encoding, from, to)| (encoding, from.as_u16(), to.as_u16()));
    assert_eq!(caught, Some((1, 5002, 5002)));
}

#[test]
fn temporal_layers_that_are_left_out_close_up_with_what_was_lost_among_them() {
    let mut way = Way::new(1);
    way.forwarder.set_max_layer(Some(Layer::default()));
    let frame = |picture, tl0, tid, sync| vp8((picture, tl0, 3), (tid, sync), true, DELTA);
    let time = |picture: u16| 90_000 + u32::from(picture - 300) * 3000;
    assert_eq!(way.packet(0, (10, 90_000, M), &first((300, 40, 3), KEY)), Some((100, 5000, M, (300, 40, 3))));
    assert_eq!(way.packet(0, (11, time(301), false), &frame(301, 40, 2, true)), None);
    assert_eq!(way.packet(0, (13, time(302), M), &frame(302, 40, 1, true)), None);
    assert_eq!(way.packet(0, (14, time(303), M), &frame(303, 40, 2, false)), None);
    let tail = vp8((304, 41, 3), (0, false), false, DELTA);
    assert_eq!(way.packet(0, (16, time(304), M), &tail), Some((102, 17_000, M, (301, 41, 3))));
    assert_eq!(way.packet(0, (17, time(305), M), &frame(305, 41, 2, true)), None);
    let late = frame(304, 41, 0, false);
    assert_eq!(way.packet(0, (15, time(304), false), &late), Some((101, 17_000, false, (301, 41, 3))));
    assert_eq!(way.packet(0, (18, time(306), M), &frame(306, 41, 1, true)), None);
    way.forwarder.set_max_layer(None);
    assert_eq!(way.packet(0, (19, time(307), M), &frame(307, 41, 2, false)), None);
    let mut rows = Vec::new();
    for (seq, picture, tid, sync) in [(20, 308, 0, false), (21, 309, 2, true), (22, 310, 1, true), (23, 311, 2, false)]
    {
        rows.extend(way.packet(0, (seq, time(picture), M), &frame(picture, 42, tid, sync)));
    }
    let out = |n: u16| (103 + u64::from(n), 29_000 + u32::from(n) * 3000, M, (302 + n, 42, 3));
    assert_eq!(rows, [out(0), out(1), out(2), out(3)]);
}

#[test]
fn a_frame_of_which_nothing_was_seen_stays_a_gap_unless_tl0picidx_tells_whose_it_was() {
    for (temporal, rows) in [(0, [None, None, Some((101, 301))]), (1, [Some((102, 302)), None, Some((103, 303))])] {
        let mut way = Way::new(1);
        way.forwarder.set_max_layer(Some(Layer { spatial: 0, temporal }));
        way.packet(0, (10, 90_000, M), &first((300, 40, 3), KEY));
        let mut next = |seq: u16, tl0, tid, sync| {
            let picture = 290 + seq;
            let payload = vp8((picture, tl0, 3), (tid, sync), true, DELTA);
            let out = way.packet(0, (seq, 90_000 + u32::from(seq - 10) * 3000, M), &payload);
            out.map(|(seq, _, _, (picture, ..))| (seq, picture))
        };
        assert_eq!([next(12, 40, 1, true), next(13, 40, 2, false), next(14, 41, 0, false)], rows);
    }
}

#[test]
fn late_packets_get_the_number_that_was_kept() {
    let mut way = Way::new(1);
    way.packet(0, (10, 90_000, M), &first((300, 40, 3), KEY));
    assert_eq!(way.packet(0, (12, 93_000, M), &rest((301, 41, 3))).map(|out| out.0), Some(102));
    assert_eq!(way.packet(0, (13, 96_000, M), &first((302, 42, 3), DELTA)).map(|out| out.0), Some(103));
    let late = first((301, 41, 3), DELTA);
    assert_eq!(way.packet(0, (11, 93_000, false), &late), Some((101, 8000, false, (301, 41, 3))));
    assert_eq!(way.packet(0, (11, 93_000, false), &late), None, "a duplicate");
    assert_eq!(way.packet(0, (9, 87_000, M), &first((299, 39, 3), DELTA)), None, "from before the stream began");
}

#[test]
fn padding_closes_up() {
    let mut way = Way::new(1);
    let mut seqs = Vec::new();
    for (seq, picture) in [(10, 300), (11, 0), (12, 0), (13, 301), (15, 302), (14, 0), (16, 303)] {
        let payload = if picture == 0 { Vec::new() } else { first((picture, 40, 3), picture == 300) };
        let timestamp = 90_000 + u32::from(picture.saturating_sub(300)) * 3000;
        seqs.push(way.packet(0, (seq, timestamp, picture > 0), &payload).map(|out| out.0));
    }
    assert_eq!(seqs, [Some(100), None, None, Some(101), Some(102), None, Some(103)]);
}

#[test]
fn a_restart_goes_on_in_numbers_and_in_time() {
    let mut way = watching();
    way.packet(0, (11, 93_000, M), &first((301, 41, 3), DELTA));
    way.now += Duration::from_secs(1);
    way.streams[0].restart();
    way.clock.restarted(0);
    assert_eq!(way.packet(0, (40_000, 2_000_000, M), &first((77, 5, 9), DELTA)), None);
    assert_eq!((way.forwarder.wants_keyframe(), way.forwarder.layer()), (Some(0), None));
    let key = first((78, 6, 10), KEY);
    assert_eq!(way.packet(0, (40_001, 2_003_000, M), &key), Some((102, 101_000, M, (302, 42, 4))));
    let next = first((79, 7, 10), DELTA);
    assert_eq!(way.packet(0, (40_002, 2_006_000, M), &next), Some((103, 104_000, M, (303, 43, 4))));
}

/// One packet of a spatial layer's frame; `begins` and `ends` it.
fn vp9(
    (picture, tl0): (u16, u8),
    (spatial, temporal): (u8, u8),
    keyframe: bool,
    (begins, ends): (bool, bool),
) -> Vec<u8> {
    let flags = 0xa0 | u8::from(!keyframe) << 6 | u8::from(begins) << 3 | u8::from(ends) << 2;
    let layer = temporal << 5 | spatial << 1 | u8::from(spatial > 0);
    vec![flags, 0x80 | (picture >> 8) as u8, picture as u8, layer, tl0, 0]
}

#[test]
fn the_marker_of_vp9_moves_to_the_highest_layer_that_goes_out() {
    let mut way = Way::new(1);
    way.forwarder.set_max_layer(Some(Layer { spatial: 1, temporal: 7 }));
    let mut seq = 9;
    let mut packet = |way: &mut Way, (picture, tl0): (u16, u8), layers: (u8, u8), place: (bool, bool)| {
        seq += 1;
        let payload = vp9((picture, tl0), layers, picture == 300, place);
        let timestamp = 90_000 + u32::from(picture - 300) * 3000;
        let (out, _, marker, numbers) = way.packet(0, (seq, timestamp, layers.0 == 2), &payload)?;
        Some((out, marker, numbers.0, numbers.1))
    };
    let whole = (true, true);
    assert_eq!(packet(&mut way, (300, 40), (0, 0), whole), Some((100, false, 300, 40)));
    assert_eq!(packet(&mut way, (300, 40), (1, 0), whole), Some((101, M, 300, 40)));
    assert_eq!(packet(&mut way, (300, 40), (2, 0), whole), None);
    assert_eq!(packet(&mut way, (301, 40), (0, 1), whole), Some((102, false, 301, 40)));
    assert_eq!(packet(&mut way, (301, 40), (1, 1), (true, false)), Some((103, false, 301, 40)));
    assert_eq!(packet(&mut way, (301, 40), (1, 1), (false, true)), Some((104, M, 301, 40)));
    assert_eq!(packet(&mut way, (301, 40), (2, 1), whole), None);
    way.forwarder.set_max_layer(Some(Layer { spatial: 1, temporal: 0 }));
    for (picture, tl0, first) in [(302, 41, 105), (304, 42, 107)] {
        assert_eq!(packet(&mut way, (picture, tl0), (0, 0), whole), Some((first, false, picture, tl0)));
        assert_eq!(packet(&mut way, (picture, tl0), (1, 0), whole), Some((first + 1, M, picture, tl0)));
        assert_eq!(packet(&mut way, (picture, tl0), (2, 0), whole), None);
        for spatial in 0..3 {
            assert_eq!(packet(&mut way, (picture + 1, tl0), (spatial, 1), whole), None);
        }
    }
}
