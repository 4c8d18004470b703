//! Which payload type and which extension id means what: one table for the whole bundle (RFC 9143 §9.1, §15.1).
//!
//! The client's numbers are taken when it offers; the server's own offers reuse them and take free ones for the rest.
//! Invariant: a number has one meaning in all sections of a description.

use std::collections::BTreeMap;
use std::sync::Arc;

use sfu_wire::{Extension, Pt};

use super::fmtp::answered_fmtp;
use super::meaning::{Meaning, meaning};
use super::parse::RemoteSection;
use crate::codec::{CodecName, Kind};

#[derive(Debug, Clone)]
struct Entry {
    meaning: Meaning,
    fmtp: Arc<str>,
}

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub(super) struct Numbers {
    payload_types: BTreeMap<Pt, Entry>,
    /// `None`: an extension that the SFU does not use, but the client does.
    extensions: BTreeMap<u8, Option<Extension>>,
}

impl Numbers {
    /// The table after a description of the client: its numbers go before those known so far.
    pub(super) fn learn<'a, 's: 'a>(&self, sections: impl Iterator<Item = &'a RemoteSection<'s>>) -> Self {
        let mut learnt = Self::default();
        for section in sections {
            for pt in &section.payload_types {
                learnt.payload_types.entry(*pt).or_insert_with(|| {
                    let meaning = meaning(section, *pt);
                    let fmtp = match meaning {
                        Meaning::Codec { name, .. } => answered_fmtp(name, section.fmtp(*pt)),
                        _ => Arc::from(""),
                    };
                    Entry { meaning, fmtp }
                });
            }
            for extmap in &section.extmaps {
                learnt.extensions.entry(extmap.id).or_insert(extmap.extension);
            }
        }
        for (pt, entry) in &self.payload_types {
            learnt.payload_types.entry(*pt).or_insert_with(|| entry.clone());
        }
        for (id, extension) in &self.extensions {
            learnt.extensions.entry(*id).or_insert(*extension);
        }
        learnt
    }

    /// What `pt` stands for.
    pub(super) fn meaning(&self, pt: Pt) -> Option<Meaning> {
        self.payload_types.get(&pt).map(|entry| entry.meaning)
    }

    /// Whether retransmissions of a codec for audio have a payload type.
    pub(super) fn has_audio_rtx(&self) -> bool {
        let is_audio =
            |apt| matches!(self.meaning(apt), Some(Meaning::Codec { name, .. }) if name.kind() == Kind::Audio);
        self.payload_types.values().any(|entry| matches!(entry.meaning, Meaning::Rtx { apt } if is_audio(apt)))
    }

    /// What the server writes as `a=fmtp` of `pt`.
    pub(super) fn fmtp(&self, pt: Pt) -> Arc<str> {
        self.payload_types.get(&pt).map_or_else(|| Arc::from(""), |entry| entry.fmtp.clone())
    }

    /// What `id` stands for.
    pub(super) fn extension(&self, id: u8) -> Option<Extension> {
        self.extensions.get(&id).copied().flatten()
    }

    /// The payload type of `wanted`, if there is one.
    pub(super) fn known(&self, wanted: Meaning) -> Option<Pt> {
        self.payload_types.iter().find(|(_, entry)| entry.meaning == wanted).map(|(pt, _)| *pt)
    }

    /// The payload type of `wanted`: the known one, else a free one, from now on known with `fmtp`.
    pub(super) fn payload_type(&mut self, wanted: Meaning, fmtp: impl FnOnce() -> String) -> Option<Pt> {
        if let Some(pt) = self.known(wanted) {
            return Some(pt);
        }
        let pt = preferred(wanted)
            .into_iter()
            .chain(96..=127)
            .chain(35..=63)
            .map(Pt::new)
            .find(|pt| !self.payload_types.contains_key(pt))?;
        self.payload_types.insert(pt, Entry { meaning: wanted, fmtp: fmtp().into() });
        Some(pt)
    }

    /// The id of `wanted`: the known one, else a free one of the one-byte form.
    pub(super) fn extension_id(&mut self, wanted: Extension) -> Option<u8> {
        if let Some((id, _)) = self.extensions.iter().find(|(_, extension)| **extension == Some(wanted)) {
            return Some(*id);
        }
        let id = (1..=14).find(|id| !self.extensions.contains_key(id))?;
        self.extensions.insert(id, Some(wanted));
        Some(id)
    }
}

/// The numbers that Chromium uses: in a mixed bundle they rarely have to move.
fn preferred(wanted: Meaning) -> Option<u8> {
    Some(match wanted {
        Meaning::Codec { name, .. } => match name {
            CodecName::Opus => 111,
            CodecName::Red => 63,
            CodecName::Vp8 => 96,
            CodecName::Vp9 => 98,
            CodecName::Av1 => 45,
            CodecName::H264 => 108,
            CodecName::H265 => 49,
        },
        Meaning::Rtx { apt } if apt.get() < 127 => apt.get() + 1,
        Meaning::Rtx { .. } | Meaning::Foreign => return None,
    })
}
