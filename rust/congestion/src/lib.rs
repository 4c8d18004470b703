//! Congestion control of one transport: what is reported to a sender, and what is learnt from a receiver.
//!
//! Floor 1: imports `wire` only; knows no packets beyond their transport-wide number, size and time. The time is always
//! told (`now`), never asked for.

pub mod twcc;

pub use twcc::{FeedbackSummary, PacketResult, TwccReceiver, TwccSender};
