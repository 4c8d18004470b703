//! Identifiers as they stand in packets and SDP. Plain values: explicit `get`, no `Deref`, no arithmetic by accident.
//!
//! A [`SeqNo`] is extended: it never wraps; `as_u16` is what a packet carries.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// A synchronisation source (RFC 3550 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Ssrc(u32);

impl Ssrc {
    /// From the number in the packet.
    pub const fn new(value: u32) -> Self {
        Self(value)
    }

    /// The number in the packet.
    pub const fn get(self) -> u32 {
        self.0
    }
}

impl From<u32> for Ssrc {
    fn from(value: u32) -> Self {
        Self(value)
    }
}

impl fmt::Display for Ssrc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An RTP payload type, 7 bits (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Pt(u8);

impl Pt {
    /// From the lower seven bits of `value`.
    pub const fn new(value: u8) -> Self {
        Self(value & 0x7f)
    }

    /// 0..=127.
    pub const fn get(self) -> u8 {
        self.0
    }
}

impl From<u8> for Pt {
    fn from(value: u8) -> Self {
        Self::new(value)
    }
}

impl fmt::Display for Pt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An extended sequence number: the 16 bits of the packet below, the count of wraps above (RFC 3550 §A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SeqNo(u64);

impl SeqNo {
    /// From the extended number.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// Where a received stream starts: one cycle up, so that what was sent before the first received packet still has
    /// a number. (A stream that the SFU sends starts in cycle 0 instead: a receiver assumes rollover counter 0.)
    pub const fn first_received(seq: u16) -> Self {
        Self(1 << 16 | seq as u64)
    }

    /// The extended number.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// What the packet carries.
    pub const fn as_u16(self) -> u16 {
        self.0 as u16
    }

    /// How often the 16 bits have wrapped (the SRTP rollover counter, RFC 3711 §3.3.1).
    pub const fn rollovers(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// The following number.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// The number `count` further on.
    #[must_use]
    pub const fn plus(self, count: u64) -> Self {
        Self(self.0.wrapping_add(count))
    }

    /// How far this is ahead of `other`; negative when behind.
    pub const fn since(self, other: Self) -> i64 {
        self.0.wrapping_sub(other.0) as i64
    }
}

impl From<u64> for SeqNo {
    fn from(value: u64) -> Self {
        Self(value)
    }
}

impl fmt::Display for SeqNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Why text is not a [`Mid`] or [`Rid`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum IdError {
    /// Nothing there.
    #[error("it is empty")]
    Empty,
    /// A one-byte header extension carries 16 bytes at most (RFC 8285 §4.2).
    #[error("it is longer than {MAX_ID_LEN} bytes")]
    TooLong,
    /// A character that the grammar does not allow.
    #[error("it holds a character that is not allowed")]
    Character,
}

/// What fits a one-byte header extension.
const MAX_ID_LEN: usize = 16;

/// Up to 16 ASCII bytes, stored in place; the unused ones are zero, so derived order is that of the text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Inline {
    bytes: [u8; MAX_ID_LEN],
    len: u8,
}

impl Inline {
    fn new(text: &[u8], allowed: fn(u8) -> bool) -> Result<Self, IdError> {
        if text.is_empty() {
            return Err(IdError::Empty);
        }
        let mut bytes = [0; MAX_ID_LEN];
        bytes.get_mut(..text.len()).ok_or(IdError::TooLong)?.copy_from_slice(text);
        if text.iter().all(|byte| allowed(*byte)) {
            Ok(Self { bytes, len: text.len() as u8 })
        } else {
            Err(IdError::Character)
        }
    }

    fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).unwrap_or_default()
    }
}

/// `token-char` of RFC 8866 §9.
const fn is_token(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x27 | 0x2a | 0x2b | 0x2d | 0x2e | 0x30..=0x39 | 0x41..=0x5a | 0x5e..=0x7e)
}

/// `rid-id` of RFC 8851 §10 as corrected by erratum 7132: letters, digits, hyphen, underscore.
const fn is_rid(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

macro_rules! inline_id {
    ($(#[$doc:meta])* $name:ident, $allowed:path) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Inline);

        impl $name {
            /// `None` when `text` is empty, longer than 16 bytes, or holds a character that is not allowed.
            pub fn new(text: &str) -> Option<Self> {
                Self::from_bytes(text.as_bytes())
            }

            /// The same from the bytes of a header extension.
            pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
                Inline::new(bytes, $allowed).ok().map(Self)
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                self.0.as_str()
            }

            /// The text as a header extension carries it.
            pub fn as_bytes(&self) -> &[u8] {
                self.0.as_bytes()
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Inline::new(text.as_bytes(), $allowed).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.as_str())
            }
        }
    };
}

inline_id!(
    /// Names a media section (`a=mid`, RFC 5888 §4; RFC 9143 §15): a token of at most 16 bytes.
    Mid,
    is_token
);
inline_id!(
    /// Names a simulcast encoding (`a=rid`, RFC 8851 §10): at most 16 letters, digits, hyphens and underscores.
    Rid,
    is_rid
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_hold_up_to_sixteen_token_characters() {
        assert_eq!(Mid::new("video0").unwrap().as_str(), "video0");
        assert_eq!(Mid::new("0123456789abcdef").unwrap().to_string(), "0123456789abcdef");
        assert_eq!("0123456789abcdefg".parse::<Mid>(), Err(IdError::TooLong));
        assert_eq!("".parse::<Mid>(), Err(IdError::Empty));
        assert_eq!("a b".parse::<Mid>(), Err(IdError::Character));
        assert_eq!("a+b".parse::<Rid>(), Err(IdError::Character));
        assert!(Mid::new("a+b").is_some());
        assert!(Mid::from_bytes(&[0xff]).is_none());
    }

    #[test]
    fn text_ids_sort_like_their_text() {
        let mut ids = ["b", "a", "ab", "a0"].map(|text| Rid::new(text).unwrap());
        ids.sort();
        assert_eq!(ids.map(|id| id.as_str().to_owned()), ["a", "a0", "ab", "b"]);
    }

    #[test]
    fn a_sequence_number_counts_its_rollovers() {
        let seq = SeqNo::new(0x2_ffff);
        assert_eq!((seq.as_u16(), seq.rollovers()), (0xffff, 2));
        assert_eq!((seq.next().as_u16(), seq.next().rollovers()), (0, 3));
        assert_eq!(seq.since(seq.plus(5)), -5);
        assert_eq!(SeqNo::first_received(7).get(), 65_543);
    }
}
