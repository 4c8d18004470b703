//! State by SSRC: found in constant time, no allocation after a stream's first packet.
//!
//! The hasher is fixed instead of random, since below the runtime nothing is random; a peer that picks colliding SSRCs
//! slows down only its own session, within the bound on streams. Nothing depends on the order of iteration.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use sfu_wire::Ssrc;

/// A map from SSRC.
pub(super) type StreamMap<T> = HashMap<Ssrc, T, BuildHasherDefault<SsrcHasher>>;

/// Fibonacci hashing of 32 bits, folded so that the lower half is mixed as well.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct SsrcHasher(u64);

impl Hasher for SsrcHasher {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn write_u32(&mut self, value: u32) {
        let product = (self.0 ^ u64::from(value)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// At most `MAX` streams; a new one takes the place of that which was quiet for longest.
#[derive(Debug)]
pub(super) struct BoundedStreams<T, const MAX: usize> {
    streams: StreamMap<Touched<T>>,
    /// Counts lookups: the order in which streams were last seen.
    touches: u64,
}

#[derive(Debug)]
struct Touched<T> {
    at: u64,
    state: T,
}

impl<T, const MAX: usize> BoundedStreams<T, MAX> {
    pub(super) fn new() -> Self {
        Self { streams: StreamMap::default(), touches: 0 }
    }

    /// The state of `ssrc`, which becomes the most recently seen.
    pub(super) fn get_mut(&mut self, ssrc: Ssrc) -> Option<&mut T> {
        self.touches += 1;
        let stream = self.streams.get_mut(&ssrc)?;
        stream.at = self.touches;
        Some(&mut stream.state)
    }

    pub(super) fn insert(&mut self, ssrc: Ssrc, state: T) {
        if self.streams.len() >= MAX {
            let quietest = self.streams.iter().min_by_key(|(_, stream)| stream.at).map(|(ssrc, _)| *ssrc);
            quietest.and_then(|ssrc| self.streams.remove(&ssrc));
        }
        self.streams.insert(ssrc, Touched { at: self.touches, state });
    }

    pub(super) fn remove(&mut self, ssrc: Ssrc) {
        self.streams.remove(&ssrc);
    }

    pub(super) fn len(&self) -> usize {
        self.streams.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_quietest_stream_makes_room() {
        let mut streams = BoundedStreams::<u8, 3>::new();
        for ssrc in 1..=3 {
            assert!(streams.get_mut(Ssrc::new(ssrc)).is_none());
            streams.insert(Ssrc::new(ssrc), 0);
        }
        assert!(streams.get_mut(Ssrc::new(1)).is_some());
        assert!(streams.get_mut(Ssrc::new(4)).is_none());
        streams.insert(Ssrc::new(4), 0);
        assert_eq!(streams.len(), 3);
        assert!(streams.get_mut(Ssrc::new(2)).is_none());
        assert!([1, 3, 4].into_iter().all(|ssrc| streams.get_mut(Ssrc::new(ssrc)).is_some()));
    }

    #[test]
    fn neighbours_do_not_share_their_lower_bits() {
        let buckets: std::collections::BTreeSet<_> = (0..256u32)
            .map(|ssrc| {
                let mut hasher = SsrcHasher::default();
                hasher.write_u32(ssrc << 16);
                hasher.finish() & 0xff
            })
            .collect();
        assert!(buckets.len() > 100, "{}", buckets.len());
    }
}
