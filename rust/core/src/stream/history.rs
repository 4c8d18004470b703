//! The last packets of one received stream, in the clear and as they came, for all its subscribers to be sent again.
//!
//! Bytes lie in one ring, found through a table by sequence number. Both grow until they hold [`RETENTION`] at the stream's
//! rate, or reach their bound, and then never allocate again. Invariant: a slot is valid only while its bytes were not
//! overwritten, which is seen from positions alone.

use std::time::{Duration, Instant};

use sfu_wire::SeqNo;

use crate::codec::{CodecName, Kind};
use crate::layer::{Dependencies, Packet, packet_facts};

/// Three requests over a round trip of 600 ms come within so long. Higher: more memory. Lower: late requests find nothing.
const RETENTION: Duration = Duration::from_secs(2);

/// Two megabytes are two seconds at 8 Mbit/s.
const MAX_BYTES: usize = 2 << 20;
const MAX_SLOTS: usize = 2048;

const FIRST_SLOTS: usize = 64;

/// A place in the order in which packets came into a [`History`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark(u64);

impl Mark {
    /// Behind everything that may come.
    pub const END: Self = Self(u64::MAX);
}

/// What precedes a stored header extension: its id and its length.
const ELEMENT_HEAD: usize = 2;

#[derive(Debug, Clone, Copy)]
struct Slot {
    seq: SeqNo,
    /// Counts all bytes that were ever stored.
    position: u64,
    extensions_len: u16,
    payload_len: u16,
    timestamp: u64,
    epoch: u16,
    encoding: u8,
    marker: bool,
    codec: CodecName,
    arrival: Instant,
}

/// See the module's text.
#[derive(Debug)]
pub struct History {
    bytes: Vec<u8>,
    first_bytes: usize,
    /// Where the next packet goes; never goes down.
    head: u64,
    /// When the present lap began, and where: the first one after it grew begins in the middle.
    lap: Option<(Instant, u64)>,
    slots: Vec<Option<Slot>>,
}

/// A packet out of the history.
#[derive(Debug, Clone, Copy)]
pub struct StoredPacket<'a> {
    slot: Slot,
    extensions: &'a [u8],
    payload: &'a [u8],
}

impl History {
    /// Allocates nothing yet.
    pub const fn new(kind: Kind) -> Self {
        let first_bytes = match kind {
            Kind::Audio => 8 << 10,
            Kind::Video => 64 << 10,
        };
        Self { bytes: Vec::new(), first_bytes, head: 0, lap: None, slots: Vec::new() }
    }

    /// Keeps a packet with its header extensions, each an id and a value; gives the place behind it.
    pub fn push<'e>(&mut self, packet: &Packet<'_>, extensions: impl Iterator<Item = (u8, &'e [u8])> + Clone) -> Mark {
        let extensions_len: usize = extensions.clone().map(|(_, value)| ELEMENT_HEAD + value.len()).sum();
        let len = extensions_len + packet.payload.len();
        let (Ok(extensions_len), Ok(payload_len)) =
            (u16::try_from(extensions_len), u16::try_from(packet.payload.len()))
        else {
            return Mark(self.head);
        };
        let Some(position) = self.reserve(packet.arrival, len) else {
            return Mark(self.head);
        };
        let mut at = (position % self.bytes.len() as u64) as usize;
        let mut put = |bytes: &[u8]| {
            self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
            at += bytes.len();
        };
        for (id, value) in extensions {
            put(&[id, value.len() as u8]);
            put(value);
        }
        put(packet.payload);
        self.insert(Slot {
            seq: packet.seq,
            position,
            extensions_len,
            payload_len,
            timestamp: packet.timestamp,
            epoch: packet.epoch,
            encoding: packet.encoding,
            marker: packet.marker,
            codec: packet.codec,
            arrival: packet.arrival,
        });
        Mark(self.head)
    }

