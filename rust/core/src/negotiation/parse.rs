//! SDP text to typed sections (RFC 8866), with the help of `webrtc-sdp`; nothing else here knows that crate.
//!
//! Lines are handed over one by one, so that every complaint names its line. What the SFU does not use (candidates, unknown
//! attributes) is not looked at; what it uses must be well-formed. Everything borrows from the text.

use std::collections::BTreeMap;

use sfu_transport::Fingerprint;
use sfu_wire::{Extension, Mid, Pt, Rid, Ssrc};
use webrtc_sdp::attribute_type::{
    SdpAttribute, SdpAttributeDirection, SdpAttributeGroupSemantic, SdpAttributeSetup, SdpSingleDirection,
    SdpSsrcGroupSemantic, parse_attribute,
};
use webrtc_sdp::error::{SdpParserError, SdpParserInternalError};
use webrtc_sdp::media_type::SdpMediaValue;
use webrtc_sdp::{SdpType, parse_sdp_line};

use super::direction::Direction;
use super::error::{Line, NegotiationError, Place};
use super::feedback::Feedback;
use super::section::SectionKind;

/// Far above any meeting; bounds the work for one description.
const MAX_SECTIONS: usize = 1024;

/// A client's description.
#[derive(Debug, Default)]
pub(super) struct Description<'a> {
    /// `a=ice-lite`.
    pub(super) ice_lite: Option<Row<'a>>,
    /// The tags of the first `a=group:BUNDLE` that has any.
    pub(super) bundle: Option<Vec<String>>,
    /// What stands above the sections.
    pub(super) transport: TransportLines<'a>,
    pub(super) sections: Vec<RemoteSection<'a>>,
    allow_mixed: bool,
    direction: Option<Direction>,
    extmaps: Vec<RemoteExtmap>,
}

/// A line that may have to be named in an error.
#[derive(Debug, Clone, Copy)]
pub(super) struct Row<'a> {
    number: usize,
    text: &'a str,
}

/// ICE and DTLS attributes of one level.
#[derive(Debug, Default)]
pub(super) struct TransportLines<'a> {
    pub(super) ufrag: Option<String>,
    pub(super) pwd: Option<String>,
    pub(super) fingerprints: Vec<Fingerprint>,
    pub(super) setup: Option<(Setup, Row<'a>)>,
}

/// `a=setup` (RFC 8842 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Setup {
    Active,
    Passive,
    Actpass,
    Holdconn,
}

/// One `m=` section.
#[derive(Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is one attribute without a value")]
pub(super) struct RemoteSection<'a> {
    pub(super) place: Place,
    /// `None`: a media type or protocol that the SFU does not speak.
    pub(super) kind: Option<SectionKind>,
    pub(super) port: u16,
    pub(super) protocol: &'a str,
    /// The formats of the `m=` line as they stand there.
    pub(super) formats: &'a str,
    pub(super) payload_types: Vec<Pt>,
    pub(super) mid: Option<(Mid, Row<'a>)>,
    pub(super) bundle_only: bool,
    pub(super) direction: Direction,
    pub(super) transport: TransportLines<'a>,
    pub(super) rtcp_mux: bool,
    pub(super) rtcp_rsize: bool,
    pub(super) allow_mixed: bool,
    pub(super) extmaps: Vec<RemoteExtmap>,
    /// `a=rid:… send`.
    pub(super) rids: Vec<RemoteRid>,
    /// The send list of `a=simulcast`: the first alternative of each, and whether it starts paused.
    pub(super) simulcast: Vec<(String, bool)>,
    /// In the order of the SDP.
    pub(super) ssrcs: Vec<Ssrc>,
    /// `a=ssrc-group:FID`.
    pub(super) repairs: Vec<(Ssrc, Ssrc)>,
    pub(super) msid: (String, String),
    pub(super) sctp_port: Option<u16>,
    pub(super) max_message_size: Option<u64>,
    rtpmaps: BTreeMap<Pt, Rtpmap>,
    fmtps: BTreeMap<Pt, &'a str>,
    feedback: BTreeMap<Pt, Feedback>,
    feedback_of_all: Feedback,
    own_direction: bool,
}

/// `a=rtpmap`.
#[derive(Debug)]
pub(super) struct Rtpmap {
    pub(super) name: String,
    pub(super) clock_rate: u32,
    pub(super) channels: Option<u32>,
}

/// `a=extmap`; `extension` is `None` for those that the SFU does not know.
#[derive(Debug, Clone, Copy)]
pub(super) struct RemoteExtmap {
    pub(super) id: u8,
    pub(super) extension: Option<Extension>,
    pub(super) direction: Direction,
}

