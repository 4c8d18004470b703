//! Several RTCP packets in one datagram, compound (RFC 3550 §6.1) or reduced-size (RFC 5506): which one it is makes no
//! difference to a reader.

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::rtcp::header::{Frame, HEADER_LEN, WriteRtcp};
use crate::rtcp::packet::Rtcp;

/// The RTCP packets in `datagram`, which is clear. A packet whose frame is right and whose contents are not yields its
/// error and the next one follows; a wrong frame ends the list.
pub const fn packets(datagram: &[u8]) -> Packets<'_> {
    Packets { reader: Reader::new(datagram) }
}

/// Iterates the packets of a datagram.
#[derive(Debug, Clone)]
pub struct Packets<'a> {
    reader: Reader<'a>,
}

impl<'a> Iterator for Packets<'a> {
    type Item = Result<Rtcp<'a>, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.is_empty() {
            return None;
        }
        let frame = Frame::read(&mut self.reader);
        if frame.is_err() {
            self.reader = Reader::new(&[]);
        }
        Some(frame.and_then(Rtcp::parse))
    }
}

/// Writes packets one after another into a buffer.
#[derive(Debug)]
pub struct CompoundWriter<'a> {
    buffer: &'a mut [u8],
    len: usize,
}

impl<'a> CompoundWriter<'a> {
    /// Writes into `buffer` from its start.
    pub const fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, len: 0 }
    }

    /// Appends `packet`; false, and nothing changes, when it does not fit.
    pub fn push(&mut self, packet: &impl WriteRtcp) -> bool {
        let written = self.buffer.get_mut(self.len..).and_then(|rest| packet.write(rest));
        self.len += written.unwrap_or_default();
        written.is_some()
    }

    /// What is written so far.
    pub fn as_bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// Length of what is written so far.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is written yet.
    pub const fn is_empty(&self) -> bool {
        self.len < HEADER_LEN
    }

    /// Forgets what is written.
    pub const fn clear(&mut self) {
        self.len = 0;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Ssrc;
    use crate::rtcp::{List, Pli, ReceiverReport};

    const PLI: Pli = Pli { sender: Ssrc::new(1), media: Ssrc::new(2) };

    fn compound() -> Vec<u8> {
        let mut buffer = [0; 64];
        let mut writer = CompoundWriter::new(&mut buffer);
        assert!(writer.push(&ReceiverReport { ssrc: Ssrc::new(1), reports: List::default() }));
        assert!(writer.push(&PLI));
        writer.as_bytes().to_vec()
    }

    #[test]
    fn a_compound_and_a_reduced_size_packet_read_alike() {
        let bytes = compound();
        assert_eq!(packets(&bytes).count(), 2);
        assert_eq!(packets(&bytes[8..]).collect::<Vec<_>>(), [Ok(Rtcp::Pli(PLI))]);
        assert_eq!(packets(&[]).count(), 0);
    }

    #[test]
    fn what_does_not_fit_changes_nothing() {
        let mut buffer = [0; 20];
        let mut writer = CompoundWriter::new(&mut buffer);
        assert!(writer.push(&PLI) && !writer.push(&PLI));
        assert_eq!(writer.len(), 12);
    }

    #[test]
    fn wrong_contents_spoil_one_packet_and_a_wrong_frame_the_rest() {
        let mut bytes = vec![0x81, 0xc9, 0, 1, 0, 0, 0, 1]; // one report announced, none there
        bytes.extend(compound());
        let results: Vec<_> = packets(&bytes).map(|packet| packet.is_ok()).collect();
        assert_eq!(results, [false, true, true]);
        bytes[0] = 0x41;
        assert_eq!(packets(&bytes).collect::<Vec<_>>(), [Err(ParseError::Version)]);
        bytes[0] = 0x81;
        bytes[3] = 200;
        assert_eq!(packets(&bytes).collect::<Vec<_>>(), [Err(ParseError::TooShort)]);
    }

    #[test]
    fn padding_counts_itself_and_fits() {
        let mut padded = vec![0xa1, 0xce, 0, 3, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 4];
        assert_eq!(packets(&padded).collect::<Vec<_>>(), [Ok(Rtcp::Pli(PLI))]);
        padded[15] = 1;
        assert_eq!(packets(&padded).collect::<Vec<_>>(), [Ok(Rtcp::Pli(PLI))], "libwebrtc pads by less than a word");
        for (count, error) in [(0, ParseError::Padding), (12, ParseError::TooShort), (13, ParseError::Padding)] {
            padded[15] = count;
            assert_eq!(packets(&padded).collect::<Vec<_>>(), [Err(error)], "{count}");
        }
        padded[15] = 4;
        padded.extend(compound());
        assert_eq!(packets(&padded).flatten().count(), 3);
    }

    #[test]
    fn unknown_types_are_named() {
        let expected = Rtcp::Unknown { packet_type: 204, count: 3 };
        assert_eq!(packets(&[0x83, 204, 0, 0]).collect::<Vec<_>>(), [Ok(expected)]);
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..120), kind in 200u8..208, count in 0u8..32) {
            // A plausible header in front reaches the parsers behind it.
            if bytes.len() >= 4 {
                bytes[0] = 0x80 | count;
                bytes[1] = kind;
                bytes[2] = 0;
                bytes[3] = (bytes.len() / 4 - 1) as u8;
            }
            for packet in packets(&bytes).flatten() {
                let debug = format!("{packet:?}");
                prop_assert!(!debug.is_empty());
            }
        }
    }
}
