//! A negotiator to test, and a client's descriptions to feed it.

use std::fmt::Write;

use sfu_transport::IceCredentials;
use sfu_wire::Ssrc;

use crate::codec::CodecName;
use crate::id::SubscriptionId;
use crate::negotiation::{AnswerOutcome, Negotiator, NegotiatorConfig, NegotiatorRole, Section, Sender, SenderStatus};

pub(super) const FINGERPRINT: &str = "sha-256 00:01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:\
                                      10:11:12:13:14:15:16:17:18:19:1A:1B:1C:1D:1E:1F";

pub(super) fn credentials(name: &str) -> IceCredentials {
    IceCredentials { ufrag: format!("ufrag{name}"), pwd: format!("passwordOfTheServer00{name}") }
}

pub(super) fn config(role: NegotiatorRole) -> NegotiatorConfig {
    NegotiatorConfig {
        fingerprint: FINGERPRINT.into(),
        candidates: vec!["198.51.100.7:7882".parse().unwrap(), "[2001:db8::7]:7882".parse().unwrap()],
        credentials: credentials("0"),
        audio_codecs: Vec::new(),
        video_codecs: Vec::new(),
        publish_audio: true,
        publish_video: true,
        role,
        label: "standup".into(),
        session_id: 42,
    }
}

pub(super) fn negotiator(role: NegotiatorRole) -> Negotiator {
    Negotiator::new(config(role))
}

pub(super) fn sender(number: u64, codec: CodecName) -> Sender {
    Sender {
        subscription: SubscriptionId::new(number),
        kind: codec.kind(),
        codec,
        fmtp: String::new(),
        ssrc: Ssrc::new(1000 + number as u32),
        rtx_ssrc: Some(Ssrc::new(2000 + number as u32)),
        stream: format!("stream{number}"),
        track: format!("track{number}"),
    }
}

pub(super) fn subscription(number: u64) -> SubscriptionId {
    SubscriptionId::new(number)
}

/// What the tests do all the time.
pub(super) trait Rounds {
    fn answer_to(&mut self, offer: &str) -> String;
    fn offered(&mut self) -> (u64, String);
    fn take(&mut self, answer: &str, id: u64);
    fn section(&self, mid: &str) -> &Section;
    fn status(&self, number: u64) -> SenderStatus;
}

impl Rounds for Negotiator {
    fn answer_to(&mut self, offer: &str) -> String {
        self.receive_offer(offer, &credentials("fresh")).unwrap()
    }

    fn offered(&mut self) -> (u64, String) {
        self.poll_offer().expect("an offer")
    }

    fn take(&mut self, answer: &str, id: u64) {
        assert_eq!(self.receive_answer(answer, Some(id)).unwrap(), AnswerOutcome::Applied);
    }

    fn section(&self, mid: &str) -> &Section {
        self.sections().iter().find(|section| section.mid.as_str() == mid).expect("a section")
    }

    fn status(&self, number: u64) -> SenderStatus {
        self.sender_status(subscription(number)).expect("a sender")
    }
}

/// A description of a small client, section by section.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) ufrag: &'static str,
    pub(super) setup: &'static str,
    pub(super) sections: Vec<ClientSection>,
}

#[derive(Debug, Clone)]
pub(super) struct ClientSection {
    pub(super) mid: String,
    pub(super) media: &'static str,
    pub(super) direction: &'static str,
    pub(super) stopped: bool,
    pub(super) lines: Vec<String>,
}

pub(super) const OPUS: &[&str] = &["rtpmap:111 opus/48000/2", "fmtp:111 minptime=10;useinbandfec=1"];
pub(super) const VP8: &[&str] = &["rtpmap:96 VP8/90000", "rtcp-fb:96 nack", "rtpmap:97 rtx/90000", "fmtp:97 apt=96"];
pub(super) const H264: &[&str] = &[
    "rtpmap:102 H264/90000",
    "fmtp:102 level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f",
    "rtpmap:103 rtx/90000",
    "fmtp:103 apt=102",
];

impl Client {
    pub(super) fn new(sections: &[(&'static str, &'static str, &[&str])]) -> Self {
        let sections = sections.iter().enumerate().map(|(index, (media, direction, lines))| ClientSection {
            mid: index.to_string(),
            media,
            direction,
            stopped: false,
            lines: lines.iter().map(ToString::to_string).collect(),
        });
        Self { ufrag: "clientA", setup: "actpass", sections: sections.collect() }
    }

    /// Answers `offer`: the same sections in the same order, `recvonly` where the server sends, all codecs, `active`.
    pub(super) fn answering(offer: &str) -> Self {
        let mut sections: Vec<ClientSection> = Vec::new();
        for line in offer.lines() {
            if let Some(rest) = line.strip_prefix("m=") {
                sections.push(ClientSection {
                    mid: String::new(),
                    media: ["audio", "video", "application"]
                        .into_iter()
                        .find(|media| rest.starts_with(media))
                        .expect("a media type"),
                    direction: "inactive",
                    stopped: rest.split(' ').nth(1) == Some("0"),
                    lines: Vec::new(),
                });
            }
            let (Some(section), Some(attribute)) = (sections.last_mut(), line.strip_prefix("a=")) else {
                continue;
            };
            match attribute {
                "sendonly" => section.direction = "recvonly",
                "recvonly" => section.direction = "sendonly",
                "sendrecv" => section.direction = "sendrecv",
                _ => {
                    if let Some(mid) = attribute.strip_prefix("mid:") {
                        section.mid = mid.into();
                    }
                    let copied = ["rtpmap:", "fmtp:", "rtcp-fb:", "extmap:", "sctp-port:"];
                    if copied.iter().any(|name| attribute.starts_with(name)) {
                        section.lines.push(attribute.into());
                    }
                }
            }
        }
        Self { ufrag: "clientA", setup: "active", sections }
    }

    pub(super) fn sdp(&self) -> String {
        let mut out = String::from("v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE");
        for section in self.sections.iter().filter(|section| !section.stopped) {
            write!(out, " {}", section.mid).unwrap();
        }
        out.push_str("\r\na=extmap-allow-mixed\r\n");
        for section in &self.sections {
            section.write(&mut out, self);
        }
        out
    }
}

impl ClientSection {
    fn write(&self, out: &mut String, client: &Client) {
        let port = if self.stopped { 0 } else { 9 };
        let pts: Vec<&str> =
            self.lines.iter().filter_map(|line| line.strip_prefix("rtpmap:")?.split(' ').next()).collect();
        let (protocol, formats) = match self.media {
            "application" => ("UDP/DTLS/SCTP", String::from("webrtc-datachannel")),
            _ => ("UDP/TLS/RTP/SAVPF", pts.join(" ")),
        };
        write!(out, "m={} {port} {protocol} {formats}\r\nc=IN IP4 0.0.0.0\r\n", self.media).unwrap();
        write!(out, "a=mid:{}\r\n", self.mid).unwrap();
        write!(out, "a=ice-ufrag:{}\r\na=ice-pwd:0123456789abcdefghijklmn\r\n", client.ufrag).unwrap();
        write!(out, "a=fingerprint:{FINGERPRINT}\r\na=setup:{}\r\n", client.setup).unwrap();
        if self.media != "application" {
            write!(out, "a=rtcp-mux\r\na={}\r\n", self.direction).unwrap();
        }
        for line in &self.lines {
            write!(out, "a={line}\r\n").unwrap();
        }
    }
}
