//! What a [`Server`](crate::Server) is started with.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use log::LevelFilter;
use sfu_core::MAX_SHARDS;
use sfu_core::config::Estimation;
use sfu_transport::{Certificate, CertificateError};
use sfu_wire::Bitrate;

/// A certificate chain and its private key as PEM text; both may be the same text.
#[derive(Clone)]
pub struct CertificatePem {
    /// The certificate.
    pub certificate: String,
    /// The key, on P-256.
    pub private_key: String,
}

impl CertificatePem {
    pub(crate) fn parse(&self) -> Result<Certificate, CertificateError> {
        Certificate::from_pem(&self.certificate, &self.private_key)
    }
}

/// Hides the key.
impl std::fmt::Debug for CertificatePem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CertificatePem").field("certificate", &self.certificate).finish_non_exhaustive()
    }
}

/// As many processors as this process may use: those of its affinity, or of its control group's quota (v1 and v2) where that is
/// less, rounded down; at least one.
pub fn default_shards() -> usize {
    // `std` reads both. It rounds a quota down.
    std::thread::available_parallelism().map_or(1, usize::from).min(MAX_SHARDS)
}

/// More than that would be heard and seen.
pub const MAX_HOLD: Duration = Duration::from_micros(500);

/// Settings of a server.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Addresses to bind. Port 0 picks one port for all that ask for it. `[::]` without an IPv4 address of the same port
    /// means both families.
    pub udp: Vec<SocketAddr>,
    /// IP addresses of the host candidates; empty: what the sockets are bound to, or loopback and the interfaces.
    pub announce: Vec<IpAddr>,
    /// Threads of the data plane; `None`: as many as this process has processors ([`default_shards`]).
    pub shards: Option<usize>,
    /// Whether the sessions of a room go to all shards alike from the first on. For rooms of which it is known that they become
    /// large. `false`: a room stays on one shard while that has little to do, and costs no relays.
    pub spread: bool,
    /// Whether the kernel is told which shard has which flow. `false`: it spreads them as it likes, and what comes to the wrong shard is
    /// handed over, as it is where the kernel takes no such program (`SO_ATTACH_REUSEPORT_CBPF`).
    pub steer: bool,
    /// How long a shard lets more datagrams come after the first before it reads them, at most [`MAX_HOLD`]. Higher: frames are
    /// read whole, leave in longer runs and cost less. Zero: nothing waits.
    pub hold: Duration,
    /// The processor on which each shard stays, in the order of the shards; a shard without one goes where the system
    /// puts it. Pinned: warm caches, figures that repeat. Not pinned: room beside what else runs there.
    pub pin: Vec<usize>,
    /// `SO_RCVBUF` in bytes. Higher: survives longer pauses. Lower: less memory, older packets.
    pub receive_buffer: usize,
    /// `SO_SNDBUF` in bytes.
    pub send_buffer: usize,
    /// Own certificate; `None` makes one per server.
    pub certificate: Option<CertificatePem>,
    /// At most so many events wait for a drain; more are dropped and counted. Replies are never dropped.
    pub event_capacity: usize,
    /// The least worth of log records that are kept.
    pub log_level: LevelFilter,
    /// What the core is told.
    pub core: CoreSettings,
}

/// The part of the settings that the core reads (`sfu_core::config::SfuConfig`).
#[derive(Debug, Clone)]
pub struct CoreSettings {
    /// Without an authenticated check for so long a session is disconnected (RFC 7675 §5.1).
    pub consent_timeout: Duration,
    /// Disconnected for so long, a session is closed.
    pub close_timeout: Duration,
    /// A session that has not connected so long after its first negotiation is closed.
    pub connect_timeout: Duration,
    /// At most so many DTLS handshakes under way.
    pub max_half_open: usize,
    /// Bytes waiting for one peer's SCTP association.
    pub channel_buffer: usize,
    /// What REMB grants a publisher without transport-wide feedback.
    pub remb: Bitrate,
    /// How it is learnt what the way to each subscriber carries.
    pub estimation: Estimation,
}
