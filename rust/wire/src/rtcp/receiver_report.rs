//! Receiver report: how streams are received, from a peer that sends none (RFC 3550 §6.4.2).

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::rtcp::header::{Frame, RR, WriteRtcp, write_packet};
use crate::rtcp::list::List;
use crate::rtcp::report_block::ReportBlock;

/// RR.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|    RC   |   PT=RR=201   |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     SSRC of packet sender                     |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                        report blocks ...                      |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReceiverReport<'a> {
    /// Who reports.
    pub ssrc: Ssrc,
    /// At most 31.
    pub reports: List<'a, ReportBlock>,
}

impl<'a> ReceiverReport<'a> {
    /// Profile-specific extensions behind the reports are ignored.
    pub(super) fn parse(frame: Frame<'a>) -> Result<Self, ParseError> {
        let mut reader = Reader::new(frame.body);
        Ok(Self { ssrc: Ssrc::new(reader.u32()?), reports: List::read(&mut reader, usize::from(frame.count))? })
    }
}

impl WriteRtcp for ReceiverReport<'_> {
    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        write_packet(buffer, RR, self.reports.len(), |writer| {
            writer.u32(self.ssrc.get())?;
            self.reports.write(writer)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Rtcp, packets};

    #[test]
    fn golden_bytes() {
        let golden = [
            0x81, 0xc9, 0x00, 0x07, 0x00, 0x00, 0x00, 0x01, //
            0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x03, 0x00, 0x00, 0x00, 0x04, //
            0x00, 0x00, 0x00, 0x05, 0x00, 0x00, 0x00, 0x06, 0x00, 0x00, 0x00, 0x07,
        ];
        let block = ReportBlock {
            ssrc: Ssrc::new(2),
            fraction_lost: 0,
            cumulative_lost: 3,
            highest_seq: 4,
            jitter: 5,
            last_sr: 6,
            delay_since_last_sr: 7,
        };
        let blocks = [block];
        let report = ReceiverReport { ssrc: Ssrc::new(1), reports: List::from(&blocks) };
        let mut buffer = [0; 32];
        assert_eq!(report.write(&mut buffer), Some(32));
        assert_eq!(buffer, golden);
        assert_eq!(packets(&golden).collect::<Vec<_>>(), [Ok(Rtcp::ReceiverReport(report))]);
    }

    #[test]
    fn an_empty_report_names_its_sender_only() {
        let report = ReceiverReport { ssrc: Ssrc::new(1), reports: List::default() };
        let mut buffer = [0; 8];
        assert_eq!(report.write(&mut buffer), Some(8));
        assert_eq!(buffer, [0x80, 0xc9, 0, 1, 0, 0, 0, 1]);
        assert_eq!(report.write(&mut buffer[..7]), None);
    }
}
