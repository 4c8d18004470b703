//! H.264: the NAL units of a payload lie in it one behind the other, and what starts a keyframe belongs to it.

use sfu_core::codec::CodecName;
use sfu_core::layer::keyframe_start;
use sfu_wire::payload::H264Facts;
use sfu_wire::payload::h264::{nal_units, sequence_size};

use crate::sizes;
use crate::views::lies_in;

pub(crate) fn run(bytes: &[u8]) {
    let mut total = 0;
    for unit in nal_units(bytes) {
        assert!(lies_in(unit.data, bytes));
        assert!((1..=23).contains(&unit.nal_type));
        assert!(unit.starts || !unit.starts_picture());
        total += unit.data.len() + 1;
    }
    assert!(total <= bytes.len());
    sizes::check(sequence_size, bytes);
    assert!(keyframe_start(CodecName::H264, bytes).is_none() || H264Facts::of(bytes).of_keyframe());
}
