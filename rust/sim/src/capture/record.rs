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
    /// In the order of the file, or of their times where that is the truer one.
    pub records: Vec<Record>,
    /// Frames that carry no UDP datagram, or one in fragments.
    pub skipped: u64,
    /// Packets of which the file has a part only (a snapshot length).
    pub snipped: u64,
    /// How often the clock leapt by more than an hour; no time passes there.
    pub leaps: u64,
    /// The file's order was not that of the times.
    pub sorted: bool,
    /// The file ends within a record.
    pub cut: bool,
}