/// `a=rid:<id> send` with its restrictions (RFC 8851 §4).
#[derive(Debug)]
pub(super) struct RemoteRid {
    pub(super) rid: Rid,
    pub(super) payload_types: Vec<Pt>,
    /// All but `pt=`.
    pub(super) restrictions: String,
}

impl Row<'_> {
    pub(super) fn line(self) -> Line {
        Line { number: self.number, text: self.text.to_owned() }
    }

    fn malformed(self, problem: impl Into<String>) -> NegotiationError {
        NegotiationError::Malformed { line: self.line(), problem: problem.into() }
    }
}

impl RemoteSection<'_> {
    /// Port 0 without `a=bundle-only` (RFC 9143 §6).
    pub(super) fn is_stopped(&self) -> bool {
        self.port == 0 && !self.bundle_only
    }

    pub(super) fn rtpmap(&self, pt: Pt) -> Option<&Rtpmap> {
        self.rtpmaps.get(&pt)
    }

    pub(super) fn fmtp(&self, pt: Pt) -> &str {
        self.fmtps.get(&pt).copied().unwrap_or_default()
    }

    pub(super) fn feedback(&self, pt: Pt) -> Feedback {
        self.feedback.get(&pt).copied().unwrap_or_default().with(self.feedback_of_all)
    }
}

/// Reads a description.
pub(super) fn parse(sdp: &str) -> Result<Description<'_>, NegotiationError> {
    let mut description = Description::default();
    let mut lines = 0;
    for (index, text) in sdp.lines().enumerate() {
        let text = text.trim();
        if text.is_empty() {
            continue;
        }
        lines += 1;
        let row = Row { number: index + 1, text };
        let (kind, value) = text.split_once('=').ok_or_else(|| row.malformed("a line is a letter, `=` and a value"))?;
        match kind {
            "v" | "o" | "t" | "c" => check(row)?,
            "m" => {
                if description.sections.len() == MAX_SECTIONS {
                    return Err(NegotiationError::TooManySections { limit: MAX_SECTIONS });
                }
                let section = media(row, value, description.sections.len() + 1)?;
                description.sections.push(section);
            }
            "a" => attribute(&mut description, row, value)?,
            _ if kind.len() == 1 => {}
            _ => return Err(row.malformed("a line is a letter, `=` and a value")),
        }
        if lines == 1 && kind != "v" {
            return Err(row.malformed("a description begins with `v=0`"));
        }
    }
    if lines == 0 {
        return Err(NegotiationError::MissingLine { what: "v=0", lines });
    }
    if description.sections.is_empty() {
        return Err(NegotiationError::MissingLine { what: "m= section", lines });
    }
    inherit(&mut description);
    Ok(description)
}

/// Sections take over what stands above them, unless they say otherwise.
fn inherit(description: &mut Description<'_>) {
    for section in &mut description.sections {
        section.allow_mixed |= description.allow_mixed;
        section.extmaps.extend_from_slice(&description.extmaps);
        if let (false, Some(direction)) = (section.own_direction, description.direction) {
            section.direction = direction;
        }
    }
}

/// Lets `webrtc-sdp` check a line whose content is not used.
fn check(row: Row<'_>) -> Result<(), NegotiationError> {
    match parse_sdp_line(row.text, row.number) {
        Err(SdpParserError::Line { error, .. }) => Err(row.malformed(problem(&error))),
        _ => Ok(()),
    }
}

