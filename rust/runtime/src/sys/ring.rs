//! A ring of bytes between two threads: one writes records, the other reads them where they lie.
//!
//! No lock and no allocation: the writer makes a batch of records visible with one release store, the reader gives the
//! space of a batch back with one. A record never wraps around, so whoever reads it may decrypt it in place. Invariant: the
//! bytes between `read` and `written` are the reader's, all others the writer's.
//!
//! ```text
//!      read                         written            end
//!       v                            v                  v
//! |free | length, record, … length, record | free       |
//! ```
//! Lengths take eight bytes and records begin at multiples of eight; the length [`SKIP`] means "go on at the beginning".

use std::slice;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a length takes, and what records are aligned to.
const HEAD: usize = 8;
/// In place of a length: nothing fitted into the rest of the ring.
const SKIP: u64 = u64::MAX;

/// A position of its own cache line: the two threads do not take each other's away.
#[repr(align(128))]
#[derive(Default)]
struct Position(AtomicUsize);

/// What the two ends have in common. Positions count bytes since the beginning of time, and wrap.
struct Shared {
    bytes: *mut [u8],
    read: Position,
    written: Position,
}

// SAFETY: `bytes` is memory of this value's own; which end may touch which part of it is told by the positions, that change
// hands with release and acquire.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Drop for Shared {
    fn drop(&mut self) {
        // SAFETY: it came out of a box in `ring`, and both ends are gone.
        drop(unsafe { Box::from_raw(self.bytes) });
    }
}

impl Shared {
    /// Some of the bytes.
    ///
    /// # Safety
    /// The part is the caller's by the positions, and lies within the ring.
    #[expect(clippy::mut_from_ref, reason = "the positions tell whose the bytes are, not the borrow")]
    unsafe fn part(&self, start: usize, len: usize) -> &mut [u8] {
        debug_assert!(start + len <= self.bytes.len());
        // SAFETY: within the allocation; nobody else has a reference to this part.
        unsafe { slice::from_raw_parts_mut(self.bytes.cast::<u8>().add(start), len) }
    }
}

/// The end that writes.
pub(crate) struct RingWriter {
    shared: Arc<Shared>,
    /// Where the next record goes; not shown to the reader before `publish`.
    next: usize,
    published: usize,
    /// What is known of the reader's position.
    read: usize,
}

/// The end that reads.
pub(crate) struct RingReader {
    shared: Arc<Shared>,
    /// Where the next record lies; its space is not given back before `release`.
    next: usize,
    released: usize,
    /// What is known of the writer's position.
    written: usize,
}

/// A ring of `capacity` bytes, a power of two. Pages are touched when they are first written.
pub(crate) fn ring(capacity: usize) -> (RingWriter, RingReader) {
    assert!(capacity.is_power_of_two() && capacity >= 2 * HEAD);
    let bytes = Box::into_raw(vec![0; capacity].into_boxed_slice());
    let shared = Arc::new(Shared { bytes, read: Position::default(), written: Position::default() });
    let writer = RingWriter { shared: Arc::clone(&shared), next: 0, published: 0, read: 0 };
    (writer, RingReader { shared, next: 0, released: 0, written: 0 })
}

impl RingWriter {
    /// The longest record that fits into an empty ring wherever it begins.
    pub(crate) const fn longest(capacity: usize) -> usize {
        capacity / 2 - HEAD
    }

    /// Room for a record, to be filled before [`publish`](Self::publish) shows it; `None` when the ring is full.
    pub(crate) fn reserve(&mut self, len: usize) -> Option<&mut [u8]> {
        let capacity = self.shared.bytes.len();
        let need = HEAD + len.next_multiple_of(HEAD);
        let start = self.next & (capacity - 1);
        let skipped = if start + need > capacity { capacity - start } else { 0 };
        if !self.has_room(skipped.checked_add(need)?) {
            return None;
        }
        if skipped > 0 {
            self.write_head(SKIP);
            self.next = self.next.wrapping_add(skipped);
        }
        self.write_head(len as u64);
        let start = (self.next & (capacity - 1)) + HEAD;
        self.next = self.next.wrapping_add(need);
        // SAFETY: `has_room` has seen that the reader is done with this part, and it is shown to the reader only later.
        Some(unsafe { self.shared.part(start, len) })
    }

    /// Shows the reader what was written since the last time; says whether that is anything.
    pub(crate) fn publish(&mut self) -> bool {
        let new = self.published != self.next;
        if new {
            self.published = self.next;
            self.shared.written.0.store(self.next, Ordering::Release);
        }
        new
    }

    /// Whether nobody reads any more.
    pub(crate) fn is_orphaned(&self) -> bool {
        Arc::strong_count(&self.shared) == 1
    }

    fn has_room(&mut self, need: usize) -> bool {
        let free = |writer: &Self| writer.shared.bytes.len() - writer.next.wrapping_sub(writer.read);
        if free(self) < need {
            self.read = self.shared.read.0.load(Ordering::Acquire);
        }
        free(self) >= need
    }

    fn write_head(&mut self, head: u64) {
        let start = self.next & (self.shared.bytes.len() - 1);
        // SAFETY: `reserve` has seen that there is room from here on; what is left before the end of the ring is a multiple
        // of a head.
        unsafe { self.shared.part(start, HEAD) }.copy_from_slice(&head.to_ne_bytes());
    }
}

