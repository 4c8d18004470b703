//! Payload protocol identifiers (RFC 8831 §8). An empty message is one zero byte, as SCTP has no empty ones (§6.6).

pub(super) const DCEP: u32 = 50;
pub(super) const TEXT: u32 = 51;
pub(super) const BINARY: u32 = 53;
pub(super) const TEXT_EMPTY: u32 = 56;
pub(super) const BINARY_EMPTY: u32 = 57;
