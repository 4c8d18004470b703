//! SDP in and out: the offer/answer state of one transport, JSEP (RFC 9429) as an SFU sees it.

mod config;
mod error;
mod negotiator;
mod remote;
mod section;
mod sender;

pub use config::{NegotiatorConfig, NegotiatorRole};
pub use error::{Line, NegotiationError, Place};
pub use negotiator::{AnswerOutcome, Negotiator};
pub use remote::{RemoteSctp, RemoteTransport};
pub use section::{NegotiatedCodec, ReceiveParameters, Section, SectionKind, SendParameters};
pub use sender::{Sender, SenderStatus};
