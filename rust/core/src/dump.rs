//! A bounded copy of a track's packets as received, in the records of `rtpdump` (rtptools), off the packet path.
//!
//! A record is: length of the record and of the packet (16 bits each, network order), milliseconds since the start (32 bits),
//! the packet. The file header is the reader's business.

use std::time::{Duration, Instant};

/// Records are handed on in pieces of about this size. Higher: fewer events. Lower: less memory while a dump runs.
const CHUNK: usize = 64 * 1024;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Dump {
    start: Instant,
    end: Instant,
    room_for: usize,
    chunk: Vec<u8>,
}

impl Dump {
    pub(crate) fn new(now: Instant, duration: Duration, max_bytes: usize) -> Self {
        Self { start: now, end: now + duration, room_for: max_bytes, chunk: Vec::new() }
    }

    /// Takes a copy; gives back a chunk that is full.
    pub(crate) fn record(&mut self, now: Instant, packet: &[u8]) -> Option<Vec<u8>> {
        let len = packet.len() + 8;
        if len > self.room_for || len > usize::from(u16::MAX) {
            self.room_for = 0;
            return None;
        }
        self.room_for -= len;
        let offset = now.saturating_duration_since(self.start).as_millis() as u32;
        self.chunk.extend_from_slice(&(len as u16).to_be_bytes());
        self.chunk.extend_from_slice(&(packet.len() as u16).to_be_bytes());
        self.chunk.extend_from_slice(&offset.to_be_bytes());
        self.chunk.extend_from_slice(packet);
        (self.chunk.len() >= CHUNK).then(|| std::mem::take(&mut self.chunk))
    }

    /// When it ends at the latest.
    pub(crate) fn end(&self) -> Instant {
        self.end
    }

    pub(crate) fn is_over(&self, now: Instant) -> bool {
        now >= self.end || self.room_for == 0
    }

    /// What is left at the end.
    pub(crate) fn finish(self) -> Vec<u8> {
        self.chunk
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_carry_lengths_and_offset_and_stop_at_the_bound() {
        let start = Instant::now();
        let mut dump = Dump::new(start, Duration::from_secs(1), 30);
        assert_eq!(dump.record(start + Duration::from_millis(5), &[0x80; 12]), None);
        assert!(!dump.is_over(start));
        assert_eq!(dump.record(start, &[0x80; 12]), None);
        assert!(dump.is_over(start), "20 bytes are left of 30 - 20 = 10, too few");
        let bytes = dump.finish();
        assert_eq!(bytes.len(), 20);
        assert_eq!(bytes[..8], [0, 20, 0, 12, 0, 0, 0, 5]);
    }
}
