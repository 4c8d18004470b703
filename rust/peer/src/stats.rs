//! What a peer tells of itself, beside what it tells of each stream.

use std::time::Duration;

use crate::receive::StreamStats;

/// What the server told of what the peer sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UplinkStats {
    /// RTP packets, without retransmissions.
    pub packets: u64,
    /// Packets sent again.
    pub resent: u64,
    /// Packets that the server asked for.
    pub nacks: u64,
    /// PLI and FIR.
    pub keyframe_requests: u64,
    /// Keyframes sent.
    pub keyframes: u64,
    /// Transport-wide feedback messages.
    pub feedbacks: u64,
    /// The last REMB, in bits per second.
    pub remb: Option<u64>,
    /// By the server's reports.
    pub rtt: Option<Duration>,
}

/// What came and went.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PeerStats {
    /// Of what it sends.
    pub uplink: UplinkStats,
    /// Of every stream that it receives.
    pub streams: Vec<StreamStats>,
    /// RTP that belongs to no section.
    pub unknown_packets: u64,
    /// Datagrams that were not authentic, or nothing at all.
    pub dropped: u64,
    /// BYEs.
    pub byes: u64,
}
