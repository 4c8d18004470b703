//! Which track and encoding an SSRC belongs to, on its first packet.
//!
//! In this order: the MID with the RID or repaired RID of the packet (Firefox sends repair first; a repair stream may lack its
//! MID), the SSRCs of the SDP, and last the payload type when it names one section alone (RFC 8843 §9.2).

use sfu_wire::rtp::RtpPacket;
use sfu_wire::{Extension, Mid, Pt, Rid, Ssrc};

use crate::arena::Arena;
use crate::connection::{Binding, Connection};
use crate::id::TrackId;
use crate::track::Track;

/// What a packet says of itself.
#[derive(Debug, Default)]
struct Names {
    mid: Option<Mid>,
    rid: Option<Rid>,
    repaired: Option<Rid>,
}

pub(crate) fn bind(connection: &Connection, tracks: &Arena<TrackId, Track>, packet: &RtpPacket<'_>) -> Option<Binding> {
    let names = names(connection, packet);
    let pt = packet.header().pt;
    let mut candidates = connection.tracks.iter().filter_map(|(mid, id)| Some((*mid, *id, tracks.get(*id)?)));
    if let Some(mid) = names.mid {
        let (_, id, track) = candidates.find(|(known, ..)| *known == mid)?;
        return in_track(id, track, &names, pt);
    }
    if let Some(rid) = names.repaired.or(names.rid) {
        // Without a MID a RID helps only if one track alone has it.
        let mut with_rid = candidates.filter(|(_, _, track)| track.encoding_of_rid(rid).is_some());
        let (_, id, track) = with_rid.next()?;
        return if with_rid.next().is_none() { in_track(id, track, &names, pt) } else { None };
    }
    by_ssrc(connection, tracks, packet.header().ssrc).or_else(|| by_payload_type(connection, tracks, pt))
}

fn names(connection: &Connection, packet: &RtpPacket<'_>) -> Names {
    let map = &connection.extensions;
    let mut names = Names::default();
    for (id, value) in &packet.extensions() {
        match map.extension(id) {
            Some(Extension::Mid) => names.mid = Mid::from_bytes(value),
            Some(Extension::Rid) => names.rid = Rid::from_bytes(value),
            Some(Extension::RepairedRid) => names.repaired = Rid::from_bytes(value),
            _ => {}
        }
    }
    names
}

fn in_track(id: TrackId, track: &Track, names: &Names, pt: Pt) -> Option<Binding> {
    let rtx = is_rtx(track, pt)?;
    let encoding = match names.repaired.or(names.rid) {
        Some(rid) => track.encoding_of_rid(rid).or_else(|| (track.encodings.len() == 1).then_some(0))?,
        // Without a RID only a track with one encoding is unambiguous.
        None if track.encodings.len() == 1 => 0,
        None => return None,
    };
    Some(Binding { track: id, encoding, rtx })
}

fn by_ssrc(connection: &Connection, tracks: &Arena<TrackId, Track>, ssrc: Ssrc) -> Option<Binding> {
    connection.tracks.iter().find_map(|(_, id)| {
        let track = tracks.get(*id)?;
        let ssrcs = &track.parameters.ssrcs;
        // Without RIDs, several primary SSRCs are the encodings of one source in their order.
        let bound =
            |index: usize, rtx: bool| Binding { track: *id, encoding: index.min(track.encodings.len() - 1), rtx };
        ssrcs.iter().enumerate().find_map(|(index, (primary, repair))| {
            if *primary == ssrc {
                Some(bound(index, false))
            } else {
                (*repair == Some(ssrc)).then(|| bound(index, true))
            }
        })
    })
}

fn by_payload_type(connection: &Connection, tracks: &Arena<TrackId, Track>, pt: Pt) -> Option<Binding> {
    let mut matching = connection.tracks.iter().filter_map(|(_, id)| {
        let track = tracks.get(*id)?;
        let rtx = is_rtx(track, pt)?;
        (track.encodings.len() == 1).then_some(Binding { track: *id, encoding: 0, rtx })
    });
    let binding = matching.next()?;
    matching.next().is_none().then_some(binding)
}

/// Whether `pt` is a repair payload type of the track; `None` when it is none of the track's.
fn is_rtx(track: &Track, pt: Pt) -> Option<bool> {
    track
        .parameters
        .codecs
        .iter()
        .find_map(|codec| if codec.pt == pt { Some(false) } else { (codec.rtx == Some(pt)).then_some(true) })
}
