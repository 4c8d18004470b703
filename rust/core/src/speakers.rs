//! Who speaks in a room, from the levels that clients send in the clear (RFC 6464).
//!
//! Per track, an interval's samples become one activity: its loudest level if enough of the interval was loud, else silence;
//! an exponential average of it is the track's level. Joining the list takes more than staying in it, and places are
//! exchanged only for an audible difference, so that a cough moves nothing and two voices do not flicker.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sfu_wire::rtp::extension_value::AudioLevel;

use crate::event::Speaker;
use crate::id::{SessionId, TrackId};

/// Lower: speakers show sooner. Higher: fewer events. (LiveKit 400–500 ms, dominant speaker 300 ms.)
const INTERVAL: Duration = Duration::from_millis(400);
/// Louder than this (−dBov) a packet is active. (LiveKit 30–35.)
const ACTIVE_LEVEL: u8 = 40;
/// So much of an interval must be active, so that a click is not a voice.
const ACTIVE_SHARE: Duration = Duration::from_millis(120);
/// What one packet stands for; with discontinuous transmission the pauses send nothing and count as silence.
const PACKET: Duration = Duration::from_millis(20);
/// Weight of the newest interval when it is louder: a voice is listed after one or two intervals.
const ATTACK: f32 = 0.8;
/// Weight of the newest interval when it is quieter: the list outlasts the pauses between words.
const RELEASE: f32 = 0.2;
/// Levels at which a track joins and leaves the list, in dBov.
const ENTER: f32 = -45.0;
const LEAVE: f32 = -60.0;
/// Places are exchanged for at least this difference.
const STEP: f32 = 6.0;
const SILENCE: f32 = -127.0;

#[derive(Debug)]
struct Voice {
    session: SessionId,
    /// Loudest level in the interval, −dBov.
    loudest: u8,
    active: Duration,
    level: f32,
    speaking: bool,
}

/// See the module's text.
#[derive(Debug, Default)]
pub struct Speakers {
    voices: BTreeMap<TrackId, Voice>,
    /// Loudest first.
    ranking: Vec<TrackId>,
    /// The one before it.
    former: Vec<TrackId>,
    due: Option<Instant>,
}

impl Speakers {
    /// One packet's level.
    pub fn hear(&mut self, now: Instant, session: SessionId, track: TrackId, level: AudioLevel) {
        if level.level <= ACTIVE_LEVEL || self.voices.contains_key(&track) {
            let silent = Voice { session, loudest: 127, active: Duration::ZERO, level: SILENCE, speaking: false };
            let voice = self.voices.entry(track).or_insert(silent);
            if level.level <= ACTIVE_LEVEL {
                voice.active += PACKET;
                voice.loudest = voice.loudest.min(level.level);
            }
            self.due.get_or_insert(now + INTERVAL);
        }
    }

    /// The track has ended.
    pub fn remove(&mut self, track: TrackId) {
        self.voices.remove(&track);
    }

    /// The list, loudest first, when it has changed.
    pub fn poll(&mut self, now: Instant) -> Option<Vec<Speaker>> {
        if self.due.is_none_or(|due| due > now) {
            return None;
        }
        for voice in self.voices.values_mut() {
            let heard = if voice.active >= ACTIVE_SHARE { -f32::from(voice.loudest) } else { SILENCE };
            let weight = if heard > voice.level { ATTACK } else { RELEASE };
            voice.level += weight * (heard - voice.level);
            voice.speaking = voice.level > if voice.speaking { LEAVE } else { ENTER };
            voice.loudest = 127;
            voice.active = Duration::ZERO;
        }
        // A voice that has died away costs nothing until it is heard again.
        self.voices.retain(|_, voice| voice.level > SILENCE + 1.0);
        self.due = (!self.voices.is_empty()).then_some(now + INTERVAL);
        if !self.rank() {
            return None;
        }
        let speaker = |track: &TrackId| {
            let voice = self.voices.get(track)?;
            Some(Speaker { session: voice.session, track: *track, level: voice.level.round() as i8 })
        };
        Some(self.ranking.iter().filter_map(speaker).collect())
    }

