//! RTP packets (RFC 3550 §5) and their header extensions (RFC 8285).
//!
//! [`RtpPacket`] views a clear packet, [`RtpPeek`] reads what a protected one shows, [`write_header`] writes.

pub mod extension;
pub mod extension_block;
pub mod extension_map;
pub mod extension_value;
pub mod header;
pub mod packet;
pub mod peek;
pub mod template;
pub mod video_layers;
pub mod writer;

pub use extension_block::{ExtensionBlock, Extensions};
pub use header::RtpHeader;
pub use packet::RtpPacket;
pub use peek::RtpPeek;
pub use template::HeaderTemplate;
pub use video_layers::{LayerAllocation, LayerPicture, VideoLayersAllocation};
pub use writer::{ExtensionForms, MAX_EXTENSIONS, WrittenHeader, write_header};
