//! A header whose extensions are laid out once: those of a stream's packets differ in a few values only.

use std::ops::Range;

use crate::rtp::extension_block::ONE_BYTE;
use crate::rtp::header::RtpHeader;
use crate::rtp::writer::{ExtensionForms, fits_one_byte, write_header};

/// Room for the fixed header and the extensions of a sender's own: as many lines of the cache as one copy moves at once.
const ROOM: usize = 64;
/// Of the extension block: what it begins with, its length in words, its elements.
const PROFILE: Range<usize> = 12..14;
const WORDS: Range<usize> = 14..16;
const BLOCK: usize = 16;
/// Extensions that can be found again.
const VALUES: usize = 4;

/// A header with extensions, to be copied and patched.
#[derive(Debug, Clone, Copy)]
pub struct HeaderTemplate {
    bytes: [u8; ROOM],
    len: u8,
    /// Where the last extension ends, in front of the padding; 0: there is none, or not in the one-byte form.
    end: u8,
    /// Offsets of the values; 0: left out.
    offsets: [u8; VALUES],
}

impl HeaderTemplate {
    /// Lays `extensions` out as [`write_header`] does. `None`: they need too much room.
    pub fn new(extensions: &[(u8, &[u8])], forms: ExtensionForms) -> Option<Self> {
        let mut bytes = [0; ROOM];
        let written = write_header(&mut bytes, &RtpHeader::default(), &[], extensions, forms)?;
        let offsets = std::array::from_fn(|index| written.value_offset(index).map_or(0, |offset| offset as u8));
        let ends = extensions
            .iter()
            .enumerate()
            .filter_map(|(index, (_, value))| Some(written.value_offset(index)? + value.len()));
        let is_one_byte = bytes[PROFILE] == ONE_BYTE.to_be_bytes();
        let end = ends.max().filter(|_| is_one_byte).unwrap_or(0) as u8;
        Some(Self { bytes, len: written.len() as u8, end, offsets })
    }

    /// Writes it with the fields of `header`, and returns its length. `None`: `buffer` is smaller than 64 bytes.
    pub fn write(&self, buffer: &mut [u8], header: &RtpHeader) -> Option<usize> {
        // All of it, used or not: a copy of a known length is a few instructions.
        let place: &mut [u8; ROOM] = buffer.first_chunk_mut()?;
        *place = self.bytes;
        place[1] = u8::from(header.marker) << 7 | header.pt.get();
        place[2..4].copy_from_slice(&header.seq.to_be_bytes());
        place[4..8].copy_from_slice(&header.timestamp.to_be_bytes());
        place[8..12].copy_from_slice(&header.ssrc.get().to_be_bytes());
        Some(usize::from(self.len))
    }

    /// The same with one more extension behind the others. `None`: `buffer` is too small, or it takes writing at length
    /// ([`write_header`]): there is no other extension, or the form of the block would be another one.
    pub fn write_with(&self, buffer: &mut [u8], header: &RtpHeader, (id, value): (u8, &[u8])) -> Option<usize> {
        let start = usize::from(self.end) + 1;
        let end = start + value.len();
        if self.end == 0 || !fits_one_byte(id, value) || end > ROOM {
            return None;
        }
        self.write(buffer, header)?;
        // Behind its end the template is zero: the padding is there.
        let place: &mut [u8; ROOM] = buffer.first_chunk_mut()?;
        *place.get_mut(start - 1)? = id << 4 | (value.len() - 1) as u8;
        place.get_mut(start..end)?.copy_from_slice(value);
        let len = end.next_multiple_of(4);
        place[WORDS].copy_from_slice(&(((len - BLOCK) / 4) as u16).to_be_bytes());
        Some(len)
    }

    /// Where the value of the `index`-th given extension starts; `None` when it was left out.
    pub fn value_offset(&self, index: usize) -> Option<usize> {
        self.offsets.get(index).map(|offset| usize::from(*offset)).filter(|offset| *offset != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{Pt, Ssrc};

    const HEADER: RtpHeader =
        RtpHeader { marker: true, pt: Pt::new(96), seq: 0x1234, timestamp: 0x1000, ssrc: Ssrc::new(0xdead_beef) };

    #[test]
    fn it_writes_what_writing_at_length_does() {
        let lists: [&[(u8, &[u8])]; 4] =
            [&[], &[(3, &[1, 2])], &[(3, &[1, 2]), (1, b"12"), (2, &[4, 5, 6])], &[(15, &[9]), (4, &[7; 3])]];
        for forms in [ExtensionForms::OneByte, ExtensionForms::Mixed] {
            for extensions in lists {
                let (mut at_length, mut copied) = ([0xaa; 80], [0xaa; 80]);
                let written = write_header(&mut at_length, &HEADER, &[], extensions, forms).unwrap();
                let template = HeaderTemplate::new(extensions, forms).unwrap();
                let len = template.write(&mut copied, &HEADER).unwrap();
                assert_eq!(copied[..len], at_length[..written.len()]);
                (0..5).for_each(|index| assert_eq!(template.value_offset(index), written.value_offset(index)));
            }
        }
    }

    #[test]
    fn one_more_extension_is_written_as_at_length_or_not_at_all() {
        let own: [&[(u8, &[u8])]; 4] =
            [&[], &[(3, &[1, 2])], &[(3, &[1, 2]), (1, b"12"), (2, &[4, 5, 6])], &[(15, &[9])]];
        let more: [(u8, &[u8]); 5] = [(5, &[0x9e]), (6, &[7; 16]), (6, &[7; 17]), (5, &[]), (15, &[1])];
        let mut written = 0;
        for forms in [ExtensionForms::OneByte, ExtensionForms::Mixed] {
            for (own, more) in own.into_iter().flat_map(|own| more.map(|more| (own, more))) {
                let (mut at_length, mut copied) = ([0xaa; 80], [0xaa; 80]);
                let len = write_header(&mut at_length, &HEADER, &[], &[own, &[more]].concat(), forms).unwrap().len();
                let template = HeaderTemplate::new(own, forms).unwrap();
                if let Some(short) = template.write_with(&mut copied, &HEADER, more) {
                    assert_eq!(copied[..short], at_length[..len]);
                    written += 1;
                }
            }
        }
        assert_eq!(written, 8, "two of the extensions behind two of the lists, in both forms");
        let full = HeaderTemplate::new(&[(1, &[0; 16]), (2, &[0; 16])], ExtensionForms::OneByte).unwrap();
        assert_eq!(full.write_with(&mut [0; 80], &HEADER, (5, &[0; 14])), None, "no room");
        assert_eq!(full.write_with(&mut [0; 80], &HEADER, (5, &[0; 13])), Some(64));
    }

    #[test]
    fn what_needs_more_room_has_none() {
        assert!(HeaderTemplate::new(&[(1, &[0; 40]), (2, &[0; 20])], ExtensionForms::Mixed).is_none());
        let template = HeaderTemplate::new(&[], ExtensionForms::OneByte).unwrap();
        assert_eq!(template.write(&mut [0; 63], &HEADER), None);
    }
}
