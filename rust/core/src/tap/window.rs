//! Puts packets back into order until a picture is whole, and says when one is given up.
//!
//! Outgoing numbers have no gaps but for losses (what the SFU leaves out is closed), so a missing number is a hole. It is waited
//! for while its retransmission may come. Invariant: a picture is given only when every packet of it is there.

use std::time::{Duration, Instant};

use sfu_wire::SeqNo;

use crate::codec::{CodecName, Kind};
use crate::layer::Layer;
use crate::tap::frame::Captured;
use crate::tap::needs::Needs;

/// Packets from the oldest that is waited for to the newest. Higher: larger keyframes fit (this is 1.2 MB). Lower: less memory.
const SLOTS: usize = 1024;

/// What is known of a packet beside its bytes.
#[derive(Debug, Clone, Copy)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(super) struct About {
    pub(super) codec: CodecName,
    pub(super) timestamp: u64,
    pub(super) captured: Option<Captured>,
    pub(super) layer: Layer,
    /// The first packet of a keyframe.
    pub(super) keyframe: bool,
    /// The first packet of a frame: in SVC of a spatial layer's.
    pub(super) starts_frame: bool,
    /// What its frame may refer to, by this packet.
    pub(super) needs: Needs,
    /// The lowest temporal layer whose frames may refer to its own.
    pub(super) referred_from: u8,
    /// Surely the first packet of a picture.
    pub(super) opens: bool,
    /// The last packet of a picture.
    pub(super) ends: bool,
}

/// What has become of the oldest packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Step {
    /// These, first and last, are a whole picture.
    Picture(SeqNo, SeqNo),
    /// Some are given up. `Some`: all are of the one picture of which this packet came; else nobody knows of which.
    Hole(Option<SeqNo>),
}

#[derive(Debug, Clone)]
struct Slot {
    seq: SeqNo,
    arrived: Instant,
    /// `None`: nothing goes out under this number.
    about: Option<About>,
    bytes: Vec<u8>,
}

/// Where the next packet stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// A picture starts there.
    Start,
    /// Behind a hole: perhaps in the middle of a picture.
    Unknown,
}

