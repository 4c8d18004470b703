//! One `m=` section as it stands in the text.

use std::collections::BTreeMap;

use sfu_wire::{Extension, Mid, Pt, Rid, Ssrc};
use webrtc_sdp::error::SdpParserError;
use webrtc_sdp::media_type::SdpMediaValue;
use webrtc_sdp::{SdpType, parse_sdp_line};

use super::row::{Row, TransportLines, problem};
use crate::negotiation::direction::Direction;
use crate::negotiation::error::{NegotiationError, Place};
use crate::negotiation::feedback::Feedback;
use crate::negotiation::section::SectionKind;

/// One `m=` section.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is one attribute without a value")]
pub(in crate::negotiation) struct RemoteSection<'a> {
    pub(in crate::negotiation) place: Place,
    /// `None`: a media type or protocol that the SFU does not speak.
    pub(in crate::negotiation) kind: Option<SectionKind>,
    pub(in crate::negotiation) port: u16,
    pub(in crate::negotiation) protocol: &'a str,
    /// The formats of the `m=` line as they stand there.
    pub(in crate::negotiation) formats: &'a str,
    pub(in crate::negotiation) payload_types: Vec<Pt>,
    pub(in crate::negotiation) mid: Option<(Mid, Row<'a>)>,
    pub(in crate::negotiation) bundle_only: bool,
    pub(in crate::negotiation) direction: Direction,
    pub(in crate::negotiation) transport: TransportLines<'a>,
    pub(in crate::negotiation) rtcp_mux: bool,
    pub(in crate::negotiation) rtcp_rsize: bool,
    pub(in crate::negotiation) allow_mixed: bool,
    pub(in crate::negotiation) extmaps: Vec<RemoteExtmap>,
    /// `a=rid:… send`.
    pub(in crate::negotiation) rids: Vec<RemoteRid>,
    /// The send list of `a=simulcast`: the first alternative of each, and whether it starts paused.
    pub(in crate::negotiation) simulcast: Vec<(String, bool)>,
    /// In the order of the SDP.
    pub(in crate::negotiation) ssrcs: Vec<Ssrc>,
    /// `a=ssrc-group:FID`.
    pub(in crate::negotiation) repairs: Vec<(Ssrc, Ssrc)>,
    pub(in crate::negotiation) msid: (String, String),
    pub(in crate::negotiation) sctp_port: Option<u16>,
    pub(in crate::negotiation) max_message_size: Option<u64>,
    pub(super) rtpmaps: BTreeMap<Pt, Rtpmap>,
    pub(super) fmtps: BTreeMap<Pt, &'a str>,
    pub(super) feedback: BTreeMap<Pt, Feedback>,
    pub(super) feedback_of_all: Feedback,
    pub(super) own_direction: bool,
}

/// `a=rtpmap`.
#[derive(Debug)]
pub(in crate::negotiation) struct Rtpmap {
    pub(in crate::negotiation) name: String,
    pub(in crate::negotiation) clock_rate: u32,
    pub(in crate::negotiation) channels: Option<u32>,
}

/// `a=extmap`; `extension` is `None` for those that the SFU does not know.
#[derive(Debug, Clone, Copy)]
pub(in crate::negotiation) struct RemoteExtmap {
    pub(in crate::negotiation) id: u8,
    pub(in crate::negotiation) extension: Option<Extension>,
    pub(in crate::negotiation) direction: Direction,
}

/// `a=rid:<id> send` with its restrictions (RFC 8851 §4).
#[derive(Debug)]
pub(in crate::negotiation) struct RemoteRid {
    pub(in crate::negotiation) rid: Rid,
    pub(in crate::negotiation) payload_types: Vec<Pt>,
    /// All but `pt=`.
    pub(in crate::negotiation) restrictions: String,
}

