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

impl Counters {
    /// What came on top of what there was `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        Self {
            sent: self.sent - before.sent,
            sent_bytes: self.sent_bytes - before.sent_bytes,
            received: self.received - before.received,
            received_bytes: self.received_bytes - before.received_bytes,
            lost_up: self.lost_up - before.lost_up,
            lost_down: self.lost_down - before.lost_down,
            refused: self.refused - before.refused,
        }
    }
}
