//! What leaves a shard: the core writes into the egress, and the kernel gets it a portion at a time.

use sfu_transport::Egress;

use crate::socket::{Sender, SocketsKernel, UdpSocket};
use crate::sys::SendBuffers;

/// Bytes that are written before they are sent. Higher: longer runs, fewer system calls. Lower: the kernel finds them in the cache
/// when it copies them, and the first datagrams of a batch do not wait for the sealing of the others. (16, 32, 64 and 128 kB
/// cost the same by the packet, over loopback and over a wire.)
pub(super) const PORTION: usize = 32 << 10;

/// See the module's text.
pub(super) struct Outflow {
    pub(super) egress: Egress,
    sender: Sender,
    buffers: SendBuffers,
    /// Datagrams that were given to the sender.
    given: usize,
}

impl Outflow {
    pub(super) fn new(sockets: &[UdpSocket]) -> Self {
        let sender = Sender::new(sockets.iter().map(UdpSocket::outlet).collect());
        Self { egress: Egress::new(), sender, buffers: SendBuffers::default(), given: 0 }
    }

    pub(super) const fn sender(&self) -> &Sender {
        &self.sender
    }

    /// How many datagrams were written since the last time this was asked.
    pub(super) fn take_given(&mut self) -> usize {
        std::mem::take(&mut self.given)
    }

    /// Gives the kernel what was written, once it is a whole portion.
    pub(super) fn flush_portion(&mut self, sockets: &[UdpSocket]) {
        if self.egress.bytes() >= PORTION {
            self.flush(sockets);
        }
    }

    /// Gives the kernel what waited for room and what was written since.
    pub(super) fn flush(&mut self, sockets: &[UdpSocket]) {
        if self.egress.is_empty() && !self.sender.waits() {
            return;
        }
        self.given += self.egress.len();
        self.sender.flush(&mut SocketsKernel { sockets, buffers: &mut self.buffers }, &self.egress);
        self.egress.clear();
    }
}
