//! AES-GCM for SRTP and SRTCP (RFC 7714): one algorithm that encrypts and authenticates.
//!
//! ```text
//! SRTP:  | header, CSRCs, extensions (AAD) | payload (encrypted) | tag 16 |
//! SRTCP: | 8 bytes (AAD) | the rest (encrypted) | tag 16 | E + index (AAD) |
//! ```

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use sfu_wire::{SeqNo, Ssrc, prefetch};

use super::error::SrtpError;
use super::header::{RTCP_CLEAR_LEN, RtpHeader};
use super::kdf::{Kdf, Label};
use super::keys::KeySalt;
use super::rtcp_index::RtcpIndex;

const TAG_LEN: usize = 16;
const INDEX_LEN: usize = 4;

/// Session keys of one direction.
pub(super) struct Gcm {
    rtp: GcmKey,
    rtcp: GcmKey,
}

impl Gcm {
    pub(super) fn new(master: &KeySalt) -> Self {
        let kdf = Kdf::new(master);
        Self {
            rtp: GcmKey::derive(&kdf, Label::RtpEncryption, Label::RtpSalt),
            rtcp: GcmKey::derive(&kdf, Label::RtcpEncryption, Label::RtcpSalt),
        }
    }

    pub(super) fn prefetch(&self) {
        prefetch::line(&self.rtp.key);
        prefetch::line(&self.rtp.salt);
    }

    pub(super) fn seal_rtp(&self, buf: &mut [u8], len: usize, header_len: usize, ssrc: Ssrc, seq: SeqNo) -> usize {
        let nonce = self.rtp.rtp_nonce(ssrc, seq);
        let (header, rest) = buf.split_at_mut(header_len);
        self.rtp.seal(nonce, header, rest, len - header_len);
        len + TAG_LEN
    }

    pub(super) fn open_rtp(&self, packet: &mut [u8], header: &RtpHeader, seq: SeqNo) -> Result<usize, SrtpError> {
        let nonce = self.rtp.rtp_nonce(header.ssrc, seq);
        let (clear, sealed) = packet.split_at_mut(header.len);
        self.rtp.open(nonce, clear, sealed)?;
        Ok(packet.len() - TAG_LEN)
    }

    pub(super) fn seal_rtcp(&self, buf: &mut [u8], len: usize, ssrc: Ssrc, index: RtcpIndex) -> usize {
        let aad = rtcp_aad(buf, index);
        self.rtcp.seal(self.rtcp.rtcp_nonce(ssrc, index), &aad, &mut buf[RTCP_CLEAR_LEN..], len - RTCP_CLEAR_LEN);
        let word = len + TAG_LEN;
        buf[word..word + INDEX_LEN].copy_from_slice(&index.encrypted_word());
        word + INDEX_LEN
    }

    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index: RtcpIndex) -> Result<usize, SrtpError> {
        let aad = rtcp_aad(packet, index);
        let sealed_end = packet.len() - INDEX_LEN;
        self.rtcp.open(self.rtcp.rtcp_nonce(ssrc, index), &aad, &mut packet[RTCP_CLEAR_LEN..sealed_end])?;
        Ok(sealed_end - TAG_LEN)
    }
}

/// The clear start of the packet and the word of E bit and index (RFC 7714 §9.2).
fn rtcp_aad(packet: &[u8], index: RtcpIndex) -> [u8; RTCP_CLEAR_LEN + INDEX_LEN] {
    let mut aad = [0; RTCP_CLEAR_LEN + INDEX_LEN];
    aad[..RTCP_CLEAR_LEN].copy_from_slice(&packet[..RTCP_CLEAR_LEN]);
    aad[RTCP_CLEAR_LEN..].copy_from_slice(&index.encrypted_word());
    aad
}

/// A key schedule and its salt.
struct GcmKey {
    key: LessSafeKey,
    salt: [u8; NONCE_LEN],
}

