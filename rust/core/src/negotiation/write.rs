//! Typed state to SDP text (RFC 8866, RFC 9429 §5.2.1 and §5.3.1). The inverse of `parse` in spirit only:
//! what is written here is ours, so it is written by hand and in one order.
//!
//! ICE and DTLS attributes stand in every section, as browsers write them; candidates only in the first of the bundle.

use std::fmt::{self, Write};
use std::net::SocketAddr;

use sfu_transport::IceCredentials;

use super::config::NegotiatorConfig;
use super::feedback::Feedback;
use super::format::Format;
use super::section::SectionKind;
use super::sender::{Sender, Senders};
use super::state::{MediaSection, State};
use crate::codec::{CodecName, Kind};

/// What a description says beside the sections.
pub(super) struct Header<'a> {
    pub(super) config: &'a NegotiatorConfig,
    pub(super) credentials: &'a IceCredentials,
    /// `actpass` in an offer, `passive` in an answer.
    pub(super) setup: &'static str,
    /// `sess-version`: one more than in the description before.
    pub(super) version: u64,
}

/// The largest data channel message that is taken, in bytes.
const MAX_MESSAGE_SIZE: u32 = 262_144;

/// The text of a description.
pub(super) fn write(header: &Header<'_>, state: &State, senders: &Senders) -> String {
    /// A section with five codecs takes about as much.
    const SECTION_LEN: usize = 1536;
    let mut out = String::with_capacity(512 + SECTION_LEN * state.sections.len());
    write_into(&mut out, header, state, senders).expect("a String takes everything");
    out
}

fn write_into(out: &mut String, header: &Header<'_>, state: &State, senders: &Senders) -> fmt::Result {
    let live = |section: &&MediaSection| !section.stopped;
    let (id, version) = (header.config.session_id, header.version);
    write!(out, "v=0\r\no=- {id} {version} IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=ice-lite\r\n")?;
    let mut mids = state.sections.iter().filter(live).filter_map(|section| section.mid).peekable();
    if state.grouped && mids.peek().is_some() {
        out.push_str("a=group:BUNDLE");
        for mid in mids {
            write!(out, " {mid}")?;
        }
        out.push_str("\r\n");
    }
    out.push_str("a=ice-options:ice2\r\n");
    if state.sections.iter().filter(live).all(|section| section.allow_mixed) {
        out.push_str("a=extmap-allow-mixed\r\n");
    }
    out.push_str("a=msid-semantic:WMS *\r\n");
    let mut tagged = true;
    for section in &state.sections {
        if section.stopped {
            stopped(out, section)?;
            continue;
        }
        line(out, header, section)?;
        transport(out, header, tagged)?;
        tagged = false;
        match section.kind.and_then(SectionKind::media) {
            Some(kind) => media(out, header, section, kind, senders)?,
            None => write!(out, "a=sctp-port:5000\r\na=max-message-size:{MAX_MESSAGE_SIZE}\r\n")?,
        }
    }
    Ok(())
}

/// A rejected or stopped section repeats its line with port 0 (RFC 3264 §6).
fn stopped(out: &mut String, section: &MediaSection) -> fmt::Result {
    let (media, protocol, formats) = &*section.line;
    let formats = if formats.is_empty() { "0" } else { formats };
    write!(out, "m={media} 0 {protocol} {formats}\r\nc=IN IP4 0.0.0.0\r\n")?;
    if let Some(mid) = section.mid {
        write!(out, "a=mid:{mid}\r\n")?;
    }
    out.push_str("a=inactive\r\n");
    Ok(())
}

/// `m=`, `c=` and `a=mid`; address and port are those of the first candidate (RFC 8839 §4.2.1.2).
fn line(out: &mut String, header: &Header<'_>, section: &MediaSection) -> fmt::Result {
    let (media, protocol, data) = &*section.line;
    let default = header.config.candidates.first();
    write!(out, "m={media} {} {protocol}", default.map_or(9, SocketAddr::port))?;
    if section.kind == Some(SectionKind::Application) {
        write!(out, " {data}")?;
    }
    for format in &*section.formats.formats {
        write!(out, " {}", format.codec.pt)?;
        if let Some(rtx) = format.codec.rtx {
            write!(out, " {rtx}")?;
        }
    }
    match default {
        Some(address) => write!(out, "\r\nc=IN {} {}\r\n", ip_version(address), address.ip())?,
        None => out.push_str("\r\nc=IN IP4 0.0.0.0\r\n"),
    }
    match section.mid {
        Some(mid) => write!(out, "a=mid:{mid}\r\n"),
        None => Ok(()),
    }
}