/// `m=<media> <port> <proto> <fmt> …` (RFC 8866 §5.14).
fn media<'a>(row: Row<'a>, value: &'a str, number: usize) -> Result<RemoteSection<'a>, NegotiationError> {
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

/// `a=…` of the last section, or of the session before the first.
fn attribute<'a>(description: &mut Description<'a>, row: Row<'a>, value: &'a str) -> Result<(), NegotiationError> {
    let (name, rest) = value.split_once(':').unwrap_or((value, ""));
    match (name, description.sections.last_mut()) {
        ("fmtp", Some(section)) => {
            let (pt, parameters) = payload_type(row, rest)?;
            section.fmtps.entry(pt).or_insert(parameters);
            Ok(())
        }
        ("rtcp-fb", Some(section)) => {
            let (pt, message) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
            let feedback = Feedback::parse(message);
            if pt == "*" {
                section.feedback_of_all = section.feedback_of_all.with(feedback);
            } else {
                let pt = payload_type(row, rest)?.0;
                let known = section.feedback.entry(pt).or_default();
                *known = known.with(feedback);
            }
            Ok(())
        }
        // Unknown digests are no error: another line may have a known one (RFC 8122 §5).
        ("fingerprint", section) => {
            let lines = section.map_or(&mut description.transport, |section| &mut section.transport);
            lines.fingerprints.extend(fingerprint(row, rest)?);
            Ok(())
        }
        (
            "rtpmap" | "extmap" | "extmap-allow-mixed" | "mid" | "msid" | "ice-ufrag" | "ice-pwd" | "ice-lite"
            | "setup" | "group" | "rid" | "simulcast" | "ssrc" | "ssrc-group" | "sctp-port" | "max-message-size"
            | "rtcp-mux" | "rtcp-rsize" | "bundle-only" | "sendrecv" | "sendonly" | "recvonly" | "inactive",
            section,
        ) => {
            let attribute = match parse_attribute(value) {
                Ok(SdpType::Attribute(attribute)) => attribute,
                Ok(_) | Err(SdpParserInternalError::Unsupported(_)) => return Ok(()),
                Err(error) => return Err(row.malformed(problem(&error))),
            };
            if let Some(section) = section {
                return section_attribute(section, row, attribute);
            }
            session_attribute(description, row, attribute);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn session_attribute<'a>(description: &mut Description<'a>, row: Row<'a>, attribute: SdpAttribute) {
    let lines = &mut description.transport;
    match attribute {
        SdpAttribute::IceLite => description.ice_lite = Some(row),
        SdpAttribute::IceUfrag(ufrag) => lines.ufrag = Some(ufrag),
        SdpAttribute::IcePwd(pwd) => lines.pwd = Some(pwd),
        SdpAttribute::Setup(setup) => lines.setup = Some((setup_of(&setup), row)),
        SdpAttribute::ExtmapAllowMixed => description.allow_mixed = true,
        SdpAttribute::Extmap(extmap) => {
            note(&mut description.extmaps, extmap_of(extmap.id, extmap.direction.as_ref(), &extmap.url));
        }
        SdpAttribute::Group(group) if matches!(group.semantics, SdpAttributeGroupSemantic::Bundle) => {
            if description.bundle.is_none() && !group.tags.is_empty() {
                description.bundle = Some(group.tags);
            }
        }
        attribute => description.direction = direction_of(&attribute).or(description.direction),
    }
}

fn section_attribute<'a>(
    section: &mut RemoteSection<'a>,
    row: Row<'a>,
    attribute: SdpAttribute,
) -> Result<(), NegotiationError> {
    match attribute {
        SdpAttribute::Mid(mid) => {
            let parsed = mid.parse().map_err(|error| row.malformed(format!("no mid of this server: {error}")))?;
            section.place.mid = Some(mid);
            section.mid = Some((parsed, row));
        }
        SdpAttribute::Rtpmap(map) => {
            let rtpmap = Rtpmap { name: map.codec_name, clock_rate: map.frequency, channels: map.channels };
            section.rtpmaps.entry(Pt::new(map.payload_type)).or_insert(rtpmap);
        }
        SdpAttribute::Extmap(extmap) => {
            note(&mut section.extmaps, extmap_of(extmap.id, extmap.direction.as_ref(), &extmap.url));
        }
        SdpAttribute::ExtmapAllowMixed => section.allow_mixed = true,
        SdpAttribute::IceUfrag(ufrag) => section.transport.ufrag = Some(ufrag),
        SdpAttribute::IcePwd(pwd) => section.transport.pwd = Some(pwd),
        SdpAttribute::Setup(setup) => section.transport.setup = Some((setup_of(&setup), row)),
        SdpAttribute::BundleOnly => section.bundle_only = true,
        SdpAttribute::RtcpMux => section.rtcp_mux = true,
        SdpAttribute::RtcpRsize => section.rtcp_rsize = true,
        SdpAttribute::SctpPort(port) => section.sctp_port = u16::try_from(port).ok(),
        SdpAttribute::MaxMessageSize(size) => section.max_message_size = Some(size),
        SdpAttribute::Msid(msid) => {
            note_msid(section, &msid.id, &msid.appdata.unwrap_or_default());
        }
        SdpAttribute::Ssrc(ssrc) => {
            note_ssrc(section, Ssrc::new(ssrc.id));
            // Before RFC 8830 the msid was an attribute of each SSRC; GStreamer still writes it there.
            if let (Some("msid"), Some(value)) = (ssrc.attribute.as_deref(), ssrc.value) {
                let (stream, track) = value.split_once(' ').unwrap_or((&value, ""));
                note_msid(section, stream, track);
            }
        }
        SdpAttribute::SsrcGroup(SdpSsrcGroupSemantic::FlowIdentification, members) => {
            if let [media, repair] = &members[..] {
                note(&mut section.repairs, Some((Ssrc::new(media.id), Ssrc::new(repair.id))));
                note_ssrc(section, Ssrc::new(media.id));
                note_ssrc(section, Ssrc::new(repair.id));
            }
        }
        SdpAttribute::Rid(rid) if matches!(rid.direction, SdpSingleDirection::Send) => {
            let restrictions = row.text.splitn(3, ' ').nth(2).unwrap_or_default();
            let others = restrictions.split(';').filter(|pair| !pair.is_empty() && !pair.starts_with("pt="));
            let rid = RemoteRid {
                rid: rid.id.parse().map_err(|error| row.malformed(format!("no rid of this server: {error}")))?,
                payload_types: rid.formats.iter().filter(|pt| **pt < 128).map(|pt| Pt::new(*pt as u8)).collect(),
                restrictions: others.collect::<Vec<_>>().join(";"),
            };
            note(&mut section.rids, Some(rid));
        }
        SdpAttribute::Simulcast(simulcast) => {
            let first = simulcast.send.into_iter().filter_map(|version| version.ids.into_iter().next());
            section.simulcast = first.map(|id| (id.id, id.paused)).take(MAX_NOTED).collect();
        }
        attribute => {
            if let Some(direction) = direction_of(&attribute) {
                section.direction = direction;
                section.own_direction = true;
            }
        }
    }
    Ok(())
}

/// Real sections have about ten extensions, three encodings and six SSRCs; what goes far beyond is not looked at.
const MAX_NOTED: usize = 64;

fn note<T>(list: &mut Vec<T>, item: Option<T>) {
    if list.len() < MAX_NOTED {
        list.extend(item);
    }
}

/// The first one counts; a stream `-` is none (RFC 8830 §2).
fn note_msid(section: &mut RemoteSection<'_>, stream: &str, track: &str) {
    if section.msid.1.is_empty() && section.msid.0.is_empty() {
        let stream = if stream == "-" { "" } else { stream };
        section.msid = (stream.to_owned(), track.to_owned());
    }
}

fn note_ssrc(section: &mut RemoteSection<'_>, ssrc: Ssrc) {
    if !section.ssrcs.contains(&ssrc) {
        note(&mut section.ssrcs, Some(ssrc));
    }
}

/// The payload type at the beginning of `a=fmtp` and `a=rtcp-fb`, and the rest.
fn payload_type<'a>(row: Row<'a>, value: &'a str) -> Result<(Pt, &'a str), NegotiationError> {
    let (pt, rest) = value.trim().split_once(' ').unwrap_or((value.trim(), ""));
    let pt = pt.parse().ok().filter(|pt: &u8| *pt < 128);
    Ok((Pt::new(pt.ok_or_else(|| row.malformed("it begins with no payload type (0 to 127)"))?), rest.trim()))
}

