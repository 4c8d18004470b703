//! What the formats have in common: records of UDP payloads, and why a file has none.

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

/// Why a file is no capture.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CaptureError {
    /// Neither of the three formats.
    #[error("not a capture: rtpdump, pcap and pcapng are read, and the file begins with {0}")]
    Unknown(String),
    /// It begins as one and makes no sense.
    #[error("a damaged {format} file: {problem}")]
    Damaged {
        /// Which.
        format: &'static str,
        /// What is wrong.
        problem: &'static str,
    },
    /// A link type that is not read.
    #[error(
        "link type {0} is not read: Ethernet (1), raw IP (12, 101, 228, 229), loopback (0, 108) and Linux cooked (113, 276) are"
    )]
    LinkType(u32),
}

/// From where to where a packet went; rtpdump does not say.
pub type Flow = Option<(SocketAddr, SocketAddr)>;

/// One UDP payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Since the first record; never less than that of the record before.
    pub at: Duration,
    /// Its addresses.
    pub flow: Flow,
    /// What the file says of it; `None`: it does not say whether it is RTP or RTCP.
    pub rtcp: Option<bool>,
    /// The payload.
    pub bytes: Vec<u8>,
}

/// A file's records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Capture {
    /// In the order of the file.
    pub records: Vec<Record>,
    /// Frames that carry no whole UDP datagram.
    pub skipped: u64,
    /// The file ends within a record.
    pub cut: bool,
}

impl Capture {
    /// Times count from the first record and do not go back.
    pub(super) fn settle_times(mut self) -> Self {
        let first = self.records.first().map(|record| record.at).unwrap_or_default();
        let mut newest = Duration::ZERO;
        for record in &mut self.records {
            newest = newest.max(record.at.saturating_sub(first));
            record.at = newest;
        }
        self
    }
}