/// How long a missing packet is waited for: `round_trip` is what its repair takes, `None` when there is none. A repair may be lost
/// as well: of five percent five times in a row is one in three million. Higher: more is repaired. Lower: a live picture stands
/// still for shorter.
pub(crate) fn patience(kind: Kind, round_trip: Option<Duration>) -> Duration {
    const REORDERED: Duration = Duration::from_millis(100);
    let Some(round_trip) = round_trip else { return REORDERED };
    let (trips, least, most) = match kind {
        Kind::Audio => (2, 200, 500),
        Kind::Video => (5, 500, 2000),
    };
    (REORDERED + round_trip * trips).clamp(Duration::from_millis(least), Duration::from_millis(most))
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Window {
    slots: Vec<Option<Slot>>,
    /// The first packet of the picture that comes next.
    next: Option<SeqNo>,
    place: Place,
    /// Everything from `next` up to here is there.
    scanned: SeqNo,
    newest: SeqNo,
    /// The number that is missing, and since when.
    missing: Option<(SeqNo, Instant)>,
    /// So much was lost at once that nothing in front is left.
    overrun: bool,
}

impl Window {
    pub(super) fn new() -> Self {
        let start = SeqNo::new(0);
        Self {
            slots: Vec::new(),
            next: None,
            place: Place::Start,
            scanned: start,
            newest: start,
            missing: None,
            overrun: false,
        }
    }

    /// A run begins with this number: what is still missing in front of it is left alone.
    pub(super) fn start(&mut self, first: SeqNo) {
        (self.next, self.scanned, self.newest) = (Some(first), first, self.newest.max(first));
        (self.place, self.missing, self.overrun) = (Place::Start, None, false);
    }

    /// Keeps a copy of a packet.
    pub(super) fn insert(&mut self, now: Instant, seq: SeqNo, about: About, payload: &[u8]) {
        self.put(now, seq, Some(about), payload);
    }

    /// The packet for which a number was kept came, and is for nobody: nothing is missing there.
    pub(super) fn skip(&mut self, now: Instant, seq: SeqNo) {
        if self.next.is_some_and(|next| next <= seq) && self.slot(seq).is_none() {
            self.put(now, seq, None, &[]);
        }
    }

    fn put(&mut self, now: Instant, seq: SeqNo, about: Option<About>, payload: &[u8]) {
        if self.next.is_none() {
            self.start(seq);
        }
        let next = self.next.unwrap_or(seq);
        if seq < next {
            return;
        }
        if seq.get() - next.get() >= SLOTS as u64 {
            (self.next, self.scanned) = (Some(seq), seq);
            (self.place, self.missing, self.overrun) = (Place::Unknown, None, true);
        }
        self.newest = self.newest.max(seq);
        let index = index_of(seq);
        if self.slots.len() <= index {
            self.slots.resize_with(index + 1, || None);
        }
        // The memory of the packet that was here before is used again.
        let mut bytes = self.slots[index].take().map_or_else(Vec::new, |slot| slot.bytes);
        bytes.clear();
        bytes.extend_from_slice(payload);
        self.slots[index] = Some(Slot { seq, arrived: now, about, bytes });
    }

    /// What has become of the oldest packets, to be asked until there is nothing.
    pub(super) fn step(&mut self, now: Instant, patience: Duration) -> Option<Step> {
        if std::mem::take(&mut self.overrun) {
            return Some(Step::Hole(None));
        }
        loop {
            let next = self.next?;
            let at = self.scanned;
            let Some(slot) = self.slot(at) else {
                return self.wait(now, patience);
            };
            let Some(about) = slot.about else {
                self.scanned = at.next();
                self.next = Some(if next == at { self.scanned } else { next });
                continue;
            };
            let (ends, opens, timestamp) = (about.ends, about.opens, about.timestamp);
            if self.place == Place::Unknown {
                if opens {
                    self.place = Place::Start;
                    continue;
                }
                // The rest of a picture without its beginning.
                self.place = if ends { Place::Start } else { Place::Unknown };
                self.go_on_at(at.next());
                continue;
            }
            if self.about(next).is_some_and(|first| first.timestamp != timestamp) {
                // No marker: a publisher may do without.
                self.go_on_at(at);
                return Some(Step::Picture(next, SeqNo::new(at.get() - 1)));
            }
            if ends {
                self.go_on_at(at.next());
                return Some(Step::Picture(next, at));
            }
            self.scanned = at.next();
        }
    }

    /// What is known of a packet that is there.
    pub(super) fn about(&self, seq: SeqNo) -> Option<&About> {
        self.slot(seq)?.about.as_ref()
    }

    /// The payloads of a picture.
    pub(super) fn payloads(&self, first: SeqNo, last: SeqNo) -> impl Iterator<Item = &[u8]> {
        (first.get()..=last.get()).filter_map(|seq| self.slot(SeqNo::new(seq)).map(|slot| slot.bytes.as_slice()))
    }

    /// At a number that is not there.
    fn wait(&mut self, now: Instant, patience: Duration) -> Option<Step> {
        let missing = self.scanned;
        if missing > self.newest {
            self.missing = None;
            return None;
        }
        let since = match self.missing {
            Some((seq, since)) if seq == missing => since,
            // What came behind it first has shown that it is missing.
            _ => self.behind(missing).map(|slot| slot.arrived).min().unwrap_or(now),
        };
        self.missing = Some((missing, since));
        if now < since + patience {
            return None;
        }
        let present = self.behind(missing).find_map(|slot| Some((slot.seq, slot.about?)));
        let victim = present.and_then(|present| self.victim(missing, present));
        self.go_on_at(present.map_or(self.newest.next(), |(seq, _)| seq));
        self.place = Place::Unknown;
        Some(Step::Hole(victim))
    }

    /// The first packet of the one picture that lacks all from `missing` up to the packet that is `present`, when that is certain:
    /// they are between two of its packets, or it is the one behind those that came, the last of which has no marker.
    fn victim(&self, missing: SeqNo, (present, about): (SeqNo, About)) -> Option<SeqNo> {
        let first = self.next.filter(|first| self.place == Place::Start && *first < missing)?;
        let is_rest = self.about(first)?.timestamp == about.timestamp;
        (is_rest || present == missing.next() && about.opens).then_some(first)
    }

    fn go_on_at(&mut self, seq: SeqNo) {
        (self.next, self.scanned, self.missing) = (Some(seq), seq, None);
    }

    /// What is there behind a number that is not.
    fn behind(&self, missing: SeqNo) -> impl Iterator<Item = &Slot> {
        (missing.get()..=self.newest.get()).map(SeqNo::new).filter_map(|seq| self.slot(seq))
    }

    fn slot(&self, seq: SeqNo) -> Option<&Slot> {
        self.slots.get(index_of(seq))?.as_ref().filter(|slot| slot.seq == seq)
    }
}

const fn index_of(seq: SeqNo) -> usize {
    (seq.get() % SLOTS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    const PICTURE: About = About {
        codec: CodecName::Vp8,
        timestamp: 0,
        captured: None,
        layer: Layer { spatial: 0, temporal: 0 },
        keyframe: true,
        starts_frame: true,
        needs: Needs::Everything,
        referred_from: 0,
        opens: true,
        ends: true,
    };

    #[test]
    fn what_comes_when_its_place_is_passed_displaces_nothing_that_waits() {
        let (now, mut window) = (Instant::now(), Window::new());
        for seq in (0..10).map(SeqNo::new) {
            window.insert(now, seq, PICTURE, &[]);
            assert_eq!(window.step(now, Duration::ZERO), Some(Step::Picture(seq, seq)));
        }
        let waits = SeqNo::new(6 + SLOTS as u64);
        window.insert(now, waits, PICTURE, &[1]);
        window.insert(now, SeqNo::new(6), PICTURE, &[2]);
        assert_eq!(window.payloads(waits, waits).collect::<Vec<_>>(), [[1]]);
    }
}
