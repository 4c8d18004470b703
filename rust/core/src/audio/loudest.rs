//! Who is loudest in a room, packet by packet: a few places, taken and kept by rule (media of one room, one ranking).
//!
//! A voice is heard with its first packet if a place is free or its holder silent; else it must be clearly louder than the quietest
//! holder. Invariant: a packet costs one look-up among the voices and one walk over the places, however many people there are.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sfu_wire::rtp::extension_value::AudioLevel;

/// Who has a place keeps it so long against the louder. Higher: fewer changes. Lower: heckling is heard sooner.
const KEEP: Duration = Duration::from_secs(1);
/// Who has been silent for so long gives its place to anybody who speaks. (jitsi-videobridge `loudest`: 150 ms.)
const SILENT: Duration = Duration::from_millis(150);
/// At this level (−dBov) a packet is speech, whatever its voice flag says.
const SPEECH: u8 = 45;
/// To take a place from one who speaks: so much louder, in sixteenths of a dB …
const LOUDER: i32 = 6 * SCALE;
/// … in so many packets in a row.
const PACKETS: u8 = 2;
const SCALE: i32 = 16;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Loudest<K> {
    places: Vec<Option<Place<K>>>,
    /// Those who speak, or did, without a place.
    voices: BTreeMap<K, Voice>,
}

#[derive(Debug, Clone, Copy)]
struct Place<K> {
    key: K,
    since: Instant,
    voice: Voice,
}

#[derive(Debug, Clone, Copy)]
struct Voice {
    /// Smoothed loudness below full scale, in sixteenths of a dB.
    level: i32,
    /// When it last spoke.
    spoke: Instant,
    /// Packets in a row in which it was louder than a holder.
    louder: u8,
}

impl Voice {
    fn hear(&mut self, now: Instant, level: AudioLevel) {
        // The newest packet weighs half (jitsi-videobridge).
        self.level = i32::midpoint(self.level, i32::from(level.level) * SCALE);
        if is_speech(level) {
            self.spoke = now;
        }
    }
}

impl<K: Copy + Ord> Loudest<K> {
    pub(crate) fn new(places: usize) -> Self {
        Self { places: vec![None; places], voices: BTreeMap::new() }
    }

    /// Those who have the places, in their order.
    pub(crate) fn holders(&self) -> impl Iterator<Item = Option<K>> {
        self.places.iter().map(|place| place.map(|place| place.key))
    }

    /// One packet's level; whether somebody else has a place now.
    pub(crate) fn hear(&mut self, now: Instant, key: K, level: AudioLevel) -> bool {
        if let Some(place) = self.places.iter_mut().flatten().find(|place| place.key == key) {
            place.voice.hear(now, level);
            return false;
        }
        if !is_speech(level) {
            // It costs nothing until it speaks.
            self.voices.remove(&key);
            return false;
        }
        let first = Voice { level: i32::from(level.level) * SCALE, spoke: now, louder: 0 };
        let mut voice = self.voices.get(&key).copied().unwrap_or(first);
        voice.hear(now, level);
        match self.place_for(now, &mut voice) {
            Some(place) => {
                self.voices.remove(&key);
                let before = self.places[place].replace(Place { key, since: now, voice });
                if let Some(before) = before.filter(|before| now < before.voice.spoke + SILENT) {
                    self.voices.insert(before.key, Voice { louder: 0, ..before.voice });
                }
                true
            }
            None => {
                self.voices.insert(key, voice);
                false
            }
        }
    }

    /// It is gone; whether it had a place.
    pub(crate) fn remove(&mut self, key: K) -> bool {
        self.voices.remove(&key);
        let place = self.places.iter_mut().find(|place| place.is_some_and(|place| place.key == key));
        place.is_some_and(|place| place.take().is_some())
    }

    fn place_for(&self, now: Instant, voice: &mut Voice) -> Option<usize> {
        if let Some(free) = self.places.iter().position(Option::is_none) {
            return Some(free);
        }
        let places = || self.places.iter().enumerate().filter_map(|(index, place)| Some((index, place.as_ref()?)));
        let silent = places().filter(|(_, place)| now >= place.voice.spoke + SILENT);
        if let Some((index, _)) = silent.min_by_key(|(_, place)| place.voice.spoke) {
            return Some(index);
        }
        let settled = places().filter(|(_, place)| now >= place.since + KEEP);
        let (index, quietest) = settled.max_by_key(|(_, place)| place.voice.level)?;
        voice.louder = if voice.level + LOUDER <= quietest.voice.level { voice.louder + 1 } else { 0 };
        (voice.louder >= PACKETS).then_some(index)
    }
}

fn is_speech(level: AudioLevel) -> bool {
    (level.voice && level.level < 127) || level.level <= SPEECH
}

#[cfg(test)]
#[path = "loudest_tests.rs"]
mod tests;
