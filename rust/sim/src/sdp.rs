//! What simulated participants say in SDP: offers from plain values, and the few lines of an answer that matter to them.

use std::fmt::Write;

use sfu_core::codec::Kind;
use sfu_wire::{Extension, Ssrc};

/// Nobody checks it: simulated participants have keys already.
const FINGERPRINT: &str =
    "sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";

/// A payload format as it is offered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Format {
    /// The payload type.
    pub pt: u8,
    /// Of its retransmissions (RFC 4588 §8.1).
    pub rtx: Option<u8>,
    /// As in `a=rtpmap`, with clock rate and channels: `VP8/90000`.
    pub map: String,
    /// `a=fmtp`, empty for none.
    pub fmtp: String,
}

/// Which way a section's media goes, as the participant sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// It publishes.
    SendOnly,
    /// It subscribes.
    RecvOnly,
    /// Nothing flows.
    Inactive,
}

impl Direction {
    const fn as_str(self) -> &'static str {
        match self {
            Self::SendOnly => "sendonly",
            Self::RecvOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}

/// One section (m-line).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// `a=mid`.
    pub mid: String,
    /// Audio or video.
    pub kind: Kind,
    /// Which way.
    pub direction: Direction,
    /// In order of preference.
    pub formats: Vec<Format>,
    /// Ids and URIs.
    pub extensions: Vec<(u8, String)>,
    /// Simulcast encodings to send, by rising quality; empty without simulcast.
    pub rids: Vec<String>,
    /// SSRCs to send, each with its repair; may be empty with `rids`.
    pub ssrcs: Vec<(Ssrc, Option<Ssrc>)>,
}

/// The ids under which simulated participants offer every extension: the order of [`Extension::ALL`], from 1.
pub fn extension_id(extension: Extension) -> u8 {
    Extension::ALL.iter().position(|known| *known == extension).map_or(0, |index| index as u8 + 1)
}

/// All of these, under [`extension_id`].
pub fn extensions(wanted: &[Extension]) -> Vec<(u8, String)> {
    wanted.iter().map(|extension| (extension_id(*extension), extension.uri().to_owned())).collect()
}

/// An offer of these sections.
pub fn offer(sections: &[Section]) -> String {
    let mut sdp = String::from("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
    for section in sections {
        let _ = write!(sdp, " {}", section.mid);
    }
    let _ = write!(
        sdp,
        "\r\na=ice-ufrag:simu\r\na=ice-pwd:the-password-of-the-client\r\na=fingerprint:{FINGERPRINT}\r\n\
         a=setup:active\r\na=extmap-allow-mixed\r\n"
    );
    for section in sections {
        write_section(&mut sdp, section);
    }
    sdp
}

fn write_section(sdp: &mut String, section: &Section) {
    let media = match section.kind {
        Kind::Audio => "audio",
        Kind::Video => "video",
    };
    let mut line = |text: std::fmt::Arguments<'_>| {
        let _ = write!(sdp, "{text}\r\n");
    };
    let numbers: Vec<String> = section
        .formats
        .iter()
        .flat_map(|format| [Some(format.pt), format.rtx])
        .flatten()
        .map(|pt| pt.to_string())
        .collect();
    line(format_args!("m={media} 9 UDP/TLS/RTP/SAVPF {}", numbers.join(" ")));
    line(format_args!("c=IN IP4 0.0.0.0"));
    line(format_args!("a=mid:{}", section.mid));
    line(format_args!("a={}", section.direction.as_str()));
    line(format_args!("a=rtcp-mux"));
    line(format_args!("a=rtcp-rsize"));
    for (id, uri) in &section.extensions {
        line(format_args!("a=extmap:{id} {uri}"));
    }
    for Format { pt, rtx, map, fmtp } in &section.formats {
        line(format_args!("a=rtpmap:{pt} {map}"));
        if !fmtp.is_empty() {
            line(format_args!("a=fmtp:{pt} {fmtp}"));
        }
        line(format_args!("a=rtcp-fb:{pt} transport-cc"));
        if section.kind == Kind::Video {
            for feedback in ["nack", "nack pli", "ccm fir"] {
                line(format_args!("a=rtcp-fb:{pt} {feedback}"));
            }
        }
        if let Some(rtx) = rtx {
            let clock = map.split('/').nth(1).unwrap_or("90000");
            line(format_args!("a=rtpmap:{rtx} rtx/{clock}"));
            line(format_args!("a=fmtp:{rtx} apt={pt}"));
        }
    }
    if section.direction != Direction::SendOnly {
        return;
    }
    line(format_args!("a=msid:stream track{}", section.mid));
    for (ssrc, rtx) in &section.ssrcs {
        if let Some(rtx) = rtx {
            line(format_args!("a=ssrc-group:FID {ssrc} {rtx}"));
            line(format_args!("a=ssrc:{rtx} cname:simulated"));
        }
        line(format_args!("a=ssrc:{ssrc} cname:simulated"));
    }
    for rid in &section.rids {
        line(format_args!("a=rid:{rid} send"));
    }
    if !section.rids.is_empty() {
        line(format_args!("a=simulcast:send {}", section.rids.join(";")));
    }
}

/// What the SFU sends in one section of its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Sender {
    /// The position of the section.
    pub section: usize,
    /// The stream; `None`: nothing is sent there.
    pub ssrc: Option<Ssrc>,
    /// Its repair.
    pub rtx: Option<Ssrc>,
}

/// What the SFU sends, section by section.
pub fn senders(answer: &str) -> Vec<Sender> {
    let mut senders: Vec<Sender> = Vec::new();
    for line in answer.lines() {
        if line.starts_with("m=") {
            senders.push(Sender { section: senders.len(), ..Sender::default() });
        }
        let Some(sender) = senders.last_mut() else { continue };
        let number = |text: Option<&str>| text.and_then(|text| text.parse().ok()).map(Ssrc::new);
        if let Some(group) = line.strip_prefix("a=ssrc-group:FID ") {
            let mut ssrcs = group.split(' ');
            (sender.ssrc, sender.rtx) = (number(ssrcs.next()), number(ssrcs.next()));
        } else if let Some(ssrc) = line.strip_prefix("a=ssrc:")
            && sender.ssrc.is_none()
        {
            sender.ssrc = number(ssrc.split(' ').next());
        }
    }
    senders
}
