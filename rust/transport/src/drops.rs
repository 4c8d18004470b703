//! Why datagrams were dropped, counted.
//!
//! Every datagram that is not used ends in exactly one of these counts; nothing else happens for it.

use std::ops::AddAssign;

/// Why one datagram was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropReason {
    /// It came from an address that never passed an authenticated check, or no session knows it.
    UnknownPath,
    /// It is none of STUN, DTLS, SRTP, SRTCP, or is not well formed, or came at a time when it means nothing.
    Malformed,
    /// Its integrity check failed.
    Authentication,
    /// It was received before, or is older than the replay window.
    Replayed,
}

/// Dropped datagrams by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DropCounts {
    /// [`DropReason::UnknownPath`].
    pub unknown_path: u64,
    /// [`DropReason::Malformed`].
    pub malformed: u64,
    /// [`DropReason::Authentication`].
    pub authentication: u64,
    /// [`DropReason::Replayed`].
    pub replayed: u64,
    /// First contacts beyond the bound on handshakes under way.
    pub half_open_limit: u64,
    /// Authentic RTP that binds to no track.
    pub unbound_stream: u64,
    /// Dropped by the kernel before they were read (`SO_RXQ_OVFL`).
    pub kernel: u64,
}

impl DropCounts {
    /// Counts one datagram.
    pub fn count(&mut self, reason: DropReason) {
        match reason {
            DropReason::UnknownPath => self.unknown_path += 1,
            DropReason::Malformed => self.malformed += 1,
            DropReason::Authentication => self.authentication += 1,
            DropReason::Replayed => self.replayed += 1,
        }
    }

    /// All of them together.
    pub fn total(&self) -> u64 {
        let Self { unknown_path, malformed, authentication, replayed, half_open_limit, unbound_stream, kernel } = self;
        unknown_path + malformed + authentication + replayed + half_open_limit + unbound_stream + kernel
    }
}

impl AddAssign for DropCounts {
    fn add_assign(&mut self, other: Self) {
        self.unknown_path += other.unknown_path;
        self.malformed += other.malformed;
        self.authentication += other.authentication;
        self.replayed += other.replayed;
        self.half_open_limit += other.half_open_limit;
        self.unbound_stream += other.unbound_stream;
        self.kernel += other.kernel;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up() {
        let mut counts = DropCounts::default();
        counts.count(DropReason::Malformed);
        counts.count(DropReason::Replayed);
        let mut sum = DropCounts { kernel: 3, ..DropCounts::default() };
        sum += counts;
        assert_eq!(sum, DropCounts { malformed: 1, replayed: 1, kernel: 3, ..DropCounts::default() });
        assert_eq!(sum.total(), 5);
    }
}
