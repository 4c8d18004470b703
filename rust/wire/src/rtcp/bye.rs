//! Goodbye: streams that end (RFC 3550 §6.6).

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::rtcp::header::{BYE, Frame, WriteRtcp, write_packet};
use crate::rtcp::list::List;

/// BYE.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|    SC   |   PT=BYE=203  |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           SSRC/CSRC                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |     length    |               reason for leaving            ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bye<'a> {
    /// The streams; at most 31.
    pub ssrcs: List<'a, Ssrc>,
}

impl<'a> Bye<'a> {
    /// The reason is ignored.
    pub(super) fn parse(frame: Frame<'a>) -> Result<Self, ParseError> {
        Ok(Self { ssrcs: List::read(&mut Reader::new(frame.body), usize::from(frame.count))? })
    }
}

impl WriteRtcp for Bye<'_> {
    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        write_packet(buffer, BYE, self.ssrcs.len(), |writer| self.ssrcs.write(writer))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Rtcp, packets};

    #[test]
    fn golden_bytes() {
        let ssrcs = [Ssrc::new(1), Ssrc::new(2)];
        let bye = Bye { ssrcs: List::from(&ssrcs) };
        let mut buffer = [0; 12];
        assert_eq!(bye.write(&mut buffer), Some(12));
        assert_eq!(buffer, [0x82, 0xcb, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(packets(&buffer).collect::<Vec<_>>(), [Ok(Rtcp::Bye(bye))]);
    }

    #[test]
    fn a_reason_is_ignored() {
        let bytes = [0x81, 0xcb, 0, 2, 0, 0, 0, 1, 3, b'b', b'y', b'e'];
        let Some(Ok(Rtcp::Bye(bye))) = packets(&bytes).next() else { panic!() };
        assert_eq!(bye.ssrcs.iter().collect::<Vec<_>>(), [Ssrc::new(1)]);
    }
}
