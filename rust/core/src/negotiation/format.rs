//! Payload formats: which of a peer's are taken, and under which parameters they are answered and offered.

use std::sync::Arc;

use sfu_wire::Pt;

use super::h264::Profile;
use super::numbers::{Meaning, Numbers};
use super::parse::RemoteSection;
use super::section::{NegotiatedCodec, SectionKind};
use crate::codec::{CodecName, Kind};

/// Feedback messages of a payload format (`a=rtcp-fb`, RFC 4585 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Feedback(u8);

impl Feedback {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NACK: Self = Self(1);
    pub(super) const PLI: Self = Self(2);
    pub(super) const FIR: Self = Self(4);
    pub(super) const TWCC: Self = Self(8);
    pub(super) const REMB: Self = Self(16);

    /// In the order in which they are written.
    pub(super) const NAMES: [(Self, &str); 5] = [
        (Self::REMB, "goog-remb"),
        (Self::TWCC, "transport-cc"),
        (Self::FIR, "ccm fir"),
        (Self::NACK, "nack"),
        (Self::PLI, "nack pli"),
    ];

    /// From the text after the payload type; none for messages that the SFU does not use.
    pub(super) fn parse(text: &str) -> Self {
        let mut words = text.split_ascii_whitespace();
        let words = (words.next().unwrap_or_default(), words.next());
        let known = Self::NAMES.iter().find(|(_, name)| {
            let mut wanted = name.split(' ');
            (wanted.next().unwrap_or_default(), wanted.next()) == words
        });
        known.map_or(Self::NONE, |(feedback, _)| *feedback)
    }

    /// What the server offers.
    pub(super) const fn offered(kind: Kind) -> Self {
        match kind {
            Kind::Audio => Self::TWCC,
            Kind::Video => {
                Self(Self::NACK.0 | Self::PLI.0 | Self::FIR.0 | Self::TWCC.0 | Self::REMB.0)
            }
        }
    }

    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A payload format as it is agreed or offered in one section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) codec: NegotiatedCodec,
    /// What the server writes as `a=fmtp`; the same for a payload type in the whole bundle.
    pub(super) fmtp: Arc<str>,
    pub(super) feedback: Feedback,
}

/// The value of one `a=fmtp` parameter; names are compared without case.
pub(super) fn parameter<'a>(fmtp: &'a str, name: &str) -> Option<&'a str> {
    fmtp.split(';').find_map(|pair| {
        let (key, value) = pair.split_once('=')?;
        key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

/// What a payload type of the peer's section stands for.
pub(super) fn meaning(section: &RemoteSection<'_>, pt: Pt) -> Meaning {
    let Some(map) = section.rtpmap(pt) else {
        return Meaning::Foreign;
    };
    let fmtp = section.fmtp(pt);
    if map.name.eq_ignore_ascii_case("rtx") {
        let apt = parameter(fmtp, "apt").and_then(|apt| apt.parse().ok());
        return apt
            .filter(|apt| *apt < 128)
            .map_or(Meaning::Foreign, |apt| Meaning::Rtx { apt: Pt::new(apt) });
    }
    let stereo = map.channels == Some(2);
    let name = match map.name.to_ascii_lowercase().as_str() {
        "opus" if stereo => CodecName::Opus,
        "red" if stereo && repeats_opus(section, fmtp) => CodecName::Red,
        "vp8" => CodecName::Vp8,
        "vp9" if parameter(fmtp, "profile-id").is_none_or(|id| id == "0") => CodecName::Vp9,
        "av1" if parameter(fmtp, "profile").is_none_or(|profile| profile == "0") => CodecName::Av1,
        "h264" if parameter(fmtp, "packetization-mode") == Some("1") => CodecName::H264,
        _ => return Meaning::Foreign,
    };
    let profile = if name == CodecName::H264 {
        Profile::of_fmtp(fmtp)
    } else {
        None
    };
    let known = name != CodecName::H264 || profile.is_some();
    if known
        && map.clock_rate == name.clock_rate()
        && Some(name.kind()) == section.kind.and_then(SectionKind::media)
    {
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
                pt < 128
                    && section
                        .rtpmap(Pt::new(pt))
                        .is_some_and(|map| map.name.eq_ignore_ascii_case("opus"))
            })
        })
}

