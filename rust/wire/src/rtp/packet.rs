//! A view of a clear RTP packet: validated once, then read without copies.

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::rtp::extension_block::ExtensionBlock;
use crate::rtp::header::{self, RtpHeader};

/// A clear RTP packet. What it says about its lengths has been checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtpPacket<'a> {
    bytes: &'a [u8],
    header: RtpHeader,
    csrcs: &'a [u8],
    extensions: ExtensionBlock<'a>,
    payload: &'a [u8],
    padding: u8,
    header_len: usize,
}

impl<'a> RtpPacket<'a> {
    /// Views `packet`, which is a whole clear RTP packet.
    pub fn parse(packet: &'a [u8]) -> Result<Self, ParseError> {
        let mut reader = Reader::new(packet);
        let (shape, header) = header::read(&mut reader)?;
        let csrcs = reader.take(shape.csrcs_len())?;
        let extensions = if shape.extension { ExtensionBlock::read(&mut reader)? } else { ExtensionBlock::default() };
        let rest = reader.rest();
        let padding = if shape.padding { *rest.last().ok_or(ParseError::Padding)? } else { 0 };
        if shape.padding && padding == 0 {
            return Err(ParseError::Padding);
        }
        let payload_len = rest.len().checked_sub(usize::from(padding)).ok_or(ParseError::Padding)?;
        let payload = rest.get(..payload_len).ok_or(ParseError::Padding)?;
        Ok(Self { bytes: packet, header, csrcs, extensions, payload, padding, header_len: packet.len() - rest.len() })
    }

    /// The whole packet.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The fixed fields.
    pub const fn header(&self) -> &RtpHeader {
        &self.header
    }

    /// The contributing sources.
    pub fn csrcs(&self) -> impl ExactSizeIterator<Item = Ssrc> + use<'a> {
        self.csrcs
            .chunks_exact(4)
            .map(|csrc| csrc.try_into().map_or(Ssrc::new(0), |b| Ssrc::new(u32::from_be_bytes(b))))
    }

    /// The header extensions.
    pub const fn extensions(&self) -> ExtensionBlock<'a> {
        self.extensions
    }

    /// The value of the header extension with this id.
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions.iter().find_map(|(found, value)| (found == id).then_some(value))
    }

    /// The payload without padding; empty when the packet is padding only.
    pub const fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// How many bytes of padding follow the payload, the count included.
    pub const fn padding(&self) -> u8 {
        self.padding
    }

    /// Length of the header with CSRCs and extensions: where the payload starts.
    pub const fn header_len(&self) -> usize {
        self.header_len
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Pt;

    /// Two CSRCs, a one-byte extension block with ids 1 and 2, three bytes of payload, two of padding.
    pub(crate) const PACKET: &[u8] = &[
        0xb2, 0xe0, 0x12, 0x34, 0x00, 0x00, 0x10, 0x00, 0xde, 0xad, 0xbe, 0xef, //
        0x00, 0x00, 0x00, 0x01, 0x00, 0x00, 0x00, 0x02, //
        0xbe, 0xde, 0x00, 0x02, 0x10, 0xaa, 0x21, 0xbb, 0xcc, 0x00, 0x00, 0x00, //
        0x01, 0x02, 0x03, 0x00, 0x02,
    ];

    #[test]
    fn views_every_part() {
        let packet = RtpPacket::parse(PACKET).unwrap();
        let expected =
            RtpHeader { marker: true, pt: Pt::new(96), seq: 0x1234, timestamp: 0x1000, ssrc: Ssrc::new(0xdead_beef) };
        assert_eq!(*packet.header(), expected);
        assert_eq!(packet.csrcs().collect::<Vec<_>>(), [Ssrc::new(1), Ssrc::new(2)]);
        let extensions: Vec<_> = packet.extensions().iter().collect();
        assert_eq!(extensions, [(1, &[0xaa][..]), (2, &[0xbb, 0xcc][..])]);
        assert_eq!((packet.payload(), packet.padding(), packet.header_len()), (&[1, 2, 3][..], 2, 32));
    }

    #[test]
    fn every_shorter_packet_is_refused_or_loses_payload_only() {
        for len in 0..PACKET.len() {
            match RtpPacket::parse(&PACKET[..len]) {
                Ok(packet) => assert!(packet.header_len() == 32 && packet.payload().len() < 5, "{len}"),
                Err(error) => assert!(matches!(error, ParseError::TooShort | ParseError::Padding), "{len} {error}"),
            }
        }
    }

    #[test]
    fn padding_counts_itself_and_fits() {
        let mut bytes = PACKET.to_vec();
        for (count, payload) in [(1, Some(4)), (5, Some(0)), (0, None), (6, None), (255, None)] {
            *bytes.last_mut().unwrap() = count;
            let result = RtpPacket::parse(&bytes).map(|packet| packet.payload().len());
            assert_eq!(result, payload.ok_or(ParseError::Padding), "{count}");
        }
        assert_eq!(RtpPacket::parse(&PACKET[..32]), Err(ParseError::Padding), "padding without a byte for its count");
    }

    #[test]
    fn other_versions_are_refused() {
        let mut bytes = PACKET.to_vec();
        bytes[0] = 0x72;
        assert_eq!(RtpPacket::parse(&bytes), Err(ParseError::Version));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic_and_lengths_add_up(mut bytes: Vec<u8>, force: bool) {
            if let Some(first) = bytes.first_mut().filter(|_| force) {
                *first = *first & 0x3f | 0x80;
            }
            if let Ok(packet) = RtpPacket::parse(&bytes) {
                let total = packet.header_len() + packet.payload().len() + usize::from(packet.padding());
                prop_assert_eq!(total, bytes.len());
                prop_assert!(packet.extensions().iter().count() <= bytes.len());
            }
        }
    }
}
