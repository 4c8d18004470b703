//! The client's side of a call, sans-IO: what a browser does towards an SFU, scripted, deterministic and cheap.
//!
//! A [`Peer`] negotiates by SDP text, checks and nominates its one path, runs DTLS as client, publishes scripted audio and
//! video whose payload proves itself, and verifies, repairs and reports what it receives. It is what the core's
//! virtual-time tests, the tests over real sockets and the load generator call with. Floors 0–3 never import it.

mod clip;
mod config;
mod ice;
mod model;
mod outlet;
mod peer;
mod proof;
mod publish;
mod receive;
mod sdp;
mod stats;

pub use clip::{Clip, ClipCodec, ClipError};
pub use config::{AudioSource, ClipSource, Encoding, Feedback, Pacing, PeerCodec, PeerConfig, Receiving, VideoSource};
pub use model::{Model, ModelFrame, ModelPacket, ModelSource};
pub use peer::{Peer, PeerEvent};
pub use proof::Proof;
pub use receive::{Delays, FrameStats, Numbers, Playback, StreamStats, TallyStats};
pub use sdp::SdpError;
pub use stats::{PeerStats, UplinkStats};
