//! H.264: browsers send no layers inside an encoding; only keyframes matter (RFC 6184).

use sfu_wire::payload::h264;

use super::facts::FrameFacts;

/// A keyframe starts at its parameter sets: they are part of it.
pub(super) fn facts(payload: &[u8], marker: bool) -> FrameFacts {
    FrameFacts { keyframe: h264::starts_keyframe(payload), ..FrameFacts::opaque(marker) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_start_a_keyframe() {
        assert!(facts(&[0x67, 0x42, 0xc0, 0x1f], false).keyframe);
        assert!(!facts(&[0x61, 0x00], true).keyframe);
    }
}