/// The peer's formats that are taken: known, allowed, and of one meaning in the whole bundle. `allowed` empty: all, in the
/// peer's order; otherwise in the order of `allowed`.
pub(super) fn accept(
    section: &RemoteSection<'_>,
    allowed: &[CodecName],
    numbers: &Numbers,
) -> Vec<Format> {
    let mut rtx = [None; 128];
    for pt in &section.payload_types {
        if let Meaning::Rtx { apt } = meaning(section, *pt)
            && numbers.meaning(*pt) == Some(Meaning::Rtx { apt })
        {
            rtx[usize::from(apt.get())].get_or_insert(*pt);
        }
    }
    let mut formats: Vec<(usize, Format)> = Vec::new();
    for pt in &section.payload_types {
        let meaning = meaning(section, *pt);
        let Meaning::Codec { name, .. } = meaning else {
            continue;
        };
        let rank = if allowed.is_empty() {
            Some(0)
        } else {
            allowed.iter().position(|codec| *codec == name)
        };
        let (Some(rank), true) = (rank, numbers.meaning(*pt) == Some(meaning)) else {
            continue;
        };
        if formats.iter().any(|(_, format)| format.codec.pt == *pt) {
            continue;
        }
        let rtx = if name.kind() == Kind::Video {
            rtx[usize::from(pt.get())]
        } else {
            None
        };
        let codec = NegotiatedCodec {
            pt: *pt,
            name,
            rtx,
            fmtp: section.fmtp(*pt).into(),
        };
        formats.push((
            rank,
            Format {
                codec,
                fmtp: numbers.fmtp(*pt),
                feedback: section.feedback(*pt),
            },
        ));
    }
    formats.sort_by_key(|(rank, _)| *rank);
    formats.into_iter().map(|(_, format)| format).collect()
}

/// What the server writes for a format that the peer offers with `fmtp`: the receiver's wishes are passed on, what
/// describes the peer's own stream (`sprop-…`) or decoder (VP8, VP9: `max-fs`, `max-fr`) is not the server's to say.
pub(super) fn answered_fmtp(name: CodecName, fmtp: &str) -> Arc<str> {
    match name {
        CodecName::Vp8 => Arc::from(""),
        CodecName::Vp9 if parameter(fmtp, "profile-id").is_none() => Arc::from(""),
        CodecName::Vp9 => Arc::from("profile-id=0"),
        CodecName::Red => Arc::from(fmtp.trim()),
        CodecName::Opus | CodecName::H264 | CodecName::Av1 => {
            let kept = fmtp.split(';').map(str::trim).filter(|pair| {
                !pair.is_empty()
                    && !pair
                        .get(..6)
                        .is_some_and(|start| start.eq_ignore_ascii_case("sprop-"))
            });
            Arc::from(kept.collect::<Vec<_>>().join(";"))
        }
    }
}

/// What the server offers for a codec that the peer has not named yet. `stream` are the track's own parameters.
pub(super) fn offered_fmtp(name: CodecName, stream: &str, opus: Option<Pt>) -> String {
    match name {
        CodecName::Opus => String::from("minptime=10;useinbandfec=1"),
        CodecName::Red => opus.map(|pt| format!("{pt}/{pt}")).unwrap_or_default(),
        CodecName::Vp8 => String::new(),
        CodecName::Vp9 => String::from("profile-id=0"),
        CodecName::Av1 => String::from("level-idx=5;profile=0;tier=0"),
        CodecName::H264 => {
            let level_id = parameter(stream, "profile-level-id")
                .filter(|id| Profile::of_level_id(id).is_some());
            let level_id = level_id.unwrap_or("42e01f");
            format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={level_id}")
        }
    }
}

/// The format for a track of codec `name` whose publisher's parameters are `stream`: the same profile, or the nearest that
/// decodes it.
pub(super) fn format_for<'a>(
    formats: &'a [Format],
    name: CodecName,
    stream: &str,
) -> Option<&'a Format> {
    let mut same = formats.iter().filter(|format| format.codec.name == name);
    if name != CodecName::H264 || stream.is_empty() {
        return same.next();
    }
    let Some(profile) = Profile::of_fmtp(stream) else {
        return same.next();
    };
    same.filter_map(|format| {
        Some((
            Profile::of_fmtp(&format.codec.fmtp)?.distance(profile)?,
            format,
        ))
    })
    .min_by_key(|(distance, _)| *distance)
    .map(|(_, format)| format)
}

/// Equal format lists are kept once: a client with two hundred sections repeats one list two hundred times.
#[derive(Debug, Clone, Default)]
pub(super) struct FormatPool {
    lists: Vec<FormatList>,
}

/// A format list and the part of it that the rest of the core reads.
#[derive(Debug, Clone)]
pub(super) struct FormatList {
    pub(super) formats: Arc<[Format]>,
    pub(super) codecs: Arc<[NegotiatedCodec]>,
}

impl Default for FormatList {
    fn default() -> Self {
        Self {
            formats: Arc::from([]),
            codecs: Arc::from([]),
        }
    }
}

impl FormatPool {
    /// Higher: more lists to compare with. Lower: rarer lists are kept twice.
    const SIZE: usize = 8;

    pub(super) fn keep(&mut self, formats: Vec<Format>) -> FormatList {
        if let Some(known) = self.lists.iter().find(|list| *list.formats == formats[..]) {
            return known.clone();
        }
        let codecs = formats.iter().map(|format| format.codec.clone()).collect();
        let list = FormatList {
            formats: formats.into(),
            codecs,
        };
        if self.lists.len() == Self::SIZE {
            self.lists.remove(0);
        }
        self.lists.push(list.clone());
        list
    }
}
