//! What both sides agreed on, or would agree on if an offer were accepted: sections and numbers.

use std::sync::Arc;

use sfu_wire::{Extension, ExtensionMap, Mid, Pt, Rid, Ssrc};

use super::direction::Direction;
use super::feedback::Feedback;
use super::format::{FormatList, format_for};
use super::numbers::Numbers;
use super::section::{KeyframeRequest, ReceiveParameters, Section, SectionKind, SendParameters};
use super::sender::Sender;
use crate::id::SubscriptionId;

/// Who brought a section up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Creator {
    Client,
    Server,
}

/// Everything that offer and answer say; the pending offer is a changed copy.
#[derive(Debug, Clone, Default)]
pub(super) struct State {
    pub(super) sections: Vec<MediaSection>,
    pub(super) numbers: Numbers,
    /// Whether `a=group:BUNDLE` is written: an answer groups only what the offer did (RFC 9143 §7.3).
    pub(super) grouped: bool,
}

/// An agreed header extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extmap {
    pub(super) id: u8,
    pub(super) extension: Extension,
    /// The server's.
    pub(super) direction: Direction,
}

/// An agreed simulcast encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AgreedRid {
    pub(super) rid: Rid,
    pub(super) paused: bool,
    pub(super) payload_types: Vec<Pt>,
    pub(super) restrictions: String,
}

/// One section.
#[derive(Debug, Clone)]
#[allow(clippy::struct_excessive_bools, reason = "independent attributes of a section")]
pub(super) struct MediaSection {
    /// `None` only in a section that is rejected anyway.
    pub(super) mid: Option<Mid>,
    /// `None`: nothing that the SFU speaks; rejected.
    pub(super) kind: Option<SectionKind>,
    /// Media type, protocol and formats of the `m=` line, to repeat them when it is rejected.
    pub(super) line: Arc<(String, String, String)>,
    pub(super) creator: Creator,
    /// Rejected or stopped: port 0.
    pub(super) stopped: bool,
    /// What the client is willing to do.
    pub(super) client: Direction,
    /// What the server's last description says.
    pub(super) server: Direction,
    /// Who sends here, or did until it was removed.
    pub(super) sender: Option<SubscriptionId>,
    pub(super) formats: FormatList,
    /// The server has offered RTX here: an answer without it stands.
    pub(super) repair_offered: bool,
    pub(super) extensions: Vec<Extmap>,
    pub(super) allow_mixed: bool,
    pub(super) rtcp_rsize: bool,
    pub(super) rids: Vec<AgreedRid>,
    /// Whether `rids` stand in `a=simulcast` too.
    pub(super) simulcast: bool,
    pub(super) ssrcs: Vec<(Ssrc, Option<Ssrc>)>,
    pub(super) msid: (String, String),
}

impl MediaSection {
    /// A section that nothing is agreed about yet.
    pub(super) fn new(creator: Creator, mid: Option<Mid>, kind: Option<SectionKind>) -> Self {
        let (media, protocol, formats) = match kind {
            Some(SectionKind::Application) => ("application", "UDP/DTLS/SCTP", "webrtc-datachannel"),
            Some(SectionKind::Audio) => ("audio", "UDP/TLS/RTP/SAVPF", ""),
            Some(SectionKind::Video) => ("video", "UDP/TLS/RTP/SAVPF", ""),
            None => ("", "", ""),
        };
        Self {
            mid,
            kind,
            line: Arc::new((media.to_owned(), protocol.to_owned(), formats.to_owned())),
            creator,
            stopped: false,
            // What the server brings up is for the client to receive.
            client: if creator == Creator::Server { Direction::RECEIVE } else { Direction::NONE },
            server: Direction::NONE,
            sender: None,
            formats: FormatList::default(),
            repair_offered: false,
            extensions: Vec::new(),
            allow_mixed: true,
            rtcp_rsize: true,
            rids: Vec::new(),
            simulcast: false,
            ssrcs: Vec::new(),
            msid: Default::default(),
        }
    }

    /// Whether this is `m=application` as RFC 8841 writes it.
    pub(super) fn takes_data(&self) -> bool {
        self.kind == Some(SectionKind::Application)
            && self.line.2.split(' ').any(|format| format == "webrtc-datachannel")
    }

