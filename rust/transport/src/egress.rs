//! What leaves: datagrams written once, in place, one after another in a reused buffer.
//!
//! The core fills an [`Egress`] while it handles a batch; the runtime drains it into the sockets. Nothing is copied in
//! between: RTP is patched and sealed where it lies. Invariant: every byte range in `datagrams` lies within `bytes` and
//! ranges do not overlap.

use std::net::SocketAddr;

/// The two ends of a UDP path: the local address that the peer reached and the peer's own address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Path {
    /// The SFU's address as the peer reached it (replies leave from here, `IP_PKTINFO`).
    pub local: SocketAddr,
    /// The peer's address.
    pub remote: SocketAddr,
}

/// What a datagram is worth when not all can be sent; least worth first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// A retransmission.
    Retransmission,
    /// Video.
    Video,
    /// Audio.
    Audio,
    /// STUN, DTLS, SCTP and RTCP.
    Control,
}

/// One datagram that waits in an [`Egress`].
#[derive(Debug, Clone, Copy)]
pub struct Outgoing {
    /// Where it goes.
    pub path: Path,
    /// What it is worth.
    pub class: Class,
    start: usize,
    len: usize,
}

/// Datagrams to send, in order, in one contiguous reused buffer.
#[derive(Debug, Default)]
pub struct Egress {
    bytes: Vec<u8>,
    used: usize,
    datagrams: Vec<Outgoing>,
}

impl Egress {
    /// An empty buffer.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reserves `max_len` bytes, lets `write` fill them, and keeps as many as it returns. Zero keeps nothing.
    ///
    /// # Panics
    /// If `write` returns more than `max_len`.
    pub fn write(&mut self, path: Path, class: Class, max_len: usize, write: impl FnOnce(&mut [u8]) -> usize) {
        let end = self.used + max_len;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let len = write(&mut self.bytes[self.used..end]);
        assert!(len <= max_len, "a datagram of {len} bytes was written into {max_len}");
        if len > 0 {
            self.datagrams.push(Outgoing { path, class, start: self.used, len });
            self.used += len;
        }
    }

    /// Appends a copy of `datagram`.
    pub fn push(&mut self, path: Path, class: Class, datagram: &[u8]) {
        self.write(path, class, datagram.len(), |buffer| {
            buffer.copy_from_slice(datagram);
            datagram.len()
        });
    }

    /// The datagrams in the order in which they were written.
    pub fn iter(&self) -> impl Iterator<Item = (Outgoing, &[u8])> {
        self.datagrams.iter().map(|d| (*d, &self.bytes[d.start..d.start + d.len]))
    }

    /// The datagram that was written as the `index`th.
    pub fn get(&self, index: usize) -> Option<(Outgoing, &[u8])> {
        self.datagrams.get(index).map(|d| (*d, &self.bytes[d.start..d.start + d.len]))
    }

    /// How many bytes wait.
    pub const fn bytes(&self) -> usize {
        self.used
    }

    /// How many datagrams wait.
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Forgets all datagrams and keeps the memory.
    pub fn clear(&mut self) {
        self.datagrams.clear();
        self.used = 0;
    }
}
