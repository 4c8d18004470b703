//! What a peer's description says about its transport.

use sfu_transport::Fingerprint;

use crate::command::IceCredentials;

/// The peer's side of the transport.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteTransport {
    /// The peer's.
    pub credentials: IceCredentials,
    /// The peer's certificate matches one of these (RFC 8122 §5).
    pub fingerprints: Vec<Fingerprint>,
    /// Present when data channels are negotiated.
    pub sctp: Option<RemoteSctp>,
}

/// The peer's SCTP endpoint (RFC 8841).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RemoteSctp {
    /// `a=sctp-port`.
    pub port: u16,
    /// The largest message that the peer takes, in bytes; 0: any.
    pub max_message_size: u64,
}
