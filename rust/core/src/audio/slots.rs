//! Audio slots of a room: who is heard in which section, where sections stay while the voices in them change.
//!
//! One ranking gives places to the loudest; a session's slot carries who has the place of the same number. Whoever hears that one
//! otherwise (it is its own voice, or subscribed to by itself) gets the last place's in that slot, for which there is one place more
//! than slots. Invariants: nobody hears itself, and nobody anybody twice.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use sfu_wire::rtp::extension_value::AudioLevel;

use super::{Changed, Loudest, PastVoices};
use crate::id::{SessionId, SubscriptionId, TrackId};

/// A voice in the room, and whose it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Voice {
    pub(crate) track: TrackId,
    pub(crate) session: SessionId,
}

/// What makes a subscription a slot.
#[derive(Debug, Default)]
pub(crate) struct Slot {
    /// From 0.
    pub(crate) number: u8,
    pub(crate) past: PastVoices,
}

/// Who has the places.
#[derive(Debug)]
enum Ranking {
    /// The room is at home here: all voices are heard.
    Own(Loudest<Voice>),
    /// The room's home tells; the spare voice is the last.
    Told(Vec<Option<Voice>>),
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Slots {
    count: u8,
    ranking: Ranking,
    /// Those of each session, with their numbers.
    sections: BTreeMap<SessionId, Vec<(u8, SubscriptionId)>>,
    /// Voices with a section of their own, and for whom.
    apart: BTreeSet<(TrackId, SessionId)>,
}

impl Slots {
    pub(crate) fn new(count: u8) -> Self {
        Self::with(count, Ranking::Own(Loudest::new(usize::from(count))))
    }

    /// Of a room whose voices are ranked elsewhere.
    pub(crate) fn told(count: u8) -> Self {
        Self::with(count, Ranking::Told(vec![None; usize::from(count) + 1]))
    }

    fn with(count: u8, ranking: Ranking) -> Self {
        Self { count, ranking, sections: BTreeMap::new(), apart: BTreeSet::new() }
    }

    /// So many has each session.
    pub(crate) const fn count(&self) -> u8 {
        self.count
    }

    /// One packet's level.
    pub(crate) fn hear(&mut self, now: Instant, voice: Voice, level: AudioLevel) -> Changed {
        match &mut self.ranking {
            Ranking::Own(loudest) => loudest.hear(now, voice, level),
            Ranking::Told(_) => Changed::Nothing,
        }
    }

    /// Who has the places, the spare one last.
    pub(crate) fn places(&self) -> Vec<Option<Voice>> {
        (0..=usize::from(self.count)).map(|place| self.holder(place)).collect()
    }

    /// Takes over who has the places.
    pub(crate) fn set_places(&mut self, voices: Vec<Option<Voice>>) -> Changed {
        match &mut self.ranking {
            Ranking::Told(known) if voices.len() == known.len() => {
                *known = voices;
                Changed::Places
            }
            _ => Changed::Nothing,
        }
    }

    /// Whether a track has a place.
    pub(crate) fn holds(&self, track: TrackId) -> bool {
        (0..=usize::from(self.count)).any(|place| self.holder(place).is_some_and(|voice| voice.track == track))
    }

    fn holder(&self, place: usize) -> Option<Voice> {
        match &self.ranking {
            Ranking::Own(loudest) if place == usize::from(self.count) => loudest.spare(),
            Ranking::Own(loudest) => loudest.holder(place),
            Ranking::Told(voices) => voices.get(place).copied().flatten(),
        }
    }

    /// A voice is gone.
    pub(crate) fn remove_voice(&mut self, voice: Voice) -> Changed {
        match &mut self.ranking {
            Ranking::Own(loudest) => loudest.remove(voice),
            Ranking::Told(voices) => match voices.iter_mut().find(|place| **place == Some(voice)) {
                // The home will tell who has its place.
                Some(place) => {
                    *place = None;
                    Changed::Places
                }
                None => Changed::Nothing,
            },
        }
    }

    pub(crate) fn add_section(&mut self, session: SessionId, number: u8, section: SubscriptionId) {
        self.sections.entry(session).or_default().push((number, section));
    }

    pub(crate) fn remove_section(&mut self, session: SessionId, section: SubscriptionId) {
        if let Some(sections) = self.sections.get_mut(&session) {
            sections.retain(|(_, known)| *known != section);
        }
    }

    pub(crate) fn remove_session(&mut self, session: SessionId) {
        self.sections.remove(&session);
    }

    /// The session has a section for this voice alone, or no longer.
    pub(crate) fn set_apart(&mut self, track: TrackId, session: SessionId, apart: bool) {
        if apart {
            self.apart.insert((track, session));
        } else {
            self.apart.remove(&(track, session));
        }
    }

    /// Who is to be heard in each slot of a session.
    pub(crate) fn heard_by(&self, session: SessionId) -> impl Iterator<Item = (SubscriptionId, Option<TrackId>)> {
        let otherwise = move |voice: &Voice| voice.session == session || self.apart.contains(&(voice.track, session));
        let mut spare = self.holder(usize::from(self.count)).filter(|voice| !otherwise(voice));
        self.sections.get(&session).into_iter().flatten().map(move |(number, section)| {
            let holder = self.holder(usize::from(*number));
            let voice = if holder.as_ref().is_some_and(otherwise) { spare.take() } else { holder };
            (*section, voice.map(|voice| voice.track))
        })
    }

    /// The sessions whose slots a change may concern: everybody, or those who hear the spare voice in place of another.
    pub(crate) fn concerned(&self, changed: Changed) -> BTreeSet<SessionId> {
        match changed {
            Changed::Nothing => BTreeSet::new(),
            Changed::Spare => {
                let holders = (0..usize::from(self.count)).filter_map(|place| self.holder(place));
                holders.flat_map(|voice| self.apart_from(voice.track).chain([voice.session])).collect()
            }
            Changed::Places => self.sections.keys().copied().collect(),
        }
    }

    /// Who has a section for this voice alone.
    fn apart_from(&self, track: TrackId) -> impl Iterator<Item = SessionId> {
        let all = (track, SessionId::new(0))..=(track, SessionId::new(u64::MAX));
        self.apart.range(all).map(|(_, session)| *session)
    }
}

#[cfg(test)]
mod tests;
