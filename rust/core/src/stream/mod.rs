//! Streams: one SSRC in ([`RecvStream`], with its [`History`]) and out ([`SendStream`]), and the clock that ties them.

mod clock;

pub use clock::{PublisherClock, TimestampMap};
