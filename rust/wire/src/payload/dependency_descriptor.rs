//! The dependency descriptor header extension (AV1 RTP payload specification 1.0, appendix A.8): its mandatory fields and
//! which optional parts follow. Templates, chains and custom fields are not read here.

use crate::bytes::Reader;
use crate::error::ParseError;

/// What every packet with a dependency descriptor says.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |S|E|template id|         frame number          |T|A|D|F|C| ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a bit of the format")]
pub struct DependencyDescriptor {
    /// The first packet of a frame.
    pub start_of_frame: bool,
    /// The last packet of a frame.
    pub end_of_frame: bool,
    /// `frame_dependency_template_id`, six bits.
    pub template_id: u8,
    /// Counts frames, wraps at 65536.
    pub frame_number: u16,
    /// A template structure follows: a new coded video sequence, so a keyframe, starts with this frame.
    pub has_structure: bool,
    /// The active decode targets follow.
    pub has_active_decode_targets: bool,
    /// Custom decode target indications, frame diffs or chain diffs follow.
    pub has_custom: bool,
}

impl DependencyDescriptor {
    /// Reads the value of the header extension.
    pub fn parse(value: &[u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(value);
        let first = reader.u8()?;
        let frame_number = reader.u16()?;
        // §A.8.2: a descriptor of three bytes has no optional part.
        let flags = if reader.is_empty() { 0 } else { reader.u8()? };
        Ok(Self {
            start_of_frame: first & 0x80 != 0,
            end_of_frame: first & 0x40 != 0,
            template_id: first & 0x3f,
            frame_number,
            has_structure: flags & 0x80 != 0,
            has_active_decode_targets: flags & 0x40 != 0,
            has_custom: flags & 0x38 != 0,
        })
    }

    /// The first three bytes: what stands before the optional part.
    pub const fn mandatory_bytes(&self) -> [u8; 3] {
        let [high, low] = self.frame_number.to_be_bytes();
        [(self.start_of_frame as u8) << 7 | (self.end_of_frame as u8) << 6 | self.template_id & 0x3f, high, low]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_first_packet_of_a_keyframe() {
        let descriptor = DependencyDescriptor::parse(&[0x80, 0x00, 0x01, 0x80, 0x02, 0x14]).unwrap();
        let expected = DependencyDescriptor {
            start_of_frame: true,
            frame_number: 1,
            has_structure: true,
            ..DependencyDescriptor::default()
        };
        assert_eq!(descriptor, expected);
    }

    #[test]
    fn three_bytes_are_the_mandatory_part() {
        let descriptor = DependencyDescriptor::parse(&[0x43, 0x12, 0x34]).unwrap();
        assert!(!descriptor.start_of_frame && descriptor.end_of_frame && !descriptor.has_structure);
        assert_eq!((descriptor.template_id, descriptor.frame_number), (3, 0x1234));
        assert_eq!(DependencyDescriptor::parse(&[0x43, 0x12]), Err(ParseError::TooShort));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_come_back(bytes in prop::collection::vec(any::<u8>(), 0..20)) {
            if let Ok(descriptor) = DependencyDescriptor::parse(&bytes) {
                prop_assert_eq!(&descriptor.mandatory_bytes()[..], &bytes[..3]);
            }
        }
    }
}
