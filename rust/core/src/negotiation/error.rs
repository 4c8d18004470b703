//! Why a description is refused: each error names the line and what is missing or wrong.
//!
//! After an error nothing has changed: the state before stands, and the next correct description works.

use std::fmt;

use thiserror::Error;

/// A line of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Counted from 1.
    pub number: usize,
    /// Without the line end.
    pub text: String,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        /// Longer lines are cut; the number leads to the rest.
        const SHOWN: usize = 120;
        let mut shown = self.text.chars();
        let start: String = shown.by_ref().take(SHOWN).collect();
        let rest = if shown.next().is_some() { "…" } else { "" };
        write!(f, "line {} \"{start}{rest}\"", self.number)
    }
}

/// A media section of a description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Counted from 1.
    pub section: usize,
    /// The line of its `m=`.
    pub line: usize,
    /// The media type of its `m=` line.
    pub media: String,
    /// Its `a=mid`, if there is one.
    pub mid: Option<String>,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "section {} (m={}", self.section, self.media)?;
        if let Some(mid) = &self.mid {
            write!(f, ", mid \"{mid}\"")?;
        }
        write!(f, ", line {})", self.line)
    }
}

/// Why a description is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum NegotiationError {
    /// The description is not SDP (RFC 8866).
    #[error("{line}: {problem}")]
    Malformed {
        /// Where.
        line: Line,
        /// What the grammar wants.
        problem: String,
    },
    /// A line that every description has is not there.
    #[error("no {what} in the description (lines: {lines})")]
    MissingLine {
        /// The line.
        what: &'static str,
        /// How many lines there are.
        lines: usize,
    },
    /// A section lacks an attribute that WebRTC requires (RFC 9429 §5.1.1).
    #[error("no {attribute} in {place}")]
    Missing {
        /// The attribute.
        attribute: &'static str,
        /// The section.
        place: Place,
    },
    /// All sections share one transport (RFC 9143).
    #[error("{place} is not in `a=group:BUNDLE`; all sections share one transport (bundlePolicy `max-bundle`)")]
    NotBundled {
        /// The section.
        place: Place,
    },
    /// Two sections have the same mid (RFC 5888 §4).
    #[error("{line}: section {other} has this mid already")]
    DuplicateMid {
        /// The second one.
        line: Line,
        /// The section that has it.
        other: usize,
    },
    /// The peer wants to be the DTLS server; so does the SFU.
    #[error(
        "{line}: the server is the DTLS server and answers `passive`; offer `actpass` or `active`, answer `active`"
    )]
    Setup {
        /// The `a=setup`.
        line: Line,
    },
    /// The peer is ICE-lite; so is the SFU, and nobody would check (RFC 8445 §6.1.1).
    #[error("{line}: the server is an ICE-lite agent; the peer must be a full one")]
    IceLite {
        /// The `a=ice-lite`.
        line: Line,
    },
    /// Sections never vanish (RFC 9429 §5.2.2).
    #[error(
        "sections (m= lines) in the description: {found}, negotiated: {negotiated}; one that is not needed stays with port 0"
    )]
    SectionsVanished {
        /// In the description.
        found: usize,
        /// Agreed or offered before.
        negotiated: usize,
    },
    /// An answer has as many sections as the offer (RFC 9429 §5.3.1).
    #[error("the answer has {found} sections (m= lines), the offer had {offered}")]
    SectionCount {
        /// In the answer.
        found: usize,
        /// In the offer.
        offered: usize,
    },
    /// A section keeps its place and its mid as long as it is not stopped.
    #[error("{place} stands where mid \"{negotiated}\" was negotiated; sections keep their order")]
    MidChanged {
        /// The section.
        place: Place,
        /// What belongs there.
        negotiated: String,
    },
    /// A section keeps its media type as long as it is not stopped.
    #[error("{place} is negotiated as m={negotiated}")]
    KindChanged {
        /// The section.
        place: Place,
        /// What belongs there.
        negotiated: &'static str,
    },
    /// There are more sections than anyone needs.
    #[error("the description has more than {limit} sections (m= lines)")]
    TooManySections {
        /// What is accepted.
        limit: usize,
    },
    /// On this transport only the server offers.
    #[error("the server offers on this transport; answer its offers instead")]
    OfferNotAllowed,
    /// On this transport the server never offers.
    #[error("only the client offers on this transport: it restarts ICE with an offer of its own")]
    OnlyClientOffers,
    /// On this transport only the client offers, or no offer waits for an answer.
    #[error("no offer of the server waits for an answer")]
    UnexpectedAnswer,
    /// This offer has its answer already.
    #[error("offer {id} is answered already")]
    AnsweredTwice {
        /// Which offer.
        id: u64,
    },
}
