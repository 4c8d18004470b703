//! AV1: without the dependency descriptor the aggregation header tells only where a coded video sequence starts
//! (AV1 RTP specification §4.4).

use sfu_wire::payload::av1;

use super::facts::FrameFacts;

pub(super) fn facts(payload: &[u8], marker: bool) -> FrameFacts {
    FrameFacts { keyframe: av1::starts_keyframe(payload), ..FrameFacts::opaque(marker) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_coded_video_sequence_is_a_keyframe() {
        assert!(facts(&[0x18, 0x0a, 0x01], false).keyframe);
        assert!(!facts(&[0x10, 0x32, 0x01], false).keyframe);
    }
}
