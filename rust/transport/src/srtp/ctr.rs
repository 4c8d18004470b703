//! AES in counter mode: the cipher of one profile and the key derivation of all (RFC 3711 §4.1.1).

use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;

/// A key schedule, made once. Whoever applies it answers for the initial vector.
pub(super) struct CounterMode(EncryptingKey);

impl CounterMode {
    /// For a key of 16 or 32 bytes.
    pub(super) fn new(key: &[u8]) -> Self {
        let algorithm = if key.len() == 32 { &AES_256 } else { &AES_128 };
        let key = UnboundCipherKey::new(algorithm, key).expect("profiles have keys of 16 or 32 bytes");
        Self(EncryptingKey::ctr(key).expect("AES has a counter mode"))
    }

    /// Adds the keystream that starts at `iv`: encrypts and decrypts.
    pub(super) fn apply(&self, iv: [u8; 16], bytes: &mut [u8]) {
        let context = EncryptionContext::Iv128(FixedLength::from(iv));
        self.0.less_safe_encrypt(bytes, context).expect("counter mode takes any length and a 128-bit vector");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::srtp::testing::hex;

    /// RFC 3711 §B.2.
    #[test]
    fn the_keystream_is_that_of_rfc_3711() {
        let cipher = CounterMode::new(&hex("2B7E151628AED2A6ABF7158809CF4F3C"));
        let mut iv = [0; 16];
        iv.copy_from_slice(&hex("F0F1F2F3F4F5F6F7F8F9FAFBFCFD0000"));
        let mut keystream = vec![0; 0xff02 * 16];
        cipher.apply(iv, &mut keystream);

        let block = |counter: usize| keystream[counter * 16..][..16].to_vec();
        assert_eq!(block(0), hex("E03EAD0935C95E80E166B16DD92B4EB4"));
        assert_eq!(block(1), hex("D23513162B02D0F72A43A2FE4A5F97AB"));
        assert_eq!(block(2), hex("41E95B3BB0A2E8DD477901E4FCA894C0"));
        assert_eq!(block(0xfeff), hex("EC8CDF7398607CB0F2D21675EA9EA1E4"));
        assert_eq!(block(0xff00), hex("362B7C3C6773516318A077D7FC5073AE"));
        assert_eq!(block(0xff01), hex("6A2CC3787889374FBEB4C81B17BA6C44"));
    }
}
