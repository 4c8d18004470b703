//! Captured packets as files have them: rtpdump (rtptools), pcap and pcapng, read whatever wrote them.
//!
//! A capture is a list of UDP payloads with their times, as they lie in the file; what they are is told apart later. What
//! cannot be a packet of ours (ARP, TCP, fragments) is skipped and counted, and a file that is cut keeps what is whole.

mod link;
mod pcap;
mod pcapng;
mod record;
mod rtpdump;
mod times;

pub use record::{Capture, CaptureError, Flow, Record};
pub use rtpdump::write as write_rtpdump;

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
}

#[cfg(test)]
mod tests;
