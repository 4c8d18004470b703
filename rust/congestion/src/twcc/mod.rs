//! Transport-wide congestion control (draft-holmer-rmcat-transport-wide-cc-extensions-01): every packet of a transport
//! carries one number more, and the receiver reports when each arrived.
//!
//! [`TwccReceiver`] reports on what a publisher sends; [`TwccSender`] numbers what goes to a subscriber and takes its
//! reports.

mod arrivals;
mod history;
mod receive;
mod send;

pub use receive::TwccReceiver;
pub use send::{FeedbackSummary, PacketResult, TwccSender};