impl GcmKey {
    fn derive(kdf: &Kdf, encryption: Label, salt: Label) -> Self {
        let salt = *kdf.derive(salt).as_bytes();
        kdf.encryption(encryption, |key| Self::new(key, salt))
    }

    fn new(key: &[u8], salt: [u8; NONCE_LEN]) -> Self {
        let algorithm = if key.len() == 32 { &AES_256_GCM } else { &AES_128_GCM };
        let key = UnboundKey::new(algorithm, key).expect("profiles have keys of 16 or 32 bytes");
        Self { key: LessSafeKey::new(key), salt }
    }

    /// RFC 7714 §8.1.
    ///
    /// ```text
    /// | 0 0 |  SSRC 4  |  ROC 4  | SEQ 2 |  XOR  | salt 12 |
    /// ```
    fn rtp_nonce(&self, ssrc: Ssrc, seq: SeqNo) -> Nonce {
        self.nonce(ssrc, seq.get())
    }

    /// RFC 7714 §9.1.
    ///
    /// ```text
    /// | 0 0 |  SSRC 4  | 0 0 | 0 + index 4 |  XOR  | salt 12 |
    /// ```
    fn rtcp_nonce(&self, ssrc: Ssrc, index: RtcpIndex) -> Nonce {
        self.nonce(ssrc, u64::from(index.get()))
    }

    fn nonce(&self, ssrc: Ssrc, index48: u64) -> Nonce {
        let mut bytes = [0; 16];
        bytes[4..].copy_from_slice(&self.salt);
        let mixed = u128::from_be_bytes(bytes) ^ u128::from(ssrc.get()) << 48 ^ u128::from(index48);
        let mut nonce = [0; NONCE_LEN];
        nonce.copy_from_slice(&mixed.to_be_bytes()[4..]);
        Nonce::assume_unique_for_key(nonce)
    }

    /// Encrypts `rest[..len]` and writes the tag behind it.
    fn seal(&self, nonce: Nonce, aad: &[u8], rest: &mut [u8], len: usize) {
        let (clear, behind) = rest.split_at_mut(len);
        self.key
            .seal_in_place_scatter(nonce, Aad::from(aad), clear, &[], &mut behind[..TAG_LEN])
            .expect("a packet is shorter than the 64 GiB that GCM takes");
    }

