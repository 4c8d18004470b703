//! The header that every RTCP packet starts with, and what every packet that the SFU writes can do.

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::id::Ssrc;

/// Sender report.
pub(super) const SR: u8 = 200;
/// Receiver report.
pub(super) const RR: u8 = 201;
/// Source description.
pub(super) const SDES: u8 = 202;
/// Goodbye.
pub(super) const BYE: u8 = 203;
/// Transport layer feedback (RFC 4585 §6.2).
pub(super) const RTPFB: u8 = 205;
/// Payload-specific feedback (RFC 4585 §6.3).
pub(super) const PSFB: u8 = 206;
/// Extended report (RFC 3611).
pub(super) const XR: u8 = 207;

/// Length of the header.
pub(super) const HEADER_LEN: usize = 4;

/// One RTCP packet of a compound, not yet looked into.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|  count  |  packet type  |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy)]
pub(super) struct Frame<'a> {
    /// Report count, source count or feedback message type.
    pub(super) count: u8,
    pub(super) packet_type: u8,
    /// Behind the header, without padding.
    pub(super) body: &'a [u8],
}

impl<'a> Frame<'a> {
    /// Reads the next packet. RFC 3550 §6.4.1 allows padding in the last one only and in multiples of four; libwebrtc
    /// pads each transport feedback by one to three bytes, so any count that fits is taken.
    pub(super) fn read(reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        let first = reader.u8()?;
        if first >> 6 != 2 {
            return Err(ParseError::Version);
        }
        let packet_type = reader.u8()?;
        let words = reader.u16()?;
        let mut body = reader.take(usize::from(words) * 4)?;
        if first & 0x20 != 0 {
            let padding = usize::from(*body.last().ok_or(ParseError::Padding)?);
            if padding == 0 {
                return Err(ParseError::Padding);
            }
            let len = body.len().checked_sub(padding).ok_or(ParseError::Padding)?;
            body = body.get(..len).ok_or(ParseError::Padding)?;
        }
        Ok(Self { count: first & 0x1f, packet_type, body })
    }
}

/// An RTCP packet that can be written.
pub trait WriteRtcp {
    /// Writes the whole packet at the front of `buffer`; gives its length, a multiple of four. `None` when `buffer` is
    /// too small or a field does not fit the format.
    fn write(&self, buffer: &mut [u8]) -> Option<usize>;
}

/// Writes header and `body`, then the length, which is known only behind it. The body is zero padded to 32 bits.
pub(super) fn write_packet(
    buffer: &mut [u8],
    packet_type: u8,
    count: usize,
    body: impl FnOnce(&mut Writer<'_>) -> Option<()>,
) -> Option<usize> {
    if count > 0x1f {
        return None;
    }
    let mut writer = Writer::new(buffer);
    writer.u8(0x80 | count as u8)?;
    writer.u8(packet_type)?;
    writer.u16(0)?;
    body(&mut writer)?;
    writer.pad32()?;
    let words = u16::try_from(writer.len() / 4 - 1).ok()?;
    writer.patch_u16(2, words)?;
    Some(writer.len())
}

/// Reads the two SSRCs that every feedback message starts with (RFC 4585 §6.1).
pub(super) fn read_feedback(reader: &mut Reader<'_>) -> Result<(Ssrc, Ssrc), ParseError> {
    Ok((Ssrc::new(reader.u32()?), Ssrc::new(reader.u32()?)))
}

/// Writes a feedback message: the two SSRCs, then `control_information`.
pub(super) fn write_feedback(
    buffer: &mut [u8],
    packet_type: u8,
    format: u8,
    (sender, media): (Ssrc, Ssrc),
    control_information: impl FnOnce(&mut Writer<'_>) -> Option<()>,
) -> Option<usize> {
    write_packet(buffer, packet_type, usize::from(format), |writer| {
        writer.u32(sender.get())?;
        writer.u32(media.get())?;
        control_information(writer)
    })
}

/// Whether `packet`, RTP or RTCP on one port, is RTCP: its packet type, read as RTP's marker and payload type, is one of
/// 192..=223 (RFC 5761 §4).
pub fn is_rtcp(packet: &[u8]) -> bool {
    packet.get(1).is_some_and(|packet_type| matches!(packet_type, 192..=223))
}
