//! Repair by retransmission (RFC 4585 §6.2.1, RFC 4588): what is asked of publishers, and what is given to subscribers.

pub(crate) mod generator;
pub(crate) mod responder;

pub use responder::{Refusal, Refusals};
