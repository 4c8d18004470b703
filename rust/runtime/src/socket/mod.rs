//! UDP sockets: binding, what is announced, and sending an egress in as few messages as it takes.
//!
//! Sockets are of one family each, so an address is never IPv4 mapped into IPv6. Invariant: a socket says for every
//! datagram which local address it reached, and sends from the address that it is told.

mod bind;
mod break_even;
mod candidates;
mod flow_table;
mod plan;
mod send;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};

pub(crate) use bind::{Bound, bind};
pub(crate) use candidates::candidates;
pub(crate) use flow_table::FlowTable;
pub(crate) use send::{Dropped, Outlet, Sender, SocketsKernel};

/// One bound socket.
#[derive(Debug)]
pub(crate) struct UdpSocket {
    socket: socket2::Socket,
    local: SocketAddr,
    /// The kernel cuts one message into many datagrams (`UDP_SEGMENT`).
    offload: bool,
}

impl UdpSocket {
    /// What it is bound to.
    pub(crate) fn local(&self) -> SocketAddr {
        self.local
    }

    /// The address that a datagram reached, given what the kernel said of it.
    pub(crate) fn reached(&self, ip: Option<IpAddr>) -> SocketAddr {
        SocketAddr::new(ip.unwrap_or(self.local.ip()), self.local.port())
    }

    /// Where it stands for sending.
    pub(crate) fn outlet(&self) -> Outlet {
        Outlet::new(self.local, if self.offload { break_even::fewest_to_cut() } else { usize::MAX })
    }
}

impl AsFd for UdpSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}
