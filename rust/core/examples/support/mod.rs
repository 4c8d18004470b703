//! What the measuring programs of this folder run an `Sfu` with.

pub(crate) mod scene;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use sfu_core::config::{Estimation, SfuConfig};
use sfu_transport::Certificate;
use sfu_wire::Bitrate;

/// Where it is reached.
pub(crate) const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7882);

/// Nobody leaves for want of checks while it is measured.
pub(crate) fn config() -> SfuConfig {
    SfuConfig {
        shard: 0,
        shards: 1,
        seed: [7; 32],
        unix_time: Duration::from_secs(1_767_225_600),
        candidates: vec![SERVER],
        certificate: Arc::new(Certificate::generate().expect("a certificate")),
        consent_timeout: Duration::from_secs(3600),
        close_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        max_half_open: 100,
        channel_buffer: 1 << 20,
        remb: Bitrate::new(3_000_000),
        event_capacity: 10_000,
        // The counts are of packets that all go out; what congestion control adds is in `benches/fanout.py`.
        estimation: Estimation::Off,
    }
}
