//! The protection profiles that DTLS negotiates (RFC 5764 §4.1.2, RFC 7714 §14.2) and their sizes.

use std::fmt;
use std::str::FromStr;

use super::error::SrtpError;

/// How packets are protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SrtpProfile {
    /// AES-128-GCM: the fastest here.
    AeadAes128Gcm,
    /// AES-256-GCM.
    AeadAes256Gcm,
    /// AES-128 in counter mode with an 80-bit HMAC-SHA1 tag: every peer has it, at a multiple of the cost.
    Aes128CmHmacSha1_80,
}

impl SrtpProfile {
    /// All of them, cheapest first.
    pub const ALL: [Self; 3] = [Self::AeadAes128Gcm, Self::AeadAes256Gcm, Self::Aes128CmHmacSha1_80];

    /// What sealing adds to an RTP packet, in bytes.
    pub const fn rtp_overhead(self) -> usize {
        self.tag_len()
    }

    /// What sealing adds to an RTCP packet, in bytes: the tag and the index.
    pub const fn rtcp_overhead(self) -> usize {
        self.tag_len() + 4
    }

    /// Length of the master key in bytes; the session keys have the same.
    pub const fn key_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::Aes128CmHmacSha1_80 => 16,
            Self::AeadAes256Gcm => 32,
        }
    }

    /// Length of the master salt in bytes.
    pub const fn salt_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 12,
            Self::Aes128CmHmacSha1_80 => 14,
        }
    }

    /// Length of the keying material to export from DTLS, in bytes: two keys and two salts (RFC 5764 §4.2).
    pub const fn keying_material_len(self) -> usize {
        2 * (self.key_len() + self.salt_len())
    }

    /// Whether one algorithm both encrypts and authenticates.
    pub const fn is_aead(self) -> bool {
        matches!(self, Self::AeadAes128Gcm | Self::AeadAes256Gcm)
    }

    /// The name as RFC 3711 and RFC 7714 write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AeadAes128Gcm => "AEAD_AES_128_GCM",
            Self::AeadAes256Gcm => "AEAD_AES_256_GCM",
            Self::Aes128CmHmacSha1_80 => "AES128_CM_HMAC_SHA1_80",
        }
    }

    const fn tag_len(self) -> usize {
        match self {
            Self::AeadAes128Gcm | Self::AeadAes256Gcm => 16,
            Self::Aes128CmHmacSha1_80 => 10,
        }
    }
}

impl fmt::Display for SrtpProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for SrtpProfile {
    type Err = SrtpError;

    fn from_str(name: &str) -> Result<Self, SrtpError> {
        Self::ALL.into_iter().find(|profile| profile.as_str() == name).ok_or(SrtpError::Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_back() {
        for profile in SrtpProfile::ALL {
            assert_eq!(profile.as_str().parse(), Ok(profile));
        }
        assert_eq!("NULL_HMAC_SHA1_80".parse::<SrtpProfile>(), Err(SrtpError::Malformed));
    }

    #[test]
    fn sizes_are_those_of_the_rfcs() {
        let sizes = |p: SrtpProfile| (p.key_len(), p.salt_len(), p.rtp_overhead(), p.rtcp_overhead());
        assert_eq!(SrtpProfile::ALL.map(sizes), [(16, 12, 16, 20), (32, 12, 16, 20), (16, 14, 10, 14)]);
    }
}
