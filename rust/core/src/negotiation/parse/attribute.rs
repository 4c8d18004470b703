//! `a=…`: `webrtc-sdp` reads what it knows, and each goes where it belongs.

use sfu_transport::Fingerprint;
use sfu_wire::{Extension, Pt, Ssrc};
use webrtc_sdp::SdpType;
use webrtc_sdp::attribute_type::{
    SdpAttribute, SdpAttributeDirection, SdpAttributeGroupSemantic, SdpAttributeSetup, SdpSingleDirection,
    SdpSsrcGroupSemantic, parse_attribute,
};
use webrtc_sdp::error::SdpParserInternalError;

use super::description::Description;
use super::row::{Row, Setup, problem};
use super::section::{RemoteExtmap, RemoteRid, RemoteSection, Rtpmap};
use crate::negotiation::direction::Direction;
use crate::negotiation::error::NegotiationError;
use crate::negotiation::feedback::Feedback;

/// `a=…` of the last section, or of the session before the first.
pub(super) fn attribute<'a>(
    description: &mut Description<'a>,
    row: Row<'a>,
    value: &'a str,
) -> Result<(), NegotiationError> {
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
