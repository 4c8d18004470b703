//! The SFU as pure state: sessions, tracks, subscriptions, layer selection, rewriting, negotiation and rooms.
//!
//! Nothing here opens a socket, reads a clock or starts a thread: datagrams and commands go in with the time, datagrams and
//! events come out. The same input gives the same output.

pub mod codec;
pub mod command;
pub mod config;
pub mod event;
pub mod id;
pub mod layer;
pub mod negotiation;
pub mod stats;
