//! pcapng (draft-ietf-opsawg-pcapng): sections of either byte order, interfaces with link types and time resolutions of their own,
//! enhanced, simple and obsolete packet blocks.

use std::time::Duration;

use super::link;
use super::record::{Capture, CaptureError};

const SECTION: u32 = 0x0a0d_0d0a;
const INTERFACE: u32 = 1;
const OBSOLETE_PACKET: u32 = 2;
const SIMPLE_PACKET: u32 = 3;
const ENHANCED_PACKET: u32 = 6;
const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Option `if_tsresol`.
const RESOLUTION: u16 = 9;

/// What packets of an interface are, and how long a unit of their time is.
#[derive(Debug, Clone, Copy)]
struct Interface {
    link_type: u32,
    units_per_second: u64,
}

pub(super) fn is_one(magic: [u8; 4]) -> bool {
    u32::from_be_bytes(magic) == SECTION
}

pub(super) fn read(file: &[u8]) -> Result<Capture, CaptureError> {
    let mut reader = Reader::default();
    let mut rest = file;
    while !rest.is_empty() {
        let Some((kind, body, length)) = reader.block(rest)? else {
            reader.capture.cut = true;
            break;
        };
        reader.take(kind, body)?;
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(reader.capture.settle_times())
}

/// Kind, body and length in the file.
type Block<'a> = (u32, &'a [u8], usize);

#[derive(Debug, Default)]
struct Reader {
    big_endian: bool,
    interfaces: Vec<Interface>,
    newest: Duration,
    capture: Capture,
}

impl Reader {
    /// The first block; `None` when the file ends in it.
    fn block<'a>(&mut self, rest: &'a [u8]) -> Result<Option<Block<'a>>, CaptureError> {
        let damaged = |problem| CaptureError::Damaged { format: "pcapng", problem };
        if rest.starts_with(&SECTION.to_be_bytes()) {
            let Some(mark) = rest.get(8..12).and_then(|mark| mark.try_into().ok()) else { return Ok(None) };
            self.big_endian = match (u32::from_be_bytes(mark), u32::from_le_bytes(mark)) {
                (BYTE_ORDER, _) => true,
                (_, BYTE_ORDER) => false,
                _ => return Err(damaged("a section has no byte order")),
            };
            self.interfaces.clear();
        }
        let (Some(kind), Some(length)) = (self.u32(rest, 0), self.u32(rest, 4)) else { return Ok(None) };
        let length = length as usize;
        if length < 12 || !length.is_multiple_of(4) {
            return Err(damaged("a block's length is impossible"));
        }
        Ok(rest.get(8..length - 4).filter(|_| rest.len() >= length).map(|body| (kind, body, length)))
    }

    fn take(&mut self, kind: u32, body: &[u8]) -> Result<(), CaptureError> {
        match kind {
            INTERFACE => self.add_interface(body),
            ENHANCED_PACKET => self.packet(body, self.u32(body, 0).map(|id| id as usize)),
            OBSOLETE_PACKET => self.packet(body, self.u16(body, 0).map(usize::from)),
            SIMPLE_PACKET => {
                let Some(interface) = self.interfaces.first().copied() else { return Ok(()) };
                let length = self.u32(body, 0).unwrap_or_default() as usize;
                let frame = body.get(4..).unwrap_or_default();
                let frame = frame.get(..length).unwrap_or(frame);
                // These blocks carry no time: the one before says when.
                link::push(&mut self.capture, self.newest, interface.link_type, frame)
            }
            _ => Ok(()),
        }
    }

    fn add_interface(&mut self, body: &[u8]) -> Result<(), CaptureError> {
        let link_type = self.u16(body, 0).map(u32::from);
        let link_type = link_type.ok_or(CaptureError::Damaged { format: "pcapng", problem: "an interface is cut" })?;
        self.interfaces.push(Interface { link_type, units_per_second: self.resolution(body).unwrap_or(1_000_000) });
        Ok(())
    }

    /// Of the options behind link type, reserved bytes and snapshot length.
    fn resolution(&self, body: &[u8]) -> Option<u64> {
        let mut at = 8;
        loop {
            let (code, length) = (self.u16(body, at)?, usize::from(self.u16(body, at + 2)?));
            if code == 0 {
                return None;
            }
            if code == RESOLUTION {
                let value = u32::from(*body.get(at + 4)?);
                let exponent = value & 0x7f;
                return if value & 0x80 == 0 { 10_u64.checked_pow(exponent) } else { 2_u64.checked_pow(exponent) };
            }
            at += 4 + length.next_multiple_of(4);
        }
    }

    fn packet(&mut self, body: &[u8], interface: Option<usize>) -> Result<(), CaptureError> {
        let interface = interface.and_then(|interface| self.interfaces.get(interface)).copied();
        let (Some(interface), Some(high), Some(low), Some(length)) =
            (interface, self.u32(body, 4), self.u32(body, 8), self.u32(body, 12))
        else {
            self.capture.skipped += 1;
            return Ok(());
        };
        let units = u128::from(u64::from(high) << 32 | u64::from(low));
        let nanos = units * 1_000_000_000 / u128::from(interface.units_per_second.max(1));
        self.newest = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        if let Some(frame) = body.get(20..).and_then(|frame| frame.get(..length as usize)) {
            return link::push(&mut self.capture, self.newest, interface.link_type, frame);
        }
        self.capture.snipped += 1;
        Ok(())
    }

    fn u16(&self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes: [u8; 2] = bytes.get(at..at + 2)?.try_into().ok()?;
        Some(if self.big_endian { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) })
    }

    fn u32(&self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}
