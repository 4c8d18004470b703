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
    /// The last one is spare: for those who are not to hear the holder of another.
    places: Vec<Option<Place<K>>>,
    /// Those who speak, or did, without a place.
    voices: BTreeMap<K, Voice>,
}

type Places<K> = [Option<Place<K>>];

/// What became of the places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Changed {
    Nothing,
    /// Somebody else has the spare place.
    Spare,
    /// Somebody else has another, or has left it.
    Places,
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
    /// So many places, and the spare one.
    pub(crate) fn new(places: usize) -> Self {
        Self { places: vec![None; places + 1], voices: BTreeMap::new() }
    }

    /// Who has a place.
    pub(crate) fn holder(&self, place: usize) -> Option<K> {
        self.split().0.get(place)?.map(|place| place.key)
    }

    /// Who has the spare one.
    pub(crate) fn spare(&self) -> Option<K> {
        self.places.last()?.map(|place| place.key)
    }

    /// One packet's level.
    pub(crate) fn hear(&mut self, now: Instant, key: K, level: AudioLevel) -> Changed {
        if let Some(index) = self.place_of(key) {
            return self.hear_holder(now, index, level);
        }
        if !is_speech(level) {
            // It costs nothing until it speaks.
            self.voices.remove(&key);
            return Changed::Nothing;
        }
        let first = Voice { level: i32::from(level.level) * SCALE, spoke: now, louder: 0 };
        let mut voice = self.voices.get(&key).copied().unwrap_or(first);
        voice.hear(now, level);
        let (places, spare) = self.split();
        let place = place_in(now, places, &mut voice).or_else(|| {
            let mut voice = Voice { louder: PACKETS, ..voice };
            place_in(now, spare, &mut voice).map(|_| places.len())
        });
        let Some(place) = place else {
            self.voices.insert(key, voice);
            return Changed::Nothing;
        };
        self.voices.remove(&key);
        let before = self.places[place].replace(Place { key, since: now, voice });
        if let Some(before) = before.filter(|before| now < before.voice.spoke + SILENT) {
            self.voices.insert(before.key, Voice { louder: 0, ..before.voice });
        }
        self.changed(place)
    }

    /// It is gone.
    pub(crate) fn remove(&mut self, key: K) -> Changed {
        self.voices.remove(&key);
        let Some(place) = self.place_of(key) else { return Changed::Nothing };
        self.places[place] = None;
        self.changed(place)
    }

    fn place_of(&self, key: K) -> Option<usize> {
        self.places.iter().position(|place| place.is_some_and(|place| place.key == key))
    }

    const fn changed(&self, place: usize) -> Changed {
        if place + 1 == self.places.len() { Changed::Spare } else { Changed::Places }
    }

    /// Whoever has the spare place moves up like anybody else.
    fn hear_holder(&mut self, now: Instant, index: usize, level: AudioLevel) -> Changed {
        let spare = self.places.len() - 1;
        let Some(mut voice) = self.places[index].map(|place| place.voice) else { return Changed::Nothing };
        voice.hear(now, level);
        let moves_to =
            if index == spare && is_speech(level) { place_in(now, self.split().0, &mut voice) } else { None };
        if let Some(place) = &mut self.places[index] {
            place.voice = voice;
            place.since = if moves_to.is_some() { now } else { place.since };
        }
        let Some(place) = moves_to else { return Changed::Nothing };
        self.places.swap(place, spare);
        Changed::Places
    }

    /// The places, and the spare one.
    fn split(&self) -> (&Places<K>, &Places<K>) {
        self.places.split_at(self.places.len() - 1)
    }
}

/// The place among `places` that a voice may take.
fn place_in<K>(now: Instant, places: &Places<K>, voice: &mut Voice) -> Option<usize> {
    if let Some(free) = places.iter().position(Option::is_none) {
        return Some(free);
    }
    let held = || places.iter().enumerate().filter_map(|(index, place)| Some((index, place.as_ref()?)));
    let silent = held().filter(|(_, place)| now >= place.voice.spoke + SILENT);
    if let Some((index, _)) = silent.min_by_key(|(_, place)| place.voice.spoke) {
        return Some(index);
    }
    let settled = held().filter(|(_, place)| now >= place.since + KEEP);
    let (index, quietest) = settled.max_by_key(|(_, place)| place.voice.level)?;
    voice.louder = if voice.level + LOUDER <= quietest.voice.level { voice.louder.saturating_add(1) } else { 0 };
    (voice.louder >= PACKETS).then_some(index)
}

/// Whether a packet with this level is speech.
pub(crate) const fn is_speech(level: AudioLevel) -> bool {
    (level.voice && level.level < 127) || level.level <= SPEECH
}

#[cfg(test)]
mod tests;