    fn open(&self, nonce: Nonce, aad: &[u8], sealed: &mut [u8]) -> Result<(), SrtpError> {
        let (bytes, tag) = sealed.split_at_mut(sealed.len() - TAG_LEN);
        match self.key.open_in_place_separate_tag(nonce, Aad::from(aad), tag, bytes) {
            Ok(_) => Ok(()),
            Err(_) => Err(SrtpError::Authentication),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::srtp::testing::hex;

    const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const SALT: &str = "517569642070726f2071756f";
    const RTP: &str =
        "8040f17b8041f8d35501a0b247616c6c696120657374206f6d6e69732064697669736120696e207061727465732074726573";
    const RTP_SSRC: Ssrc = Ssrc::new(0x5501_a0b2);
    const RTP_SEQ: SeqNo = SeqNo::new(0xf17b);
    const RTCP: &str = "81c8000d4d6172734e5450314e545032525450200000042a0000e9304c756e61\
                        deadbeefdeadbeefdeadbeefdeadbeefdeadbeef";
    const RTCP_SSRC: Ssrc = Ssrc::new(0x4d61_7273);
    const RTCP_INDEX: RtcpIndex = RtcpIndex::from_word(0x0000_05d4);

    /// The vectors give session keys, not master keys.
    fn with_session_key(key_len: usize) -> Gcm {
        let salt = hex(SALT).try_into().unwrap();
        let key = || GcmKey::new(&hex(KEY)[..key_len], salt);
        Gcm { rtp: key(), rtcp: key() }
    }

    fn check_rtp(key_len: usize, sealed: &str) {
        let gcm = with_session_key(key_len);
        let clear = hex(RTP);
        let mut packet = [clear.clone(), vec![0; TAG_LEN]].concat();
        assert_eq!(gcm.seal_rtp(&mut packet, clear.len(), 12, RTP_SSRC, RTP_SEQ), packet.len());
        assert_eq!(packet, hex(sealed));

        let header = RtpHeader::parse(&packet, TAG_LEN).unwrap();
        assert_eq!(gcm.open_rtp(&mut packet, &header, RTP_SEQ), Ok(clear.len()));
        assert_eq!(packet[..clear.len()], clear);
    }

    fn check_rtcp(key_len: usize, sealed: &str) {
        let gcm = with_session_key(key_len);
        let clear = hex(RTCP);
        let mut packet = [clear.clone(), vec![0; TAG_LEN + INDEX_LEN]].concat();
        assert_eq!(gcm.seal_rtcp(&mut packet, clear.len(), RTCP_SSRC, RTCP_INDEX), packet.len());
        assert_eq!(packet, hex(sealed));

        assert_eq!(gcm.open_rtcp(&mut packet, RTCP_SSRC, RTCP_INDEX), Ok(clear.len()));
        assert_eq!(packet[..clear.len()], clear);
    }

    /// Everything is associated, nothing encrypted: SRTP has no such packets, but the vectors check nonce and tag.
    fn check_tag(key: &GcmKey, nonce: Nonce, aad: &str, tag: &str) {
        let mut rest = [0; TAG_LEN];
        key.seal(nonce, &hex(aad), &mut rest, 0);
        assert_eq!(rest[..], hex(tag));
    }

    /// RFC 7714 §16.1.1 and §16.1.2.
    #[test]
    fn srtp_with_128_bits() {
        check_rtp(
            16,
            "8040f17b8041f8d35501a0b2f24de3a3fb34de6cacba861c9d7e4bcabe633bd50d294e6f42a5f47a51c7d19b36de3adf8833\
             899d7f27beb16a9152cf765ee4390cce",
        );
    }

    /// RFC 7714 §16.2.1 and §16.2.2.
    #[test]
    fn srtp_with_256_bits() {
        check_rtp(
            32,
            "8040f17b8041f8d35501a0b232b1de78a822fe12ef9f78fa332e33aab18012389a58e2f3b50b2a0276ffae0f1ba63799b87b\
             7aa3db36dfffd6b0f9bb7878d7a76c13",
        );
    }

    /// RFC 7714 §17.1.
    #[test]
    fn srtcp_with_128_bits() {
        check_rtcp(
            16,
            "81c8000d4d61727363e94885dcdab67ca727d7662f6b7e997ff5c0f76c06f32dc676a5f1730d6fda4ce09b4686303ded0bb9275b\
             c84aa45896cf4d2fc5abf87245d9eade800005d4",
        );
    }

    /// RFC 7714 §17.2.
    #[test]
    fn srtcp_with_256_bits() {
        check_rtcp(
            32,
            "81c8000d4d617273d50ae4d1f5ce5d304ba297e47d470c282c3ece5dbffe0a50a2eaa5c1110555be8415f658c61de0476f1b6fad\
             1d1eb30c4446839f57ff6f6cb26ac3be800005d4",
        );
    }

    /// RFC 7714 §16.1.3, §16.2.3, §17.3 and §17.4.
    #[test]
    fn tags_without_encryption() {
        let vectors = [
            (16, "22493f82d2bce397e9d79e3b19aa4216", "841dd9683dd78ec92ae58790125f62b3"),
            (32, "a866d5910f887463067ceefec45215d4", "91db4afbfeee5a978fab4393ed2615fe"),
        ];
        for (key_len, rtp_tag, rtcp_tag) in vectors {
            let gcm = with_session_key(key_len);
            check_tag(&gcm.rtp, gcm.rtp.rtp_nonce(RTP_SSRC, RTP_SEQ), RTP, rtp_tag);
            let nonce = gcm.rtcp.rtcp_nonce(RTCP_SSRC, RTCP_INDEX);
            check_tag(&gcm.rtcp, nonce, &format!("{RTCP}000005d4"), rtcp_tag);
        }
    }
}
