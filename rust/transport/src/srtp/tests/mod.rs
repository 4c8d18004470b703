//! Sender and receiver together, one behaviour a file, every profile.

mod input;
mod nonce;
mod replay;
mod rollover;
mod round_trip;
mod rtcp;
