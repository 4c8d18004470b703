//! What a payload type of a client stands for: a codec that the SFU forwards, repair of one, or something else.

use sfu_wire::Pt;

use super::fmtp::parameter;
use super::h264::Profile;
use super::parse::RemoteSection;
use super::section::SectionKind;
use crate::codec::CodecName;

/// What a payload type stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    /// A codec; H264 formats differ by profile.
    Codec { name: CodecName, profile: Option<Profile> },
    /// Retransmissions of `apt`.
    Rtx { apt: Pt },
    /// Something that the SFU does not use, but the client does.
    Foreign,
}

/// What a payload type of the peer's section stands for.
pub(super) fn meaning(section: &RemoteSection<'_>, pt: Pt) -> Meaning {
    let Some(map) = section.rtpmap(pt) else {
        return Meaning::Foreign;
    };
    let fmtp = section.fmtp(pt);
    if map.name.eq_ignore_ascii_case("rtx") {
        let apt = parameter(fmtp, "apt").and_then(|apt| apt.parse().ok());
        return apt.filter(|apt| *apt < 128).map_or(Meaning::Foreign, |apt| Meaning::Rtx { apt: Pt::new(apt) });
    }
    let stereo = map.channels == Some(2);
    let name = match map.name.to_ascii_lowercase().as_str() {
        "opus" if stereo => CodecName::Opus,
        "red" if stereo && repeats_opus(section, fmtp) => CodecName::Red,
        "vp8" => CodecName::Vp8,
        "vp9" if parameter(fmtp, "profile-id").is_none_or(|id| id == "0") => CodecName::Vp9,
        "av1" if parameter(fmtp, "profile").is_none_or(|profile| profile == "0") => CodecName::Av1,
        "h264" if parameter(fmtp, "packetization-mode") == Some("1") => CodecName::H264,
        "h265" if parameter(fmtp, "profile-id").is_none_or(|id| id == "1") => CodecName::H265,
        _ => return Meaning::Foreign,
    };
    let profile = if name == CodecName::H264 { Profile::of_fmtp(fmtp) } else { None };
    let known = name != CodecName::H264 || profile.is_some();
    if known && map.clock_rate == name.clock_rate() && Some(name.kind()) == section.kind.and_then(SectionKind::media) {
        Meaning::Codec { name, profile }
    } else {
        Meaning::Foreign
    }
}

/// Whether the blocks of a RED format are Opus (RFC 2198 §5: `111/111`).
fn repeats_opus(section: &RemoteSection<'_>, fmtp: &str) -> bool {
    !fmtp.is_empty()
        && fmtp.trim().split('/').all(|pt| {
            pt.parse().is_ok_and(|pt: u8| {
                pt < 128 && section.rtpmap(Pt::new(pt)).is_some_and(|map| map.name.eq_ignore_ascii_case("opus"))
            })
        })
}
