//! Settings of a [`World`](super::World), and those that make a simulated SFU of a real one.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sfu_core::config::{Estimation, SfuConfig};
use sfu_transport::{Certificate, SrtpProfile};
use sfu_wire::Bitrate;

use super::participant;
use super::shards::RelayConfig;
use crate::link::LinkConfig;

/// So far ahead no scenario reaches.
const NEVER: Duration = Duration::from_secs(100 * 365 * 86_400);

/// The wall clock when a world begins: 2026-01-01.
pub(crate) const UNIX_TIME: Duration = Duration::from_secs(1_767_225_600);

/// Settings of a [`World`](super::World).
#[derive(Debug, Clone)]
pub struct WorldConfig {
    /// Decides everything random.
    pub seed: u64,
    /// Where virtual time begins; only differences to it count.
    pub start: Instant,
    /// How participants' packets are protected.
    pub profile: SrtpProfile,
    /// From each participant to the SFU, unless told otherwise.
    pub uplink: LinkConfig,
    /// From the SFU to each participant, unless told otherwise.
    pub downlink: LinkConfig,
    /// How many shards the SFU has, and what is between them.
    pub relay: RelayConfig,
    /// The SFU reads what has come in so long, all together, as a busy one does; zero: each datagram by itself.
    pub reads_every: Duration,
}

impl WorldConfig {
    /// Perfect links.
    pub fn new(seed: u64, start: Instant) -> Self {
        Self {
            seed,
            start,
            profile: SrtpProfile::AeadAes128Gcm,
            uplink: LinkConfig::default(),
            downlink: LinkConfig::default(),
            relay: RelayConfig::default(),
            reads_every: Duration::ZERO,
        }
    }
}

/// What a simulated SFU is set to: nobody is closed for want of checks.
pub fn sfu_config(seed: u64) -> SfuConfig {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    SfuConfig {
        shard: 0,
        shards: 1,
        seed: bytes,
        unix_time: UNIX_TIME,
        candidates: vec![participant::SERVER],
        certificate: certificate(),
        consent_timeout: NEVER,
        close_timeout: NEVER,
        connect_timeout: NEVER,
        max_half_open: usize::MAX,
        channel_buffer: 1 << 20,
        remb: Bitrate::new(10_000_000),
        event_capacity: 1 << 16,
        estimation: Estimation::default(),
    }
}

/// One for all worlds: nothing is signed with it, and making one takes longer than many a scenario.
pub(crate) fn certificate() -> Arc<Certificate> {
    static CERTIFICATE: OnceLock<Arc<Certificate>> = OnceLock::new();
    let make = || Arc::new(Certificate::generate().expect("the library makes P-256 certificates"));
    Arc::clone(CERTIFICATE.get_or_init(make))
}
