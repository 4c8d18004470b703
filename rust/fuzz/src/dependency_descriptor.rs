//! The dependency descriptor: what was read writes and reads the same, with and without a structure, and a rewriter's
//! changes stay where they are made.
//!
//! The first byte says how long the first value is, so that the second can be read against the first one's structure.

use sfu_wire::ParseError;
use sfu_wire::payload::DependencyDescriptor;
use sfu_wire::payload::dependency_descriptor::{FrameBounds, ParsedDescriptor, Structure};

/// More than a structure of 64 templates, 32 decode targets and 32 chains takes.
const LONGEST: usize = 4096;

pub(crate) fn run(bytes: &[u8]) {
    let Some((first_len, rest)) = bytes.split_first() else { return };
    let (first, second) = rest.split_at(usize::from(*first_len).min(rest.len()));
    let keyframe = one(first, None);
    let structure = keyframe.and_then(|parsed| parsed.structure);
    one(second, structure.as_deref());
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
    rewritten(parsed.descriptor, structure);
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

/// A subscriber's frame number, template ids and decode targets; the frame stays what it is.
fn rewritten(descriptor: DependencyDescriptor, structure: &Structure) {
    let mut changed = descriptor;
    changed.frame_number = changed.frame_number.wrapping_add(40_000);
    changed.active_decode_targets = Some(structure.all_decode_targets());
    let mut buffer = [0; LONGEST];
    let len = changed.write(structure, &mut buffer).expect("the longest fits");
    let again = DependencyDescriptor::parse(&buffer[..len], Some(structure)).expect("it is read");
    assert_eq!(again.descriptor, changed);
    assert_eq!(Ok(again.frame), descriptor.frame(structure));
    if changed.structure_offset.is_some() {
        changed.shift_template_ids(17);
        let len = changed.write(structure, &mut buffer).expect("the longest fits");
        let shifted = DependencyDescriptor::parse(&buffer[..len], None).expect("it brings its structure");
        assert_eq!(shifted.frame, again.frame);
    }
}
