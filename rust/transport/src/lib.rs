//! One secured path to one peer, sans-IO: demultiplexing, ICE-lite, DTLS, SRTP, SCTP and data channels.
//!
//! [`Transport`] is the composition: datagrams go in by [`Transport::handle_datagram`], clear RTP and RTCP come back in
//! place, and everything that leaves is written into an [`Egress`]. [`Secured`] is its upper half, which works for either
//! DTLS role and over any path: the client's side of a call is built on it. No sockets, no clock, no rooms.

pub mod certificate;
pub mod channels;
pub mod classify;
pub mod drops;
pub mod dtls;
pub mod egress;
pub mod fingerprint;
pub mod ice;
mod pem;
pub mod random;
pub mod sctp;
pub mod secured;
pub mod srtp;
pub mod transport;

pub use certificate::{Certificate, CertificateError};
pub use channels::{ChannelError, ChannelEvent, ChannelParameters, SctpParameters, StreamId};
pub use classify::{DatagramKind, classify};
pub use drops::{DropCounts, DropReason};
pub use dtls::DtlsRole;
pub use egress::{Class, Egress, Outgoing, Path};
pub use fingerprint::{Fingerprint, FingerprintAlgorithm};
pub use ice::{IceCredentials, stun_local_ufrag};
pub use random::Random;
pub use secured::{Secured, SecuredConfig, SecuredEvent, TransportClose};
pub use srtp::SrtpProfile;
pub use transport::{Counters, Incoming, Remote, Transport, TransportConfig, TransportEvent, TransportState};
