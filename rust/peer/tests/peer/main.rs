//! Peers on both sides of a relay that forwards everything unchanged, in virtual time.

#![allow(clippy::unwrap_used)]

mod call;
mod clips;
mod load;
mod relay;
