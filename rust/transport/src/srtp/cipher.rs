//! The profile's cipher: one face for both kinds.

use sfu_wire::{SeqNo, Ssrc, prefetch};

use super::cm::Cm;
use super::error::SrtpError;
use super::gcm::Gcm;
use super::header::RtpHeader;
use super::keys::KeySalt;
use super::profile::SrtpProfile;
use super::rtcp_index::RtcpIndex;

/// Session keys of one direction, for RTP and for RTCP. Lengths are checked by the caller: a packet is as long as its
/// header and its trailer at least, and a buffer has room for what is added.
pub(super) enum Cipher {
    Gcm(Box<Gcm>),
    Cm(Box<Cm>),
}

impl Cipher {
    pub(super) fn new(master: &KeySalt) -> Self {
        match master.profile() {
            SrtpProfile::AeadAes128Gcm | SrtpProfile::AeadAes256Gcm => Self::Gcm(Box::new(Gcm::new(master))),
            SrtpProfile::Aes128CmHmacSha1_80 => Self::Cm(Box::new(Cm::new(master))),
        }
    }

    /// Asks for the memory of what seals RTP.
    pub(super) fn prefetch(&self) {
        match self {
            Self::Gcm(gcm) => gcm.prefetch(),
            Self::Cm(cm) => prefetch::line(&**cm),
        }
    }

    /// Seals `buf[..len]`; returns the length with the tag.
    pub(super) fn seal_rtp(&self, buf: &mut [u8], len: usize, header_len: usize, ssrc: Ssrc, seq: SeqNo) -> usize {
        match self {
            Self::Gcm(gcm) => gcm.seal_rtp(buf, len, header_len, ssrc, seq),
            Self::Cm(cm) => cm.seal_rtp(buf, len, header_len, ssrc, seq),
        }
    }

    /// Opens `packet`; returns the clear length.
    pub(super) fn open_rtp(&self, packet: &mut [u8], header: &RtpHeader, seq: SeqNo) -> Result<usize, SrtpError> {
        match self {
            Self::Gcm(gcm) => gcm.open_rtp(packet, header, seq),
            Self::Cm(cm) => cm.open_rtp(packet, header, seq),
        }
    }

    /// Seals `buf[..len]`; returns the length with the index and the tag.
    pub(super) fn seal_rtcp(&self, buf: &mut [u8], len: usize, ssrc: Ssrc, index: RtcpIndex) -> usize {
        match self {
            Self::Gcm(gcm) => gcm.seal_rtcp(buf, len, ssrc, index),
            Self::Cm(cm) => cm.seal_rtcp(buf, len, ssrc, index),
        }
    }

    /// The word of E bit and index.
    pub(super) fn rtcp_word(&self, packet: &[u8]) -> u32 {
        let end = match self {
            Self::Gcm(_) => packet.len(),
            Self::Cm(_) => packet.len() - SrtpProfile::Aes128CmHmacSha1_80.rtp_overhead(),
        };
        packet[..end].last_chunk().map_or(0, |word| u32::from_be_bytes(*word))
    }

    /// Opens `packet`; returns the clear length.
    pub(super) fn open_rtcp(&self, packet: &mut [u8], ssrc: Ssrc, index: RtcpIndex) -> Result<usize, SrtpError> {
        match self {
            Self::Gcm(gcm) => gcm.open_rtcp(packet, ssrc, index),
            Self::Cm(cm) => cm.open_rtcp(packet, ssrc, index),
        }
    }
}
