//! A session's transports as the application names them, and the state of its media path.

/// Which of a session's transports is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransportKind {
    /// The only one (`Offers::Either`, `Offers::Client`).
    Main,
    /// The one that the client offers (`Offers::Split`).
    Publisher,
    /// The one that the server offers (`Offers::Split`).
    Subscriber,
}

impl TransportKind {
    /// Its name in the API and in signalling.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Main => "main",
            Self::Publisher => "publisher",
            Self::Subscriber => "subscriber",
        }
    }
}

/// The state of a session's media path, worst of its transports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConnectionState {
    /// Waiting for checks and the handshake.
    Connecting,
    /// Keys are there and the peer consents.
    Connected,
    /// Consent expired (RFC 7675); media is held back; a check revives it.
    Disconnected,
    /// Over.
    Closed,
}
