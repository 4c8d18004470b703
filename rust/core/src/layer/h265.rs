//! H.265 (RFC 7798): temporal layers from the NAL unit header, keyframes from what is in the packet.

use sfu_wire::payload::h265::H265Facts;

use super::facts::{FrameFacts, KeyframeStart, Prerequisite, SwitchUp};

/// A keyframe starts at its parameter sets: they are part of it. Their layer is that of no picture.
pub(super) fn facts(payload: &[u8], marker: bool) -> Option<FrameFacts> {
    let read = H265Facts::parse(payload).ok()?;
    let switch_up = match read {
        H265Facts { tsa: true, .. } => SwitchUp::ThisAndAbove,
        H265Facts { stsa: true, .. } => SwitchUp::This,
        _ => SwitchUp::No,
    };
    let prerequisite = if read.rasl { Prerequisite::PicturesBefore } else { Prerequisite::None };
    let (keyframe, temporal) = (start(read).is_some(), read.temporal);
    Some(FrameFacts { keyframe, temporal, switch_up, prerequisite, ..FrameFacts::opaque(marker) })
}

/// How surely a keyframe starts in `payload`.
pub(super) fn keyframe_start(payload: &[u8]) -> Option<KeyframeStart> {
    start(H265Facts::parse(payload).ok()?)
}

const fn start(read: H265Facts) -> Option<KeyframeStart> {
    match read {
        H265Facts { vps: true, .. } => Some(KeyframeStart::Certain),
        H265Facts { sps: true, .. } | H265Facts { irap: true, starts_picture: true, .. } => {
            Some(KeyframeStart::UnlessPreceded)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A NAL unit header and the start of what is in it.
    fn unit(nal_type: u8, temporal: u8) -> [u8; 4] {
        [nal_type << 1, temporal + 1, 0xaf, 0x00]
    }

    #[test]
    fn parameter_sets_and_random_access_points_start_keyframes() {
        assert_eq!(keyframe_start(&unit(32, 0)), Some(KeyframeStart::Certain));
        assert_eq!(keyframe_start(&unit(33, 0)), Some(KeyframeStart::UnlessPreceded));
        assert_eq!(keyframe_start(&unit(19, 0)), Some(KeyframeStart::UnlessPreceded), "an IDR picture's first slice");
        assert_eq!(keyframe_start(&unit(34, 0)), None);
        assert!(!facts(&unit(1, 0), true).unwrap().keyframe);
    }

    #[test]
    fn sub_layer_access_pictures_are_switch_points() {
        let read = |nal_type, temporal| facts(&unit(nal_type, temporal), false).unwrap();
        assert_eq!((read(0, 2).temporal, read(0, 2).switch_up), (2, SwitchUp::No));
        assert_eq!(read(4, 1).switch_up, SwitchUp::This);
        assert_eq!(read(2, 1).switch_up, SwitchUp::ThisAndAbove);
    }

    #[test]
    fn skipped_leading_pictures_need_what_was_before_their_random_access_point() {
        let prerequisite = |nal_type| facts(&unit(nal_type, 0), false).unwrap().prerequisite;
        assert_eq!([8, 9].map(prerequisite), [Prerequisite::PicturesBefore; 2]);
        assert_eq!(
            [1, 6, 7, 19, 21].map(prerequisite),
            [Prerequisite::None; 5],
            "decodable leading pictures need nothing"
        );
    }

    #[test]
    fn what_is_no_packet_of_it_is_none() {
        assert_eq!(facts(&[0x60], false), None);
    }
}
