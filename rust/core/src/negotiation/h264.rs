//! H264 profiles (RFC 6184 §8.1): what a `profile-level-id` says, and which decoder takes which stream.
//!
//! Levels do not decide: the SFU does not decode, and browsers declare level 3.1 and decode more.

use super::fmtp::parameter;

/// A profile that WebRTC endpoints use, told apart by `profile_idc` and the constraint bits of `profile-iop`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Profile {
    /// Baseline and Main at once.
    ConstrainedBaseline,
    /// With flexible macroblock order, which no WebRTC encoder writes.
    Baseline,
    /// Main.
    Main,
    /// High without interlacing.
    ConstrainedHigh,
    /// High.
    High,
    /// High 4:4:4 Predictive.
    PredictiveHigh444,
}

/// Table 5 of RFC 6184: `profile_idc`, the bits of `profile-iop` that matter, their values, the profile.
const SUB_PROFILES: [(u8, u8, u8, Profile); 8] = [
    (0x42, 0b0100_1111, 0b0100_0000, Profile::ConstrainedBaseline),
    (0x4d, 0b1000_1111, 0b1000_0000, Profile::ConstrainedBaseline),
    (0x58, 0b1100_1111, 0b1100_0000, Profile::ConstrainedBaseline),
    (0x42, 0b0100_1111, 0b0000_0000, Profile::Baseline),
    (0x4d, 0b1010_1111, 0b0000_0000, Profile::Main),
    (0x64, 0b1111_1111, 0b0000_1100, Profile::ConstrainedHigh),
    (0x64, 0b1111_1111, 0b0000_0000, Profile::High),
    (0xf4, 0b1111_1111, 0b0000_0000, Profile::PredictiveHigh444),
];

impl Profile {
    /// Of six hexadecimal digits; `None` when they are not, or name a profile that is not used here.
    pub(super) fn of_level_id(digits: &str) -> Option<Self> {
        if digits.len() != 6 {
            return None;
        }
        let [_, idc, iop, _level] = u32::from_str_radix(digits, 16).ok()?.to_be_bytes();
        SUB_PROFILES
            .iter()
            .find(|(known, mask, bits, _)| *known == idc && iop & mask == *bits)
            .map(|(.., profile)| *profile)
    }

    /// Of `a=fmtp` parameters. Without `profile-level-id` it is Baseline (RFC 6184 §8.1).
    pub(super) fn of_fmtp(fmtp: &str) -> Option<Self> {
        parameter(fmtp, "profile-level-id").map_or(Some(Self::Baseline), Self::of_level_id)
    }

    /// How well a decoder of this profile takes `stream`: 0 is an exact match, `None` does not play.
    pub(super) fn distance(self, stream: Self) -> Option<u8> {
        use Profile::{Baseline, ConstrainedBaseline, ConstrainedHigh, High, Main, PredictiveHigh444};
        match (stream, self) {
            (a, b) if a == b => Some(0),
            // Every profile contains Constrained Baseline; encoders that say Baseline write just that.
            (ConstrainedBaseline | Baseline, Baseline | ConstrainedBaseline) => Some(1),
            (ConstrainedBaseline | Baseline, Main) | (Main | ConstrainedHigh, High) => Some(2),
            (ConstrainedBaseline | Baseline, ConstrainedHigh | High) => Some(3),
            (_, PredictiveHigh444) => Some(4),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Profile::{self, *};

    #[test]
    fn table_5_tells_profiles_apart() {
        for (digits, profile) in [
            ("42e01f", Some(ConstrainedBaseline)),
            ("42c01f", Some(ConstrainedBaseline)),
            ("4d801f", Some(ConstrainedBaseline)),
            ("58f01f", Some(ConstrainedBaseline)),
            ("42001f", Some(Baseline)),
            ("42A01F", Some(Baseline)),
            ("4d001f", Some(Main)),
            ("4d401f", Some(Main)),
            ("640c1f", Some(ConstrainedHigh)),
            ("640034", Some(High)),
            ("f4001f", Some(PredictiveHigh444)),
            ("58001f", None),
            ("42e01", None),
            ("42e01fff", None),
            ("zzzzzz", None),
        ] {
            assert_eq!(Profile::of_level_id(digits), profile, "{digits}");
        }
        assert_eq!(Profile::of_fmtp("packetization-mode=1"), Some(Baseline));
        assert_eq!(Profile::of_fmtp("packetization-mode=1; PROFILE-LEVEL-ID=640c1f"), Some(ConstrainedHigh));
    }

    #[test]
    fn a_decoder_takes_its_own_profile_first_and_smaller_ones_too() {
        assert_eq!(Main.distance(Main), Some(0));
        assert!(High.distance(ConstrainedBaseline) > Main.distance(ConstrainedBaseline));
        assert_eq!(ConstrainedBaseline.distance(Main), None);
        assert_eq!(Main.distance(High), None);
        assert_eq!(ConstrainedHigh.distance(High), None);
    }
}
