//! What the payload of an audio packet is made of; `audio` puts it together.

use crate::codec::CodecName;

/// What a packet was made of. With its number and the history it is made again, byte by byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Form {
    /// As it came.
    #[default]
    Whole,
    /// One frame out of a RED payload, so many before the new one.
    Frame(u8),
    /// RED: the new frame behind earlier ones; bit k is the one k + 1 before it.
    Red(u8),
}

impl Form {
    /// What a packet of `codec` is in this form.
    pub(crate) const fn codec(self, codec: CodecName) -> CodecName {
        match self {
            Self::Whole => codec,
            Self::Frame(_) => CodecName::Opus,
            Self::Red(_) => CodecName::Red,
        }
    }

    /// Whether it is another frame than the new one.
    pub(crate) const fn is_earlier(self) -> bool {
        matches!(self, Self::Frame(back) if back > 0)
    }
}
