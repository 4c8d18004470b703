//! Writes an RTP header with extensions straight into the send buffer, and tells where each value landed, so that what
//! is known only at send time (transport-wide number, abs-send-time) is stamped in place.

use crate::bytes::Writer;
use crate::id::Ssrc;
use crate::rtp::extension_block::{ONE_BYTE, TWO_BYTE};
use crate::rtp::header::{self, RtpHeader, Shape};

/// At most so many extensions in one header; twice as many as the SFU knows.
pub const MAX_EXTENSIONS: usize = 20;

/// Which forms of header extensions the receiver takes (`a=extmap-allow-mixed`, RFC 8285 §4.1.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ExtensionForms {
    /// The one-byte form only; what does not fit it is left out.
    #[default]
    OneByte,
    /// Both; the two-byte form is taken when something needs it.
    Mixed,
}

/// What [`write_header`] wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WrittenHeader {
    len: usize,
    /// Offsets of the values; 0: left out.
    offsets: [u16; MAX_EXTENSIONS],
}

impl WrittenHeader {
    /// Length of the header: where the payload goes.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Never: a header has twelve bytes at least.
    pub const fn is_empty(&self) -> bool {
        false
    }

    /// Where the value of the `index`-th given extension starts; `None` when it was left out.
    pub fn value_offset(&self, index: usize) -> Option<usize> {
        self.offsets.get(index).map(|offset| usize::from(*offset)).filter(|offset| *offset != 0)
    }
}

/// Writes `header`, `csrcs` (at most 15) and `extensions` (id, value) into `buffer`.
///
/// The one-byte form is taken whenever everything fits it: ids 1..=14, values of 1..=16 bytes. What fits no allowed form
/// is left out. The block is zero padded to 32 bits (RFC 8285 §4.1.1). The padding bit is not set. `None` when the
/// buffer is too small or there are more than [`MAX_EXTENSIONS`] extensions.
pub fn write_header(
    buffer: &mut [u8],
    header: &RtpHeader,
    csrcs: &[Ssrc],
    extensions: &[(u8, &[u8])],
    forms: ExtensionForms,
) -> Option<WrittenHeader> {
    if csrcs.len() > 15 || extensions.len() > MAX_EXTENSIONS {
        return None;
    }
    let two_byte = forms == ExtensionForms::Mixed
        && extensions.iter().any(|(id, value)| !fits_one_byte(*id, value) && fits_two_byte(*id, value));
    let fits = if two_byte { fits_two_byte } else { fits_one_byte };
    let any = extensions.iter().any(|(id, value)| fits(*id, value));

    let mut writer = Writer::new(buffer);
    header::write(header, Shape { padding: false, extension: any, csrc_count: csrcs.len() as u8 }, &mut writer)?;
    for csrc in csrcs {
        writer.u32(csrc.get())?;
    }
    let mut offsets = [0; MAX_EXTENSIONS];
    if any {
        writer.u16(if two_byte { TWO_BYTE } else { ONE_BYTE })?;
        let length_at = writer.len();
        writer.u16(0)?;
        for ((id, value), offset) in extensions.iter().zip(&mut offsets).filter(|((id, value), _)| fits(*id, value)) {
            if two_byte {
                writer.u8(*id)?;
                writer.u8(value.len() as u8)?;
            } else {
                writer.u8(id << 4 | (value.len() - 1) as u8)?;
            }
            *offset = writer.len() as u16;
            writer.put(value)?;
        }
        writer.pad32()?;
        let words = (writer.len() - length_at - 2) / 4;
        writer.patch_u16(length_at, words as u16)?;
    }
    Some(WrittenHeader { len: writer.len(), offsets })
}

pub(super) const fn fits_one_byte(id: u8, value: &[u8]) -> bool {
    matches!(id, 1..=14) && matches!(value.len(), 1..=16)
}

