//! Whose packets the numbers of an audio slot carried: what was sent before its voice changed can still be sent again.
//!
//! Numbers go on when the voice changes, so each voice has a range of them. Invariant: who is named for a number was sent under it;
//! what can be played no more is forgotten.

use std::time::Instant;

use sfu_wire::SeqNo;

use crate::id::TrackId;
use crate::nack::responder::GIVEN_UP;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct PastVoices {
    /// Oldest first.
    ranges: Vec<Range>,
}

#[derive(Debug, Clone, Copy)]
struct Range {
    track: TrackId,
    /// The last number that carried it.
    last: SeqNo,
    left: Instant,
}

impl PastVoices {
    /// The slot leaves `track`; `newest` is the last number that was sent.
    pub(crate) fn leave(&mut self, now: Instant, track: TrackId, newest: SeqNo) {
        self.ranges.retain(|range| now <= range.left + GIVEN_UP);
        self.ranges.push(Range { track, last: newest, left: now });
    }

    /// Whose voice was sent under this number; `None`: that of who is in the slot now.
    pub(crate) fn of(&self, seq: SeqNo) -> Option<TrackId> {
        self.ranges.iter().find(|range| seq <= range.last).map(|range| range.track)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const VOICES: [TrackId; 3] = [TrackId::new(1), TrackId::new(2), TrackId::new(3)];

    #[test]
    fn each_voice_has_the_numbers_that_it_was_sent_under() {
        let (now, mut past) = (Instant::now(), PastVoices::default());
        assert_eq!(past.of(SeqNo::new(5)), None, "it has always been the same");
        past.leave(now, VOICES[0], SeqNo::new(10));
        past.leave(now, VOICES[1], SeqNo::new(10));
        past.leave(now, VOICES[2], SeqNo::new(20));
        let of = |seq| past.of(SeqNo::new(seq));
        assert_eq!(
            [of(1), of(10), of(11), of(20), of(21)],
            [Some(VOICES[0]), Some(VOICES[0]), Some(VOICES[2]), Some(VOICES[2]), None]
        );
    }

    #[test]
    fn what_can_be_played_no_more_is_forgotten() {
        let (mut now, mut past) = (Instant::now(), PastVoices::default());
        for turn in 0..1000 {
            past.leave(now, VOICES[turn % 3], SeqNo::new(10 * (turn as u64 + 1)));
            now += Duration::from_millis(150);
        }
        assert_eq!(past.ranges.len(), 21);
        assert_eq!(past.of(SeqNo::new(9_999)), Some(VOICES[0]));
    }
}