    /// When to poll.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Ranks those who speak: who stood higher keeps the place unless another is a step louder. Whether that changed anything.
    fn rank(&mut self) -> bool {
        let mut ranking = std::mem::take(&mut self.former);
        let speaking = |track: &TrackId| self.voices.get(track).is_some_and(|voice| voice.speaking);
        ranking.clear();
        ranking.extend(self.ranking.iter().copied().filter(speaking));
        let standing = ranking.len();
        for track in self.voices.keys().filter(|track| speaking(track)) {
            if !ranking[..standing].contains(track) {
                ranking.push(*track);
            }
        }
        ranking[standing..].sort_unstable_by_key(|track| (Reverse(self.level(*track) as i32), *track));
        for end in 1..ranking.len() {
            let mut place = end;
            while place > 0 && self.level(ranking[place]) >= self.level(ranking[place - 1]) + STEP {
                ranking.swap(place, place - 1);
                place -= 1;
            }
        }
        self.former = std::mem::replace(&mut self.ranking, ranking);
        self.former != self.ranking
    }

    fn level(&self, track: TrackId) -> f32 {
        self.voices.get(&track).map_or(SILENCE, |voice| voice.level)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALICE: (SessionId, TrackId) = (SessionId::new(1), TrackId::new(11));
    const BOB: (SessionId, TrackId) = (SessionId::new(2), TrackId::new(22));

    struct Room {
        now: Instant,
        speakers: Speakers,
        changes: Vec<Vec<u64>>,
    }

    impl Room {
        fn new() -> Self {
            Self { now: Instant::now(), speakers: Speakers::default(), changes: Vec::new() }
        }

        /// Lets both send packets of these levels for a while.
        fn run(&mut self, ms: u64, alice: u8, bob: u8) {
            for _ in 0..ms / 20 {
                for ((session, track), level) in [(ALICE, alice), (BOB, bob)] {
                    self.speakers.hear(self.now, session, track, AudioLevel { voice: level < 60, level });
                }
                if let Some(speakers) = self.speakers.poll(self.now) {
                    self.changes.push(speakers.iter().map(|speaker| speaker.session.get()).collect());
                }
                self.now += PACKET;
            }
        }
    }

    #[test]
    fn a_voice_is_listed_within_a_second_and_leaves_when_it_falls_silent() {
        let mut room = Room::new();
        room.run(1000, 20, 127);
        assert_eq!(room.changes, [vec![1]]);
        room.run(12_000, 127, 127);
        assert_eq!(room.changes, [vec![1], vec![]]);
        assert_eq!(room.speakers.poll_timeout(), None, "silence costs nothing");
    }

    #[test]
    fn a_click_and_a_background_noise_are_no_voices() {
        let mut room = Room::new();
        room.run(40, 5, 127);
        room.run(2000, 127, 55);
        assert_eq!(room.changes, Vec::<Vec<u64>>::new());
    }

    #[test]
    fn places_are_not_exchanged_for_a_small_difference() {
        let mut room = Room::new();
        room.run(1200, 25, 127);
        room.run(4000, 25, 22);
        assert_eq!(room.changes, [vec![1], vec![1, 2]]);
        room.run(4000, 35, 15);
        assert_eq!(room.changes.last(), Some(&vec![2, 1]));
    }

    #[test]
    fn a_track_that_ended_is_not_listed() {
        let mut room = Room::new();
        room.run(1200, 20, 20);
        room.speakers.remove(ALICE.1);
        room.speakers.remove(BOB.1);
        room.speakers.due = Some(room.now);
        assert_eq!(room.speakers.poll(room.now), Some(Vec::new()));
    }
}
