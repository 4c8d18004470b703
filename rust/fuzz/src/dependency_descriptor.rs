//! The dependency descriptor: what was read writes and reads the same, with and without a structure, and what leaves for a
//! subscriber tells of the same frames under other numbers.
//!
//! The first byte says how long the first value is, so that the second can be read against the first one's structure.

use std::sync::OnceLock;
use std::time::Instant;

use sfu_core::codec::{CodecName, Kind};
use sfu_core::forward::{Forwarder, Patch};
use sfu_core::layer::{DependencyReader, Layer, Packet, packet_facts};
use sfu_core::stream::TimestampMap;
use sfu_sim::encoder::{self, Payload, dependency_structure};
use sfu_wire::payload::DependencyDescriptor;
use sfu_wire::payload::dependency_descriptor::{FrameBounds, ParsedDescriptor, Structure};
use sfu_wire::{ParseError, SeqNo};

/// More than a structure of 64 templates, 32 decode targets and 32 chains takes.
const LONGEST: usize = 4096;

pub(crate) fn run(bytes: &[u8]) {
    let Some((first_len, rest)) = bytes.split_first() else { return };
    let (first, second) = rest.split_at(usize::from(*first_len).min(rest.len()));
    let keyframe = one(first, None);
    let structure = keyframe.and_then(|parsed| parsed.structure);
    one(second, structure.as_deref());
    for limit in [Layer::MAX, Layer::default()] {
        Viewer::new(limit).watch([first, second]);
    }
}

fn one(value: &[u8], current: Option<&Structure>) -> Option<ParsedDescriptor> {
    let parsed = match DependencyDescriptor::parse(value, current) {
        Ok(parsed) => parsed,
        Err(error) => {
            assert!(value.len() >= 3 || error == ParseError::TooShort);
            return None;
        }
    };
    let bounds = FrameBounds::parse(value).expect("the longer form is right");
    assert_eq!(bounds.has_structure, parsed.structure.is_some());
    let structure = parsed.structure.as_deref().or(current).expect("it was read against one");
    assert_eq!(parsed.descriptor.frame(structure), Ok(parsed.frame));
    assert_eq!(parsed.frame.chain_diffs.as_slice().len(), structure.chain_count());

    let len = settles(&parsed.descriptor, structure, &parsed);
    assert!(len <= value.len(), "the shortest form");
    Some(parsed)
}

/// Written, then read: the same. Gives the length.
fn settles(descriptor: &DependencyDescriptor, structure: &Structure, expected: &ParsedDescriptor) -> usize {
    let mut buffer = [0xff; LONGEST];
    let len = descriptor.write(structure, &mut buffer).expect("the longest fits");
    let again = DependencyDescriptor::parse(&buffer[..len], Some(structure));
    assert_eq!(again.as_ref(), Ok(expected));
    for shorter in (0..len).filter(|shorter| *shorter != 3) {
        assert!(DependencyDescriptor::parse(&buffer[..shorter], Some(structure)).is_err());
    }
    len
}

/// Who had another encoding before, so that all numbers change.
struct Viewer {
    start: Instant,
    forwarder: Forwarder,
    readers: [DependencyReader; 2],
    seq: u64,
    /// As it is for the viewer.
    structure: Option<Box<Structure>>,
    /// Of the encoding now: how much frame numbers and template ids are moved.
    shifts: Option<(u16, u8)>,
}

impl Viewer {
    fn new(limit: Layer) -> Self {
        static START: OnceLock<Instant> = OnceLock::new();
        let mut forwarder = Forwarder::new(Kind::Video, SeqNo::new(1), 0);
        forwarder.set_max_layer(Some(Layer { spatial: 0, ..limit }));
        let readers = [DependencyReader::default(), DependencyReader::default()];
        let start = *START.get_or_init(Instant::now);
        let mut viewer = Self { start, forwarder, readers, seq: 0, structure: None, shifts: None };
        let structure = dependency_structure(encoder::Structure::simulcast(Payload::Av1, 2));
        let keyframe = DependencyDescriptor {
            start_of_frame: true,
            template_id: structure.template_id_offset(),
            frame_number: 65_530,
            structure_offset: Some(structure.template_id_offset()),
            ..DependencyDescriptor::default()
        };
        let mut buffer = [0; LONGEST];
        let len = keyframe.write(&structure, &mut buffer).expect("the longest fits");
        assert!(viewer.forward(0, &buffer[..len]).is_some());
        viewer.forwarder.set_max_layer(Some(Layer { spatial: 1, ..limit }));
        viewer
    }

    fn watch(mut self, values: [&[u8]; 2]) {
        // An extension has no longer value (RFC 8285 §4.3).
        for value in values.into_iter().filter(|value| value.len() <= DependencyDescriptor::MAX_LEN) {
            if let Some(patch) = self.forward(1, value) {
                self.check(value, &patch);
            }
        }
    }

    fn forward(&mut self, encoding: u8, value: &[u8]) -> Option<Patch> {
        self.seq += 1;
        let seq = SeqNo::new(self.seq);
        let reading = self.readers[usize::from(encoding)].read(0, true, value);
        let payload = [0x10, 0x32];
        let packet = Packet {
            encoding,
            epoch: 0,
            seq,
            newest: seq,
            timestamp: self.seq * 3000,
            marker: true,
            codec: CodecName::Av1,
            payload: &payload,
            facts: packet_facts(CodecName::Av1, &payload, true, reading.as_ref()),
            dependencies: reading.as_ref(),
            arrival: self.start,
        };
        self.forwarder.forward(self.start, &packet, &TimestampMap::new(Kind::Video))
    }

    /// The same frame under other numbers, all of which are moved by as much.
    fn check(&mut self, value: &[u8], patch: &Patch) {
        let mut buffer = [0xff; DependencyDescriptor::MAX_LEN];
        let len = patch.dependency_descriptor(value, &mut buffer);
        let came = DependencyDescriptor::parse(value, self.readers[1].structure()).expect("it was understood");
        let left = DependencyDescriptor::parse(&buffer[..len], self.structure.as_deref()).expect("it still is");
        assert_eq!(left.frame, came.frame);
        let number = left.descriptor.frame_number.wrapping_sub(came.descriptor.frame_number);
        let template = left.descriptor.template_id.wrapping_sub(came.descriptor.template_id) & 0x3f;
        assert_eq!((number, template), *self.shifts.get_or_insert((number, template)));
        let expected = DependencyDescriptor {
            frame_number: left.descriptor.frame_number,
            template_id: left.descriptor.template_id,
            structure_offset: came.descriptor.structure_offset.map(|offset| (offset + template) & 0x3f),
            // With a structure what is active stands as it came: packets behind it declare it.
            active_decode_targets: match came.structure {
                Some(_) => came.descriptor.active_decode_targets,
                None => left.descriptor.active_decode_targets,
            },
            ..came.descriptor
        };
        assert_eq!(left.descriptor, expected);
        let parts = |structure: &Structure| (structure.templates().to_vec(), structure.decode_targets().to_vec());
        assert_eq!(left.structure.as_deref().map(parts), came.structure.as_deref().map(parts));
        self.structure = left.structure.or(self.structure.take());
    }
}
