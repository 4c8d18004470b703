//! Streams: one SSRC in ([`RecvStream`], with its [`History`]) and out ([`SendStream`]), and the clocks that tie them.

mod activity;
mod capture_times;
mod clock;
mod history;
mod layers;
mod numbering;
mod publisher_clock;
mod rate;
mod recv;
mod send;
mod sizes;

pub use activity::Activity;
pub use capture_times::CaptureSource;
pub(crate) use capture_times::CaptureTimes;
pub use clock::TimestampMap;
pub(crate) use clock::{PlaceState, TimestampState};
pub use history::{History, Mark, StoredExtensions, StoredPacket};
pub use layers::{FrameRate, LayerInfo, LayerMeter, ToldLayers};
pub use numbering::Accepted;
pub(crate) use numbering::{StreamEnd, ToldNumbers};
pub use publisher_clock::PublisherClock;
pub(crate) use publisher_clock::PublisherState;
pub use recv::{Arrival, KeyframePart, RecvStream};
pub use send::{SendStats, SendStream, Sent};
