//! Payload that proves itself: who sent it, as which packet, when it left, and that not one byte has changed.
//!
//! ```text
//! | "SFUP" | publisher, 32 | source, 16 | encoding, 8 | 0 | number, 32 | sent µs, 64 | filler … | check, 64 |
//! ```

use std::time::Duration;

const MAGIC: [u8; 4] = *b"SFUP";
const HEADER_LEN: usize = 24;
const CHECK_LEN: usize = 8;

/// What a payload says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The publishing peer's id.
    pub publisher: u32,
    /// Which of its sources.
    pub source: u16,
    /// Which encoding, by rising quality.
    pub encoding: u8,
    /// Counts the packets of the encoding from 0.
    pub number: u32,
    /// When it was sent, since the Unix epoch, to the microsecond.
    pub sent: Duration,
}

impl Proof {
    /// The shortest payload.
    pub const MIN_LEN: usize = HEADER_LEN + CHECK_LEN;

    /// Fills all of `payload`, which has [`Proof::MIN_LEN`] bytes at least.
    pub fn write(&self, payload: &mut [u8]) {
        self.write_with(&[], payload);
    }

    /// The same with something of the caller's behind the header, for which there is room too.
    pub(crate) fn write_with(&self, more: &[u8], payload: &mut [u8]) {
        let (body, check) = payload.split_at_mut(payload.len() - CHECK_LEN);
        let (header, rest) = body.split_at_mut(HEADER_LEN);
        let (behind, filler) = rest.split_at_mut(more.len());
        behind.copy_from_slice(more);
        header[..4].copy_from_slice(&MAGIC);
        header[4..8].copy_from_slice(&self.publisher.to_be_bytes());
        header[8..10].copy_from_slice(&self.source.to_be_bytes());
        header[10] = self.encoding;
        header[11] = 0;
        header[12..16].copy_from_slice(&self.number.to_be_bytes());
        header[16..].copy_from_slice(&(self.sent.as_micros() as u64).to_be_bytes());
        filler.fill(self.number as u8);
        check.copy_from_slice(&checksum(body).to_be_bytes());
    }

    /// `None` if a byte has changed.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        Self::parse_with::<0>(payload).map(|(proof, _)| proof)
    }

    /// The same, with what stands behind the header.
    pub(crate) fn parse_with<const N: usize>(payload: &[u8]) -> Option<(Self, &[u8; N])> {
        let (body, check) = payload.split_last_chunk::<CHECK_LEN>()?;
        let header: &[u8; HEADER_LEN] = body.first_chunk()?;
        if header[..4] != MAGIC || checksum(body) != u64::from_be_bytes(*check) {
            return None;
        }
        let [_, _, _, _, p0, p1, p2, p3, s0, s1, encoding, _, n0, n1, n2, n3, sent @ ..] = *header;
        let more = body[HEADER_LEN..].first_chunk()?;
        let proof = Self {
            publisher: u32::from_be_bytes([p0, p1, p2, p3]),
            source: u16::from_be_bytes([s0, s1]),
            encoding,
            number: u32::from_be_bytes([n0, n1, n2, n3]),
            sent: Duration::from_micros(u64::from_be_bytes(sent)),
        };
        Some((proof, more))
    }
}

/// Not against forgers, only against mistakes; eight bytes a step.
fn checksum(bytes: &[u8]) -> u64 {
    let mix = |state: u64, word: u64| (state ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29);
    let (words, rest) = bytes.as_chunks::<8>();
    let state = words.iter().fold(bytes.len() as u64, |state, word| mix(state, u64::from_le_bytes(*word)));
    rest.iter().fold(state, |state, &byte| mix(state, u64::from(byte)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_changed_bit_is_seen() {
        let proof = Proof { publisher: 7, source: 2, encoding: 1, number: 99, sent: Duration::from_micros(1234) };
        for len in [Proof::MIN_LEN, 53, 200] {
            let mut payload = vec![0; len];
            proof.write(&mut payload);
            assert_eq!(Proof::parse(&payload), Some(proof));
            for bit in 0..len * 8 {
                payload[bit / 8] ^= 1 << (bit % 8);
                assert_eq!(Proof::parse(&payload), None, "bit {bit} of {len} bytes");
                payload[bit / 8] ^= 1 << (bit % 8);
            }
            assert_eq!(Proof::parse(&payload[..len - 1]), None);
        }
    }
}
