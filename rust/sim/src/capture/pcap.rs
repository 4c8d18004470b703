//! Classic pcap (draft-ietf-opsawg-pcap): either byte order, micro- or nanoseconds.

use std::time::Duration;

use super::link;
use super::record::{Capture, CaptureError};

/// Microseconds, nanoseconds, and Kuznetzov's with longer record headers.
const MAGICS: [u32; 3] = [0xa1b2_c3d4, 0xa1b2_3c4d, 0xa1b2_cd34];
const HEADER: usize = 24;

/// How the numbers of a file are read.
#[derive(Debug, Clone, Copy)]
struct Order {
    big_endian: bool,
    nanoseconds: bool,
    record_header: usize,
}

impl Order {
    fn of(magic: [u8; 4]) -> Option<Self> {
        [true, false].into_iter().find_map(|big_endian| {
            let number = if big_endian { u32::from_be_bytes(magic) } else { u32::from_le_bytes(magic) };
            let kind = MAGICS.iter().position(|known| *known == number)?;
            Some(Self { big_endian, nanoseconds: kind == 1, record_header: if kind == 2 { 24 } else { 16 } })
        })
    }

    fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes: [u8; 4] = bytes.get(at..at + 4)?.try_into().ok()?;
        Some(if self.big_endian { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }
}

pub(super) fn is_one(magic: [u8; 4]) -> bool {
    Order::of(magic).is_some()
}

pub(super) fn read(file: &[u8]) -> Result<Capture, CaptureError> {
    let damaged = |problem| CaptureError::Damaged { format: "pcap", problem };
    let order = file.first_chunk().and_then(|magic| Order::of(*magic)).ok_or_else(|| damaged("no magic number"))?;
    // The upper bits tell the length of a checksum.
    let link_type = order.u32(file, 20).ok_or_else(|| damaged("the header is cut"))? & 0x0fff_ffff;
    let mut rest = file.get(HEADER..).unwrap_or_default();
    let mut capture = Capture::default();
    while !rest.is_empty() {
        let Some((at, frame, length)) = record(order, rest) else {
            capture.cut = true;
            break;
        };
        link::push(&mut capture, at, link_type, frame)?;
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(capture.settle_times())
}

/// The first record: its time, its frame, and its length in the file.
fn record(order: Order, rest: &[u8]) -> Option<(Duration, &[u8], usize)> {
    let (seconds, fraction, captured) = (order.u32(rest, 0)?, order.u32(rest, 4)?, order.u32(rest, 8)? as usize);
    let fraction = if order.nanoseconds { fraction } else { fraction.saturating_mul(1000) };
    let end = order.record_header.checked_add(captured)?;
    let frame = rest.get(order.record_header..end)?;
    Some((Duration::from_secs(u64::from(seconds)) + Duration::from_nanos(u64::from(fraction)), frame, end))
}
