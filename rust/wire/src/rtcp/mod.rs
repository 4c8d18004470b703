//! RTCP (RFC 3550 §6 and its extensions): one packet type, one file.
//!
//! [`packets`] walks a compound or reduced-size packet and yields [`Rtcp`] views; [`CompoundWriter`] puts packets, each of
//! which is [`WriteRtcp`], one after another into a buffer. Parsing allocates nothing.

mod bye;
mod compound;
mod fir;
mod header;
mod list;
mod nack;
mod packet;
mod pli;
mod receiver_report;
mod remb;
mod report_block;
mod sdes;
mod sender_report;
mod transport_feedback;
mod transport_feedback_chunks;
mod xr;

pub use bye::Bye;
pub use compound::{CompoundWriter, Packets, packets};
pub use fir::{Fir, FirEntry};
pub use header::{WriteRtcp, is_rtcp};
pub use list::{Element, List};
pub use nack::{Nack, NackPair, NackPairs};
pub use packet::Rtcp;
pub use pli::Pli;
pub use receiver_report::ReceiverReport;
pub use remb::Remb;
pub use report_block::ReportBlock;
pub use sdes::{Sdes, SdesChunk};
pub use sender_report::SenderReport;
pub use transport_feedback::{FeedbackTime, PacketStatus, TransportFeedback};
pub use xr::{DlrrReport, Xr, XrBlock, XrBlocks};
