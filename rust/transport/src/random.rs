//! Seeded randomness: the keystream of AES-256 in counter mode under the seed.
//!
//! Floors below the runtime draw from here only, so that the same seed and the same input give the same output. With a
//! seed from the operating system it is fit for ICE passwords (RFC 8445 §5.3: 128 bits and more).

use std::fmt;

use aws_lc_rs::cipher::{AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};

/// Bytes drawn at once. Higher: fewer calls. Lower: less memory per generator.
const BLOCK: usize = 1024;
/// RFC 8839 §5.4: `ice-char`.
const ICE_CHARS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A deterministic generator of unpredictable bytes.
pub struct Random {
    key: EncryptingKey,
    counter: u128,
    block: [u8; BLOCK],
    used: usize,
}

impl Random {
    /// A generator that is determined by `seed`.
    pub fn new(seed: [u8; 32]) -> Self {
        let key = UnboundCipherKey::new(&AES_256, &seed).expect("a key of AES-256 has 32 bytes");
        let key = EncryptingKey::ctr(key).expect("AES-256 has a counter mode");
        Self { key, counter: 0, block: [0; BLOCK], used: BLOCK }
    }

    /// Fills `bytes`.
    pub fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            if self.used == BLOCK {
                self.refill();
            }
            *byte = self.block[self.used];
            self.used += 1;
        }
    }

    /// An array of `N` bytes.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A number.
    pub fn u16(&mut self) -> u16 {
        u16::from_be_bytes(self.array())
    }

    /// A number.
    pub fn u32(&mut self) -> u32 {
        u32::from_be_bytes(self.array())
    }

    /// A number.
    pub fn u64(&mut self) -> u64 {
        u64::from_be_bytes(self.array())
    }

    /// A number below `bound` (which is not 0), with a bias below 2⁻³² for bounds below 2³².
    pub fn below(&mut self, bound: u64) -> u64 {
        self.u64() % bound.max(1)
    }

    /// `n` characters fit for an ICE user fragment or password, 6 bits each.
    pub fn ice_string(&mut self, n: usize) -> String {
        (0..n).map(|_| char::from(ICE_CHARS[usize::from(self.array::<1>()[0] & 63)])).collect()
    }

    /// Another generator, seeded by this one.
    #[must_use]
    pub fn fork(&mut self) -> Self {
        Self::new(self.array())
    }

    fn refill(&mut self) {
        self.block.fill(0);
        let context = EncryptionContext::Iv128(self.counter.to_be_bytes().into());
        self.key.less_safe_encrypt(&mut self.block, context).expect("counter mode takes any length");
        self.counter += (BLOCK / 16) as u128;
        self.used = 0;
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_decides() {
        let first: [u8; 4096] = Random::new([7; 32]).array();
        let same: [u8; 4096] = Random::new([7; 32]).array();
        let other: [u8; 4096] = Random::new([8; 32]).array();
        assert_eq!(first, same);
        assert_ne!(first, other);
        assert_ne!(first[..1024], first[1024..2048], "blocks follow one another");
    }

    /// NIST SP 800-38A has no zero-counter vector; the first block is AES-256 of zero under a zero key (FIPS 197).
    #[test]
    fn it_is_the_keystream_of_aes_256() {
        let mut random = Random::new([0; 32]);
        assert_eq!(
            random.array(),
            [0xdc, 0x95, 0xc0, 0x78, 0xa2, 0x40, 0x89, 0x89, 0xad, 0x48, 0xa2, 0x14, 0x92, 0x84, 0x20, 0x87]
        );
    }

    #[test]
    fn ice_strings_are_of_ice_chars() {
        let mut random = Random::new([1; 32]);
        let text = random.ice_string(200);
        assert_eq!(text.len(), 200);
        assert!(text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/'));
        assert_ne!(text, random.ice_string(200));
    }

    #[test]
    fn forks_differ_from_their_parent() {
        let mut random = Random::new([2; 32]);
        let mut fork = random.fork();
        assert_ne!(random.u64(), fork.u64());
        assert!(random.below(10) < 10);
    }
}
