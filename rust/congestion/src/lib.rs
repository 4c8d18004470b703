//! Congestion control of one transport: what is reported to a sender, what is learnt from a receiver, and what the way to it carries.
//!
//! Floor 1: imports `wire` only; knows no packets beyond their transport-wide number, size and time. The time is always
//! told (`now`), never asked for.

pub mod estimator;
pub mod gcc;
pub mod pacer;
pub mod probe;
pub mod twcc;

pub use estimator::{BandwidthEstimator, FixedRate, ReportedLoss};
pub use gcc::{Gcc, GccConfig};
pub use pacer::{Pacer, PacketClass};
pub use twcc::{FeedbackSummary, PacketResult, TwccReceiver, TwccSender};