const fn fits_two_byte(id: u8, value: &[u8]) -> bool {
    id != 0 && value.len() <= 255
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::id::Pt;
    use crate::rtp::RtpPacket;

    const HEADER: RtpHeader =
        RtpHeader { marker: true, pt: Pt::new(96), seq: 0x1234, timestamp: 0x1000, ssrc: Ssrc::new(0xdead_beef) };

    #[test]
    fn golden_one_byte_form() {
        let mut buffer = [0xff; 64];
        let extensions: &[(u8, &[u8])] = &[(1, &[0xaa]), (2, &[0xbb, 0xcc])];
        let written = write_header(&mut buffer, &HEADER, &[Ssrc::new(7)], extensions, ExtensionForms::Mixed).unwrap();
        let golden = [
            0x91, 0xe0, 0x12, 0x34, 0x00, 0x00, 0x10, 0x00, 0xde, 0xad, 0xbe, 0xef, 0, 0, 0, 7, //
            0xbe, 0xde, 0x00, 0x02, 0x10, 0xaa, 0x21, 0xbb, 0xcc, 0, 0, 0,
        ];
        assert_eq!(&buffer[..written.len()], golden);
        assert_eq!(
            (written.value_offset(0), written.value_offset(1), written.value_offset(2)),
            (Some(21), Some(23), None)
        );
    }

    #[test]
    fn without_extensions_there_is_no_block() {
        let mut buffer = [0; 12];
        let written = write_header(&mut buffer, &HEADER, &[], &[], ExtensionForms::Mixed).unwrap();
        assert_eq!((written.len(), buffer[0]), (12, 0x80));
        assert_eq!(write_header(&mut buffer[..11], &HEADER, &[], &[], ExtensionForms::Mixed), None);
    }

    #[test]
    fn the_two_byte_form_only_when_needed_and_allowed() {
        let long = [7; 17];
        let extensions: &[(u8, &[u8])] = &[(1, &[0xaa]), (2, &long)];
        let mut buffer = [0; 64];
        let mixed = write_header(&mut buffer, &HEADER, &[], extensions, ExtensionForms::Mixed).unwrap();
        assert_eq!(buffer[12..14], [0x10, 0x00]);
        assert_eq!((mixed.value_offset(0), mixed.value_offset(1)), (Some(18), Some(21)));
        let one = write_header(&mut buffer, &HEADER, &[], extensions, ExtensionForms::OneByte).unwrap();
        assert_eq!(buffer[12..14], [0xbe, 0xde]);
        assert_eq!((one.value_offset(0), one.value_offset(1)), (Some(17), None));
    }

    #[test]
    fn what_fits_no_form_leaves_no_block() {
        let mut buffer = [0; 64];
        let written =
            write_header(&mut buffer, &HEADER, &[], &[(15, &[1]), (3, &[])], ExtensionForms::OneByte).unwrap();
        assert_eq!((written.len(), buffer[0]), (12, 0x80));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(
            seq: u16, timestamp: u32, ssrc: u32, marker: bool, pt in 0u8..128, mixed: bool,
            csrcs in prop::collection::vec(any::<u32>(), 0..16),
            extensions in prop::collection::vec((any::<u8>(), prop::collection::vec(any::<u8>(), 0..24)), 0..8),
            small: bool,
            payload in prop::collection::vec(any::<u8>(), 0..32),
        ) {
            let header = RtpHeader { marker, pt: Pt::new(pt), seq, timestamp, ssrc: Ssrc::new(ssrc) };
            let csrcs: Vec<_> = csrcs.into_iter().map(Ssrc::new).collect();
            let extensions: Vec<_> =
                extensions.iter().map(|(id, value)| (if small { id % 16 } else { *id }, &value[..])).collect();
            let forms = if mixed { ExtensionForms::Mixed } else { ExtensionForms::OneByte };
            let mut buffer = [0xa5; 512];
            let written = write_header(&mut buffer, &header, &csrcs, &extensions, forms).unwrap();
            prop_assert_eq!(written.len() % 4, 0);
            buffer[written.len()..written.len() + payload.len()].copy_from_slice(&payload);
            let bytes = &buffer[..written.len() + payload.len()];

            let packet = RtpPacket::parse(bytes).unwrap();
            prop_assert_eq!(*packet.header(), header);
            prop_assert_eq!(packet.csrcs().collect::<Vec<_>>(), csrcs);
            prop_assert_eq!(packet.payload(), &payload[..]);
            let kept: Vec<_> = (0..extensions.len()).filter(|index| written.value_offset(*index).is_some()).collect();
            let expected: Vec<_> = kept.iter().map(|index| extensions[*index]).collect();
            prop_assert_eq!(packet.extensions().iter().collect::<Vec<_>>(), expected);
            for (index, (id, value)) in extensions.iter().copied().enumerate() {
                match written.value_offset(index) {
                    Some(offset) => prop_assert_eq!(&bytes[offset..offset + value.len()], value),
                    None => prop_assert!(id == 0 || !mixed && !fits_one_byte(id, value)),
                }
            }
        }
    }
}
