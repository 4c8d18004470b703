//! Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03 §2.2).

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::rtcp::header::{Frame, PSFB, WriteRtcp, read_feedback, write_feedback};
use crate::rtcp::list::List;
use crate::unit::Bitrate;

/// Feedback message type of application layer feedback (RFC 4585 §6.4).
pub(super) const FORMAT: u8 = 15;
/// `R` `E` `M` `B`.
const IDENTIFIER: u32 = 0x5245_4d42;
/// The mantissa has 18 bits.
const MANTISSA_BITS: u32 = 18;

/// REMB.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P| FMT=15  |   PT=206      |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  SSRC of packet sender                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  SSRC of media source = 0                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Unique identifier 'R' 'E' 'M' 'B'                            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  Num SSRC     | BR Exp    |  BR Mantissa                      |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   SSRC feedback                                               |
/// |  ...                                                          |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Remb<'a> {
    /// Who reports.
    pub sender: Ssrc,
    /// What all the streams together may take. 18 significant bits are kept, rounded down.
    pub bitrate: Bitrate,
    /// The streams; at most 255.
    pub ssrcs: List<'a, Ssrc>,
}

impl<'a> Remb<'a> {
    /// `None` when it is another application's feedback.
    pub(super) fn parse(frame: Frame<'a>) -> Result<Option<Self>, ParseError> {
        let mut reader = Reader::new(frame.body);
        let (sender, _) = read_feedback(&mut reader)?;
        if reader.u32() != Ok(IDENTIFIER) {
            return Ok(None);
        }
        let count = reader.u8()?;
        let rate = reader.u24()?;
        let (exponent, mantissa) = (rate >> MANTISSA_BITS, u64::from(rate & 0x3_ffff));
        // An exponent that shifts bits out says "more than can be counted".
        let bits = if mantissa.leading_zeros() < exponent { u64::MAX } else { mantissa << exponent };
        let ssrcs = List::read(&mut reader, usize::from(count))?;
        Ok(Some(Self { sender, bitrate: Bitrate::new(bits), ssrcs }))
    }
}

impl WriteRtcp for Remb<'_> {
    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        let exponent = (64 - self.bitrate.get().leading_zeros()).saturating_sub(MANTISSA_BITS);
        let mantissa = (self.bitrate.get() >> exponent) as u32;
        let count = u8::try_from(self.ssrcs.len()).ok()?;
        write_feedback(buffer, PSFB, FORMAT, (self.sender, Ssrc::new(0)), |writer| {
            writer.u32(IDENTIFIER)?;
            writer.u8(count)?;
            writer.u24(exponent << MANTISSA_BITS | mantissa)?;
            self.ssrcs.write(writer)
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::{Rtcp, packets};

    #[test]
    fn golden_bytes() {
        let ssrcs = [Ssrc::new(2)];
        let remb = Remb { sender: Ssrc::new(1), bitrate: Bitrate::from_kbps(1_000), ssrcs: List::from(&ssrcs) };
        let mut buffer = [0; 24];
        assert_eq!(remb.write(&mut buffer), Some(24));
        // 1 000 000 = 250 000 << 2.
        let golden = [
            0x8f, 0xce, 0, 5, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', //
            0x01, 0x0b, 0xd0, 0x90, 0, 0, 0, 2,
        ];
        assert_eq!(buffer, golden);
        assert_eq!(packets(&golden).collect::<Vec<_>>(), [Ok(Rtcp::Remb(remb))]);
    }

    #[test]
    fn a_rate_beyond_64_bits_saturates() {
        let bytes = [0x8f, 0xce, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, b'R', b'E', b'M', b'B', 0, 0xff, 0xff, 0xff];
        let Some(Ok(Rtcp::Remb(remb))) = packets(&bytes).next() else { panic!() };
        assert_eq!(remb.bitrate.get(), u64::MAX);
    }

    proptest! {
        #[test]
        fn eighteen_significant_bits_come_back(rate: u64) {
            let remb = Remb { bitrate: Bitrate::new(rate), ..Remb::default() };
            let mut buffer = [0; 20];
            let len = remb.write(&mut buffer).unwrap();
            let Some(Ok(Rtcp::Remb(read))) = packets(&buffer[..len]).next() else { panic!() };
            let read = read.bitrate.get();
            prop_assert!(read <= rate && rate - read <= rate >> 17, "{} {}", rate, read);
        }
    }
}
