//! The picture id that VP8 and VP9 share: seven bits, or fifteen behind a set M bit (RFC 7741 §4.2, RFC 9628 §4.2).

use crate::bytes::{Reader, Writer};
use crate::error::ParseError;

/// A picture id and how wide it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PictureId {
    /// Seven bits, wraps at 128.
    Short(u8),
    /// Fifteen bits, wraps at 32768.
    Long(u16),
}

impl PictureId {
    /// The fifteen-bit form of the lower fifteen bits of `value`.
    pub const fn long(value: u16) -> Self {
        Self::Long(value & 0x7fff)
    }

    /// The number.
    pub const fn get(self) -> u16 {
        match self {
            Self::Short(id) => id as u16,
            Self::Long(id) => id,
        }
    }

    /// How many bits it has before it wraps.
    pub const fn bits(self) -> u32 {
        match self {
            Self::Short(_) => 7,
            Self::Long(_) => 15,
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, ParseError> {
        let first = reader.u8()?;
        if first & 0x80 == 0 {
            Ok(Self::Short(first))
        } else {
            Ok(Self::long(u16::from(first) << 8 | u16::from(reader.u8()?)))
        }
    }

    pub(super) fn write(self, writer: &mut Writer<'_>) -> Option<()> {
        match self {
            Self::Short(id) => writer.u8(id & 0x7f),
            Self::Long(id) => writer.u16(0x8000 | id),
        }
    }
}
