//! AV1: the elements of a payload lie in it one behind the other.

use sfu_wire::payload::av1::{Av1Header, elements, sequence_size, starts_keyframe};

use crate::sizes;
use crate::views::lies_in;

pub(crate) fn run(bytes: &[u8]) {
    sizes::check(sequence_size, bytes);
    let Ok(header) = Av1Header::parse(bytes) else {
        assert!(!starts_keyframe(bytes));
        return;
    };
    assert_eq!(header.to_byte(), bytes[0] & 0xf8);
    assert_eq!(starts_keyframe(bytes), header.starts_sequence);
    let mut total = 1;
    for (index, element) in elements(bytes).expect("the header is right").enumerate() {
        assert!(lies_in(element.data, bytes));
        assert!(element.obu_type.is_none_or(|obu_type| obu_type < 16));
        assert!(header.elements == 0 || index < usize::from(header.elements));
        total += element.data.len();
    }
    assert!(total <= bytes.len());
}
