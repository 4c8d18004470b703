//! Lines as they are named in errors, and what stands in them on every level.

use sfu_transport::Fingerprint;
use webrtc_sdp::error::{SdpParserError, SdpParserInternalError};
use webrtc_sdp::parse_sdp_line;

use crate::negotiation::error::{Line, NegotiationError};

/// A line that may have to be named in an error.
#[derive(Debug, Clone, Copy)]
pub(in crate::negotiation) struct Row<'a> {
    pub(super) number: usize,
    pub(super) text: &'a str,
}

/// ICE and DTLS attributes of one level.
#[derive(Debug, Default)]
pub(in crate::negotiation) struct TransportLines<'a> {
    pub(in crate::negotiation) ufrag: Option<String>,
    pub(in crate::negotiation) pwd: Option<String>,
    pub(in crate::negotiation) fingerprints: Vec<Fingerprint>,
    pub(in crate::negotiation) setup: Option<(Setup, Row<'a>)>,
}

/// `a=setup` (RFC 8842 §5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::negotiation) enum Setup {
    Active,
    Passive,
    Actpass,
    Holdconn,
}

impl Row<'_> {
    pub(in crate::negotiation) fn line(self) -> Line {
        Line { number: self.number, text: self.text.to_owned() }
    }

    pub(super) fn malformed(self, problem: impl Into<String>) -> NegotiationError {
        NegotiationError::Malformed { line: self.line(), problem: problem.into() }
    }
}

/// Lets `webrtc-sdp` check a line whose content is not used.
pub(super) fn check(row: Row<'_>) -> Result<(), NegotiationError> {
    match parse_sdp_line(row.text, row.number) {
        Err(SdpParserError::Line { error, .. }) => Err(row.malformed(problem(&error))),
        _ => Ok(()),
    }
}

/// The parser's complaint without its own preamble.
pub(super) fn problem(error: &SdpParserInternalError) -> String {
    let text = error.to_string();
    text.strip_prefix("Parsing error: ").map_or(text.clone(), str::to_owned)
}
