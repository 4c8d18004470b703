//! Datagrams under way, in the order of their arrival, and the memory that they leave behind.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

/// Buffers that are kept. Higher: fewer allocations after a burst. Lower: less memory.
const POOL: usize = 4096;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Arrival, then the order of departure, then the place in `flights`.
    order: BinaryHeap<Reverse<(Instant, u64, usize)>>,
    flights: Vec<Flight>,
    free: Vec<usize>,
    pool: Vec<Vec<u8>>,
    launched: u64,
}

#[derive(Debug, Default)]
struct Flight {
    who: usize,
    to_sfu: bool,
    datagram: Vec<u8>,
}

impl Queue {
    /// When the next arrives.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.order.peek().map(|Reverse((at, ..))| *at)
    }

    /// A datagram of or for a participant arrives at `at`.
    pub(crate) fn push(&mut self, at: Instant, who: usize, to_sfu: bool, datagram: Vec<u8>) {
        let flight = Flight { who, to_sfu, datagram };
        let place = if let Some(place) = self.free.pop() {
            self.flights[place] = flight;
            place
        } else {
            self.flights.push(flight);
            self.flights.len() - 1
        };
        self.launched += 1;
        self.order.push(Reverse((at, self.launched, place)));
    }

    /// The next to arrive: whose, whether towards the SFU, and the bytes.
    pub(crate) fn pop(&mut self) -> Option<(usize, bool, Vec<u8>)> {
        let Reverse((_, _, place)) = self.order.pop()?;
        self.free.push(place);
        let Flight { who, to_sfu, datagram } = std::mem::take(&mut self.flights[place]);
        Some((who, to_sfu, datagram))
    }

    /// A copy in used memory.
    pub(crate) fn copy(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut copy = self.pool.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(bytes);
        copy
    }

    pub(crate) fn recycle(&mut self, bytes: Vec<u8>) {
        if self.pool.len() < POOL {
            self.pool.push(bytes);
        }
    }
}
