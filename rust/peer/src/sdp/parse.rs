//! Reads the server's description: transport, then section by section what the peer can use.

use std::net::{IpAddr, SocketAddr};

use sfu_transport::{Fingerprint, IceCredentials, SctpParameters};
use sfu_wire::{Extension, ExtensionMap, Mid, Ssrc};

use super::{Codec, Remote, RemoteSection, SdpError, SectionKind};
use crate::config::PeerCodec;

pub(super) fn parse(sdp: &str) -> Result<Remote, SdpError> {
    let mut transport = Transport::default();
    let mut sections: Vec<Draft> = Vec::new();
    for line in sdp.lines().map(str::trim_end).filter(|line| !line.is_empty()) {
        let bad = || SdpError::Line(line.to_owned());
        if let Some(media) = line.strip_prefix("m=") {
            sections.push(Draft::new(media).ok_or_else(bad)?);
        } else if let Some(attribute) = line.strip_prefix("a=") {
            let (name, value) = attribute.split_once(':').unwrap_or((attribute, ""));
            let known = transport.attribute(name, value).ok_or_else(bad)?;
            if let Some(section) = sections.last_mut()
                && !known
            {
                section.attribute(name, value).ok_or_else(bad)?;
            }
        }
    }
    transport.finish(sections.into_iter().map(Draft::finish).collect())
}

/// BUNDLE: one transport for all sections, so the last value stands.
#[derive(Default)]
struct Transport {
    ufrag: Option<String>,
    pwd: Option<String>,
    fingerprints: Vec<Fingerprint>,
    candidates: Vec<SocketAddr>,
    is_active: bool,
    sctp_port: Option<u16>,
    max_message_size: Option<usize>,
}

impl Transport {
    /// Whether it was one of the transport's; `None` if it is malformed.
    fn attribute(&mut self, name: &str, value: &str) -> Option<bool> {
        match name {
            "ice-ufrag" => self.ufrag = Some(value.to_owned()),
            "ice-pwd" => self.pwd = Some(value.to_owned()),
            "fingerprint" => {
                let fingerprint = Fingerprint::parse(value)?;
                if !self.fingerprints.contains(&fingerprint) {
                    self.fingerprints.push(fingerprint);
                }
            }
            "candidate" => {
                if let Some(address) = candidate(value).filter(|address| !self.candidates.contains(address)) {
                    self.candidates.push(address);
                }
            }
            "setup" => self.is_active = value == "active",
            "sctp-port" => self.sctp_port = Some(value.parse().ok()?),
            "max-message-size" => self.max_message_size = Some(value.parse().ok()?),
            _ => return Some(false),
        }
        Some(true)
    }

    fn finish(self, sections: Vec<RemoteSection>) -> Result<Remote, SdpError> {
        if self.is_active {
            return Err(SdpError::Setup);
        }
        Ok(Remote {
            credentials: IceCredentials {
                ufrag: self.ufrag.ok_or(SdpError::Missing("a=ice-ufrag"))?,
                pwd: self.pwd.ok_or(SdpError::Missing("a=ice-pwd"))?,
            },
            fingerprints: self.fingerprints,
            candidates: self.candidates,
            sctp: self.sctp_port.map(|port| SctpParameters {
                port,
                // RFC 8841 §6.1.
                max_message_size: self.max_message_size.unwrap_or(65_536),
            }),
            sections,
        })
    }
}

/// `foundation component protocol priority address port typ …` (RFC 8839 §5.1). What the peer has no use for is passed over
/// (RFC 8839 §4.1): TCP, components that BUNDLE and rtcp-mux leave empty, host names.
pub(crate) fn candidate(value: &str) -> Option<SocketAddr> {
    let mut fields = value.split_ascii_whitespace().skip(1);
    let (component, protocol) = (fields.next()?, fields.next()?);
    let address: IpAddr = fields.nth(1)?.parse().ok()?;
    let port = fields.next()?.parse().ok()?;
    (component == "1" && protocol.eq_ignore_ascii_case("udp")).then_some(SocketAddr::new(address, port))
}

/// A section while its lines are read.
struct Draft {
    section: RemoteSection,
    formats: Vec<u8>,
    /// Payload types with their encoding names, in any order.
    primary: Vec<(u8, PeerCodec)>,
    rtx: Vec<u8>,
    /// (repair, repaired).
    apt: Vec<(u8, u8)>,
    ssrcs: Vec<Ssrc>,
    groups: Vec<(Ssrc, Ssrc)>,
}

impl Draft {
    fn new(media: &str) -> Option<Self> {
        let mut fields = media.split_ascii_whitespace();
        let kind = match fields.next()? {
            "audio" => SectionKind::Audio,
            "video" => SectionKind::Video,
            "application" => SectionKind::Application,
            _ => return None,
        };
        let port: u16 = fields.next()?.parse().ok()?;
        let formats = fields.skip(1).filter_map(|f| f.parse().ok()).collect();
        Some(Self {
            section: RemoteSection {
                kind,
                mid: None,
                stopped: port == 0,
                sends: true,
                receives: true,
                codecs: Vec::new(),
                extensions: ExtensionMap::new(),
                announced: Vec::new(),
            },
            formats,
            primary: Vec::new(),
            rtx: Vec::new(),
            apt: Vec::new(),
            ssrcs: Vec::new(),
            groups: Vec::new(),
        })
    }

