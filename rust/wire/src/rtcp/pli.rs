//! Picture loss indication: a keyframe is asked for (RFC 4585 §6.3.1).

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::rtcp::header::{Frame, PSFB, WriteRtcp, read_feedback, write_feedback};

/// Feedback message type.
pub(super) const FORMAT: u8 = 1;

/// PLI: a feedback message without control information.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pli {
    /// Who asks.
    pub sender: Ssrc,
    /// The stream.
    pub media: Ssrc,
}

impl Pli {
    pub(super) fn parse(frame: Frame<'_>) -> Result<Self, ParseError> {
        let (sender, media) = read_feedback(&mut Reader::new(frame.body))?;
        Ok(Self { sender, media })
    }
}

impl WriteRtcp for Pli {
    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        write_feedback(buffer, PSFB, FORMAT, (self.sender, self.media), |_| Some(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Rtcp, packets};

    #[test]
    fn golden_bytes() {
        let pli = Pli { sender: Ssrc::new(1), media: Ssrc::new(2) };
        let mut buffer = [0; 12];
        assert_eq!(pli.write(&mut buffer), Some(12));
        assert_eq!(buffer, [0x81, 0xce, 0, 2, 0, 0, 0, 1, 0, 0, 0, 2]);
        assert_eq!(packets(&buffer).collect::<Vec<_>>(), [Ok(Rtcp::Pli(pli))]);
    }
}