fn fingerprint(row: Row<'_>, value: &str) -> Result<Option<Fingerprint>, NegotiationError> {
    /// Digests that RFC 8122 §5 names and that are too weak, or not in use.
    const IGNORED: [&str; 4] = ["sha-1", "sha-224", "md5", "md2"];
    let name = value.split_ascii_whitespace().next().unwrap_or_default();
    if IGNORED.iter().any(|ignored| ignored.eq_ignore_ascii_case(name)) {
        return Ok(None);
    }
    let parsed = Fingerprint::parse(value);
    let wanted = "wanted: sha-256, sha-384 or sha-512, a space, and that digest's bytes as `AB:CD:…`";
    parsed.map(Some).ok_or_else(|| row.malformed(wanted))
}

fn extmap_of(id: u16, direction: Option<&SdpAttributeDirection>, uri: &str) -> Option<RemoteExtmap> {
    let direction = match direction {
        None | Some(SdpAttributeDirection::Sendrecv) => Direction::BOTH,
        Some(SdpAttributeDirection::Sendonly) => Direction::SEND,
        Some(SdpAttributeDirection::Recvonly) => Direction::RECEIVE,
    };
    // 4096 and above are offers without a number (RFC 8285 §6).
    let id = u8::try_from(id).ok().filter(|id| *id != 0 && *id != 15)?;
    Some(RemoteExtmap { id, extension: Extension::from_uri(uri), direction })
}

fn setup_of(setup: &SdpAttributeSetup) -> Setup {
    match setup {
        SdpAttributeSetup::Active => Setup::Active,
        SdpAttributeSetup::Passive => Setup::Passive,
        SdpAttributeSetup::Actpass => Setup::Actpass,
        SdpAttributeSetup::Holdconn => Setup::Holdconn,
    }
}

fn direction_of(attribute: &SdpAttribute) -> Option<Direction> {
    match attribute {
        SdpAttribute::Sendrecv => Some(Direction::BOTH),
        SdpAttribute::Sendonly => Some(Direction::SEND),
        SdpAttribute::Recvonly => Some(Direction::RECEIVE),
        SdpAttribute::Inactive => Some(Direction::NONE),
        _ => None,
    }
}

/// The parser's complaint without its own preamble.
fn problem(error: &SdpParserInternalError) -> String {
    let text = error.to_string();
    text.strip_prefix("Parsing error: ").map_or(text.clone(), str::to_owned)
}