    fn attribute(&mut self, name: &str, value: &str) -> Option<()> {
        let section = &mut self.section;
        match name {
            "mid" => section.mid = Some(Mid::new(value)?),
            // A bundled section may carry port 0 in an offer (RFC 9143 §7.2.1).
            "bundle-only" => section.stopped = false,
            "sendrecv" => (section.sends, section.receives) = (true, true),
            "sendonly" => (section.sends, section.receives) = (true, false),
            "recvonly" => (section.sends, section.receives) = (false, true),
            "inactive" => (section.sends, section.receives) = (false, false),
            "extmap" => {
                let (id, rest) = value.split_once(' ')?;
                let id = id.split('/').next()?.parse().ok()?;
                if let Some(extension) = Extension::from_uri(rest.split(' ').next()?) {
                    section.extensions.insert(id, extension);
                }
            }
            "rtpmap" => self.rtpmap(value)?,
            "fmtp" => {
                let (pt, parameters) = value.split_once(' ')?;
                if let Some(apt) = parameters.strip_prefix("apt=") {
                    self.apt.push((pt.parse().ok()?, apt.parse().ok()?));
                }
            }
            "ssrc" => {
                let ssrc = Ssrc::new(value.split(' ').next()?.parse().ok()?);
                if !self.ssrcs.contains(&ssrc) {
                    self.ssrcs.push(ssrc);
                }
            }
            "ssrc-group" => {
                let mut fields = value.split(' ');
                if fields.next()? == "FID" {
                    let mut ssrc = || fields.next().and_then(|f| f.parse().ok()).map(Ssrc::new);
                    self.groups.push((ssrc()?, ssrc()?));
                }
            }
            _ => {}
        }
        Some(())
    }

    fn rtpmap(&mut self, value: &str) -> Option<()> {
        let (pt, encoding) = value.split_once(' ')?;
        let pt: u8 = pt.parse().ok()?;
        let name = encoding.split('/').next()?;
        let is_audio = self.section.kind == SectionKind::Audio;
        if let Some(codec) = PeerCodec::from_name(name).filter(|codec| (*codec == PeerCodec::Opus) == is_audio) {
            self.primary.push((pt, codec));
        } else if name.eq_ignore_ascii_case("rtx") {
            self.rtx.push(pt);
        }
        Some(())
    }

    fn finish(self) -> RemoteSection {
        let Self { mut section, formats, primary, rtx, apt, ssrcs, groups } = self;
        for pt in formats {
            let repairs = |(repair, repaired): &(u8, u8)| *repaired == pt && rtx.contains(repair);
            let rtx = apt.iter().find(|pair| repairs(pair)).map(|(repair, _)| *repair);
            let name = primary.iter().find(|(known, _)| *known == pt).map(|(_, name)| *name);
            section.codecs.extend(name.map(|name| Codec { name, pt, rtx }));
        }
        let is_repair = |ssrc: &Ssrc| groups.iter().any(|(_, repair)| repair == ssrc);
        section.announced = ssrcs
            .iter()
            .filter(|ssrc| !is_repair(ssrc))
            .map(|&ssrc| (ssrc, groups.iter().find(|(primary, _)| *primary == ssrc).map(|(_, repair)| *repair)))
            .collect();
        section
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    const OFFER: &str = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE s0 s1\r\na=ice-lite\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 100 101\r\nc=IN IP4 0.0.0.0\r\na=mid:s0\r\na=sendonly\r\na=ice-ufrag:abcd\r\n\
        a=ice-pwd:0123456789012345678901\r\na=setup:actpass\r\na=candidate:1 1 udp 1 192.0.2.1 7882 typ host\r\n\
        a=candidate:3 1 tcp 9 192.0.2.1 7882 typ host tcptype passive\r\na=candidate:4 1 udp 9 a.local 7882 typ host\r\n\
        a=candidate:2 1 udp 1 2001:db8::1 7882 typ host\r\na=rtpmap:100 VP8/90000\r\na=rtpmap:101 rtx/90000\r\n\
        a=fmtp:101 apt=100\r\na=extmap:4 urn:ietf:params:rtp-hdrext:sdes:mid\r\na=ssrc-group:FID 7 8\r\n\
        a=ssrc:7 cname:x\r\na=ssrc:8 cname:x\r\nm=application 0 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:s1\r\n";

    #[test]
    fn a_server_offer_is_understood() {
        let remote = parse(OFFER).unwrap();
        assert_eq!(remote.credentials.ufrag, "abcd");
        assert_eq!(remote.candidates.len(), 2);
        assert!(remote.candidates[1].is_ipv6());
        let video = &remote.sections[0];
        assert_eq!(video.codecs, [Codec { name: PeerCodec::Vp8, pt: 100, rtx: Some(101) }]);
        assert_eq!(video.announced, [(Ssrc::new(7), Some(Ssrc::new(8)))]);
        assert_eq!(video.extensions.id(Extension::Mid), Some(4));
        assert!(video.sends && !video.receives && !video.stopped);
        assert!(remote.sections[1].stopped);
    }

    #[test]
    fn what_is_missing_is_named() {
        let without = |line: &str| {
            let lines: Vec<&str> = OFFER.lines().filter(|l| !l.starts_with(line)).collect();
            let sdp = lines.join("\r\n");
            parse(&sdp).unwrap_err()
        };
        assert_eq!(without("a=ice-ufrag"), SdpError::Missing("a=ice-ufrag"));
        assert_eq!(without("a=ice-pwd"), SdpError::Missing("a=ice-pwd"));
        assert_eq!(parse(&OFFER.replace("actpass", "active")).unwrap_err(), SdpError::Setup);
        let broken = OFFER.replace("sctp", "x").replace("a=mid:s0", "a=mid:a much too long mid");
        assert_eq!(parse(&broken).unwrap_err(), SdpError::Line("a=mid:a much too long mid".into()));
    }
}
