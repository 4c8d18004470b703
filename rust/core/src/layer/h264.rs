//! H.264: browsers send no layers inside an encoding; only keyframes matter (RFC 6184).

use sfu_wire::payload::h264::H264Facts;

use super::facts::{FrameFacts, KeyframeStart};

/// A keyframe starts at its parameter sets: they are part of it.
pub(super) fn facts(payload: &[u8], marker: bool) -> FrameFacts {
    FrameFacts { keyframe: keyframe_start(payload).is_some(), ..FrameFacts::opaque(marker) }
}

/// How surely a keyframe starts in `payload`.
pub(super) fn keyframe_start(payload: &[u8]) -> Option<KeyframeStart> {
    match H264Facts::of(payload) {
        H264Facts { sps: true, .. } => Some(KeyframeStart::Certain),
        H264Facts { idr: true, starts_picture: true, .. } => Some(KeyframeStart::UnlessPreceded),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_sets_start_a_keyframe() {
        assert!(facts(&[0x67, 0x42, 0xc0, 0x1f], false).keyframe);
        assert!(!facts(&[0x61, 0x00], true).keyframe);
    }

    #[test]
    fn a_picture_starts_one_unless_parameter_sets_precede_it() {
        assert_eq!(keyframe_start(&[0x67, 0x42]), Some(KeyframeStart::Certain));
        assert_eq!(keyframe_start(&[0x65, 0x88]), Some(KeyframeStart::UnlessPreceded));
        assert_eq!(keyframe_start(&[0x65, 0x40]), None, "its second slice");
        assert_eq!(keyframe_start(&[0x68, 0xce]), None);
    }
}