impl RingReader {
    /// Looks for what was written since the last time; says whether anything is to be read.
    pub(crate) fn look(&mut self) -> bool {
        self.written = self.shared.written.0.load(Ordering::Acquire);
        self.next != self.written
    }

    /// The next record of the batch that [`look`](Self::look) found.
    pub(crate) fn next(&mut self) -> Option<&mut [u8]> {
        let capacity = self.shared.bytes.len();
        while self.next != self.written {
            let start = self.next & (capacity - 1);
            // SAFETY: before `written`, so a head stands here, and it is ours.
            let head = unsafe { self.shared.part(start, HEAD) };
            let head = u64::from_ne_bytes([head[0], head[1], head[2], head[3], head[4], head[5], head[6], head[7]]);
            if head == SKIP {
                self.next = self.next.wrapping_add(capacity - start);
                continue;
            }
            let len = head as usize;
            self.next = self.next.wrapping_add(HEAD + len.next_multiple_of(HEAD));
            // SAFETY: before `written`, and the writer does not come back here before `release`.
            return Some(unsafe { self.shared.part(start + HEAD, len) });
        }
        None
    }

    /// Gives the space of what was read back.
    pub(crate) fn release(&mut self) {
        if self.released != self.next {
            self.released = self.next;
            self.shared.read.0.store(self.next, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::VecDeque;
    use std::thread;

    use super::*;

    /// A record whose length and bytes follow from its number.
    fn record(number: u64) -> Vec<u8> {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let len = (mixed >> 48) as usize % 120;
        (0..len).map(|at| (mixed >> (at % 8 * 8)) as u8 ^ at as u8).collect()
    }

    fn write(writer: &mut RingWriter, bytes: &[u8]) -> bool {
        writer.reserve(bytes.len()).map(|room| room.copy_from_slice(bytes)).is_some()
    }

    #[test]
    fn nothing_is_seen_before_it_is_published() {
        let (mut writer, mut reader) = ring(256);
        assert!(write(&mut writer, b"one") && write(&mut writer, b""));
        assert!(!reader.look() && reader.next().is_none());
        assert!(writer.publish());
        assert!(!writer.publish(), "once is enough");
        assert!(reader.look());
        assert_eq!(reader.next().unwrap(), b"one");
        assert_eq!(reader.next().unwrap(), b"");
        assert!(reader.next().is_none());
    }

    #[test]
    fn a_full_ring_takes_nothing_until_what_was_read_is_given_back() {
        let (mut writer, mut reader) = ring(64);
        assert!(write(&mut writer, &[1; 24]) && write(&mut writer, &[2; 24]));
        assert!(!write(&mut writer, &[]), "both records with their lengths fill it");
        writer.publish();
        assert!(reader.look());
        assert_eq!(reader.next().unwrap(), [1; 24]);
        assert!(!write(&mut writer, &[3; 24]), "the first may still be read");
        reader.release();
        assert!(write(&mut writer, &[3; 24]));
        writer.publish();
        assert_eq!(reader.next().unwrap(), [2; 24]);
        assert!(reader.look());
        assert_eq!(reader.next().unwrap(), [3; 24]);
    }

    #[test]
    fn the_longest_record_fits_wherever_it_begins() {
        for before in (0..512).step_by(8) {
            let (mut writer, mut reader) = ring(256);
            for _ in 0..before / 8 {
                assert!(write(&mut writer, &[]));
                writer.publish();
                assert!(reader.look());
                reader.next().unwrap();
                reader.release();
            }
            let long = vec![7; RingWriter::longest(256)];
            assert!(write(&mut writer, &long), "after {before} bytes");
            writer.publish();
            assert!(reader.look());
            assert_eq!(reader.next().unwrap(), long);
        }
    }

    #[test]
    fn it_is_a_queue_whatever_the_order_of_calls() {
        let (mut writer, mut reader) = ring(1024);
        let (mut hidden, mut shown, mut number) = (Vec::new(), VecDeque::new(), 0);
        let mut random = 1_u64;
        for _ in 0..50_000 {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            match random >> 60 {
                0..8 => {
                    if write(&mut writer, &record(number)) {
                        hidden.push(record(number));
                        number += 1;
                    }
                }
                8..10 => {
                    writer.publish();
                    shown.extend(hidden.drain(..));
                }
                10..14 => {
                    reader.look();
                    assert_eq!(reader.next().map(|bytes| bytes.to_vec()), shown.pop_front());
                }
                _ => reader.release(),
            }
        }
        assert!(number > 1_000);
    }

    #[test]
    fn two_threads_see_every_record_whole_and_in_order() {
        const RECORDS: u64 = 50_000;
        let (mut writer, mut reader) = ring(4096);
        let writing = thread::spawn(move || {
            for number in 0..RECORDS {
                let bytes = record(number);
                while !write(&mut writer, &bytes) {
                    writer.publish();
                    thread::yield_now();
                }
                if number % 7 == 0 {
                    writer.publish();
                }
            }
            writer.publish();
            writer
        });
        let mut number = 0;
        while number < RECORDS {
            if !reader.look() {
                thread::yield_now();
            }
            while let Some(bytes) = reader.next() {
                assert_eq!(bytes, record(number), "record {number}");
                // What the writer may see of it is an error, never another record.
                bytes.fill(0xff);
                number += 1;
            }
            reader.release();
        }
        let writer = writing.join().unwrap();
        assert!(!writer.is_orphaned());
        drop(reader);
        assert!(writer.is_orphaned());
    }
}
