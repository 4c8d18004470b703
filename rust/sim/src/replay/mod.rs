//! A captured publisher through the SFU: what one subscriber receives of it while it changes its mind by a schedule.
//!
//! `streams` finds out what is in the capture, `publisher` makes it the packets of a made-up negotiation, `run` lets the real
//! `Sfu` work in virtual time, `report` counts what came of it. A captured stream cannot answer: whoever waits for a keyframe
//! waits for the next one in the capture, and what was lost stays lost.

mod extensions;
mod flow;
mod frames;
mod item;
mod publisher;
mod report;
mod run;
mod schedule;
mod stream;
mod streams;
mod tally;
#[cfg(test)]
mod tests;

use sfu_core::command::CommandError;
use thiserror::Error;

pub use extensions::{ExtensionError, extension};
pub use report::{EncodingReport, Report, Switch};
pub use run::replay;
pub use schedule::{Schedule, ScheduleError, Step};
pub use streams::Role;

/// What is replayed, and how.
#[derive(Debug, Clone)]
pub struct ReplayConfig {
    /// The codec's name as in `a=rtpmap`, in any case.
    pub codec: String,
    /// Ids of header extensions in the capture, with their URIs; unknown URIs are ignored.
    pub extensions: Vec<(u8, String)>,
    /// When the subscriber wants which layer.
    pub schedule: Schedule,
    /// Share of the publisher's packets that vanish, 0 to 1.
    pub loss: f64,
    /// Packets are overtaken by at most so many.
    pub reorder: u32,
    /// Decides what vanishes and what is overtaken.
    pub seed: u64,
    /// Whether the subscriber's RTCP is recorded too.
    pub rtcp: bool,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Replayed {
    /// What the subscriber received, as rtpdump.
    pub out: Vec<u8>,
    /// What there is to say of it.
    pub report: Report,
}

/// Why a capture was not replayed.
#[derive(Debug, Clone, PartialEq, Error)]
#[non_exhaustive]
pub enum ReplayError {
    /// A name that is no codec here.
    #[error("{0:?} is no codec that is replayed: vp8, vp9, av1, h264 and h265 are")]
    Codec(String),
    /// Nothing in the capture looks like plain RTP.
    #[error(
        "the capture has no RTP: {records} UDP payloads, {other} of them neither RTP nor RTCP; {snipped} more that were cut \
         by a snapshot length. Is it SRTP, or DTLS alone?"
    )]
    NoRtp {
        /// UDP payloads.
        records: usize,
        /// Neither RTP nor RTCP.
        other: u64,
        /// Packets of which the file has a part only.
        snipped: u64,
    },
    /// There is RTP, but no video.
    #[error("the capture has RTP and no video: {0}")]
    NoVideo(String),
    /// The SFU refused the made-up negotiation.
    #[error("the SFU does not take the stream: {0}")]
    Refused(#[from] CommandError),
    /// The SFU does not forward this codec.
    #[error("the SFU does not forward {0}")]
    Unsupported(String),
}