    /// The packet with this number, if it is still there.
    pub fn get(&self, seq: SeqNo) -> Option<StoredPacket<'_>> {
        let slot = self.slots.get(slot_of(seq, self.slots.len())?)?.filter(|slot| slot.seq == seq)?;
        if slot.position + (self.bytes.len() as u64) < self.head {
            return None;
        }
        let start = (slot.position % self.bytes.len() as u64) as usize;
        let bytes = self.bytes.get(start..)?;
        let (extensions, rest) = bytes.split_at_checked(usize::from(slot.extensions_len))?;
        Some(StoredPacket { slot, extensions, payload: rest.get(..usize::from(slot.payload_len))? })
    }

    /// Forgets everything and keeps the memory.
    pub fn clear(&mut self) {
        self.slots.fill(None);
    }

    /// Makes room for `len` bytes in one piece.
    fn reserve(&mut self, now: Instant, len: usize) -> Option<u64> {
        if self.bytes.is_empty() {
            self.bytes = vec![0; self.first_bytes];
            self.lap = Some((now, 0));
        }
        loop {
            let capacity = self.bytes.len() as u64;
            let left = capacity - self.head % capacity;
            if len as u64 <= left {
                break;
            }
            // A packet lies in one piece: what is left of this lap stays unused.
            self.head += left;
            let lap = self.lap.replace((now, self.head));
            let too_fast = lap.is_some_and(|(began, from)| {
                let whole = now.saturating_duration_since(began).as_nanos() * u128::from(capacity);
                whole < RETENTION.as_nanos() * u128::from(self.head - from)
            });
            if (too_fast || len as u64 > capacity) && self.bytes.len() < MAX_BYTES {
                self.grow_bytes();
            } else if len as u64 > capacity {
                return None;
            }
        }
        let position = self.head;
        self.head += len as u64;
        Some(position)
    }

    /// Doubles the ring. Only at the end of a lap: then all of the last lap moves in one piece.
    fn grow_bytes(&mut self) {
        let capacity = self.bytes.len();
        let last_lap = self.head.saturating_sub(capacity as u64);
        let mut bytes = vec![0; capacity * 2];
        let start = (last_lap % (capacity as u64 * 2)) as usize;
        bytes[start..start + capacity].copy_from_slice(&self.bytes);
        self.bytes = bytes;
        // What is older than the last lap was overwritten before, and must not seem valid in the larger ring.
        for slot in &mut self.slots {
            *slot = slot.filter(|slot| slot.position >= last_lap);
        }
    }

    fn insert(&mut self, slot: Slot) {
        loop {
            let Some(index) = slot_of(slot.seq, self.slots.len()) else {
                self.slots = vec![None; FIRST_SLOTS];
                continue;
            };
            let young =
                self.slots[index].is_some_and(|old| old.seq < slot.seq && slot.arrival < old.arrival + RETENTION);
            if !young || self.slots.len() >= MAX_SLOTS {
                // What is older than what stands here came too late to be asked for.
                if self.slots[index].is_none_or(|old| old.seq <= slot.seq) {
                    self.slots[index] = Some(slot);
                }
                return;
            }
            self.grow_slots();
        }
    }

    fn grow_slots(&mut self) {
        let count = self.slots.len() * 2;
        let old = std::mem::replace(&mut self.slots, vec![None; count]);
        for slot in old.into_iter().flatten() {
            if let Some(index) = slot_of(slot.seq, count) {
                self.slots[index] = Some(slot);
            }
        }
    }
}

impl<'a> StoredPacket<'a> {
    /// What it carries.
    pub const fn codec(&self) -> CodecName {
        self.slot.codec
    }

    /// Extended.
    pub const fn timestamp(&self) -> u64 {
        self.slot.timestamp
    }

    /// Whether it came before that place.
    pub const fn is_before(&self, mark: Mark) -> bool {
        self.slot.position < mark.0
    }

    /// When it came.
    pub const fn arrival(&self) -> Instant {
        self.slot.arrival
    }

    /// The payload as it came.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// The header extensions as they came: id (the publisher's) and value.
    pub const fn extensions(&self) -> StoredExtensions<'a> {
        StoredExtensions(self.extensions)
    }

    /// The packet as it was forwarded; `newest` is the highest number of its encoding by now, and `dependencies` what its
    /// dependency descriptor says.
    pub fn packet<'p>(&self, newest: SeqNo, dependencies: Dependencies<'p>) -> Packet<'p>
    where
        'a: 'p,
    {
        let Slot { seq, timestamp, epoch, encoding, marker, codec, arrival, .. } = self.slot;
        let facts = packet_facts(codec, self.payload, marker, dependencies);
        Packet {
            encoding,
            epoch,
            seq,
            newest,
            timestamp,
            marker,
            codec,
            payload: self.payload,
            facts,
            dependencies,
            arrival,
        }
    }
}

/// Iterates header extensions as they are stored: id, length, value.
#[derive(Debug, Clone)]
pub struct StoredExtensions<'a>(&'a [u8]);

