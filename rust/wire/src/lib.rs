//! The wire: RTP, RTCP, header extensions and payload descriptors, bytes to types and back, nothing else.
//!
//! Floor 0: imports no other floor, reads no clock, holds no key, and allocates nothing on a packet's way. Parsers are
//! views into the received bytes. Invariant: no input, however broken, makes a function of this crate panic.

#![warn(clippy::indexing_slicing)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::indexing_slicing))]

mod bytes;
mod error;
mod id;
mod seq;
mod unit;

pub mod ntp;
pub mod payload;
pub mod prefetch;
pub mod rtcp;
pub mod rtp;

pub use error::ParseError;
pub use id::{IdError, Mid, Pt, Rid, SeqNo, Ssrc};
pub use ntp::NtpTime;
pub use rtp::extension::Extension;
pub use rtp::extension_map::ExtensionMap;
pub use seq::{SeqExtender, TimestampExtender, extend_seq, extend_timestamp};
pub use unit::{Bitrate, DataSize};
