//! H.265: the NAL units of a payload lie in it one behind the other; an error ends them.

use sfu_core::codec::CodecName;
use sfu_core::layer::keyframe_start;
use sfu_wire::payload::H265Facts;
use sfu_wire::payload::h265::{nal_units, sequence_size};

use crate::sizes;
use crate::views::lies_in;

pub(crate) fn run(bytes: &[u8]) {
    sizes::check(sequence_size, bytes);
    let units: Vec<_> = nal_units(bytes).collect();
    let good = units.iter().take_while(|unit| unit.is_ok()).count();
    assert!(good == units.len() || good + 1 == units.len(), "an error is the last");
    let mut total = 0;
    for unit in units.iter().flatten() {
        assert!(lies_in(unit.data, bytes));
        assert!(unit.header.nal_type < 48 && unit.header.temporal < 7);
        total += unit.data.len() + 2;
    }
    assert!(total <= bytes.len());
    let facts = H265Facts::parse(bytes);
    assert_eq!(facts.is_ok(), good > 0 && good == units.len());
    assert!(keyframe_start(CodecName::H265, bytes).is_none() || facts.is_ok_and(|facts| facts.of_keyframe()));
}
