//! Sender report: ties a stream's timestamps to wall-clock time (RFC 3550 §6.4.1).

use crate::bytes::Reader;
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::ntp::NtpTime;
use crate::rtcp::header::{Frame, SR, WriteRtcp, write_packet};
use crate::rtcp::list::List;
use crate::rtcp::report_block::ReportBlock;

/// SR.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|    RC   |   PT=SR=200   |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         SSRC of sender                        |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |              NTP timestamp, most significant word             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |             NTP timestamp, least significant word             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                         RTP timestamp                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                     sender's packet count                     |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                      sender's octet count                     |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                        report blocks ...                      |
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SenderReport<'a> {
    /// The stream.
    pub ssrc: Ssrc,
    /// The wall-clock time of this report.
    pub ntp: NtpTime,
    /// The same moment on the stream's timeline.
    pub rtp_timestamp: u32,
    /// Packets sent so far.
    pub packet_count: u32,
    /// Payload bytes sent so far.
    pub octet_count: u32,
    /// How the sender receives; at most 31.
    pub reports: List<'a, ReportBlock>,
}

impl<'a> SenderReport<'a> {
    /// Profile-specific extensions behind the reports are ignored.
    pub(super) fn parse(frame: Frame<'a>) -> Result<Self, ParseError> {
        let mut reader = Reader::new(frame.body);
        Ok(Self {
            ssrc: Ssrc::new(reader.u32()?),
            ntp: NtpTime::new(reader.u64()?),
            rtp_timestamp: reader.u32()?,
            packet_count: reader.u32()?,
            octet_count: reader.u32()?,
            reports: List::read(&mut reader, usize::from(frame.count))?,
        })
    }
}

impl WriteRtcp for SenderReport<'_> {
    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        write_packet(buffer, SR, self.reports.len(), |writer| {
            writer.u32(self.ssrc.get())?;
            writer.u64(self.ntp.get())?;
            writer.u32(self.rtp_timestamp)?;
            writer.u32(self.packet_count)?;
            writer.u32(self.octet_count)?;
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
            0x81, 0xc8, 0x00, 0x0c, 0x00, 0x00, 0x00, 0x01, // RC 1, SSRC 1
            0xee, 0xb3, 0x6e, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00, 0x01, 0x5f, 0x90, // NTP, RTP 90000
            0x00, 0x00, 0x00, 0x0a, 0x00, 0x00, 0x03, 0xe8, // 10 packets, 1000 bytes
            0x00, 0x00, 0x00, 0x02, 0x40, 0xff, 0xff, 0xfe, // SSRC 2, a quarter, -2
            0x00, 0x01, 0x00, 0x05, 0x00, 0x00, 0x00, 0x07, 0xb7, 0x05, 0x20, 0x00, 0x00, 0x05, 0x40, 0x00,
        ];
        let block = ReportBlock {
            ssrc: Ssrc::new(2),
            fraction_lost: 0x40,
            cumulative_lost: -2,
            highest_seq: 0x1_0005,
            jitter: 7,
            last_sr: 0xb705_2000,
            delay_since_last_sr: 0x5_4000,
        };
        let blocks = [block];
        let report = SenderReport {
            ssrc: Ssrc::new(1),
            ntp: NtpTime::new(0xeeb3_6e00_8000_0000),
            rtp_timestamp: 90_000,
            packet_count: 10,
            octet_count: 1000,
            reports: List::from(&blocks),
        };
        let mut buffer = [0; 64];
        assert_eq!(report.write(&mut buffer), Some(golden.len()));
        assert_eq!(buffer[..golden.len()], golden);
        assert_eq!(packets(&golden).collect::<Vec<_>>(), [Ok(Rtcp::SenderReport(report))]);
    }

    #[test]
    fn more_reports_than_bytes_are_refused() {
        let bytes = [0x81, 0xc8, 0x00, 0x06, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        assert_eq!(packets(&bytes).collect::<Vec<_>>(), [Err(ParseError::TooShort)]);
    }

    #[test]
    fn loss_saturates_at_24_bits_and_reports_at_31() {
        let block = ReportBlock { cumulative_lost: i32::MAX, ..ReportBlock::default() };
        let mut buffer = [0; 1024];
        let blocks = [block];
        let report = SenderReport { reports: List::from(&blocks), ..SenderReport::default() };
        let len = report.write(&mut buffer).unwrap();
        let Some(Ok(Rtcp::SenderReport(read))) = packets(&buffer[..len]).next() else { panic!() };
        assert_eq!(read.reports.iter().next().unwrap().cumulative_lost, 0x7f_ffff);
        let many = [block; 32];
        assert_eq!(SenderReport { reports: List::from(&many), ..report }.write(&mut buffer), None);
    }
}
