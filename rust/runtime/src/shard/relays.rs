//! The relays' messages on their way between shards: what the core has for another goes into a ring, in order.
//!
//! A message is bytes that only the core reads, but for its length and whether it may be dropped. Invariants: a message that
//! may not be dropped is never lost and never overtaken: what does not fit waits here, and media behind it is dropped;
//! a batch costs one release store.

use sfu_core::relay::{may_be_dropped, messages};

use super::lanes::{Lane, Lanes};
use crate::sys::RingWriter;

/// Bytes of one direction. Higher: a shard may be late for longer without losing media. Lower: less memory, and what is
/// carried stays in the cache. 8 ms of 1 Gbit/s.
pub(super) const CAPACITY: usize = 1 << 20;

/// See the module's text.
pub(super) struct Relays {
    lanes: Lanes,
    /// By the other shard's number: messages for which there was no room.
    waiting: Vec<Vec<u8>>,
    counts: Counts,
}

/// Since the start.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Bytes for other shards.
    pub(super) bytes: u64,
    /// Media messages that a full ring has cost.
    pub(super) lost: u64,
}

impl Relays {
    pub(super) fn new(lanes: Lanes) -> Self {
        Self { waiting: Vec::new(), lanes, counts: Counts::default() }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn is_quiet(&mut self) -> bool {
        self.lanes.are_quiet()
    }

    /// Whether something waits for room in a ring.
    pub(super) fn waits(&self) -> bool {
        self.waiting.iter().any(|waiting| !waiting.is_empty())
    }

    /// Takes the core's messages for a shard.
    pub(super) fn send(&mut self, shard: u16, batch: &[u8]) {
        let Some(lane) = self.lanes.to(shard) else { return };
        let index = usize::from(shard);
        if self.waiting.len() <= index {
            self.waiting.resize_with(index + 1, Vec::new);
        }
        let waiting = &mut self.waiting[index];
        catch_up(lane, waiting);
        if waiting.is_empty() && batch.len() <= RingWriter::longest(CAPACITY) && write(lane, batch) {
            self.counts.bytes += batch.len() as u64;
            return;
        }
        for message in messages(batch) {
            if waiting.is_empty() && write(lane, message) {
                self.counts.bytes += message.len() as u64;
            } else if may_be_dropped(message) {
                self.counts.lost += 1;
            } else {
                waiting.extend_from_slice(message);
                self.counts.bytes += message.len() as u64;
            }
        }
    }

    /// Shows the other shards what was sent to them, and what has waited as far as there is room now.
    pub(super) fn publish(&mut self) {
        for (shard, lane) in self.lanes.all() {
            if let Some(waiting) = self.waiting.get_mut(usize::from(shard)) {
                catch_up(lane, waiting);
            }
            lane.publish();
        }
    }

    /// Gives `handle` what the others have sent: from which shard, and whole messages.
    pub(super) fn take(&mut self, mut handle: impl FnMut(u16, &[u8])) {
        for (shard, lane) in self.lanes.all() {
            lane.reader.look();
            while let Some(batch) = lane.reader.next() {
                handle(shard, batch);
            }
            lane.reader.release();
        }
    }
}

/// Moves what waits into the ring, message by message. A shard that is gone needs nothing.
fn catch_up(lane: &mut Lane, waiting: &mut Vec<u8>) {
    if waiting.is_empty() {
        return;
    }
    if lane.writer.is_orphaned() {
        waiting.clear();
        return;
    }
    let moved: usize = messages(waiting).take_while(|message| write(lane, message)).map(<[u8]>::len).sum();
    waiting.drain(..moved);
}

fn write(lane: &mut Lane, bytes: &[u8]) -> bool {
    lane.writer.reserve(bytes.len()).map(|room| room.copy_from_slice(bytes)).is_some()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::sync::Arc;

    use super::super::doorbell::Doorbell;
    use super::*;

    const MEDIA: u8 = 0x80;

    /// As `sfu_core::relay` frames them: a length, a kind, a body.
    fn message(kind: u8, number: u32, len: usize) -> Vec<u8> {
        let mut message = ((1 + 4 + len) as u32).to_be_bytes().to_vec();
        message.push(kind);
        message.extend(number.to_be_bytes());
        message.resize(message.len() + len, 7);
        message
    }

    fn two() -> (Relays, Relays) {
        let bells: Vec<_> = (0..2).map(|_| Arc::new(Doorbell::new().unwrap())).collect();
        let mut mesh = Lanes::mesh(&bells, CAPACITY).into_iter();
        (Relays::new(mesh.next().unwrap()), Relays::new(mesh.next().unwrap()))
    }

    /// Kinds and numbers of what arrives.
    fn taken(relays: &mut Relays) -> Vec<(u8, u32)> {
        let mut all = Vec::new();
        relays.take(|from, batch| {
            assert_eq!(from, 0);
            let parts = messages(batch).map(|m| (m[4], u32::from_be_bytes([m[5], m[6], m[7], m[8]])));
            all.extend(parts);
        });
        all
    }

    #[test]
    fn a_batch_arrives_whole_and_in_order() {
        let (mut here, mut there) = two();
        let batch: Vec<u8> = (0..50).flat_map(|n| message(if n % 3 == 0 { 1 } else { MEDIA }, n, 900)).collect();
        here.send(1, &batch);
        assert!(there.is_quiet(), "not published");
        here.publish();
        assert_eq!(taken(&mut there).iter().map(|(_, n)| *n).collect::<Vec<_>>(), (0..50).collect::<Vec<_>>());
        assert_eq!((here.counts().bytes, here.counts().lost), (batch.len() as u64, 0));
        here.send(7, &batch);
        assert_eq!(here.counts().bytes, batch.len() as u64, "there is no such shard");
    }

    #[test]
    fn a_full_ring_costs_media_and_never_control_or_its_order() {
        let (mut here, mut there) = two();
        let (mut number, mut control, mut got) = (0, Vec::new(), Vec::new());
        for round in 0..40 {
            let mut batch = Vec::new();
            for n in 0..200 {
                let kind = if n % 5 == 0 { 1 } else { MEDIA };
                if kind == 1 {
                    control.push(number);
                }
                batch.extend(message(kind, number, 1200));
                number += 1;
            }
            here.send(1, &batch);
            here.publish();
            if round % 8 == 7 {
                got.extend(taken(&mut there));
            }
        }
        assert!(here.waits() && here.counts().lost > 0);
        while here.waits() {
            here.publish();
            got.extend(taken(&mut there));
        }
        got.extend(taken(&mut there));
        assert!(got.iter().map(|(_, number)| number).is_sorted(), "nothing overtakes");
        assert_eq!(got.iter().filter(|(kind, _)| *kind == 1).map(|(_, n)| *n).collect::<Vec<_>>(), control);
        assert_eq!(got.len() as u64 + here.counts().lost, u64::from(number));
    }

    #[test]
    fn a_batch_larger_than_the_ring_is_cut_between_messages() {
        let (mut here, mut there) = two();
        let batch: Vec<u8> = (0..CAPACITY as u32 / 1000).flat_map(|n| message(1, n, 1200)).collect();
        here.send(1, &batch);
        let mut got = Vec::new();
        while here.waits() {
            here.publish();
            got.extend(taken(&mut there));
        }
        here.publish();
        got.extend(taken(&mut there));
        assert_eq!(got.iter().map(|(_, n)| *n).collect::<Vec<_>>(), (0..CAPACITY as u32 / 1000).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_waits_for_a_shard_that_is_gone() {
        let (mut here, there) = two();
        drop(there);
        let batch: Vec<u8> = (0..2000).flat_map(|n| message(1, n, 1200)).collect();
        here.send(1, &batch);
        here.publish();
        assert!(!here.waits());
    }
}