    /// Whether data channels are agreed or offered here.
    pub(super) fn is_live_data(&self) -> bool {
        !self.stopped && self.kind == Some(SectionKind::Application)
    }

    /// Whether audio is sent here in a section that was offered before the client was known to take retransmissions of it.
    pub(super) fn lacks_audio_rtx(&self) -> bool {
        self.creator == Creator::Server
            && self.kind == Some(SectionKind::Audio)
            && self.sender.is_some()
            && !self.stopped
            && !self.repair_offered
    }

    /// Nothing flows here any more; its place may be recycled.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.sender = None;
        self.client = Direction::NONE;
        self.server = Direction::NONE;
        self.formats = FormatList::default();
        self.extensions = Vec::new();
        self.rids = Vec::new();
        self.ssrcs = Vec::new();
    }

    /// Whether the sender's codec is among the formats.
    pub(super) fn takes(&self, sender: &Sender) -> bool {
        format_for(&self.formats.formats, sender.codec, &sender.fmtp).is_some()
    }

    /// Whether the client sends here and may.
    pub(super) fn receives(&self) -> bool {
        !self.stopped && self.client.sends && self.server.receives
    }

    /// Whether the server may send here.
    pub(super) fn sends(&self) -> bool {
        !self.stopped && self.client.receives && self.server.sends
    }

    /// For the rest of the core; `None` for sections that it has nothing to do with.
    pub(super) fn public(&self, sender: Option<&Sender>) -> Option<Section> {
        Some(Section {
            mid: self.mid?,
            kind: self.kind?,
            stopped: self.stopped,
            receive: self.kind?.media().filter(|_| self.receives()).map(|_| self.receive_parameters()),
            send: sender.filter(|_| self.sends()).map(|sender| self.send_parameters(sender)),
        })
    }

    fn receive_parameters(&self) -> ReceiveParameters {
        ReceiveParameters {
            codecs: self.formats.codecs.clone(),
            extensions: self.extension_map(|direction| direction.receives),
            rids: self.rids.iter().map(|rid| rid.rid).collect(),
            paused_rids: self.rids.iter().filter(|rid| rid.paused).map(|rid| rid.rid).collect(),
            ssrcs: self.ssrcs.clone(),
            msid: self.msid.clone(),
            twcc: self.has_feedback(Feedback::TWCC) && self.has_extension(Extension::TransportCc),
            remb: self.has_feedback(Feedback::REMB),
            nack: self.has_feedback(Feedback::NACK),
            keyframe_request: self.keyframe_request(),
            rtcp_rsize: self.rtcp_rsize,
        }
    }

    fn send_parameters(&self, sender: &Sender) -> SendParameters {
        let format = format_for(&self.formats.formats, sender.codec, &sender.fmtp);
        SendParameters {
            subscription: sender.subscription,
            codecs: self.formats.codecs.clone(),
            codec: format.map(|format| format.codec.clone()),
            extensions: self.extension_map(|direction| direction.sends),
            extmap_allow_mixed: self.allow_mixed,
            twcc: self.has_feedback(Feedback::TWCC) && self.has_extension(Extension::TransportCc),
            remb: self.has_feedback(Feedback::REMB),
            nack: self.has_feedback(Feedback::NACK),
            rtcp_rsize: self.rtcp_rsize,
        }
    }

    fn keyframe_request(&self) -> KeyframeRequest {
        if self.has_feedback(Feedback::FIR) && !self.has_feedback(Feedback::PLI) {
            KeyframeRequest::Fir
        } else {
            KeyframeRequest::Pli
        }
    }

    fn extension_map(&self, wanted: impl Fn(Direction) -> bool) -> ExtensionMap {
        let agreed = self.extensions.iter().filter(|extmap| wanted(extmap.direction));
        agreed.map(|extmap| (extmap.id, extmap.extension)).collect()
    }

    fn has_extension(&self, extension: Extension) -> bool {
        self.extensions.iter().any(|extmap| extmap.extension == extension)
    }

    fn has_feedback(&self, feedback: Feedback) -> bool {
        self.formats.formats.iter().any(|format| format.feedback.contains(feedback))
    }
}
