//! Payload formats: which of a peer's are taken, and under which parameters they are answered and offered.

use std::sync::Arc;

use super::feedback::Feedback;
use super::h264::Profile;
use super::meaning::{Meaning, meaning};
use super::numbers::Numbers;
use super::parse::RemoteSection;
use super::section::NegotiatedCodec;
use crate::codec::CodecName;

/// A payload format as it is agreed or offered in one section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Format {
    pub(super) codec: NegotiatedCodec,
    /// What the server writes as `a=fmtp`; the same for a payload type in the whole bundle.
    pub(super) fmtp: Arc<str>,
    pub(super) feedback: Feedback,
}

/// The peer's formats that are taken: known, allowed, and of one meaning in the whole bundle. `allowed` empty: all, in the
/// peer's order; otherwise in the order of `allowed`.
pub(super) fn accept(section: &RemoteSection<'_>, allowed: &[CodecName], numbers: &Numbers) -> Vec<Format> {
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
        let rank = if allowed.is_empty() { Some(0) } else { allowed.iter().position(|codec| *codec == name) };
        let (Some(rank), true) = (rank, numbers.meaning(*pt) == Some(meaning)) else {
            continue;
        };
        if formats.iter().any(|(_, format)| format.codec.pt == *pt) {
            continue;
        }
        let codec = NegotiatedCodec { pt: *pt, name, rtx: rtx[usize::from(pt.get())], fmtp: section.fmtp(*pt).into() };
        formats.push((rank, Format { codec, fmtp: numbers.fmtp(*pt), feedback: section.feedback(*pt) }));
    }
    formats.sort_by_key(|(rank, _)| *rank);
    formats.into_iter().map(|(_, format)| format).collect()
}

/// The format for a track of codec `name` whose publisher's parameters are `stream`: the same profile, or the nearest that
/// decodes it.
pub(super) fn format_for<'a>(formats: &'a [Format], name: CodecName, stream: &str) -> Option<&'a Format> {
    let mut same = formats.iter().filter(|format| format.codec.name == name);
    if name == CodecName::Red {
        // Who does not take it gets the Opus out of it.
        return same.next().or_else(|| formats.iter().find(|format| format.codec.name == CodecName::Opus));
    }
    if name != CodecName::H264 || stream.is_empty() {
        return same.next();
    }
    let Some(profile) = Profile::of_fmtp(stream) else {
        return same.next();
    };
    same.filter_map(|format| Some((Profile::of_fmtp(&format.codec.fmtp)?.distance(profile)?, format)))
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
        Self { formats: Arc::from([]), codecs: Arc::from([]) }
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
        let list = FormatList { formats: formats.into(), codecs };
        if self.lists.len() == Self::SIZE {
            self.lists.remove(0);
        }
        self.lists.push(list.clone());
        list
    }
}
