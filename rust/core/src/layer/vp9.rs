//! VP9: facts from the payload descriptor (RFC 9628 §4.2).

use sfu_wire::payload::Vp9Descriptor;

use super::facts::{Descriptor, FrameFacts, Prerequisite, SwitchUp};

pub(super) fn facts(payload: &[u8], marker: bool) -> Option<FrameFacts> {
    let (descriptor, _) = Vp9Descriptor::parse(payload).ok()?;
    Some(FrameFacts {
        keyframe: descriptor.starts_keyframe(),
        starts_frame: descriptor.starts_frame,
        ends_frame: descriptor.ends_frame || marker,
        spatial: descriptor.spatial(),
        temporal: descriptor.temporal(),
        switch_up: if descriptor.layer.is_some_and(|layer| layer.switch_up) { SwitchUp::This } else { SwitchUp::No },
        prerequisite: Prerequisite::None,
        descriptor: Descriptor::Vp9(descriptor),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_base_layer_of_a_picture_without_references_is_a_keyframe() {
        // I L B; then P I L B; then I L B of spatial layer 1.
        assert!(facts(&[0xa8, 0x05, 0x00, 0x01], false).unwrap().keyframe);
        assert!(!facts(&[0xe8, 0x05, 0x00, 0x01], false).unwrap().keyframe);
        let upper = facts(&[0xa8, 0x05, 0x03, 0x01], false).unwrap();
        assert!(!upper.keyframe && upper.starts_frame);
        assert_eq!(upper.spatial, 1);
    }

    #[test]
    fn a_truncated_descriptor_is_none() {
        assert_eq!(facts(&[0xa8, 0x85], false), None);
    }
}
