//! Packet status chunks: a 2-bit symbol per packet, packed as runs or vectors
//! (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1.1–§3.1.4).

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;

/// What a chunk says of one packet; the value is that of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Symbol {
    NotReceived = 0,
    /// One byte of delta.
    Small = 1,
    /// Two bytes of delta, with sign.
    Large = 2,
}

impl Symbol {
    /// Symbol 3 is reserved.
    const fn from_bits(bits: u16) -> Result<Self, ParseError> {
        match bits & 0x03 {
            0 => Ok(Self::NotReceived),
            1 => Ok(Self::Small),
            2 => Ok(Self::Large),
            _ => Err(ParseError::Value),
        }
    }

    /// The symbol of a packet by its delta.
    pub(super) const fn of(delta: Option<i16>) -> Self {
        match delta {
            None => Self::NotReceived,
            Some(0..=255) => Self::Small,
            Some(_) => Self::Large,
        }
    }

    /// Bytes of delta that belong to it.
    pub(super) const fn delta_len(self) -> usize {
        self as usize
    }
}

/// One chunk.
///
/// ```text
///  0                   1
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |0| S |       Run Length        |
/// |1|0|       symbol list         |  14 symbols of one bit
/// |1|1|       symbol list         |   7 symbols of two bits
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy)]
struct Chunk(u16);

const MAX_RUN: u16 = 0x1fff;
const ONE_BIT_SYMBOLS: u16 = 14;
const TWO_BIT_SYMBOLS: u16 = 7;

impl Chunk {
    /// How many packets it speaks of.
    const fn len(self) -> u16 {
        match self.0 >> 14 {
            0 | 1 => self.0 & MAX_RUN,
            2 => ONE_BIT_SYMBOLS,
            _ => TWO_BIT_SYMBOLS,
        }
    }

    /// The symbol of its `index`-th packet.
    const fn symbol(self, index: u16) -> Result<Symbol, ParseError> {
        match self.0 >> 14 {
            0 | 1 => Symbol::from_bits(self.0 >> 13),
            2 => Symbol::from_bits(self.0 >> (ONE_BIT_SYMBOLS - 1 - index) & 1),
            _ => Symbol::from_bits(self.0 >> (2 * (TWO_BIT_SYMBOLS - 1 - index))),
        }
    }
}

/// Iterates the symbols of `count` packets; ends after an error.
#[derive(Debug, Clone)]
pub(super) struct Symbols<'a> {
    reader: Reader<'a>,
    remaining: u16,
    chunk: Chunk,
    index: u16,
}

impl<'a> Symbols<'a> {
    pub(super) const fn new(chunks: &'a [u8], count: u16) -> Self {
        Self { reader: Reader::new(chunks), remaining: count, chunk: Chunk(0), index: 0 }
    }

    /// What follows the chunks of `count` packets.
    pub(super) fn after(chunks: &'a [u8], count: u16) -> Option<&'a [u8]> {
        let mut symbols = Self::new(chunks, count);
        symbols.by_ref().all(|symbol| symbol.is_ok()).then(|| symbols.rest())
    }

    /// What follows the chunks, once all symbols are read.
    pub(super) const fn rest(&self) -> &'a [u8] {
        self.reader.rest()
    }

    fn read(&mut self) -> Result<Symbol, ParseError> {
        // Runs of length zero are legal and say nothing.
        while self.index >= self.chunk.len() {
            self.chunk = Chunk(self.reader.u16()?);
            self.index = 0;
        }
        self.index += 1;
        self.chunk.symbol(self.index - 1)
    }
}

impl Iterator for Symbols<'_> {
    type Item = Result<Symbol, ParseError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let symbol = self.read();
        if symbol.is_err() {
            self.remaining = 0;
        }
        Some(symbol)
    }
}

