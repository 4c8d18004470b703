//! Tells apart what shares one port by the first byte (RFC 7983 §7), and RTP from RTCP by the second (RFC 5761 §4).
//!
//! ```text
//!   BYTE   [0..3] STUN   [20..63] DTLS   [128..191] RTP/RTCP (second byte 192..=223: RTCP)
//! ```
//! Nothing is authenticated here: a kind only says which part may look at the datagram.

/// What a datagram claims to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatagramKind {
    /// A STUN message.
    Stun,
    /// DTLS records.
    Dtls,
    /// An SRTP packet.
    Rtp,
    /// An SRTCP packet.
    Rtcp,
    /// None of these.
    Unknown,
}

/// Classifies a datagram in constant time.
pub fn classify(datagram: &[u8]) -> DatagramKind {
    match datagram {
        [0..=3, ..] if datagram.len() >= 20 => DatagramKind::Stun,
        [20..=63, ..] if datagram.len() >= 13 => DatagramKind::Dtls,
        [128..=191, 192..=223, ..] if datagram.len() >= 8 => DatagramKind::Rtcp,
        [128..=191, ..] if datagram.len() >= 12 => DatagramKind::Rtp,
        _ => DatagramKind::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(first: u8, second: u8, len: usize) -> DatagramKind {
        let mut datagram = vec![0; len];
        datagram[0] = first;
        datagram[1] = second;
        classify(&datagram)
    }

    #[test]
    fn the_first_byte_decides() {
        assert_eq!(of(0, 1, 20), DatagramKind::Stun);
        assert_eq!(of(3, 0, 20), DatagramKind::Stun);
        assert_eq!(of(4, 0, 20), DatagramKind::Unknown);
        assert_eq!(of(19, 0, 20), DatagramKind::Unknown);
        assert_eq!(of(20, 0, 20), DatagramKind::Dtls);
        assert_eq!(of(63, 0, 20), DatagramKind::Dtls);
        assert_eq!(of(64, 0, 20), DatagramKind::Unknown);
        assert_eq!(of(127, 0, 20), DatagramKind::Unknown);
        assert_eq!(of(128, 96, 20), DatagramKind::Rtp);
        assert_eq!(of(191, 96, 20), DatagramKind::Rtp);
        assert_eq!(of(192, 96, 20), DatagramKind::Unknown);
    }

    #[test]
    fn rtcp_is_told_by_its_packet_type() {
        assert_eq!(of(0x80, 191, 20), DatagramKind::Rtp);
        assert_eq!(of(0x80, 192, 20), DatagramKind::Rtcp);
        assert_eq!(of(0x81, 201, 20), DatagramKind::Rtcp);
        assert_eq!(of(0x80, 223, 20), DatagramKind::Rtcp);
        assert_eq!(of(0x80, 224, 20), DatagramKind::Rtp);
    }

    #[test]
    fn too_short_is_nothing() {
        assert_eq!(classify(&[]), DatagramKind::Unknown);
        assert_eq!(classify(&[0x80]), DatagramKind::Unknown);
        assert_eq!(of(0, 1, 19), DatagramKind::Unknown);
        assert_eq!(of(22, 254, 12), DatagramKind::Unknown);
        assert_eq!(of(0x80, 96, 11), DatagramKind::Unknown);
    }
}
