//! Full intra request: a keyframe is asked for, each request with its own number (RFC 5104 §4.3.1).

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::rtcp::header::{Frame, PSFB, WriteRtcp, read_feedback, write_feedback};
use crate::rtcp::list::{Element, List};

/// Feedback message type.
pub(super) const FORMAT: u8 = 4;

/// FIR. The media SSRC of the feedback header is zero (RFC 5104 §4.3.1.2); the entries name the streams.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                              SSRC                             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// | Seq nr.       |    Reserved                                   |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fir<'a> {
    /// Who asks.
    pub sender: Ssrc,
    /// Of whom.
    pub entries: List<'a, FirEntry>,
}

impl<'a> Fir<'a> {
    pub(super) fn parse(frame: Frame<'a>) -> Result<Self, ParseError> {
        let mut reader = Reader::new(frame.body);
        let (sender, _) = read_feedback(&mut reader)?;
        Ok(Self { sender, entries: List::read_rest(&mut reader)? })
    }
}

impl WriteRtcp for Fir<'_> {
    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        write_feedback(buffer, PSFB, FORMAT, (self.sender, Ssrc::new(0)), |writer| self.entries.write(writer))
    }
}

/// One request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FirEntry {
    /// The stream.
    pub ssrc: Ssrc,
    /// Grows by one with each new request; a repeated number is the same request.
    pub request: u8,
}

impl Element for FirEntry {
    const LEN: usize = 8;

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(Self { ssrc: Ssrc::new(reader.u32().ok()?), request: reader.u8().ok()? })
    }

    fn write_to(&self, buffer: &mut [u8]) -> Option<()> {
        let mut writer = Writer::new(buffer);
        writer.u32(self.ssrc.get())?;
        writer.u8(self.request)?;
        writer.u24(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Rtcp, packets};

    #[test]
    fn golden_bytes() {
        let entries = [FirEntry { ssrc: Ssrc::new(2), request: 9 }];
        let fir = Fir { sender: Ssrc::new(1), entries: List::from(&entries) };
        let mut buffer = [0; 20];
        assert_eq!(fir.write(&mut buffer), Some(20));
        assert_eq!(buffer, [0x84, 0xce, 0, 4, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 9, 0, 0, 0]);
        assert_eq!(packets(&buffer).collect::<Vec<_>>(), [Ok(Rtcp::Fir(fir))]);
    }

    #[test]
    fn half_an_entry_is_refused() {
        let bytes = [0x84, 0xce, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2];
        assert_eq!(packets(&bytes).collect::<Vec<_>>(), [Err(ParseError::Length)]);
    }
}
