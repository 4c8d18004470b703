//! VP8: facts from the payload descriptor (RFC 7741 §4.2).

use sfu_wire::payload::Vp8Descriptor;

use super::facts::{Descriptor, FrameFacts, Prerequisite, SwitchUp};

pub(super) fn facts(payload: &[u8], marker: bool) -> Option<FrameFacts> {
    let (descriptor, len) = Vp8Descriptor::parse(payload).ok()?;
    let temporal = descriptor.temporal;
    Some(FrameFacts {
        keyframe: descriptor.starts_keyframe(payload.get(len..)?),
        starts_frame: descriptor.starts_frame(),
        ends_frame: marker,
        spatial: 0,
        temporal: temporal.map_or(0, |temporal| temporal.tid),
        switch_up: if temporal.is_some_and(|temporal| temporal.layer_sync) { SwitchUp::This } else { SwitchUp::No },
        prerequisite: Prerequisite::None,
        descriptor: Descriptor::Vp8(descriptor),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_keyframe_starts_at_the_first_packet_of_partition_zero() {
        let first = facts(&[0x90, 0x80, 0x05, 0x10], false).unwrap();
        assert!(first.keyframe && first.starts_frame && !first.ends_frame);
        let next = facts(&[0x80, 0x80, 0x05, 0x10], true).unwrap();
        assert!(!next.keyframe && !next.starts_frame && next.ends_frame);
        assert!(!facts(&[0x90, 0x80, 0x05, 0x11], false).unwrap().keyframe, "P is set");
    }

    #[test]
    fn the_layer_sync_bit_is_a_switch_point() {
        let facts = facts(&[0x90, 0x20, 0x60, 0x11], false).unwrap();
        assert_eq!((facts.temporal, facts.switch_up), (1, SwitchUp::This));
    }

    #[test]
    fn a_truncated_descriptor_is_none() {
        assert_eq!(facts(&[], false), None);
        assert_eq!(facts(&[0x90, 0xf0, 0x80], false), None);
    }
}
