//! What SRTP reads from a header that it does not trust yet (RFC 3550 §5.1, §6.4.1).

use sfu_wire::Ssrc;

use super::error::SrtpError;

/// The fixed part of an RTP header, in bytes.
pub(super) const RTP_FIXED_LEN: usize = 12;
/// What stays clear of an RTCP packet: the first header and the sender's SSRC.
pub(super) const RTCP_CLEAR_LEN: usize = 8;

/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// |                           timestamp                           |
/// |                             SSRC                              |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RtpHeader {
    pub(super) seq: u16,
    pub(super) ssrc: Ssrc,
    /// Bytes up to the payload, with CSRCs and header extensions.
    pub(super) len: usize,
}

impl RtpHeader {
    /// Reads the header of a packet that ends with `trailer_len` bytes of tag.
    pub(super) fn parse(packet: &[u8], trailer_len: usize) -> Result<Self, SrtpError> {
        let body = packet.len().checked_sub(trailer_len).ok_or(SrtpError::TooShort)?;
        let body = &packet[..body];
        let fixed = body.first_chunk::<RTP_FIXED_LEN>().ok_or(SrtpError::TooShort)?;
        let [first, _, seq0, seq1, _, _, _, _, ssrc @ ..] = *fixed;
        check_version(first)?;
        let mut len = RTP_FIXED_LEN + 4 * usize::from(first & 0x0f);
        if first & 0x10 != 0 {
            let words = body.get(len + 2..len + 4).ok_or(SrtpError::TooShort)?;
            len += 4 + 4 * usize::from(u16::from_be_bytes([words[0], words[1]]));
        }
        if len > body.len() {
            return Err(SrtpError::TooShort);
        }
        Ok(Self { seq: u16::from_be_bytes([seq0, seq1]), ssrc: u32::from_be_bytes(ssrc).into(), len })
    }
}

/// Reads the sender's SSRC of an RTCP packet that ends with `trailer_len` bytes of index and tag.
pub(super) fn parse_rtcp(packet: &[u8], trailer_len: usize) -> Result<Ssrc, SrtpError> {
    if packet.len() < RTCP_CLEAR_LEN + trailer_len {
        return Err(SrtpError::TooShort);
    }
    check_version(packet[0])?;
    Ok(u32::from_be_bytes([packet[4], packet[5], packet[6], packet[7]]).into())
}

const fn check_version(first: u8) -> Result<(), SrtpError> {
    if first >> 6 == 2 { Ok(()) } else { Err(SrtpError::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn csrcs_and_extensions_belong_to_the_header() {
        let mut packet = vec![0x92, 96, 0x12, 0x34, 0, 0, 0, 0, 0, 0, 0, 7];
        packet.extend([1; 8]);
        packet.extend([0xbe, 0xde, 0, 2]);
        packet.extend([2; 8]);
        let header = RtpHeader { seq: 0x1234, ssrc: Ssrc::new(7), len: 32 };
        assert_eq!(RtpHeader::parse(&packet, 0), Ok(header));
        assert_eq!(RtpHeader::parse(&packet, 1), Err(SrtpError::TooShort), "the tag is no extension");
        for len in 0..packet.len() {
            assert_eq!(RtpHeader::parse(&packet[..len], 0), Err(SrtpError::TooShort), "{len}");
        }
    }

    #[test]
    fn another_version_is_malformed() {
        assert_eq!(RtpHeader::parse(&[0x40; 12], 0), Err(SrtpError::Malformed));
        assert_eq!(parse_rtcp(&[0xc0; 8], 0), Err(SrtpError::Malformed));
    }
}
