//! The SFU as pure state: sessions, tracks, subscriptions, layer selection, rewriting, negotiation and rooms.
//!
//! Nothing here opens a socket, reads a clock or starts a thread: datagrams and commands go in with the time, datagrams and
//! events come out. The same input gives the same output. [`Sfu`] is the door.

pub mod allocate;
mod arena;
mod audio;
mod bandwidth;
mod binding;
mod change;
mod channel;
mod clock;
pub mod codec;
pub mod command;
pub mod config;
mod connection;
mod demand;
mod demux;
mod dump;
pub mod event;
pub mod forward;
mod header;
pub mod id;
pub mod keyframe;
mod keyframe_start;
pub mod layer;
pub mod nack;
pub mod negotiation;
mod outbox;
mod pending;
pub mod relay;
mod replaced;
mod rewrite;
mod room;
mod session;
mod sfu;
pub mod speakers;
pub mod stats;
pub mod stream;
mod subscription;
pub mod tap;
mod timers;
mod track;
pub mod transport;

pub use demux::{MAX_SHARDS, shard_of_ufrag};
pub use sfu::Sfu;
