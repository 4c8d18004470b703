//! Session keys from the master key (RFC 3711 §4.3; AES-256: RFC 6188 §3; a 96-bit salt: RFC 7714 §11).
//!
//! The derivation rate is 0, as DTLS-SRTP has it: session keys are derived once and last as long as the master key.

use super::ctr::CounterMode;
use super::keys::{KeySalt, MAX_SALT_LEN};
use super::secret::Secret;

/// What a derived key is for (RFC 3711 §4.3.1 and §4.3.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    RtpEncryption = 0x00,
    RtpAuthentication = 0x01,
    RtpSalt = 0x02,
    RtcpEncryption = 0x03,
    RtcpAuthentication = 0x04,
    RtcpSalt = 0x05,
}

/// Derives session keys from one master key.
pub(super) struct Kdf {
    cipher: CounterMode,
    salt: Secret<MAX_SALT_LEN>,
    key_len: usize,
}

impl Kdf {
    pub(super) fn new(master: &KeySalt) -> Self {
        let mut salt = Secret::zero();
        *salt.as_mut_bytes() = *master.padded_salt();
        Self { cipher: CounterMode::new(master.key()), salt, key_len: master.profile().key_len() }
    }

    /// Hands an encryption key, as long as the master key, to `with`.
    pub(super) fn encryption<T>(&self, label: Label, with: impl FnOnce(&[u8]) -> T) -> T {
        with(&self.derive::<32>(label).as_bytes()[..self.key_len])
    }

    /// ```text
    /// x = master_salt XOR (label at its eighth byte); key = AES-CTR(master_key, x * 2^16) over zeros
    /// ```
    pub(super) fn derive<const N: usize>(&self, label: Label) -> Secret<N> {
        let mut iv = [0; 16];
        iv[..MAX_SALT_LEN].copy_from_slice(self.salt.as_bytes());
        iv[7] ^= label as u8;
        let mut key = Secret::zero();
        self.cipher.apply(iv, key.as_mut_bytes());
        key
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::srtp::SrtpProfile;
    use crate::srtp::testing::hex;

    /// RFC 3711 §B.3.
    #[test]
    fn a_128_bit_master_key_gives_the_keys_of_rfc_3711() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        let kdf = Kdf::new(&KeySalt::new(SrtpProfile::Aes128CmHmacSha1_80, &key, &salt).unwrap());

        kdf.encryption(Label::RtpEncryption, |key| {
            assert_eq!(key, hex("C61E7A93744F39EE10734AFE3FF7A087"));
        });
        assert_eq!(kdf.derive::<14>(Label::RtpSalt).as_bytes()[..], hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(
            kdf.derive::<94>(Label::RtpAuthentication).as_bytes()[..],
            hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA48F0A0ACF3C34E2359E6CDBCE\
                 E049646C43D9327AD175578EF72270986371C10C9A369AC2F94A8C5FBCDDDC25\
                 6D6E919A48B610EF17C2041E474035766B68642C59BBFC2F34DB60DBDFB2")
        );
    }

    /// RFC 6188 §7.2, whose salt is longer than that of any 256-bit profile here.
    #[test]
    fn a_256_bit_master_key_gives_the_keys_of_rfc_6188() {
        let key = hex("F0F04914B513F2763A1B1FA130F10E2998F6F6E43E4309D1E622A0E332B9F1B6");
        let mut salt = Secret::zero();
        salt.as_mut_bytes().copy_from_slice(&hex("3B04803DE51EE7C96423AB5B78D2"));
        let kdf = Kdf { cipher: CounterMode::new(&key), salt, key_len: 32 };

        kdf.encryption(Label::RtpEncryption, |key| {
            assert_eq!(key, hex("5BA1064E30EC51613CAD926C5A28EF731EC7FB397F70A960653CAF06554CD8C4"));
        });
        assert_eq!(kdf.derive::<14>(Label::RtpSalt).as_bytes()[..], hex("FA31791685CA444A9E07C6C64E93"));
        assert_eq!(
            kdf.derive::<20>(Label::RtpAuthentication).as_bytes()[..],
            hex("FD9C32D39ED5FBB5A9DC96B30818454D1313DC05")
        );
    }
}