impl RemoteSection<'_> {
    /// Port 0 without `a=bundle-only` (RFC 9143 §6).
    pub(in crate::negotiation) fn is_stopped(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }

    pub(in crate::negotiation) fn rtpmap(&self, pt: Pt) -> Option<&Rtpmap> {
        self.rtpmaps.get(&pt)
    }

    pub(in crate::negotiation) fn fmtp(&self, pt: Pt) -> &str {
        self.fmtps.get(&pt).copied().unwrap_or_default()
    }

    pub(in crate::negotiation) fn feedback(&self, pt: Pt) -> Feedback {
        self.feedback.get(&pt).copied().unwrap_or_default().with(self.feedback_of_all)
    }
}

/// `m=<media> <port> <proto> <fmt> …` (RFC 8866 §5.14).
pub(super) fn media<'a>(row: Row<'a>, value: &'a str, number: usize) -> Result<RemoteSection<'a>, NegotiationError> {
    let mut words = value.splitn(4, ' ').map(str::trim);
    let mut word = || words.next().unwrap_or_default();
    let (media, port, protocol, formats) = (word(), word(), word(), word());
    let (kind, payload_types, port) = match parse_sdp_line(row.text, row.number) {
        Ok(line) => match line.sdp_type {
            SdpType::Media(line) => (kind_of(&line.media, protocol), payload_types_of(formats), line.port),
            _ => return Err(row.malformed("not a media line")),
        },
        Err(SdpParserError::Line { error, .. }) => return Err(row.malformed(problem(&error))),
        // A protocol that `webrtc-sdp` does not know: the section will be rejected, the others live.
        Err(_) => {
            let digits = port.split('/').next().unwrap_or_default();
            (None, Vec::new(), digits.parse().map_err(|_| row.malformed("the port is not a number"))?)
        }
    };
    let place = Place { section: number, line: row.number, media: media.to_owned(), mid: None };
    Ok(RemoteSection {
        place,
        kind,
        port: u16::try_from(port).map_err(|_| row.malformed("the port is above 65535"))?,
        protocol,
        formats,
        payload_types: if kind.is_some_and(|kind| kind.media().is_some()) { payload_types } else { Vec::new() },
        mid: None,
        bundle_only: false,
        direction: Direction::BOTH,
        transport: TransportLines::default(),
        rtcp_mux: false,
        rtcp_rsize: false,
        allow_mixed: false,
        extmaps: Vec::new(),
        rids: Vec::new(),
        simulcast: Vec::new(),
        ssrcs: Vec::new(),
        repairs: Vec::new(),
        msid: Default::default(),
        sctp_port: None,
        max_message_size: None,
        rtpmaps: BTreeMap::new(),
        fmtps: BTreeMap::new(),
        feedback: BTreeMap::new(),
        feedback_of_all: Feedback::NONE,
        own_direction: false,
    })
}

fn kind_of(media: &SdpMediaValue, protocol: &str) -> Option<SectionKind> {
    /// RFC 9429 §5.1.2: an answerer takes these for the same thing.
    const RTP: [&str; 4] = ["UDP/TLS/RTP/SAVPF", "UDP/TLS/RTP/SAVP", "RTP/SAVPF", "TCP/DTLS/RTP/SAVPF"];
    const SCTP: [&str; 2] = ["UDP/DTLS/SCTP", "TCP/DTLS/SCTP"];
    let speaks = |protocols: &[&str]| protocols.iter().any(|known| known.eq_ignore_ascii_case(protocol));
    match media {
        SdpMediaValue::Audio => speaks(&RTP).then_some(SectionKind::Audio),
        SdpMediaValue::Video => speaks(&RTP).then_some(SectionKind::Video),
        SdpMediaValue::Application => speaks(&SCTP).then_some(SectionKind::Application),
        SdpMediaValue::Unknown(_) => None,
    }
}

/// Each once, in order.
fn payload_types_of(formats: &str) -> Vec<Pt> {
    let mut known = [false; 128];
    let numbers = formats.split_ascii_whitespace().filter_map(|word| word.parse().ok());
    numbers
        .filter(|pt: &u8| known.get_mut(usize::from(*pt)).is_some_and(|known| !std::mem::replace(known, true)))
        .map(Pt::new)
        .collect()
}
