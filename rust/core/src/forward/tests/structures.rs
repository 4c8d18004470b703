//! Dependency descriptors whose structure comes late: what points into it waits, but not for ever.

use std::time::{Duration, Instant};

use sfu_wire::SeqNo;
use sfu_wire::payload::dependency_descriptor::Structure;

use crate::codec::{CodecName, Kind};
use crate::forward::Forwarder;
use crate::layer::target::tests::{l1t2, value};
use crate::layer::{DependencyReader, Packet, Reading, packet_facts};
use crate::stream::TimestampMap;

/// A viewer of one stream; frames are packets, numbered as these.
struct Way {
    start: Instant,
    forwarder: Forwarder,
    reader: DependencyReader,
    newest: u16,
}

impl Way {
    /// The viewer has frame 1, which brought `structure`.
    fn watching(structure: &Structure) -> Self {
        let (start, forwarder) = (super::any_instant(), Forwarder::new(Kind::Video, SeqNo::new(100), 0));
        let mut way = Self { start, forwarder, reader: DependencyReader::default(), newest: 0 };
        assert_eq!(way.packet(0, 1, &value(structure, structure.template_id_offset(), 1, true)), Some(100));
        way
    }

    /// The outgoing number of a frame that comes so many milliseconds after the start.
    fn packet(&mut self, millis: u64, number: u16, descriptor: &[u8]) -> Option<u64> {
        let in_order = number > self.newest;
        self.newest = self.newest.max(number);
        let reading = self.reader.read(0, in_order, descriptor);
        self.forward(millis, number, &reading)
    }

    fn forward(&mut self, millis: u64, number: u16, reading: &Reading) -> Option<u64> {
        let (now, dependencies) = (self.start + Duration::from_millis(millis), reading.as_ref());
        let packet = Packet {
            encoding: 0,
            epoch: 0,
            seq: SeqNo::new(number.into()),
            newest: SeqNo::new(self.newest.into()),
            timestamp: 3000 * u64::from(number),
            marker: true,
            codec: CodecName::Av1,
            payload: &[0],
            facts: packet_facts(CodecName::Av1, &[0], true, dependencies),
            dependencies,
            arrival: now,
        };
        let patch = self.forwarder.forward(now, &packet, &TimestampMap::new(Kind::Video))?;
        Some(patch.seq.get())
    }
}

#[test]
fn what_overtook_a_new_structure_follows_it_in_its_place() {
    let (old, new) = (l1t2(0), l1t2(10));
    let mut way = Way::watching(&old);
    let overtaking = value(&new, 11, 4, false);
    assert_eq!(way.packet(10, 4, &overtaking), None);
    assert_eq!(way.forwarder.take_catch_up(), None);
    assert_eq!(way.packet(20, 2, &value(&new, 10, 2, true)), Some(101));
    let caught = way.forwarder.take_catch_up().map(|(encoding, from, to)| (encoding, from.get(), to.get()));
    assert_eq!(caught, Some((0, 3, 4)));
    let reading = way.reader.look_up(&overtaking);
    assert_eq!(way.forward(20, 4, &reading), Some(103), "frame 3 is missing");
    assert_eq!(way.forwarder.wants_keyframe(), None);
}

#[test]
fn a_structure_that_does_not_come_is_waited_for_300_ms() {
    let new = l1t2(10);
    let mut way = Way::watching(&l1t2(0));
    for (millis, number, wanted) in [(1000, 3, None), (1299, 4, None), (1300, 5, Some(0))] {
        assert_eq!(way.packet(millis, number, &value(&new, 11, number, false)), None);
        assert_eq!(way.forwarder.wants_keyframe(), wanted, "after {millis} ms");
    }
    assert_eq!(way.packet(1400, 6, &value(&new, 10, 6, true)), Some(105));
    assert_eq!(way.forwarder.wants_keyframe(), None, "it has one");
}