impl<'a> StoredExtensions<'a> {
    /// Of what [`StoredExtensions::write`] wrote.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Appends extensions, each an id and a value.
    pub fn write<'e>(bytes: &mut Vec<u8>, extensions: impl Iterator<Item = (u8, &'e [u8])>) {
        for (id, value) in extensions {
            bytes.extend_from_slice(&[id, value.len() as u8]);
            bytes.extend_from_slice(value);
        }
    }
}

impl<'a> Iterator for StoredExtensions<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let ([id, len], rest) = self.0.split_first_chunk::<ELEMENT_HEAD>()?;
        let (value, rest) = rest.split_at_checked(usize::from(*len))?;
        self.0 = rest;
        Some((*id, value))
    }
}

/// `count` is a power of two, or 0 before the table was made.
fn slot_of(seq: SeqNo, count: usize) -> Option<usize> {
    Some(seq.get() as usize & count.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::FrameFacts;

    fn packet(seq: u64, arrival: Instant, payload: &[u8]) -> Packet<'_> {
        Packet {
            encoding: 1,
            epoch: 0,
            seq: SeqNo::new(seq),
            newest: SeqNo::new(seq),
            timestamp: seq * 3000,
            marker: seq.is_multiple_of(2),
            codec: CodecName::Av1,
            payload,
            facts: FrameFacts::opaque(false),
            dependencies: Dependencies::None,
            arrival,
        }
    }

    fn payload(seq: u64) -> Vec<u8> {
        (0..200 + seq % 1000).map(|byte| (byte ^ seq) as u8).collect()
    }

    fn push(history: &mut History, seq: u64, now: Instant) {
        history.push(&packet(seq, now, &payload(seq)), [(3_u8, &[1_u8, 2][..]), (4, &[])].into_iter());
    }

    fn holds(history: &History, seq: u64) -> bool {
        let Some(stored) = history.get(SeqNo::new(seq)) else {
            return false;
        };
        assert_eq!(stored.payload(), payload(seq));
        assert_eq!(stored.extensions().collect::<Vec<_>>(), [(3, &[1, 2][..]), (4, &[][..])]);
        let packet = stored.packet(SeqNo::new(seq + 5), Dependencies::None);
        assert_eq!((packet.timestamp, packet.marker, packet.encoding), (seq * 3000, seq.is_multiple_of(2), 1));
        true
    }

    #[test]
    fn packets_come_back_as_they_were() {
        let now = Instant::now();
        let mut history = History::new(Kind::Audio);
        assert!(history.get(SeqNo::new(0)).is_none());
        push(&mut history, 7, now);
        push(&mut history, 5, now);
        assert!(holds(&history, 7) && holds(&history, 5));
        assert!(!holds(&history, 6));
        assert!(!holds(&history, 7 + FIRST_SLOTS as u64));
    }

    #[test]
    fn it_grows_until_it_holds_what_may_be_asked_for_and_then_stays() {
        let start = Instant::now();
        let mut history = History::new(Kind::Video);
        let mut sizes = Vec::new();
        // 500 packets a second, 350 kB/s.
        for seq in 0..5000 {
            push(&mut history, seq, start + Duration::from_millis(2) * seq as u32);
            if seq % 500 == 499 {
                sizes.push((history.bytes.len(), history.slots.len()));
            }
            for age in [0, 100, 400, 900] {
                // While it grows it may hold less.
                assert!(
                    seq < age || age == 900 && seq < 2500 || holds(&history, seq - age),
                    "{age} packets before {seq}"
                );
            }
        }
        assert_eq!(sizes[4], sizes[9]);
        assert!(history.bytes.len() <= 1 << 20, "{}", history.bytes.len());
    }

    #[test]
    fn overwritten_bytes_are_never_given_out() {
        let start = Instant::now();
        let mut history = History::new(Kind::Audio);
        // Slow enough that nothing grows.
        for seq in 0..2000 {
            push(&mut history, seq, start + Duration::from_secs(seq));
            assert!(holds(&history, seq));
            (0..200.min(seq)).for_each(|age| _ = holds(&history, seq - age));
        }
        assert_eq!((history.bytes.len(), history.slots.len()), (8 << 10, FIRST_SLOTS));
    }

    #[test]
    fn a_flood_stays_within_the_bounds() {
        let now = Instant::now();
        let mut history = History::new(Kind::Video);
        (0..20_000).for_each(|seq| push(&mut history, seq, now));
        assert_eq!((history.bytes.len(), history.slots.len()), (MAX_BYTES, MAX_SLOTS));
        assert!(holds(&history, 19_999) && holds(&history, 19_000));
    }
}
