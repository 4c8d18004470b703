//! A list of fixed-size elements that is either still in the received bytes or given by the caller, so that one type
//! serves `parse` and `write` without an allocation.

use std::fmt;

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;
use crate::id::Ssrc;

/// Something that always takes the same number of bytes in a packet.
pub trait Element: Copy {
    /// How many.
    const LEN: usize;

    /// From exactly [`Self::LEN`] bytes; `None` from fewer.
    fn from_bytes(bytes: &[u8]) -> Option<Self>;

    /// Writes itself at the front of `buffer`; `None` when it is too small.
    fn write_to(&self, buffer: &mut [u8]) -> Option<()>;
}

impl Element for Ssrc {
    const LEN: usize = 4;

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        Reader::new(bytes).u32().ok().map(Self::new)
    }

    fn write_to(&self, buffer: &mut [u8]) -> Option<()> {
        Writer::new(buffer).u32(self.get())
    }
}

/// Elements of a packet, received or given (`List::from(&[…][..])`).
#[derive(Clone, Copy)]
pub struct List<'a, T>(Source<'a, T>);

#[derive(Clone, Copy)]
enum Source<'a, T> {
    /// A whole number of elements.
    Received(&'a [u8]),
    Given(&'a [T]),
}

impl<'a, T: Element> List<'a, T> {
    /// Views the next `count` elements.
    pub(super) fn read(reader: &mut Reader<'a>, count: usize) -> Result<Self, ParseError> {
        Ok(Self(Source::Received(reader.take(count * T::LEN)?)))
    }

    /// Views all of the rest, which must be a whole number of elements.
    pub(super) fn read_rest(reader: &mut Reader<'a>) -> Result<Self, ParseError> {
        let bytes = reader.rest();
        if bytes.len().is_multiple_of(T::LEN) {
            Ok(Self(Source::Received(reader.take(bytes.len())?)))
        } else {
            Err(ParseError::Length)
        }
    }

    pub(super) fn write(&self, writer: &mut Writer<'_>) -> Option<()> {
        match self.0 {
            Source::Received(bytes) => writer.put(bytes),
            Source::Given(items) => items.iter().try_for_each(|item| {
                // No element is longer than a report block.
                let mut bytes = [0; 24];
                let bytes = bytes.get_mut(..T::LEN)?;
                item.write_to(bytes)?;
                writer.put(bytes)
            }),
        }
    }

    /// How many elements there are.
    pub fn len(&self) -> usize {
        match self.0 {
            Source::Received(bytes) => bytes.len() / T::LEN,
            Source::Given(items) => items.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements.
    pub fn iter(&self) -> impl Iterator<Item = T> + use<'a, T> {
        let (bytes, items): (&'a [u8], &'a [T]) = match self.0 {
            Source::Received(bytes) => (bytes, &[]),
            Source::Given(items) => (&[], items),
        };
        bytes.chunks_exact(T::LEN).filter_map(T::from_bytes).chain(items.iter().copied())
    }
}

impl<T> Default for List<'_, T> {
    fn default() -> Self {
        Self(Source::Given(&[]))
    }
}

impl<'a, T> From<&'a [T]> for List<'a, T> {
    fn from(items: &'a [T]) -> Self {
        Self(Source::Given(items))
    }
}

impl<'a, T, const N: usize> From<&'a [T; N]> for List<'a, T> {
    fn from(items: &'a [T; N]) -> Self {
        Self(Source::Given(items))
    }
}

impl<T: Element + PartialEq> PartialEq for List<'_, T> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl<T: Element + Eq> Eq for List<'_, T> {}

impl<T: Element + fmt::Debug> fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}