/// Writes the chunks of `deltas`: a run where it takes at least as many packets as a vector would, else the vector of one
/// bit, else that of two.
pub(super) fn write(mut deltas: &[Option<i16>], writer: &mut Writer<'_>) -> Option<()> {
    while let Some(first) = deltas.first() {
        let first = Symbol::of(*first);
        let run = deltas.iter().take(usize::from(MAX_RUN)).take_while(|delta| Symbol::of(**delta) == first).count();
        let ahead = deltas.get(..usize::from(ONE_BIT_SYMBOLS)).unwrap_or(deltas);
        let one_bit = ahead.iter().all(|delta| Symbol::of(*delta) != Symbol::Large);
        let vector = if one_bit { ONE_BIT_SYMBOLS } else { TWO_BIT_SYMBOLS };
        let taken = if run >= usize::from(vector).min(deltas.len()) {
            writer.u16((first as u16) << 13 | run as u16)?;
            run
        } else {
            writer.u16(vector_chunk(deltas, one_bit))?;
            usize::from(vector).min(deltas.len())
        };
        deltas = deltas.get(taken..)?;
    }
    Some(())
}

/// A vector of the first symbols of `deltas`; what is missing is filled with zero.
fn vector_chunk(deltas: &[Option<i16>], one_bit: bool) -> u16 {
    let (head, count, width) = if one_bit { (0x8000, ONE_BIT_SYMBOLS, 1) } else { (0xc000, TWO_BIT_SYMBOLS, 2) };
    let symbols = deltas.iter().take(usize::from(count)).map(|delta| Symbol::of(*delta) as u16);
    let filled = symbols.chain(std::iter::repeat(0)).take(usize::from(count));
    head | filled.fold(0, |bits, symbol| bits << width | symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(chunks: &[u16], count: u16) -> Result<Vec<Symbol>, ParseError> {
        let bytes: Vec<u8> = chunks.iter().flat_map(|chunk| chunk.to_be_bytes()).collect();
        Symbols::new(&bytes, count).collect()
    }

    fn written(deltas: &[Option<i16>]) -> Vec<u16> {
        let mut buffer = [0; 64];
        let mut writer = Writer::new(&mut buffer);
        write(deltas, &mut writer).unwrap();
        let len = writer.len();
        buffer[..len].chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
    }

    #[test]
    fn examples_of_the_draft() {
        use Symbol::{Large, NotReceived, Small};
        // §3.1.3: a run of 221 lost packets, one of 24 with small deltas.
        assert_eq!(symbols(&[0x00dd], 221).unwrap(), [NotReceived; 221]);
        assert_eq!(symbols(&[0x2018], 24).unwrap(), [Small; 24]);
        // §3.1.4: 1 lost, 5 received, 3 lost, 3 received, 2 lost.
        let expected = [&[NotReceived][..], &[Small; 5], &[NotReceived; 3], &[Small; 3], &[NotReceived; 2]].concat();
        assert_eq!(symbols(&[0x9f1c], 14).unwrap(), expected);
        // §3.1.4: 1 lost, 1 received without delta (here: large), 3 received, 2 lost.
        let expected = [NotReceived, Large, Small, Small, Small, NotReceived, NotReceived];
        assert_eq!(symbols(&[0xc000 | 0b00_10_01_01_01_00_00], 7).unwrap(), expected);
    }

    #[test]
    fn reserved_symbols_and_missing_chunks_are_refused() {
        assert_eq!(symbols(&[0x6001], 1), Err(ParseError::Value));
        assert_eq!(symbols(&[0xf000], 1), Err(ParseError::Value));
        assert_eq!(symbols(&[0x2002], 3), Err(ParseError::TooShort));
        assert_eq!(symbols(&[0x2000, 0x2001], 1), Ok(vec![Symbol::Small]), "an empty run");
    }

    #[test]
    fn the_shortest_chunk_is_taken() {
        assert_eq!(written(&[Some(1); 100]), [0x2064]);
        assert_eq!(written(&vec![None; 9000]), [0x1fff, 9000 - 0x1fff]);
        assert_eq!(written(&[Some(300); 3]), [0x4003]);
        assert_eq!(written(&[Some(1), None, Some(1)]), [0x8000 | 0b101 << 11]);
        assert_eq!(written(&[Some(1), None, Some(-1)]), [0xc000 | 0b01_00_10 << 8]);
    }
}
