//! The fixed part of an RTP header, without what describes its own shape (version, padding, counts).

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::id::{Pt, Ssrc};

/// The fields of the fixed header that mean something on their own (RFC 3550 §5.1).
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|X|  CC   |M|     PT      |       sequence number         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                           timestamp                           |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |           synchronization source (SSRC) identifier            |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |            contributing source (CSRC) identifiers             |
/// |                             ....                              |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RtpHeader {
    /// The marker: the last packet of a video frame, the first of a talkspurt.
    pub marker: bool,
    /// The payload type.
    pub pt: Pt,
    /// The sequence number as it is in the packet.
    pub seq: u16,
    /// The timestamp as it is in the packet.
    pub timestamp: u32,
    /// The stream.
    pub ssrc: Ssrc,
}

/// What the first byte says about the shape of the packet.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) padding: bool,
    pub(super) extension: bool,
    pub(super) csrc_count: u8,
}

impl Shape {
    /// Length of the CSRC list in bytes.
    pub(super) const fn csrcs_len(self) -> usize {
        self.csrc_count as usize * 4
    }
}

/// Reads the fixed part.
pub(super) fn read(reader: &mut Reader<'_>) -> Result<(Shape, RtpHeader), ParseError> {
    let first = reader.u8()?;
    if first >> 6 != 2 {
        return Err(ParseError::Version);
    }
    let shape = Shape { padding: first & 0x20 != 0, extension: first & 0x10 != 0, csrc_count: first & 0x0f };
    let second = reader.u8()?;
    let header = RtpHeader {
        marker: second & 0x80 != 0,
        pt: Pt::new(second),
        seq: reader.u16()?,
        timestamp: reader.u32()?,
        ssrc: Ssrc::new(reader.u32()?),
    };
    Ok((shape, header))
}

/// Writes the fixed part.
pub(super) fn write(header: &RtpHeader, shape: Shape, writer: &mut Writer<'_>) -> Option<()> {
    writer.u8(0x80 | u8::from(shape.padding) << 5 | u8::from(shape.extension) << 4 | shape.csrc_count & 0x0f)?;
    writer.u8(u8::from(header.marker) << 7 | header.pt.get())?;
    writer.u16(header.seq)?;
    writer.u32(header.timestamp)?;
    writer.u32(header.ssrc.get())
}
