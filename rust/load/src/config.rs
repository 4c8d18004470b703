//! What a swarm is told once.

use std::net::IpAddr;

/// Settings of a [`Swarm`](crate::Swarm).
#[derive(Debug, Clone, Copy)]
pub struct SwarmConfig {
    /// The peers' own address.
    pub ip: IpAddr,
    /// `SO_RCVBUF` of each. Higher: survives longer pauses of this thread. Lower: less kernel memory.
    pub receive_buffer: usize,
    /// Takes datagrams together that came together (`UDP_GRO`). On loopback this is cheaper for the sender, too.
    pub coalesce: bool,
    /// Seeds the dice of loss.
    pub seed: [u8; 32],
}

impl SwarmConfig {
    /// With buffers for a second of a large room.
    pub const fn new(ip: IpAddr) -> Self {
        Self { ip, receive_buffer: 4 << 20, coalesce: false, seed: [0; 32] }
    }
}
