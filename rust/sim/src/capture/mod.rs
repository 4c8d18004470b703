//! Captured packets as files have them: rtpdump (rtptools), pcap and pcapng, read whatever wrote them.
//!
//! A capture is a list of UDP payloads with their times, as they lie in the file; what they are is told apart later. What
//! cannot be a packet of ours (ARP, TCP, fragments) is skipped and counted, and a file that is cut keeps what is whole.

mod link;
mod pcap;
mod pcapng;
mod rtpdump;

use std::net::SocketAddr;
use std::time::Duration;

use thiserror::Error;

pub use rtpdump::write as write_rtpdump;

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
    /// Reads a file.
    ///
    /// # Errors
    /// When it is none of the formats or damaged at its beginning.
    pub fn parse(file: &[u8]) -> Result<Self, CaptureError> {
        let magic = file.first_chunk::<4>().copied().unwrap_or_default();
        if rtpdump::is_one(file) {
            rtpdump::read(file)
        } else if pcap::is_one(magic) {
            pcap::read(file)
        } else if pcapng::is_one(magic) {
            pcapng::read(file)
        } else {
            let beginning: Vec<String> = file.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
            let beginning = if file.is_empty() { String::from("nothing") } else { beginning.join(" ") };
            Err(CaptureError::Unknown(beginning))
        }
    }

    /// Adds a link-layer frame of a pcap that came `at` some time on its clock.
    fn push_frame(&mut self, at: Duration, link_type: u32, frame: &[u8]) -> Result<(), CaptureError> {
        match link::udp(link_type, frame)? {
            Some((flow, payload)) => {
                self.records.push(Record { at, flow: Some(flow), rtcp: None, bytes: payload.to_vec() });
            }
            None => self.skipped += 1,
        }
        Ok(())
    }

    /// Times count from the first record and do not go back.
    fn settle_times(mut self) -> Self {
        let first = self.records.first().map(|record| record.at).unwrap_or_default();
        let mut newest = Duration::ZERO;
        for record in &mut self.records {
            newest = newest.max(record.at.saturating_sub(first));
            record.at = newest;
        }
        self
    }
}

#[cfg(test)]
mod tests;
