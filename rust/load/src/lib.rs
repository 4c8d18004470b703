//! Peers over real UDP sockets: many of them on one thread, with loss on demand.
//!
//! A [`Generator`] runs a whole load on a thread of its own, a [`Publisher`] one peer. A [`Swarm`] gives each `sfu_peer::Peer` a
//! socket, the time and, if asked, a lossy way to the server; it counts what it drops. Signalling is the caller's: SDP text in
//! and out of the peers.

mod clock;
mod config;
pub mod counters;
pub mod generator;
mod kernel;
pub mod loss;
mod member;
pub mod publisher;
pub mod swarm;

pub use config::SwarmConfig;
pub use counters::Counters;
pub use generator::{Generator, GeneratorConfig, GeneratorError};
pub use loss::Loss;
pub use publisher::{Publisher, PublisherError};
pub use swarm::{PeerId, Swarm, Waker};
