//! The state after a client's offer: what the server answers.

use super::agree::{agree, allowed, is_for_senders, keeps_its_place, line_of, live};
use super::config::{NegotiatorConfig, NegotiatorRole};
use super::direction::Direction;
use super::error::NegotiationError;
use super::format::FormatPool;
use super::numbers::Numbers;
use super::parse::{Description, RemoteSection};
use super::section::SectionKind;
use super::sender::Senders;
use super::state::{Creator, MediaSection, State};
use crate::codec::Kind;
use crate::id::SubscriptionId;

/// What an offer leads to.
pub(super) struct Answered {
    pub(super) state: State,
    /// Senders that found sections of their kind, but none for their codec.
    pub(super) unsupported: Vec<SubscriptionId>,
    /// Senders whose sections the client stopped.
    pub(super) rejected: Vec<SubscriptionId>,
}

/// Answers `description` on top of `agreed`.
pub(super) fn answer(
    agreed: &State,
    description: &Description<'_>,
    senders: &Senders,
    config: &NegotiatorConfig,
    pool: &mut FormatPool,
) -> Result<Answered, NegotiationError> {
    let live = live(description)?;
    let (found, negotiated) = (description.sections.len(), agreed.sections.len());
    if found < negotiated {
        return Err(NegotiationError::SectionsVanished { found, negotiated });
    }
    let alive = description.sections.iter().zip(&live).filter(|(_, alive)| **alive);
    let numbers = agreed.numbers.learn(alive.map(|(section, _)| section));
    let mut sections = Vec::with_capacity(found);
    let mut rejected = Vec::new();
    let mut has_data = false;
    for (index, (remote, alive)) in description.sections.iter().zip(live).enumerate() {
        let previous = agreed.sections.get(index).filter(|section| !section.stopped);
        if let Some(previous) = previous {
            keeps_its_place(remote, previous)?;
        }
        let mut section = match previous {
            Some(previous) => previous.clone(),
            None => arrived(remote),
        };
        if alive {
            accept_section(&mut section, remote, &numbers, config, pool);
        } else {
            section.stop();
        }
        // One association per transport (RFC 8841 §4.3).
        if section.is_live_data() && std::mem::replace(&mut has_data, true) {
            section.stop();
        }
        if section.stopped {
            rejected.extend(previous.and_then(|previous| previous.sender));
        }
        settle_sender(&mut section, senders);
        sections.push(section);
    }
    let mut state = State { sections, numbers, grouped: description.bundle.is_some() };
    let unsupported = attach(&mut state, senders, config.role);
    Ok(Answered { state, unsupported, rejected })
}

/// A section that the client brings up, in a new or a recycled place.
fn arrived(remote: &RemoteSection<'_>) -> MediaSection {
    let mut section = MediaSection::new(Creator::Client, remote.mid.map(|(mid, _)| mid), remote.kind);
    section.line = line_of(remote);
    section
}

fn accept_section(
    section: &mut MediaSection,
    remote: &RemoteSection<'_>,
    numbers: &Numbers,
    config: &NegotiatorConfig,
    pool: &mut FormatPool,
) {
    section.line = line_of(remote);
    let kind = match section.kind.map(SectionKind::media) {
        Some(Some(kind)) => kind,
        Some(None) if section.takes_data() => return,
        _ => return section.stop(),
    };
    agree(section, remote, allowed(config, kind), numbers, pool);
    if section.formats.formats.is_empty() {
        return section.stop();
    }
    let may_publish = match kind {
        Kind::Audio => config.publish_audio,
        Kind::Video => config.publish_video,
    };
    section.client = remote.direction;
    section.server = Direction { sends: false, receives: remote.direction.sends && may_publish };
}

/// A sender keeps its section; one that was removed leaves it.
fn settle_sender(section: &mut MediaSection, senders: &Senders) {
    section.sender = section.sender.filter(|sender| !section.stopped && senders.contains(*sender));
    section.server.sends = section.sender.is_some() && section.client.receives;
}

/// Gives waiting senders the free sections in which the client receives.
fn attach(state: &mut State, senders: &Senders, role: NegotiatorRole) -> Vec<SubscriptionId> {
    let mut unsupported = Vec::new();
    let waiting = senders.unplaced();
    for kind in [Kind::Audio, Kind::Video] {
        let of_kind = |section: &MediaSection| section.kind == Some(kind.into()) && !section.stopped;
        let mut free: Vec<usize> = (0..state.sections.len())
            .filter(|index| {
                let section = &state.sections[*index];
                of_kind(section) && section.sender.is_none() && is_for_senders(section, role)
            })
            .collect();
        for sender in waiting.iter().filter(|sender| sender.kind == kind) {
            let fits = |section: &MediaSection| section.takes(sender);
            if let Some(position) = free.iter().position(|index| fits(&state.sections[*index])) {
                let section = &mut state.sections[free.remove(position)];
                section.sender = Some(sender.subscription);
                section.server.sends = true;
            } else if role == NegotiatorRole::ClientOffers {
                // Some section was offered for this kind, and none, free or not, takes the codec.
                let mut offered = state.sections.iter().filter(|s| of_kind(s) && s.client.receives).peekable();
                if offered.peek().is_some() && !offered.any(fits) {
                    unsupported.push(sender.subscription);
                }
            }
        }
    }
    unsupported
}
