//! What can go wrong on this floor.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use sfu_core::MAX_SHARDS;
use sfu_core::command::CommandError;
use sfu_transport::CertificateError;
use thiserror::Error;

use crate::config::MAX_HOLD;

/// Why a server did not start. Nothing is left of it.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum StartError {
    /// `udp` is empty.
    #[error("udp: no address to bind; give one, for example \"0.0.0.0:7882\"")]
    NoAddress,
    /// None, or more than can be told apart.
    #[error("shards: {0} is not possible: give 1 to {MAX_SHARDS}, or none for as many as this process has processors")]
    Shards(usize),
    /// Longer than [`MAX_HOLD`].
    #[error("hold: {0:?} is too long: {MAX_HOLD:?} at most")]
    Hold(Duration),
    /// There are fewer shards than processors for them.
    #[error("pin: {processors} processors for {shards} threads: name at most one for each, or set `shards`")]
    Pins {
        /// How many were named.
        processors: usize,
        /// How many threads there are.
        shards: usize,
    },
    /// A shard cannot stay on the processor that it was given.
    #[error("pin: processor {processor} is not one that this process may use (`taskset -cp $$` lists them): {source}")]
    Pin {
        /// Its number.
        processor: usize,
        /// The kernel's word.
        source: io::Error,
    },
    /// The port is taken.
    #[error("udp: port {port} is in use on {ip}: stop the other program or choose another port (0 picks a free one)", port = address.port(), ip = address.ip())]
    PortInUse {
        /// What was to be bound.
        address: SocketAddr,
        /// The kernel's word.
        source: io::Error,
    },
    /// The address is not this machine's.
    #[error("udp: {ip} is not an address of this machine: bind one that is, or \"0.0.0.0:{port}\", and give the public one as `announce`", port = address.port(), ip = address.ip())]
    NotLocal {
        /// What was to be bound.
        address: SocketAddr,
        /// The kernel's word.
        source: io::Error,
    },
    /// Another reason not to bind.
    #[error("udp: cannot bind {address}: {source}")]
    Bind {
        /// What was to be bound.
        address: SocketAddr,
        /// The kernel's word.
        source: io::Error,
    },
    /// Something is announced that nobody can reach.
    #[error("announce: {0} has no socket of its family: add an address like \"{wildcard}\" to `udp`", wildcard = if .0.is_ipv6() { "[::]:7882" } else { "0.0.0.0:7882" })]
    Announce(IpAddr),
    /// An unspecified address is announced.
    #[error("announce: {0} is no address that a peer can send to: give the one by which peers reach this machine")]
    AnnounceUnspecified(IpAddr),
    /// The own certificate cannot be used.
    #[error("certificate: {0}")]
    Certificate(#[from] CertificateError),
    /// The kernel refused something else.
    #[error("{what}: {source}")]
    System {
        /// What was tried.
        what: &'static str,
        /// The kernel's word.
        source: io::Error,
    },
}

impl StartError {
    /// For `map_err`.
    pub(crate) fn system(what: &'static str) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::System { what, source }
    }

    /// Sorts what bind(2) said.
    pub(crate) fn bind(address: SocketAddr, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::AddrInUse => Self::PortInUse { address, source },
            io::ErrorKind::AddrNotAvailable => Self::NotLocal { address, source },
            _ => Self::Bind { address, source },
        }
    }

    /// The kernel's word, when it was the kernel that refused.
    pub fn os_error(&self) -> Option<&io::Error> {
        match self {
            Self::PortInUse { source, .. }
            | Self::NotLocal { source, .. }
            | Self::Bind { source, .. }
            | Self::System { source, .. } => Some(source),
            _ => None,
        }
    }
}

/// Why a command was answered without a reply.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum CommandFailure {
    /// The core refused it; nothing has changed.
    #[error(transparent)]
    Refused(#[from] CommandError),
    /// The shard's thread has ended by a fault of ours; all its sessions are gone.
    #[error("the data plane has failed (see the log): close the server and start a new one")]
    Crashed,
}

/// Why a server takes no more commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum ServerGone {
    /// `close` was called.
    #[error("the server is closed")]
    Closed,
    /// This process is a fork of the one that started it; threads do not survive a fork.
    #[error("the server belongs to the process that started it and does not survive a fork: start it after forking")]
    Forked,
}