fn transport(out: &mut String, header: &Header<'_>, tagged: bool) -> fmt::Result {
    let IceCredentials { ufrag, pwd } = header.credentials;
    let fingerprint = &header.config.fingerprint;
    write!(
        out,
        "a=ice-ufrag:{ufrag}\r\na=ice-pwd:{pwd}\r\na=fingerprint:{fingerprint}\r\na=setup:{}\r\n",
        header.setup
    )?;
    if !tagged {
        return Ok(());
    }
    for (index, address) in header.config.candidates.iter().enumerate() {
        // RFC 8445 §5.1.2.1: type preference 126 for host candidates, the local preference counts down, component 1.
        let priority = (126 << 24) | (65_535_u32.saturating_sub(index as u32) << 8) | 255;
        let (ip, port) = (address.ip(), address.port());
        write!(out, "a=candidate:{} 1 udp {priority} {ip} {port} typ host\r\n", index + 1)?;
    }
    out.push_str("a=end-of-candidates\r\n");
    Ok(())
}

fn media(out: &mut String, header: &Header<'_>, section: &MediaSection, kind: Kind, senders: &Senders) -> fmt::Result {
    write!(out, "a={}\r\na=rtcp-mux\r\n", section.server.as_str())?;
    if section.rtcp_rsize {
        out.push_str("a=rtcp-rsize\r\n");
    }
    for extmap in &section.extensions {
        write!(out, "a=extmap:{}", extmap.id)?;
        if extmap.direction.sends != extmap.direction.receives {
            write!(out, "/{}", extmap.direction.as_str())?;
        }
        write!(out, " {}\r\n", extmap.extension.uri())?;
    }
    for format in &*section.formats.formats {
        payload_format(out, format, kind)?;
    }
    if section.server.receives {
        simulcast(out, section)?;
    }
    let sender = section.sender.filter(|_| section.server.sends).and_then(|sender| senders.get(sender));
    sender.map_or(Ok(()), |sender| stream(out, header, section, sender))
}

fn payload_format(out: &mut String, format: &Format, kind: Kind) -> fmt::Result {
    let (pt, name) = (format.codec.pt, format.codec.name);
    let channels = if kind == Kind::Audio { "/2" } else { "" };
    write!(out, "a=rtpmap:{pt} {}/{}{channels}\r\n", name.as_str(), name.clock_rate())?;
    for (feedback, text) in Feedback::NAMES {
        if format.feedback.contains(feedback) && name != CodecName::Red {
            write!(out, "a=rtcp-fb:{pt} {text}\r\n")?;
        }
    }
    if !format.fmtp.is_empty() {
        write!(out, "a=fmtp:{pt} {}\r\n", format.fmtp)?;
    }
    match format.codec.rtx {
        Some(rtx) => write!(out, "a=rtpmap:{rtx} rtx/{}\r\na=fmtp:{rtx} apt={pt}\r\n", name.clock_rate()),
        None => Ok(()),
    }
}

/// The client's encodings as the server receives them (RFC 8851 §6.3, RFC 8853 §5.3.2).
fn simulcast(out: &mut String, section: &MediaSection) -> fmt::Result {
    for rid in &section.rids {
        write!(out, "a=rid:{} recv", rid.rid)?;
        let mut separator = " ";
        if !rid.payload_types.is_empty() {
            let list: Vec<String> = rid.payload_types.iter().map(ToString::to_string).collect();
            write!(out, " pt={}", list.join(","))?;
            separator = ";";
        }
        if !rid.restrictions.is_empty() {
            write!(out, "{separator}{}", rid.restrictions)?;
        }
        out.push_str("\r\n");
    }
    if section.simulcast && !section.rids.is_empty() {
        let list: Vec<&str> = section.rids.iter().map(|rid| rid.rid.as_str()).collect();
        write!(out, "a=simulcast:recv {}\r\n", list.join(";"))?;
    }
    Ok(())
}

/// What the server sends here (RFC 8830 §2, RFC 5576 §4).
fn stream(out: &mut String, header: &Header<'_>, section: &MediaSection, sender: &Sender) -> fmt::Result {
    let (stream, track, cname) =
        (token(&sender.stream, "-"), token(&sender.track, "-"), token(&header.config.label, "sfu"));
    write!(out, "a=msid:{stream} {track}\r\n")?;
    let rtx = sender.rtx_ssrc.filter(|_| section.formats.formats.iter().any(|format| format.codec.rtx.is_some()));
    if let Some(rtx) = rtx {
        write!(out, "a=ssrc-group:FID {} {rtx}\r\n", sender.ssrc)?;
    }
    for ssrc in std::iter::once(sender.ssrc).chain(rtx) {
        write!(out, "a=ssrc:{ssrc} cname:{cname}\r\n")?;
    }
    Ok(())
}

/// Application text as an SDP token (RFC 8866 §9): nothing in it can end the line or the value.
fn token(text: &str, empty: &str) -> String {
    let allowed =
        |c: char| c.is_ascii_graphic() && !matches!(c, '"' | '(' | ')' | ',' | '/' | ':'..='@' | '[' | '\\' | ']');
    let safe: String = text.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    if safe.is_empty() { empty.to_owned() } else { safe }
}

fn ip_version(address: &SocketAddr) -> &'static str {
    if address.is_ipv4() { "IP4" } else { "IP6" }
}
