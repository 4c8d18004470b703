//! SRTP and SRTCP (RFC 3711, RFC 7714): seals what leaves and opens what arrives, in place.
//!
//! Key derivation, indices and replay windows are ours, the ciphers are those of `aws-lc-rs`. [`SrtpSender`] owns one
//! direction's key and [`SrtpReceiver`] the other's; both are keyed once, from the material that DTLS exports
//! (RFC 5764 §4.2). Invariants: no key seals two packets under one nonce, and state changes only after a packet is
//! authentic.

mod cipher;
mod cm;
mod ctr;
mod error;
mod gcm;
mod header;
mod index;
mod kdf;
mod keys;
mod profile;
mod receiver;
mod replay;
mod rtcp_index;
mod secret;
mod sender;
mod streams;

pub use error::SrtpError;
pub use keys::{KeySalt, SrtpKeys};
pub use profile::SrtpProfile;
pub use receiver::SrtpReceiver;
pub use sender::SrtpSender;

#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
