//! SDP in and out: the offer/answer state of one transport, JSEP (RFC 9429) as an SFU sees it.
//!
//! Text is parsed once (`parse`), negotiated as typed values and written from typed state (`write`). [`Negotiator`] keeps
//! what both sides agreed on; its pending offer is a copy that replaces the agreed state when the answer fits, so a
//! rejected description, a rollback and a stale answer leave no trace. Pure state: no clock, no randomness.

mod agree;
mod answer;
mod config;
mod direction;
mod error;
mod feedback;
mod fmtp;
mod format;
mod h264;
mod meaning;
mod negotiator;
mod numbers;
mod offer;
mod parse;
mod remote;
mod section;
mod sender;
mod state;
#[cfg(test)]
mod tests;
mod write;

pub use config::{NegotiatorConfig, NegotiatorRole};
pub use error::{Line, NegotiationError, Place};
pub use negotiator::{AnswerOutcome, Negotiator};
pub use remote::RemoteTransport;
pub use section::{KeyframeRequest, NegotiatedCodec, ReceiveParameters, Section, SectionKind, SendParameters};
pub use sender::{Sender, SenderStatus};
