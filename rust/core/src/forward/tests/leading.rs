//! H.265's random access points in the middle of a stream, and the pictures that lead them.

use sfu_wire::SeqNo;

use crate::codec::{CodecName, Kind};
use crate::forward::Forwarder;
use crate::layer::{Dependencies, Packet, frame_facts};
use crate::stream::TimestampMap;

const TRAILING: u8 = 1;
const SKIPPED: u8 = 9;
const CLEAN_RANDOM_ACCESS: u8 = 21;

/// The outgoing numbers of packets that are the only slice of a picture each: timestamp and type.
fn sent(pictures: &[(u64, u8)]) -> Vec<Option<u64>> {
    let now = super::any_instant();
    let mut forwarder = Forwarder::new(Kind::Video, SeqNo::new(1), 0);
    let mut clock = TimestampMap::new(Kind::Video);
    let mut forward = |(seq, (timestamp, nal_type)): (u64, &(u64, u8))| {
        let payload = [nal_type << 1, 1, 0xaf, 0x00];
        let packet = Packet {
            encoding: 0,
            epoch: 0,
            seq: SeqNo::new(seq),
            newest: SeqNo::new(seq),
            timestamp: *timestamp,
            marker: true,
            codec: CodecName::H265,
            payload: &payload,
            facts: frame_facts(CodecName::H265, &payload, true),
            dependencies: Dependencies::None,
            arrival: now,
        };
        clock.arrived(now, 0, packet.timestamp);
        forwarder.forward(now, &packet, &clock).map(|patch| patch.seq.get())
    };
    (70_000..).zip(pictures).map(&mut forward).collect()
}

#[test]
fn what_leads_the_first_random_access_point_stays_out_and_what_leads_a_later_one_goes_out() {
    let pictures = [
        (30_000, CLEAN_RANDOM_ACCESS),
        (24_000, SKIPPED),
        (27_000, SKIPPED),
        (33_000, TRAILING),
        (42_000, CLEAN_RANDOM_ACCESS),
        (39_000, SKIPPED),
    ];
    assert_eq!(sent(&pictures), [Some(1), None, None, Some(2), Some(3), Some(4)]);
}
