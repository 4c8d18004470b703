//! An SFU in virtual time: no sockets, no sleeping, seeded. What goes on in minutes of a call is known in milliseconds.
//!
//! [`World`] runs one `Sfu`, its participants' SRTP and the [`Link`]s between them. Participants have fixed keys, which go
//! through the constructor that a handshake uses, so the same scenario twice gives identical bytes. A [`call::Call`] has whole
//! clients instead, with ICE, DTLS and data channels.

pub mod call;
pub mod capture;
pub mod encoder;
pub mod error;
pub mod judge;
pub mod link;
pub mod publisher;
pub mod random;
pub mod receiver;
pub mod replay;
pub mod sdp;
pub mod torture;
pub mod world;

pub use link::{Link, LinkConfig, Loss};
pub use random::Random;
pub use world::{Arrived, ParticipantId, World, WorldConfig};
