//! Shards, sockets, timers and mailboxes around the core: all input and output, and all hand-written `unsafe`.
//!
//! A [`Server`] runs shards, each one thread with its own sockets and its own `Sfu`. Commands go in through the shard's
//! mailbox; replies, events and log records come out of one bounded outbox behind one eventfd. The clock and the seed of
//! all randomness are born here. No routing and no layer decision is made on this floor. Linux only.

mod config;
pub mod datagrams;
mod error;
mod gather;
mod logs;
mod mailbox;
mod outbox;
mod placement;
mod server;
mod shard;
#[cfg(test)]
mod skips;
mod socket;
mod sys;
mod ticket;

pub use config::{CertificatePem, CoreSettings, MAX_HOLD, RuntimeConfig, default_shards};
pub use error::{CommandFailure, ServerGone, StartError};
pub use outbox::{Drained, LogRecord};
pub use server::Server;
pub use ticket::Ticket;
