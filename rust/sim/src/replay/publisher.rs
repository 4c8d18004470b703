//! The captured publisher as somebody who negotiated: one section, and its packets in the numbers of that section.
//!
//! SSRCs, sequence numbers, timestamps, markers, payloads and the values of extensions stay; payload type, extension ids, MID and
//! RID are the section's, so that it does not matter which numbers the capture has or whether a RID came only at the beginning.

use std::time::Duration;

use sfu_core::codec::{CodecName, Kind};
use sfu_wire::rtp::{ExtensionForms, RtpHeader, RtpPacket, write_header};
use sfu_wire::{Extension, Pt, Ssrc};

use super::ReplayError;
use super::extensions::known;
use crate::sdp::{Direction, Format, Section, extension_id, offer};

const MID: &str = "0";
const PT: u8 = 96;
const RTX: u8 = 97;
/// Extensions whose values mean something beyond one transport.
const KEPT: [Extension; 4] = [
    Extension::VideoOrientation,
    Extension::DependencyDescriptor,
    Extension::AbsCaptureTime,
    Extension::VideoLayersAllocation,
];

/// A codec of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Codec {
    /// As in `a=rtpmap`.
    pub(super) name: &'static str,
    pub(super) kind: CodecName,
    fmtp: &'static str,
    /// The payload of a packet in the middle of a frame that nothing refers to.
    filler: &'static [u8],
}

const CODECS: [Codec; 5] = [
    Codec { name: "VP8", kind: CodecName::Vp8, fmtp: "", filler: &[0x00, 0x00] },
    Codec { name: "VP9", kind: CodecName::Vp9, fmtp: "profile-id=0", filler: &[0x40, 0x00] },
    Codec { name: "AV1", kind: CodecName::Av1, fmtp: "", filler: &[0x90, 0x00] },
    Codec {
        name: "H264",
        kind: CodecName::H264,
        fmtp: "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
        filler: &[0x7c, 0x01, 0x00],
    },
    Codec { name: "H265", kind: CodecName::H265, fmtp: "", filler: &[0x62, 0x01, 0x01, 0x00] },
];

impl Codec {
    pub(super) fn of(name: &str) -> Result<Self, ReplayError> {
        let plain: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
        let plain = if plain == "HEVC" { "H265" } else { &plain };
        CODECS.into_iter().find(|codec| codec.name == plain).ok_or_else(|| ReplayError::Codec(name.to_owned()))
    }

    fn section(&self, direction: Direction, pt: u8, rtx: Option<u8>) -> Section {
        let map = format!("{}/90000", self.name);
        Section {
            mid: MID.to_owned(),
            kind: Kind::Video,
            direction,
            formats: vec![Format { pt, rtx, map, fmtp: self.fmtp.to_owned() }],
            extensions: Vec::new(),
            rids: Vec::new(),
            ssrcs: Vec::new(),
        }
    }

    /// What the subscriber offers: the payload type and the extension ids of the capture.
    pub(super) fn subscriber_offer(&self, pt: u8, extensions: &[(u8, String)]) -> String {
        let mut section = self.section(Direction::RecvOnly, pt, None);
        for (id, uri) in extensions {
            if let Some(extension) = known(uri).filter(|one| KEPT.contains(one) || *one == Extension::Mid) {
                section.extensions.push((*id, extension.uri().to_owned()));
            }
        }
        offer(&[section])
    }
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Publisher {
    codec: Codec,
    extensions: Vec<(u8, Extension)>,
    /// Of the encodings, by rising quality; empty when there is one alone.
    rids: Vec<String>,
    buffer: Vec<u8>,
}

impl Publisher {
    pub(super) fn new(codec: Codec, extensions: &[(u8, String)], encodings: usize) -> Self {
        let extensions = extensions.iter().filter_map(|(id, uri)| Some((*id, known(uri)?))).collect();
        let rids = if encodings > 1 { (0..encodings).map(|index| index.to_string()).collect() } else { Vec::new() };
        Self { codec, extensions, rids, buffer: Vec::new() }
    }

    pub(super) fn offer(&self) -> String {
        let mut section = self.codec.section(Direction::SendOnly, PT, Some(RTX));
        let stamped = [Extension::Mid, Extension::Rid, Extension::RepairedRid];
        let known = |extension: &Extension| self.extensions.iter().any(|(_, known)| known == extension);
        let kept = KEPT.into_iter().filter(known);
        section.extensions =
            stamped.into_iter().chain(kept).map(|one| (extension_id(one), one.uri().to_owned())).collect();
        section.rids.clone_from(&self.rids);
        offer(&[section])
    }

    /// The packet in the section's numbers.
    pub(super) fn adopt(&mut self, packet: &RtpPacket<'_>, encoding: usize, repair: bool) -> &[u8] {
        let rid = self.rids.get(encoding).map(String::as_bytes);
        let rid_extension = if repair { Extension::RepairedRid } else { Extension::Rid };
        let mut extensions: Vec<(u8, &[u8])> = vec![(extension_id(Extension::Mid), MID.as_bytes())];
        extensions.extend(rid.map(|rid| (extension_id(rid_extension), rid)));
        for (id, value) in &packet.extensions() {
            let of = self.extensions.iter().find(|(known, _)| *known == id);
            if let Some((_, extension)) = of.filter(|(_, extension)| KEPT.contains(extension)) {
                extensions.push((extension_id(*extension), value));
            }
        }
        let pt = Pt::new(if repair { RTX } else { PT });
        let csrcs: Vec<Ssrc> = packet.csrcs().collect();
        write(&mut self.buffer, &RtpHeader { pt, ..*packet.header() }, &csrcs, &extensions, packet.payload())
    }

    /// A packet that stands before all others of its stream: the SFU announces a track with its first packet, and whoever
    /// subscribes then is not to miss the first keyframe.
    pub(super) fn filler(&mut self, ssrc: Ssrc, first_seq: u16, first_timestamp: u32, encoding: usize) -> &[u8] {
        let header = RtpHeader {
            marker: true,
            pt: Pt::new(PT),
            seq: first_seq.wrapping_sub(1),
            timestamp: first_timestamp.wrapping_sub(3000),
            ssrc,
        };
        let rid = self.rids.get(encoding).map(String::as_bytes);
        let mut extensions: Vec<(u8, &[u8])> = vec![(extension_id(Extension::Mid), MID.as_bytes())];
        extensions.extend(rid.map(|rid| (extension_id(Extension::Rid), rid)));
        write(&mut self.buffer, &header, &[], &extensions, self.codec.filler)
    }
}

/// How long before the first packet of the capture the filler is sent.
pub(super) const FILLER_LEAD: Duration = Duration::from_millis(33);

fn write<'a>(
    buffer: &'a mut Vec<u8>,
    header: &RtpHeader,
    csrcs: &[Ssrc],
    extensions: &[(u8, &[u8])],
    payload: &[u8],
) -> &'a [u8] {
    // Every value with its own header, the fixed header, 15 CSRCs.
    let room: usize = extensions.iter().map(|(_, value)| value.len() + 2).sum::<usize>() + 12 + 60 + 8;
    buffer.clear();
    buffer.resize(room, 0);
    let len = write_header(buffer, header, csrcs, extensions, ExtensionForms::Mixed).map_or(0, |written| written.len());
    buffer.truncate(len);
    buffer.extend_from_slice(payload);
    buffer
}
