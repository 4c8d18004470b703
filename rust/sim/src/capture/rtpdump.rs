//! rtpdump (rtptools): a line of text, a header of 16 bytes, then for each packet its length, offset in milliseconds and bytes.
//!
//! ```text
//! #!rtpplay1.0 127.0.0.1/5004\n
//! start: seconds (32), microseconds (32); source: address (32), port (16), padding (16)
//! length of the record (16), of the packet, 0 for RTCP (16), milliseconds since the start (32), the packet
//! ```

use std::time::Duration;

use super::record::{Capture, CaptureError, Record};

const MAGIC: &[u8] = b"#!rtpplay";
const HEADER: usize = 16;
const RECORD: usize = 8;

pub(super) fn is_one(file: &[u8]) -> bool {
    file.starts_with(MAGIC)
}

pub(super) fn read(file: &[u8]) -> Result<Capture, CaptureError> {
    let damaged = |problem| CaptureError::Damaged { format: "rtpdump", problem };
    let line = file.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("its first line does not end"))?;
    let mut rest = file.get(line + 1 + HEADER..).ok_or_else(|| damaged("the header is cut"))?;
    let mut capture = Capture::default();
    while !rest.is_empty() {
        let Some((length, packet_length, offset)) = record_header(rest) else {
            capture.cut = true;
            break;
        };
        if length < RECORD {
            return Err(damaged("a record is shorter than its own header"));
        }
        let Some(bytes) = rest.get(RECORD..length) else {
            capture.cut = true;
            break;
        };
        // A packet that was captured in part (rtpdump -F header) is of no use.
        if packet_length > bytes.len() {
            capture.snipped += 1;
        } else {
            let rtcp = packet_length == 0;
            let bytes = if rtcp { bytes } else { bytes.get(..packet_length).unwrap_or(bytes) };
            let at = Duration::from_millis(u64::from(offset));
            // Some writers do not tell RTCP from RTP by the length: then the packet itself does.
            let rtcp = if rtcp { Some(true) } else { None };
            capture.records.push(Record { at, flow: None, rtcp, bytes: bytes.to_vec() });
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    Ok(capture.settle_times())
}

/// A file of RTP packets and, where `true` stands, RTCP, each with its time since the beginning.
pub fn write<'a>(records: impl IntoIterator<Item = (Duration, bool, &'a [u8])>) -> Vec<u8> {
    let mut file = b"#!rtpplay1.0 127.0.0.1/5004\n".to_vec();
    file.extend([0; 8]);
    file.extend([127, 0, 0, 1]);
    file.extend(5004_u16.to_be_bytes());
    file.extend([0; 2]);
    for (at, rtcp, packet) in records {
        let Ok(length) = u16::try_from(packet.len() + RECORD) else { continue };
        let packet_length = if rtcp { 0 } else { length - RECORD as u16 };
        file.extend(length.to_be_bytes());
        file.extend(packet_length.to_be_bytes());
        file.extend((at.as_millis() as u32).to_be_bytes());
        file.extend(packet);
    }
    file
}

fn record_header(rest: &[u8]) -> Option<(usize, usize, u32)> {
    let [l0, l1, p0, p1, offset @ ..] = *rest.first_chunk::<RECORD>()?;
    Some((
        usize::from(u16::from_be_bytes([l0, l1])),
        usize::from(u16::from_be_bytes([p0, p1])),
        u32::from_be_bytes(offset),
    ))
}
