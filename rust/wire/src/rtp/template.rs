//! A header whose extensions are laid out once: those of a stream's packets differ in a few values only.

use crate::rtp::header::RtpHeader;
use crate::rtp::writer::{ExtensionForms, write_header};

/// Room for the fixed header and the extensions of a sender's own: as many lines of the cache as one copy moves at once.
const ROOM: usize = 64;
/// Extensions that can be found again.
const VALUES: usize = 4;

/// A header with extensions, to be copied and patched.
#[derive(Debug, Clone, Copy)]
pub struct HeaderTemplate {
    bytes: [u8; ROOM],
    len: u8,
    /// Offsets of the values; 0: left out.
    offsets: [u8; VALUES],
}

impl HeaderTemplate {
    /// Lays `extensions` out as [`write_header`] does. `None`: they need too much room.
    pub fn new(extensions: &[(u8, &[u8])], forms: ExtensionForms) -> Option<Self> {
        let mut bytes = [0; ROOM];
        let written = write_header(&mut bytes, &RtpHeader::default(), &[], extensions, forms)?;
        let offsets = std::array::from_fn(|index| written.value_offset(index).map_or(0, |offset| offset as u8));
        Some(Self { bytes, len: written.len() as u8, offsets })
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
    fn what_needs_more_room_has_none() {
        assert!(HeaderTemplate::new(&[(1, &[0; 40]), (2, &[0; 20])], ExtensionForms::Mixed).is_none());
        let template = HeaderTemplate::new(&[], ExtensionForms::OneByte).unwrap();
        assert_eq!(template.write(&mut [0; 63], &HEADER), None);
    }
}
