//! The server's own offers, and the state after their answers.

use std::collections::BTreeSet;

use sfu_wire::{Extension, Mid, Pt};

use super::agree::{agree, allowed, is_for_senders, keeps_its_place, line_of, live};
use super::config::{NegotiatorConfig, NegotiatorRole};
use super::direction::Direction;
use super::error::NegotiationError;
use super::feedback::Feedback;
use super::fmtp::{answered_fmtp, parameter};
use super::format::{Format, FormatPool};
use super::h264::Profile;
use super::meaning::Meaning;
use super::numbers::Numbers;
use super::parse::Description;
use super::section::{NegotiatedCodec, SectionKind};
use super::sender::{Sender, Senders};
use super::state::{Creator, Extmap, MediaSection, State};
use crate::codec::{CodecName, Kind};
use crate::id::SubscriptionId;

/// Names for sections that the server brings up; never one twice.
#[derive(Debug, Default)]
pub(super) struct MidSource {
    count: u32,
}

impl MidSource {
    fn next(&mut self, taken: &BTreeSet<Mid>) -> Mid {
        loop {
            let mid = Mid::new(&format!("s{}", self.count)).expect("a letter and ten digits at most");
            self.count += 1;
            if !taken.contains(&mid) {
                return mid;
            }
        }
    }
}

/// Makes an offer out of what is agreed, the senders that wait and the wish for data channels.
pub(super) struct Proposal<'a> {
    pub(super) senders: &'a Senders,
    pub(super) config: &'a NegotiatorConfig,
    /// Opus is offered with RTX to a client that has not shown any here.
    pub(super) repairs_audio: bool,
    pub(super) mids: &'a mut MidSource,
    pub(super) pool: &'a mut FormatPool,
}

impl Proposal<'_> {
    pub(super) fn make(mut self, agreed: &State, data: bool) -> State {
        let mut state = agreed.clone();
        state.grouped = true;
        for section in &mut state.sections {
            section.sender = section.sender.filter(|sender| self.senders.contains(*sender));
            section.server.sends = section.sender.is_some();
        }
        let mut taken: BTreeSet<Mid> = state.sections.iter().filter_map(|section| section.mid).collect();
        let mut stopped: Vec<usize> =
            (0..state.sections.len()).rev().filter(|index| state.sections[*index].stopped).collect();
        let mut place = |state: &mut State, mids: &mut MidSource, kind| {
            let mid = mids.next(&taken);
            taken.insert(mid);
            let section = MediaSection::new(Creator::Server, Some(mid), Some(kind));
            // The first stopped place is recycled (RFC 9429 §5.2.2).
            if let Some(index) = stopped.pop() {
                state.sections[index] = section;
                index
            } else {
                state.sections.push(section);
                state.sections.len() - 1
            }
        };
        let senders = self.senders;
        for kind in [Kind::Audio, Kind::Video] {
            let mut free = Free::of(&state, kind, self.config.role);
            for sender in senders.unplaced().into_iter().filter(|sender| sender.kind == kind) {
                let index =
                    free.take(&state, sender).unwrap_or_else(|| place(&mut state, self.mids, SectionKind::from(kind)));
                self.assign(&mut state, index, sender);
            }
        }
        let early = |section: &MediaSection| self.repairs_audio && section.lacks_audio_rtx();
        let early: Vec<usize> = (0..state.sections.len()).filter(|index| early(&state.sections[*index])).collect();
        for index in early {
            if let Some(sender) = state.sections[index].sender.and_then(|sender| senders.get(sender)) {
                self.assign(&mut state, index, sender);
            }
        }
        if data && !state.sections.iter().any(MediaSection::is_live_data) {
            place(&mut state, self.mids, SectionKind::Application);
        }
        state
    }

    fn assign(&mut self, state: &mut State, index: usize, sender: &Sender) {
        let State { sections, numbers, .. } = state;
        let section = &mut sections[index];
        section.sender = Some(sender.subscription);
        section.server.sends = true;
        if section.creator == Creator::Server {
            let formats = self.formats(numbers, sender);
            section.repair_offered = formats.iter().any(|format| format.codec.rtx.is_some());
            section.formats = self.pool.keep(formats);
            section.extensions = extensions(numbers, sender.kind);
        }
    }

    /// The track's codec first, then the others that the room allows, so that the section can serve other tracks later.
    fn formats(&self, numbers: &mut Numbers, sender: &Sender) -> Vec<Format> {
        const AUDIO: [CodecName; 2] = [CodecName::Opus, CodecName::Red];
        const VIDEO: [CodecName; 4] = [CodecName::Vp8, CodecName::Vp9, CodecName::H264, CodecName::Av1];
        let all: &[CodecName] = match sender.kind {
            Kind::Audio => &AUDIO,
            Kind::Video => &VIDEO,
        };
        let allowed = allowed(self.config, sender.kind);
        let others = if allowed.is_empty() { all } else { allowed };
        let mut formats: Vec<Format> = Vec::new();
        for name in std::iter::once(sender.codec).chain(others.iter().copied()) {
            let stream = if name == sender.codec { sender.fmtp.as_str() } else { "" };
            for stream in [stream, ""] {
                let Some(format) = self.format(numbers, name, stream) else {
                    continue;
                };
                if name.kind() == sender.kind && !formats.iter().any(|known| known.codec.pt == format.codec.pt) {
                    formats.push(format);
                }
            }
        }
        formats
    }

    fn format(&self, numbers: &mut Numbers, name: CodecName, stream: &str) -> Option<Format> {
        let opus = if name == CodecName::Red { self.format(numbers, CodecName::Opus, "") } else { None };
        let fmtp = offered_fmtp(name, stream, opus.map(|opus| opus.codec.pt));
        let profile = if name == CodecName::H264 { Profile::of_fmtp(&fmtp) } else { None };
        let pt = numbers.payload_type(Meaning::Codec { name, profile }, || fmtp)?;
        let repair = Meaning::Rtx { apt: pt };
        // Browsers have no RTX for audio and see none: it is offered to those who have shown that they have it.
        let rtx = if name.kind() == Kind::Video || (name == CodecName::Opus && self.repairs_audio) {
            numbers.payload_type(repair, String::new)
        } else {
            numbers.known(repair)
        };
        let fmtp = numbers.fmtp(pt);
        let codec = NegotiatedCodec { pt, name, rtx, fmtp: fmtp.clone() };
        Some(Format { codec, fmtp, feedback: Feedback::offered(name.kind(), rtx.is_some()) })
    }
}

