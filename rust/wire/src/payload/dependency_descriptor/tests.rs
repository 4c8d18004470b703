//! Golden values and properties.

use super::*;
use crate::error::ParseError;

#[test]
fn three_bytes_are_the_mandatory_part() {
    let structure = examples::l1t2();
    let parsed = DependencyDescriptor::parse(&[0x42, 0x12, 0x34], Some(&structure)).unwrap();
    assert!(!parsed.descriptor.start_of_frame && parsed.descriptor.end_of_frame && parsed.structure.is_none());
    assert_eq!((parsed.descriptor.template_id, parsed.descriptor.frame_number), (2, 0x1234));
    assert_eq!(parsed.frame, structure.templates()[2]);
    assert_eq!(DependencyDescriptor::parse(&[0x43, 0x12], Some(&structure)), Err(ParseError::TooShort));
    assert_eq!(DependencyDescriptor::parse(&[0x43, 0x12, 0x34], Some(&structure)), Err(ParseError::UnknownTemplate));
    assert_eq!(DependencyDescriptor::parse(&[0x42, 0x12, 0x34], None), Err(ParseError::UnknownTemplate));
}
