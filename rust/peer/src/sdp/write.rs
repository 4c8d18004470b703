//! Writes the peer's own descriptions from its sections.

use std::fmt::Write as _;
use std::net::SocketAddr;

use sfu_transport::{Fingerprint, IceCredentials};
use sfu_wire::{Extension, Rid, Ssrc};

use super::{Codec, Section, SectionKind};
use crate::config::PeerCodec;

/// Rid, primary and repair of every stream of a kind, by source.
pub(crate) type SourceStreams = Vec<Vec<(Option<Rid>, Ssrc, Ssrc)>>;

/// What a description says beside its sections.
pub(crate) struct Local<'a> {
    pub(crate) credentials: &'a IceCredentials,
    pub(crate) fingerprint: &'a Fingerprint,
    pub(crate) address: SocketAddr,
    /// The streams of the audio sources, by source: rid, primary, repair.
    pub(crate) audio: SourceStreams,
    /// The streams of the video sources.
    pub(crate) video: SourceStreams,
    pub(crate) cname: &'a str,
}

/// Offers are `actpass`, answers `active` (RFC 5763 §5).
pub(super) fn write(sections: &[Section], local: &Local<'_>, version: u64, setup: &str) -> String {
    let mut sdp = Lines(String::with_capacity(1024 * (sections.len() + 1)));
    sdp.line(format_args!("v=0"));
    sdp.line(format_args!("o=- 4611731400430051336 {version} IN IP4 127.0.0.1"));
    sdp.line(format_args!("s=-"));
    sdp.line(format_args!("t=0 0"));
    let mut bundle = String::new();
    for section in sections.iter().filter(|s| !s.is_stopped()) {
        bundle.push(' ');
        bundle.push_str(section.mid.as_str());
    }
    sdp.line(format_args!("a=group:BUNDLE{bundle}"));
    sdp.line(format_args!("a=extmap-allow-mixed"));
    sdp.line(format_args!("a=msid-semantic: WMS"));
    for section in sections {
        write_section(&mut sdp, section, local, setup);
    }
    sdp.0
}

struct Lines(String);

impl Lines {
    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing into a string does not fail.
        let _ = self.0.write_fmt(line);
        self.0.push_str("\r\n");
    }
}

fn write_section(sdp: &mut Lines, section: &Section, local: &Local<'_>, setup: &str) {
    let port = if section.is_stopped() { 0 } else { 9 };
    match section.kind {
        SectionKind::Application => {
            sdp.line(format_args!("m=application {port} UDP/DTLS/SCTP webrtc-datachannel"));
        }
        kind => {
            let name = if kind == SectionKind::Audio { "audio" } else { "video" };
            let numbers = section.codecs.iter().flat_map(|codec| [Some(codec.pt), codec.rtx]).flatten();
            let mut formats = numbers.fold(String::new(), |formats, pt| formats + &format!(" {pt}"));
            if formats.is_empty() {
                formats.push_str(" 0");
            }
            sdp.line(format_args!("m={name} {port} UDP/TLS/RTP/SAVPF{formats}"));
        }
    }
    sdp.line(format_args!("c=IN IP4 0.0.0.0"));
    sdp.line(format_args!("a=mid:{}", section.mid));
    if section.is_stopped() {
        return;
    }
    write_transport(sdp, local, setup);
    if section.kind == SectionKind::Application {
        sdp.line(format_args!("a=sctp-port:5000"));
        sdp.line(format_args!("a=max-message-size:262144"));
        return;
    }
    let direction = match (section.sends, section.receives) {
        (true, true) => "sendrecv",
        (true, false) => "sendonly",
        (false, true) => "recvonly",
        (false, false) => "inactive",
    };
    sdp.line(format_args!("a={direction}"));
    sdp.line(format_args!("a=rtcp-mux"));
    sdp.line(format_args!("a=rtcp-rsize"));
    for codec in &section.codecs {
        write_codec(sdp, *codec);
    }
    for (id, extension) in section.extensions.iter() {
        let audio_only = extension == Extension::AudioLevel;
        let video_only = matches!(extension, Extension::Rid | Extension::RepairedRid | Extension::DependencyDescriptor);
        let is_audio = section.kind == SectionKind::Audio;
        if !(audio_only && !is_audio || video_only && is_audio) {
            sdp.line(format_args!("a=extmap:{id} {}", extension.uri()));
        }
    }
    if section.sends {
        write_streams(sdp, section, local);
    }
}

fn write_transport(sdp: &mut Lines, local: &Local<'_>, setup: &str) {
    sdp.line(format_args!("a=ice-ufrag:{}", local.credentials.ufrag));
    sdp.line(format_args!("a=ice-pwd:{}", local.credentials.pwd));
    sdp.line(format_args!("a=ice-options:trickle"));
    sdp.line(format_args!("a=fingerprint:{}", local.fingerprint));
    sdp.line(format_args!("a=setup:{setup}"));
    let (ip, port) = (local.address.ip(), local.address.port());
    sdp.line(format_args!("a=candidate:1 1 udp 2130706431 {ip} {port} typ host"));
}

fn write_codec(sdp: &mut Lines, Codec { name, pt, rtx }: Codec) {
    sdp.line(format_args!("a=rtpmap:{pt} {}", name.map()));
    if name == PeerCodec::Opus {
        sdp.line(format_args!("a=rtcp-fb:{pt} transport-cc"));
        if rtx.is_some() {
            sdp.line(format_args!("a=rtcp-fb:{pt} nack"));
        }
    } else {
        for feedback in ["goog-remb", "transport-cc", "ccm fir", "nack", "nack pli"] {
            sdp.line(format_args!("a=rtcp-fb:{pt} {feedback}"));
        }
    }
    if let Some(parameters) = name.parameters() {
        sdp.line(format_args!("a=fmtp:{pt} {parameters}"));
    }
    if let Some(rtx) = rtx {
        let clock_rate = name.map().split('/').nth(1).unwrap_or_default();
        sdp.line(format_args!("a=rtpmap:{rtx} rtx/{clock_rate}"));
        sdp.line(format_args!("a=fmtp:{rtx} apt={pt}"));
    }
}

/// Simulcast goes by rid without SSRCs (RFC 8853), one encoding by its SSRCs, as browsers do.
fn write_streams(sdp: &mut Lines, section: &Section, local: &Local<'_>) {
    let (sources, name) = match section.kind {
        SectionKind::Audio => (&local.audio, "audio"),
        _ => (&local.video, "video"),
    };
    let Some((index, streams)) = section.source.and_then(|index| Some((index, sources.get(index)?))) else { return };
    sdp.line(format_args!("a=msid:{} {name}{index}", local.cname));
    let rids: Vec<&str> = streams.iter().filter_map(|(rid, ..)| rid.as_ref().map(Rid::as_str)).collect();
    for rid in &rids {
        sdp.line(format_args!("a=rid:{rid} send"));
    }
    if rids.len() > 1 {
        sdp.line(format_args!("a=simulcast:send {}", rids.join(";")));
        return;
    }
    for (_, ssrc, rtx) in streams {
        let rtx = section.codecs.first().and_then(|codec| codec.rtx).map(|_| *rtx);
        if let Some(rtx) = rtx {
            sdp.line(format_args!("a=ssrc-group:FID {ssrc} {rtx}"));
        }
        for ssrc in [Some(*ssrc), rtx].into_iter().flatten() {
            sdp.line(format_args!("a=ssrc:{ssrc} cname:{}", local.cname));
        }
    }
}
