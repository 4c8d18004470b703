//! Generic NACK: packets that are asked for again (RFC 4585 §6.2.1).

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::rtcp::header::{Frame, RTPFB, WriteRtcp, read_feedback, write_feedback};
use crate::rtcp::list::{Element, List};

/// Feedback message type.
pub(super) const FORMAT: u8 = 1;

/// NACK.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|  FMT=1  | PT=RTPFB=205  |             length            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  SSRC of packet sender                        |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                  SSRC of media source                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |            PID                |             BLP               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Nack<'a> {
    /// Who asks.
    pub sender: Ssrc,
    /// The stream.
    pub media: Ssrc,
    /// Which packets.
    pub pairs: List<'a, NackPair>,
}

impl<'a> Nack<'a> {
    pub(super) fn parse(frame: Frame<'a>) -> Result<Self, ParseError> {
        let mut reader = Reader::new(frame.body);
        let (sender, media) = read_feedback(&mut reader)?;
        Ok(Self { sender, media, pairs: List::read_rest(&mut reader)? })
    }

    /// The sequence numbers, in the order of the packet.
    pub fn seqs(&self) -> impl Iterator<Item = u16> + use<'a> {
        self.pairs.iter().flat_map(NackPair::seqs)
    }
}

impl WriteRtcp for Nack<'_> {
    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        write_feedback(buffer, RTPFB, FORMAT, (self.sender, self.media), |writer| self.pairs.write(writer))
    }
}

/// A sequence number, and a bit for each of the sixteen behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct NackPair {
    /// PID: the first.
    pub first: u16,
    /// BLP: bit n set means `first + 1 + n` too.
    pub following: u16,
}

impl NackPair {
    /// The sequence numbers, ascending.
    pub fn seqs(self) -> impl Iterator<Item = u16> {
        let following = (0..16u16)
            .filter(move |bit| self.following >> bit & 1 != 0)
            .map(move |bit| self.first.wrapping_add(bit + 1));
        std::iter::once(self.first).chain(following)
    }

    /// Packs ascending (wrapping) sequence numbers into as few pairs as possible.
    pub fn pack<I: IntoIterator<Item = u16>>(seqs: I) -> NackPairs<I::IntoIter> {
        NackPairs { seqs: seqs.into_iter(), current: None }
    }
}

impl Element for NackPair {
    const LEN: usize = 4;

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Some(Self { first: reader.u16().ok()?, following: reader.u16().ok()? })
    }

    fn write_to(&self, buffer: &mut [u8]) -> Option<()> {
        let mut writer = Writer::new(buffer);
        writer.u16(self.first)?;
        writer.u16(self.following)
    }
}

/// Iterates the pairs of [`NackPair::pack`].
#[derive(Debug, Clone)]
pub struct NackPairs<I> {
    seqs: I,
    current: Option<NackPair>,
}

impl<I: Iterator<Item = u16>> Iterator for NackPairs<I> {
    type Item = NackPair;

    fn next(&mut self) -> Option<NackPair> {
        for seq in self.seqs.by_ref() {
            let Some(pair) = &mut self.current else {
                self.current = Some(NackPair { first: seq, following: 0 });
                continue;
            };
            match seq.wrapping_sub(pair.first) {
                0 => {}
                distance @ 1..=16 => pair.following |= 1 << (distance - 1),
                _ => {
                    return self.current.replace(NackPair { first: seq, following: 0 });
                }
            }
        }
        self.current.take()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::rtcp::{Rtcp, packets};

    #[test]
    fn golden_bytes() {
        let pairs: Vec<_> = NackPair::pack([0xfffe, 0xffff, 0x000e, 0x000f]).collect();
        let nack = Nack { sender: Ssrc::new(1), media: Ssrc::new(2), pairs: List::from(&pairs[..]) };
        let mut buffer = [0; 20];
        assert_eq!(nack.write(&mut buffer), Some(20));
        let golden = [
            0x81, 0xcd, 0x00, 0x04, 0, 0, 0, 1, 0, 0, 0, 2, //
            0xff, 0xfe, 0x80, 0x01, 0x00, 0x0f, 0x00, 0x00,
        ];
        assert_eq!(buffer, golden);
        let Some(Ok(Rtcp::Nack(read))) = packets(&golden).next() else { panic!() };
        assert_eq!(read, nack);
        assert_eq!(read.seqs().collect::<Vec<_>>(), [0xfffe, 0xffff, 0x000e, 0x000f]);
    }

    proptest! {
        #[test]
        fn packed_numbers_come_back(start: u16, steps in prop::collection::vec(1u16..40, 0..60)) {
            let mut seqs = vec![start];
            for step in steps {
                seqs.push(seqs.last().unwrap().wrapping_add(step));
            }
            let unpacked: Vec<_> = NackPair::pack(seqs.iter().copied()).flat_map(NackPair::seqs).collect();
            prop_assert_eq!(unpacked, seqs);
        }
    }
}
