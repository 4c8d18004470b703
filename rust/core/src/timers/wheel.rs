//! A hierarchical timing wheel (Varghese and Lauck 1987, scheme 7): 64 slots a level, a millisecond a slot at the lowest one.
//!
//! Every entry has an index of its own, chosen by the caller, and lies in a doubly linked list of its slot: setting and
//! removing are O(1) and allocate nothing once an index was used. An entry lies at the level of the highest digit in which
//! its tick differs from the cursor, so all entries of a level come before those of the next one. Times are kept as they are
//! and not rounded to ticks: ticks only sort them into slots.

use std::time::Instant;

/// Each level has 2^6 slots.
const DIGIT: u32 = 6;
const SLOTS: usize = 1 << DIGIT;
const LEVELS: usize = 8;
/// Nothing comes later: it is the year 10 000 then.
const LAST: u64 = (1 << (DIGIT * LEVELS as u32)) - 1;
/// No entry.
const NONE: u32 = u32::MAX;

#[derive(Debug, Clone, Copy)]
struct Entry {
    deadline: Instant,
    place: Option<Place>,
    previous: u32,
    next: u32,
}

/// A slot of a level.
#[derive(Debug, Clone, Copy)]
struct Place {
    level: u8,
    slot: u8,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    first: u32,
    /// None of the slot's deadlines is earlier.
    earliest: Instant,
}

#[derive(Debug)]
struct Level {
    /// A bit for each slot that holds something.
    occupied: u64,
    slots: [Slot; SLOTS],
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Wheel {
    epoch: Instant,
    /// The tick up to which everything was given out.
    cursor: u64,
    levels: Box<[Level; LEVELS]>,
    entries: Vec<Entry>,
}

impl Wheel {
    pub(super) fn new(now: Instant) -> Self {
        let slot = Slot { first: NONE, earliest: now };
        let levels = Box::new(std::array::from_fn(|_| Level { occupied: 0, slots: [slot; SLOTS] }));
        Self { epoch: now, cursor: 0, levels, entries: Vec::new() }
    }

    /// Whether `deadline` lies behind the tick that was reached, so that the wheel can hold it.
    pub(super) fn is_ahead(&self, deadline: Instant) -> bool {
        self.tick(deadline) > self.cursor
    }

    /// Holds an entry that it does not hold yet, and whose deadline is ahead.
    pub(super) fn insert(&mut self, index: u32, deadline: Instant) {
        let tick = self.tick(deadline);
        let level = (tick ^ self.cursor).ilog2() / DIGIT;
        let slot = digit(tick, level);
        let Level { occupied, slots } = &mut self.levels[level as usize];
        let place = &mut slots[slot];
        if place.first == NONE {
            *occupied |= 1 << slot;
            place.earliest = deadline;
        }
        place.earliest = place.earliest.min(deadline);
        let next = std::mem::replace(&mut place.first, index);
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = index;
        }
        let place = Some(Place { level: level as u8, slot: slot as u8 });
        let entry = Entry { deadline, place, previous: NONE, next };
        if self.entries.len() <= index as usize {
            self.entries.resize(index as usize + 1, Entry { place: None, next: NONE, ..entry });
        }
        self.entries[index as usize] = entry;
    }

    /// Lets an entry go, if it is held.
    pub(super) fn remove(&mut self, index: u32) {
        let Some(entry) = self.entries.get_mut(index as usize) else { return };
        let Some(Place { level, slot }) = entry.place.take() else { return };
        let Entry { previous, next, .. } = *entry;
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = previous;
        }
        if let Some(previous) = self.entries.get_mut(previous as usize) {
            previous.next = next;
        } else {
            let Level { occupied, slots } = &mut self.levels[usize::from(level)];
            slots[usize::from(slot)].first = next;
            if next == NONE {
                *occupied &= !(1 << slot);
            }
        }
    }

    /// Gives out, in no order, whatever lies in the tick of `now` or before it.
    pub(super) fn advance(&mut self, now: Instant, mut give: impl FnMut(u32, Instant)) {
        let end = self.tick(now);
        if end <= self.cursor {
            return;
        }
        while let Some((level, slot)) = self.first_occupied() {
            let start = self.start(level, slot);
            if start > end {
                break;
            }
            self.cursor = start;
            let level = &mut self.levels[level];
            level.occupied &= !(1 << slot);
            let mut index = std::mem::replace(&mut level.slots[slot].first, NONE);
            while let Some(entry) = self.entries.get_mut(index as usize) {
                entry.place = None;
                let (current, deadline) = (index, entry.deadline);
                index = entry.next;
                if self.tick(deadline) <= end {
                    give(current, deadline);
                } else {
                    self.insert(current, deadline);
                }
            }
        }
        self.cursor = end;
    }

    /// A time before which nothing is due: the earliest deadline, unless that one was removed.
    pub(super) fn earliest(&self) -> Option<Instant> {
        self.first_occupied().map(|(level, slot)| self.levels[level].slots[slot].earliest)
    }

    fn first_occupied(&self) -> Option<(usize, usize)> {
        let level = self.levels.iter().position(|level| level.occupied != 0)?;
        Some((level, self.levels[level].occupied.trailing_zeros() as usize))
    }

    /// The first tick of a slot ahead.
    fn start(&self, level: usize, slot: usize) -> u64 {
        let below = DIGIT * level as u32;
        (self.cursor >> (below + DIGIT) << DIGIT | slot as u64) << below
    }

    fn tick(&self, time: Instant) -> u64 {
        let passed = time.saturating_duration_since(self.epoch);
        passed.as_secs().saturating_mul(1000).saturating_add(u64::from(passed.subsec_millis())).min(LAST)
    }
}

fn digit(tick: u64, level: u32) -> usize {
    (tick >> (DIGIT * level)) as usize % SLOTS
}
