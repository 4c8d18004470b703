//! Extended reports, of which the SFU speaks those that let a receiver measure round trips (RFC 3611 §4.4, §4.5).

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::ntp::NtpTime;
use crate::rtcp::header::{Frame, WriteRtcp, XR, write_packet};
use crate::rtcp::list::{Element, List};

/// Block type of the receiver reference time report.
const RRTR: u8 = 4;
/// Block type of the delay since the last receiver reference time report.
const DLRR: u8 = 5;

/// XR.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|reserved |   PT=XR=207   |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                              SSRC                             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |      BT       | type-specific |         block length          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// :                    type-specific block contents               :
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Xr<'a> {
    /// Who reports.
    pub sender: Ssrc,
    /// What.
    pub blocks: XrBlocks<'a>,
}

impl<'a> Xr<'a> {
    pub(super) fn parse(frame: Frame<'a>) -> Result<Self, ParseError> {
        let mut reader = Reader::new(frame.body);
        let sender = Ssrc::new(reader.u32()?);
        let bytes = reader.rest();
        while !reader.is_empty() {
            XrBlock::read(&mut reader)?;
        }
        Ok(Self { sender, blocks: XrBlocks(Source::Received(bytes)) })
    }
}

impl WriteRtcp for Xr<'_> {
    /// Unknown blocks are left out.
    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        write_packet(buffer, XR, 0, |writer| {
            writer.u32(self.sender.get())?;
            self.blocks.iter().try_for_each(|block| block.write(writer))
        })
    }
}

/// The blocks of an [`Xr`], received or given.
#[derive(Debug, Clone, Copy)]
pub struct XrBlocks<'a>(Source<'a>);

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    /// Checked when it was parsed.
    Received(&'a [u8]),
    Given(&'a [XrBlock<'a>]),
}

impl<'a> XrBlocks<'a> {
    /// To be written.
    pub const fn new(blocks: &'a [XrBlock<'a>]) -> Self {
        Self(Source::Given(blocks))
    }

    /// The blocks.
    pub fn iter(&self) -> impl Iterator<Item = XrBlock<'a>> + use<'a> {
        let (bytes, blocks): (&'a [u8], &'a [XrBlock<'a>]) = match self.0 {
            Source::Received(bytes) => (bytes, &[]),
            Source::Given(blocks) => (&[], blocks),
        };
        let mut reader = Reader::new(bytes);
        std::iter::from_fn(move || XrBlock::read(&mut reader).ok()).chain(blocks.iter().copied())
    }
}

impl PartialEq for XrBlocks<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for XrBlocks<'_> {}

/// One block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum XrBlock<'a> {
    /// RRTR: the receiver's clock (RFC 3611 §4.4).
    ReceiverReferenceTime(NtpTime),
    /// DLRR: the answer to it (RFC 3611 §4.5).
    Delays(List<'a, DlrrReport>),
    /// Another block type.
    Unknown(u8),
}

impl<'a> XrBlock<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        let block_type = reader.u8()?;
        reader.u8()?;
        let words = reader.u16()?;
        let mut contents = Reader::new(reader.take(usize::from(words) * 4)?);
        Ok(match block_type {
            RRTR => Self::ReceiverReferenceTime(NtpTime::new(contents.u64()?)),
            DLRR => Self::Delays(List::read_rest(&mut contents)?),
            _ => Self::Unknown(block_type),
        })
    }

    fn write(&self, writer: &mut Writer<'_>) -> Option<()> {
        match self {
            Self::ReceiverReferenceTime(time) => {
                writer.u32(u32::from(RRTR) << 24 | 2)?;
                writer.u64(time.get())
            }
            Self::Delays(reports) => {
                let words = u16::try_from(reports.len() * DlrrReport::LEN / 4).ok()?;
                writer.u32(u32::from(DLRR) << 24 | u32::from(words))?;
                reports.write(writer)
            }
            Self::Unknown(_) => Some(()),
        }
    }
}

/// The answer to one receiver's reference time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DlrrReport {
    /// The receiver.
    pub ssrc: Ssrc,
    /// LRR: the middle of its reference time.
    pub last_rr: u32,
    /// Since it arrived, in 1/65536 s.
    pub delay_since_last_rr: u32,
}

impl Element for DlrrReport {
    const LEN: usize = 12;

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(Self {
            ssrc: Ssrc::new(reader.u32().ok()?),
            last_rr: reader.u32().ok()?,
            delay_since_last_rr: reader.u32().ok()?,
        })
    }

    fn write_to(&self, buffer: &mut [u8]) -> Option<()> {
        let mut writer = Writer::new(buffer);
        writer.u32(self.ssrc.get())?;
        writer.u32(self.last_rr)?;
        writer.u32(self.delay_since_last_rr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Rtcp, packets};

    #[test]
    fn golden_bytes() {
        let report = DlrrReport { ssrc: Ssrc::new(2), last_rr: 3, delay_since_last_rr: 4 };
        let reports = [report];
        let blocks = [
            XrBlock::ReceiverReferenceTime(NtpTime::new(0x0102_0304_0506_0708)),
            XrBlock::Delays(List::from(&reports)),
        ];
        let xr = Xr { sender: Ssrc::new(1), blocks: XrBlocks::new(&blocks) };
        let mut buffer = [0; 36];
        assert_eq!(xr.write(&mut buffer), Some(36));
        let golden = [
            0x80, 0xcf, 0, 8, 0, 0, 0, 1, //
            4, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, //
            5, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4,
        ];
        assert_eq!(buffer, golden);
        assert_eq!(packets(&golden).collect::<Vec<_>>(), [Ok(Rtcp::Xr(xr))]);
    }

    #[test]
    fn other_blocks_are_passed_over() {
        let bytes = [0x80, 0xcf, 0, 6, 0, 0, 0, 1, 42, 0, 0, 1, 9, 9, 9, 9, 4, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7];
        let Some(Ok(Rtcp::Xr(xr))) = packets(&bytes).next() else { panic!() };
        let expected = [XrBlock::Unknown(42), XrBlock::ReceiverReferenceTime(NtpTime::new(7))];
        assert_eq!(xr.blocks.iter().collect::<Vec<_>>(), expected);
    }

    #[test]
    fn a_block_beyond_the_end_is_refused() {
        let bytes = [0x80, 0xcf, 0, 2, 0, 0, 0, 1, 4, 0, 0, 2];
        assert_eq!(packets(&bytes).collect::<Vec<_>>(), [Err(ParseError::TooShort)]);
    }
}
