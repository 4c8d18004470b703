//! Which RTCP feedback a payload format has.

use crate::codec::Kind;

/// Feedback messages of a payload format (`a=rtcp-fb`, RFC 4585 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Feedback(u8);

impl Feedback {
    pub(super) const NONE: Self = Self(0);
    pub(super) const NACK: Self = Self(1);
    pub(super) const PLI: Self = Self(2);
    pub(super) const FIR: Self = Self(4);
    pub(super) const TWCC: Self = Self(8);
    pub(super) const REMB: Self = Self(16);

    /// In the order in which they are written.
    pub(super) const NAMES: [(Self, &str); 5] = [
        (Self::REMB, "goog-remb"),
        (Self::TWCC, "transport-cc"),
        (Self::FIR, "ccm fir"),
        (Self::NACK, "nack"),
        (Self::PLI, "nack pli"),
    ];

    /// From the text after the payload type; none for messages that the SFU does not use.
    pub(super) fn parse(text: &str) -> Self {
        let mut words = text.split_ascii_whitespace();
        let words = (words.next().unwrap_or_default(), words.next());
        let known = Self::NAMES.iter().find(|(_, name)| {
            let mut wanted = name.split(' ');
            (wanted.next().unwrap_or_default(), wanted.next()) == words
        });
        known.map_or(Self::NONE, |(feedback, _)| *feedback)
    }

    /// What the server offers; `repaired`: with RTX beside it.
    pub(super) const fn offered(kind: Kind, repaired: bool) -> Self {
        match kind {
            Kind::Audio if repaired => Self(Self::NACK.0 | Self::TWCC.0),
            Kind::Audio => Self::TWCC,
            Kind::Video => Self(Self::NACK.0 | Self::PLI.0 | Self::FIR.0 | Self::TWCC.0 | Self::REMB.0),
        }
    }

    pub(super) const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}
