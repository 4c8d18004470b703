//! Source description, of which the SFU writes and reads the CNAME (RFC 3550 §6.5).

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::id::Ssrc;
use crate::rtcp::header::{Frame, SDES, WriteRtcp, write_packet};

/// Item type of the end of a chunk.
const END: u8 = 0;
/// Item type of the canonical name.
const CNAME: u8 = 1;

/// SDES.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |V=2|P|    SC   |  PT=SDES=202  |             length            |
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// |                          SSRC/CSRC_1                          |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    CNAME=1    |     length    | user and domain name        ...
/// +=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+=+
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Sdes<'a>(Source<'a>);

#[derive(Debug, Clone, Copy)]
enum Source<'a> {
    /// Checked when it was parsed.
    Received(&'a [u8]),
    Given(&'a [SdesChunk<'a>]),
}

/// What is said of one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SdesChunk<'a> {
    /// The stream.
    pub ssrc: Ssrc,
    /// Ties streams that share a clock; UTF-8 of at most 255 bytes, empty when it is not given.
    pub cname: &'a [u8],
}

impl<'a> Sdes<'a> {
    /// To be written; at most 31 chunks.
    pub const fn new(chunks: &'a [SdesChunk<'a>]) -> Self {
        Self(Source::Given(chunks))
    }

    pub(super) fn parse(frame: Frame<'a>) -> Result<Self, ParseError> {
        let mut reader = Reader::new(frame.body);
        for _ in 0..frame.count {
            read_chunk(&mut reader)?;
        }
        Ok(Self(Source::Received(frame.body)))
    }

    /// The chunks.
    pub fn chunks(&self) -> impl Iterator<Item = SdesChunk<'a>> + use<'a> {
        let (bytes, chunks): (&'a [u8], &'a [SdesChunk<'a>]) = match self.0 {
            Source::Received(bytes) => (bytes, &[]),
            Source::Given(chunks) => (&[], chunks),
        };
        let mut reader = Reader::new(bytes);
        std::iter::from_fn(move || read_chunk(&mut reader).ok()).chain(chunks.iter().copied())
    }
}

/// Reads a chunk with its padding; the end item is one zero byte, zeroes follow up to 32 bits.
fn read_chunk<'a>(reader: &mut Reader<'a>) -> Result<SdesChunk<'a>, ParseError> {
    let start = reader.rest().len();
    let mut chunk = SdesChunk { ssrc: Ssrc::new(reader.u32()?), cname: &[] };
    loop {
        match reader.u8()? {
            END => break,
            item => {
                let len = reader.u8()?;
                let text = reader.take(usize::from(len))?;
                if item == CNAME {
                    chunk.cname = text;
                }
            }
        }
    }
    let used = start - reader.rest().len();
    reader.take(used.next_multiple_of(4) - used)?;
    Ok(chunk)
}

fn write_chunk(chunk: &SdesChunk<'_>, writer: &mut Writer<'_>) -> Option<()> {
    writer.u32(chunk.ssrc.get())?;
    if !chunk.cname.is_empty() {
        writer.u8(CNAME)?;
        writer.u8(u8::try_from(chunk.cname.len()).ok()?)?;
        writer.put(chunk.cname)?;
    }
    writer.u8(END)?;
    writer.pad32()
}

impl WriteRtcp for Sdes<'_> {
    fn write(&self, buffer: &mut [u8]) -> Option<usize> {
        write_packet(buffer, SDES, self.chunks().count(), |writer| {
            self.chunks().try_for_each(|chunk| write_chunk(&chunk, writer))
        })
    }
}

impl PartialEq for Sdes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.chunks().eq(other.chunks())
    }
}

impl Eq for Sdes<'_> {}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Rtcp, packets};

    #[test]
    fn golden_bytes() {
        let golden = [
            0x82, 0xca, 0x00, 0x05, // two chunks
            0x00, 0x00, 0x00, 0x01, 0x01, 0x02, b'a', b'b', 0x00, 0x00, 0x00, 0x00, //
            0x00, 0x00, 0x00, 0x02, 0x01, 0x01, b'c', 0x00,
        ];
        let chunks = [SdesChunk { ssrc: Ssrc::new(1), cname: b"ab" }, SdesChunk { ssrc: Ssrc::new(2), cname: b"c" }];
        let mut buffer = [0; 24];
        assert_eq!(Sdes::new(&chunks).write(&mut buffer), Some(24));
        assert_eq!(buffer, golden);
        assert_eq!(packets(&golden).collect::<Vec<_>>(), [Ok(Rtcp::Sdes(Sdes::new(&chunks)))]);
    }

    #[test]
    fn other_items_are_passed_over() {
        let bytes = [0x81, 0xca, 0x00, 0x03, 0, 0, 0, 1, 0x06, 0x01, b'x', 0x01, 0x01, b'n', 0x00, 0x00];
        let Some(Ok(Rtcp::Sdes(sdes))) = packets(&bytes).next() else { panic!() };
        assert_eq!(sdes.chunks().collect::<Vec<_>>(), [SdesChunk { ssrc: Ssrc::new(1), cname: b"n" }]);
    }

    #[test]
    fn a_chunk_without_an_end_is_refused() {
        let bytes = [0x81, 0xca, 0x00, 0x02, 0, 0, 0, 1, 0x01, 0x02, b'x', b'y'];
        assert_eq!(packets(&bytes).collect::<Vec<_>>(), [Err(ParseError::TooShort)]);
    }
}
