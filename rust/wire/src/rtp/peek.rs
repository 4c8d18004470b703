//! What can be read of an RTP packet that is still protected: SRTP leaves the header in the clear (RFC 3711 §3.1).

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::id::{Pt, Ssrc};
use crate::rtp::extension_block::ExtensionBlock;
use crate::rtp::header::{self, RtpHeader};

/// The header of a packet whose payload and padding are not readable yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpPeek {
    /// The stream.
    pub ssrc: Ssrc,
    /// The payload type.
    pub pt: Pt,
    /// The sequence number as it is in the packet.
    pub seq: u16,
    /// Length of the header with CSRCs and extensions: where the encrypted part starts.
    pub header_len: usize,
}

impl RtpPeek {
    /// Reads the header and checks that it lies within `packet`.
    pub fn parse(packet: &[u8]) -> Result<Self, ParseError> {
        let (header, _, header_len) = read(packet)?;
        Ok(Self { ssrc: header.ssrc, pt: header.pt, seq: header.seq, header_len })
    }

    /// The header extensions of a packet: they are not encrypted (RFC 3711 §3.1, RFC 7714 §8).
    pub fn extensions(packet: &[u8]) -> Result<ExtensionBlock<'_>, ParseError> {
        read(packet).map(|(_, extensions, _)| extensions)
    }
}

/// The fixed fields, the extensions, and how long both are.
fn read(packet: &[u8]) -> Result<(RtpHeader, ExtensionBlock<'_>, usize), ParseError> {
    let mut reader = Reader::new(packet);
    let (shape, header) = header::read(&mut reader)?;
    reader.take(shape.csrcs_len())?;
    let extensions = if shape.extension { ExtensionBlock::read(&mut reader)? } else { ExtensionBlock::default() };
    Ok((header, extensions, packet.len() - reader.rest().len()))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtp::RtpPacket;

    proptest! {
        #[test]
        fn agrees_with_the_full_parser(mut bytes in prop::collection::vec(any::<u8>(), 0..80)) {
            if let Some(first) = bytes.first_mut() {
                *first = *first & 0x1f | 0x80;
            }
            let peek = RtpPeek::parse(&bytes);
            let packet = RtpPacket::parse(&bytes);
            prop_assert_eq!(peek.is_ok(), packet.is_ok());
            if let (Ok(peek), Ok(packet)) = (peek, packet) {
                let header = packet.header();
                let expected =
                    RtpPeek { ssrc: header.ssrc, pt: header.pt, seq: header.seq, header_len: packet.header_len() };
                prop_assert_eq!(peek, expected);
                prop_assert_eq!(RtpPeek::extensions(&bytes), Ok(packet.extensions()));
            }
        }
    }
}
