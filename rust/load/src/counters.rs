//! What went over the sockets of a swarm, and what its dice took away.

/// Of a whole swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that left through the sockets.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams that reached the peers.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Datagrams lost on purpose on the way up.
    pub lost_up: u64,
    /// Datagrams lost on purpose on the way down.
    pub lost_down: u64,
    /// Datagrams that a socket did not take: its buffer was full.
    pub refused: u64,
}
