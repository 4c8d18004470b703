//! The explicit index of an SRTCP packet and the E bit before it (RFC 3711 §3.4).

/// The E bit of the word that ends the clear part of SRTCP (RFC 3711 §3.4).
pub(super) const E_BIT: u32 = 1 << 31;

/// The 31-bit index of an SRTCP packet (RFC 3711 §3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RtcpIndex(u32);

impl RtcpIndex {
    /// `None` when `value` does not fit 31 bits.
    pub(super) const fn new(value: u32) -> Option<Self> {
        if value & E_BIT == 0 { Some(Self(value)) } else { None }
    }

    /// From the word in a packet, without its E bit.
    pub(super) const fn from_word(word: u32) -> Self {
        Self(word & !E_BIT)
    }

    pub(super) const fn get(self) -> u32 {
        self.0
    }

    /// As it stands in a packet that is encrypted.
    pub(super) const fn encrypted_word(self) -> [u8; 4] {
        (self.0 | E_BIT).to_be_bytes()
    }
}
