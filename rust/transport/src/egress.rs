//! What leaves: datagrams written once, in place, one after another in a reused buffer.
//!
//! The core fills an [`Egress`] while it handles a batch; the runtime drains it into the sockets. Nothing is copied in
//! between: RTP is patched and sealed where it lies. Invariant: the datagrams lie in `bytes` one right behind another,
//! and the rows hold each of them once, in order.

use std::net::SocketAddr;
use std::ops::Range;

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
}

/// Datagrams of one path that were written one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// Where they go.
    pub path: Path,
    /// Which of the egress's datagrams they are.
    pub datagrams: Range<usize>,
}

/// Datagrams to send, in order, in one contiguous reused buffer.
#[derive(Debug, Default)]
pub struct Egress {
    bytes: Vec<u8>,
    used: usize,
    /// A path is large and rows are long: it is written once for each.
    rows: Vec<Row>,
    datagrams: Vec<Datagram>,
}

#[derive(Debug, Clone, Copy)]
struct Datagram {
    class: Class,
    start: usize,
    len: usize,
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
            let index = self.datagrams.len();
            self.datagrams.push(Datagram { class, start: self.used, len });
            self.used += len;
            match self.rows.last_mut() {
                Some(row) if row.path == path => row.datagrams.end = index + 1,
                _ => self.rows.push(Row { path, datagrams: index..index + 1 }),
            }
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
        let of_row = |row: &Row| {
            let path = row.path;
            self.datagrams[row.datagrams.clone()].iter().map(move |datagram| (path, datagram))
        };
        let datagrams = self.rows.iter().flat_map(of_row);
        datagrams.map(|(path, datagram)| (Outgoing { path, class: datagram.class }, self.bytes_of(datagram)))
    }

    /// The datagrams by path, as far as they were written one after another.
    pub fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// The datagram that was written as the `index`th.
    pub fn get(&self, index: usize) -> Option<(Outgoing, &[u8])> {
        let datagram = self.datagrams.get(index)?;
        let row = self.rows.get(self.rows.partition_point(|row| row.datagrams.end <= index))?;
        Some((Outgoing { path: row.path, class: datagram.class }, self.bytes_of(datagram)))
    }

    /// The bytes of the `index`th datagram; those of the next one lie right behind them.
    pub fn datagram(&self, index: usize) -> Option<&[u8]> {
        self.datagrams.get(index).map(|datagram| self.bytes_of(datagram))
    }

    /// The bytes of datagrams that were written one after another, in one piece.
    pub fn piece(&self, datagrams: Range<usize>) -> Option<&[u8]> {
        let last = datagrams.end.checked_sub(1)?;
        let (first, last) = (self.datagrams.get(datagrams.start)?, self.datagrams.get(last)?);
        self.bytes.get(first.start..last.start + last.len)
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
        self.rows.clear();
        self.used = 0;
    }

    fn bytes_of(&self, datagram: &Datagram) -> &[u8] {
        &self.bytes[datagram.start..datagram.start + datagram.len]
    }
}