/// Sections without a sender, in m-line order.
struct Free {
    indices: Vec<usize>,
}

impl Free {
    fn of(state: &State, kind: Kind, role: NegotiatorRole) -> Self {
        let usable = |section: &MediaSection| {
            section.kind == Some(kind.into())
                && !section.stopped
                && section.sender.is_none()
                && is_for_senders(section, role)
        };
        Self { indices: (0..state.sections.len()).filter(|index| usable(&state.sections[*index])).collect() }
    }

    /// One that takes the codec already, else one of the server's own, where the codec can still be offered.
    fn take(&mut self, state: &State, sender: &Sender) -> Option<usize> {
        let fits = |index: &usize| state.sections[*index].takes(sender);
        let own = |index: &usize| state.sections[*index].creator == Creator::Server;
        let position = self.indices.iter().position(fits).or_else(|| self.indices.iter().position(own))?;
        Some(self.indices.remove(position))
    }
}

/// What the server offers for a codec that the peer has not named yet. `stream` are the track's own parameters.
fn offered_fmtp(name: CodecName, stream: &str, opus: Option<Pt>) -> String {
    match name {
        CodecName::Opus => String::from("minptime=10;useinbandfec=1"),
        CodecName::Red => opus.map(|pt| format!("{pt}/{pt}")).unwrap_or_default(),
        CodecName::Vp8 => String::new(),
        CodecName::Vp9 => String::from("profile-id=0"),
        CodecName::Av1 => String::from("level-idx=5;profile=0;tier=0"),
        // RFC 7798 §7.1: the main profile at level 3.1, unless the stream is known to be of another.
        CodecName::H265 if stream.is_empty() => String::from("level-id=93;profile-id=1;tier-flag=0;tx-mode=SRST"),
        CodecName::H265 => answered_fmtp(name, stream).to_string(),
        CodecName::H264 => {
            let level_id = parameter(stream, "profile-level-id").filter(|id| Profile::of_level_id(id).is_some());
            let level_id = level_id.unwrap_or("42e01f");
            format!("level-asymmetry-allowed=1;packetization-mode=1;profile-level-id={level_id}")
        }
    }
}

fn extensions(numbers: &mut Numbers, kind: Kind) -> Vec<Extmap> {
    const AUDIO: [Extension; 5] = [
        Extension::Mid,
        Extension::TransportCc,
        Extension::AbsSendTime,
        Extension::AudioLevel,
        Extension::AbsCaptureTime,
    ];
    // libwebrtc refuses simulcast of its own later when a video section of the bundle was negotiated without the rids.
    const VIDEO: [Extension; 8] = [
        Extension::Mid,
        Extension::TransportCc,
        Extension::AbsSendTime,
        Extension::Rid,
        Extension::RepairedRid,
        Extension::VideoOrientation,
        Extension::DependencyDescriptor,
        Extension::AbsCaptureTime,
    ];
    let wanted: &[Extension] = match kind {
        Kind::Audio => &AUDIO,
        Kind::Video => &VIDEO,
    };
    let numbered = wanted.iter().filter_map(|extension| {
        let id = numbers.extension_id(*extension)?;
        Some(Extmap { id, extension: *extension, direction: Direction::BOTH })
    });
    numbered.collect()
}

/// What an answer leads to.
pub(super) struct Accepted {
    pub(super) state: State,
    /// Senders whose sections the client rejected.
    pub(super) rejected: Vec<SubscriptionId>,
}

/// Applies the answer to the offer that proposed `state`.
pub(super) fn accept_answer(
    proposed: &State,
    description: &Description<'_>,
    pool: &mut FormatPool,
) -> Result<Accepted, NegotiationError> {
    let live = live(description)?;
    let (found, offered) = (description.sections.len(), proposed.sections.len());
    if found != offered {
        return Err(NegotiationError::SectionCount { found, offered });
    }
    let alive = description.sections.iter().zip(&live).filter(|(_, alive)| **alive);
    let mut state = State {
        numbers: proposed.numbers.learn(alive.map(|(section, _)| section)),
        sections: proposed.sections.clone(),
        grouped: true,
    };
    let mut rejected = Vec::new();
    for ((section, remote), alive) in state.sections.iter_mut().zip(&description.sections).zip(live) {
        if !section.stopped {
            keeps_its_place(remote, section)?;
        }
        if !alive || section.stopped {
            rejected.extend(section.sender);
            section.stop();
            continue;
        }
        section.line = line_of(remote);
        if section.kind.and_then(SectionKind::media).is_none() {
            continue;
        }
        // Only what was offered is answered; about the rest the client's mind is unchanged.
        if section.server.sends {
            section.client.receives = remote.direction.receives;
        }
        if section.server.receives {
            section.client.sends = remote.direction.sends;
        }
        agree(section, remote, &[], &state.numbers, pool);
    }
    Ok(Accepted { state, rejected })
}
