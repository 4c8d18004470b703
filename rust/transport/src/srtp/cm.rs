//! AES in counter mode and a truncated HMAC-SHA1 (RFC 3711 §4): encrypts first, then authenticates.
//!
//! ```text
//! SRTP:  | header, CSRCs, extensions | payload (encrypted) | tag 10 |             the tag covers all and the ROC
//! SRTCP: | 8 bytes | the rest (encrypted) | E + index | tag 10 |                  the tag covers all before it
//! ```

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::hmac;
use sfu_wire::{SeqNo, Ssrc};

use super::ctr::CounterMode;
use super::error::SrtpError;
use super::header::{RTCP_CLEAR_LEN, RtpHeader};
use super::kdf::{Kdf, Label};
use super::keys::{KeySalt, MAX_SALT_LEN};
use super::rtcp_index::RtcpIndex;

const TAG_LEN: usize = 10;
const INDEX_LEN: usize = 4;
/// The session authentication key: 160 bits (RFC 3711 §5.2).
const AUTHENTICATION_KEY_LEN: usize = 20;

/// Session keys of one direction.
pub(super) struct Cm {
    rtp: CmKey,
    rtcp: CmKey,
}

impl Cm {
    pub(super) fn new(master: &KeySalt) -> Self {
        let kdf = Kdf::new(master);
        Self {
            rtp: CmKey::derive(&kdf, Label::RtpEncryption, Label::RtpAuthentication, Label::RtpSalt),
            rtcp: CmKey::derive(&kdf, Label::RtcpEncryption, Label::RtcpAuthentication, Label::RtcpSalt),
        }
    }

    pub(super) fn seal_rtp(&self, buf: &mut [u8], len: usize, header_len: usize, ssrc: Ssrc, seq: SeqNo) -> usize {
        self.rtp.crypt(ssrc, seq.get(), &mut buf[header_len..len]);
        let tag = self.rtp.tag(&buf[..len], &seq.rollovers().to_be_bytes());
        buf[len..len + TAG_LEN].copy_from_slice(&tag);
        len + TAG_LEN
    }

    pub(super) fn open_rtp(&self, packet: &mut [u8], header: &RtpHeader, seq: SeqNo) -> Result<usize, SrtpError> {
        let len = packet.len() - TAG_LEN;
        self.rtp.verify(packet, &seq.rollovers().to_be_bytes())?;
        self.rtp.crypt(header.ssrc, seq.get(), &mut packet[header.len..len]);
        Ok(len)
    }

    pub(super) fn seal_rtcp(&self, buf: &mut [u8], len: usize, ssrc: Ssrc, index: RtcpIndex) -> usize {
        self.rtcp.crypt(ssrc, u64::from(index.get()), &mut buf[RTCP_CLEAR_LEN..len]);
        let authenticated = len + INDEX_LEN;
        buf[len..authenticated].copy_from_slice(&index.encrypted_word());
        let tag = self.rtcp.tag(&buf[..authenticated], &[]);
        buf[authenticated..authenticated + TAG_LEN].copy_from_slice(&tag);
        authenticated + TAG_LEN
    }

    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index: RtcpIndex) -> Result<usize, SrtpError> {
        let len = packet.len() - TAG_LEN - INDEX_LEN;
        self.rtcp.verify(packet, &[])?;
        self.rtcp.crypt(ssrc, u64::from(index.get()), &mut packet[RTCP_CLEAR_LEN..len]);
        Ok(len)
    }
}

/// Key schedules and salt.
struct CmKey {
    cipher: CounterMode,
    hmac: hmac::Key,
    salt: [u8; MAX_SALT_LEN],
}

impl CmKey {
    fn derive(kdf: &Kdf, encryption: Label, authentication: Label, salt: Label) -> Self {
        let authentication = kdf.derive::<AUTHENTICATION_KEY_LEN>(authentication);
        Self {
            cipher: kdf.encryption(encryption, CounterMode::new),
            hmac: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, authentication.as_bytes()),
            salt: *kdf.derive(salt).as_bytes(),
        }
    }

    /// Encrypts or decrypts (RFC 3711 §4.1.1).
    ///
    /// ```text
    /// IV = (salt * 2^16) XOR (SSRC * 2^64) XOR (index * 2^16)
    /// ```
    fn crypt(&self, ssrc: Ssrc, index48: u64, bytes: &mut [u8]) {
        let mut salt = [0; 16];
        salt[..MAX_SALT_LEN].copy_from_slice(&self.salt);
        let iv = u128::from_be_bytes(salt) ^ u128::from(ssrc.get()) << 64 ^ u128::from(index48) << 16;
        self.cipher.apply(iv.to_be_bytes(), bytes);
    }

    /// The tag over `bytes` and `rollovers` (RFC 3711 §4.2).
    fn tag(&self, bytes: &[u8], rollovers: &[u8]) -> [u8; TAG_LEN] {
        let mut context = hmac::Context::with_key(&self.hmac);
        context.update(bytes);
        context.update(rollovers);
        let mut tag = [0; TAG_LEN];
        tag.copy_from_slice(&context.sign().as_ref()[..TAG_LEN]);
        tag
    }

    /// Checks the tag that ends `packet`, in constant time.
    fn verify(&self, packet: &[u8], rollovers: &[u8]) -> Result<(), SrtpError> {
        let (authenticated, tag) = packet.split_at(packet.len() - TAG_LEN);
        verify_slices_are_equal(&self.tag(authenticated, rollovers), tag).map_err(|_| SrtpError::Authentication)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::srtp::SrtpProfile;
    use crate::srtp::testing::hex;

    /// The keys of RFC 3711 §B.3.
    fn cm() -> Cm {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139");
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6");
        Cm::new(&KeySalt::new(SrtpProfile::Aes128CmHmacSha1_80, &key, &salt).unwrap())
    }

    /// As libsrtp seals it.
    #[test]
    fn srtp_is_sealed_as_by_libsrtp() {
        let mut packet = hex("800f1234decafbadcafebabeabababababababababababababababab00000000000000000000");
        let len = packet.len() - TAG_LEN;
        let clear = packet[..len].to_vec();
        let (ssrc, seq) = (Ssrc::new(0xcafe_babe), SeqNo::new(0x1234));
        assert_eq!(cm().seal_rtp(&mut packet, len, 12, ssrc, seq), len + TAG_LEN);
        assert_eq!(packet, hex("800f1234decafbadcafebabe4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"));

        let header = RtpHeader::parse(&packet, TAG_LEN).unwrap();
        assert_eq!(cm().open_rtp(&mut packet, &header, seq), Ok(len));
        assert_eq!(packet[..len], clear);
    }

    /// As above, for RTCP under index 1.
    #[test]
    fn srtcp_is_sealed_as_by_libsrtp() {
        let clear = hex("81c8000bcafebabeabababababababababababababababab");
        let mut packet = [clear.clone(), vec![0; INDEX_LEN + TAG_LEN]].concat();
        let (ssrc, index) = (Ssrc::new(0xcafe_babe), RtcpIndex::from_word(1));
        assert_eq!(cm().seal_rtcp(&mut packet, clear.len(), ssrc, index), packet.len());
        assert_eq!(packet, hex("81c8000bcafebabe7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798"));

        assert_eq!(cm().open_rtcp(&mut packet, ssrc, index), Ok(clear.len()));
        assert_eq!(packet[..clear.len()], clear);
    }
}
