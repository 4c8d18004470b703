//! What offers and answers of a client have in common: which sections are alive, and what a section agrees to.

use std::collections::BTreeMap;
use std::sync::Arc;

use sfu_wire::{Extension, Mid, Ssrc};

use super::config::{NegotiatorConfig, NegotiatorRole};
use super::error::NegotiationError;
use super::format::{Format, FormatPool, accept};
use super::numbers::Numbers;
use super::parse::{Description, RemoteSection};
use super::section::SectionKind;
use super::state::{AgreedRid, Creator, Extmap, MediaSection};
use crate::codec::{CodecName, Kind};

/// Which sections of a client's description are alive: spoken here, in the bundle, not stopped. Live ones are complete.
pub(super) fn live(description: &Description<'_>) -> Result<Vec<bool>, NegotiationError> {
    let mut mids: BTreeMap<Mid, usize> = BTreeMap::new();
    for section in &description.sections {
        let Some((mid, row)) = section.mid else {
            continue;
        };
        if let Some(other) = mids.insert(mid, section.place.section) {
            return Err(NegotiationError::DuplicateMid { line: row.line(), other });
        }
    }
    let mut live: Vec<bool> =
        description.sections.iter().map(|section| section.kind.is_some() && !section.is_stopped()).collect();
    let alone = live.iter().filter(|alive| **alive).count() <= 1;
    let mut bundled = vec![description.bundle.is_none() && alone; live.len()];
    for tag in description.bundle.iter().flatten() {
        let mid = Mid::new(tag).and_then(|mid| mids.get(&mid));
        if let Some(section) = mid {
            bundled[section - 1] = true;
        }
    }
    for ((section, alive), bundled) in description.sections.iter().zip(&mut live).zip(bundled) {
        if !*alive {
            continue;
        }
        let missing = |attribute| NegotiationError::Missing { attribute, place: section.place.clone() };
        if section.mid.is_none() {
            return Err(missing("a=mid"));
        }
        if !bundled {
            return Err(NegotiationError::NotBundled { place: section.place.clone() });
        }
        if section.kind != Some(SectionKind::Application) && !section.rtcp_mux {
            return Err(missing("a=rtcp-mux"));
        }
    }
    Ok(live)
}

/// Lets `section` agree to what the client says about it; the directions are the caller's.
pub(super) fn agree(
    section: &mut MediaSection,
    remote: &RemoteSection<'_>,
    allowed: &[CodecName],
    numbers: &Numbers,
    pool: &mut FormatPool,
) {
    let formats = accept(remote, allowed, numbers);
    section.allow_mixed = remote.allow_mixed;
    section.rtcp_rsize = remote.rtcp_rsize;
    section.extensions = extensions(remote, numbers);
    section.simulcast = !remote.simulcast.is_empty();
    let takes_rids = section.extensions.iter().any(|extmap| extmap.extension == Extension::Rid);
    section.rids = if takes_rids && remote.direction.sends { rids(remote, &formats) } else { Vec::new() };
    section.ssrcs = if remote.direction.sends { ssrcs(remote) } else { Vec::new() };
    section.msid = remote.msid.clone();
    section.formats = pool.keep(formats);
}

/// A live section keeps mid and media type (RFC 9429 §5.2.2).
pub(super) fn keeps_its_place(remote: &RemoteSection<'_>, negotiated: &MediaSection) -> Result<(), NegotiationError> {
    let (Some(mid), Some(kind)) = (negotiated.mid, negotiated.kind) else {
        return Ok(());
    };
    if remote.mid.map_or(!remote.is_stopped(), |(found, _)| found != mid) {
        return Err(NegotiationError::MidChanged { place: remote.place.clone(), negotiated: mid.as_str().to_owned() });
    }
    if !remote.place.media.eq_ignore_ascii_case(kind.as_str()) {
        return Err(NegotiationError::KindChanged { place: remote.place.clone(), negotiated: kind.as_str() });
    }
    Ok(())
}

/// The `m=` line, to repeat it.
pub(super) fn line_of(remote: &RemoteSection<'_>) -> Arc<(String, String, String)> {
    let text = |text: &str| text.to_owned();
    Arc::new((text(&remote.place.media), text(remote.protocol), text(remote.formats)))
}

/// Where the server may send: wherever the client receives; when the server can offer sections of its own it leaves those
/// alone in which the client publishes, so that they come and go with the client's tracks.
pub(super) fn is_for_senders(section: &MediaSection, role: NegotiatorRole) -> bool {
    section.client.receives
        && (role == NegotiatorRole::ClientOffers || section.creator == Creator::Server || !section.client.sends)
}

/// The codecs that a room allows.
pub(super) fn allowed(config: &NegotiatorConfig, kind: Kind) -> &[CodecName] {
    match kind {
        Kind::Audio => &config.audio_codecs,
        Kind::Video => &config.video_codecs,
    }
}

fn extensions(remote: &RemoteSection<'_>, numbers: &Numbers) -> Vec<Extmap> {
    let mut agreed: Vec<Extmap> = Vec::new();
    for extmap in &remote.extmaps {
        let Some(extension) = extmap.extension else {
            continue;
        };
        let fits = extmap.id < 15 || remote.allow_mixed;
        let known = agreed.iter().any(|known| known.extension == extension || known.id == extmap.id);
        if fits && !known && numbers.extension(extmap.id) == Some(extension) {
            agreed.push(Extmap { id: extmap.id, extension, direction: extmap.direction.reversed() });
        }
    }
    agreed
}

/// The client's encodings: in the order of `a=simulcast` if there is one (RFC 8853 §5.1), else of `a=rid`.
fn rids(remote: &RemoteSection<'_>, formats: &[Format]) -> Vec<AgreedRid> {
    /// Browsers send three; more than this is not simulcast any more.
    const MAX: usize = 8;
    let named = |id: &str| remote.rids.iter().find(|rid| rid.rid.as_str() == id);
    let chosen: Vec<_> = if remote.simulcast.is_empty() {
        remote.rids.iter().map(|rid| (rid, false)).collect()
    } else {
        remote.simulcast.iter().filter_map(|(id, paused)| Some((named(id)?, *paused))).collect()
    };
    let mut agreed: Vec<AgreedRid> = Vec::new();
    for (rid, paused) in chosen.into_iter().take(MAX) {
        let accepted = |pt: &&_| formats.iter().any(|format| format.codec.pt == **pt);
        let payload_types: Vec<_> = rid.payload_types.iter().filter(accepted).copied().collect();
        let playable = rid.payload_types.is_empty() || !payload_types.is_empty();
        if playable && !agreed.iter().any(|known| known.rid == rid.rid) {
            let restrictions = rid.restrictions.clone();
            agreed.push(AgreedRid { rid: rid.rid, paused, payload_types, restrictions });
        }
    }
    agreed
}

/// Media SSRCs in the order of the SDP, each with the one that repairs it (RFC 5576 §4.2).
fn ssrcs(remote: &RemoteSection<'_>) -> Vec<(Ssrc, Option<Ssrc>)> {
    let repairs: BTreeMap<Ssrc, Ssrc> = remote.repairs.iter().copied().collect();
    let repairing: Vec<Ssrc> = repairs.values().copied().collect();
    let media = remote.ssrcs.iter().filter(|ssrc| !repairing.contains(ssrc));
    media.map(|ssrc| (*ssrc, repairs.get(ssrc).copied())).collect()
}
