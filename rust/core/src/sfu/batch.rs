//! What came in and has not gone out yet: the packets that were read together, by track.
//!
//! A shard reads many datagrams at once, often all packets of a frame. Each is taken in by itself (numbered, understood, kept in
//! the history), and waits here, so that a subscriber gets all of them in a row: its state is fetched once for a frame and not
//! once for a packet, and what is of one size leaves as one message. The bytes are copied: the history may be overwritten
//! while a long batch is taken in. After warm-up nothing allocates.

use std::ops::Range;

use crate::arena::ConnectionId;
use crate::id::TrackId;
use crate::layer::{Packet, Reading};
use crate::stream::{Mark, StoredExtensions};

/// Packets that go to a subscriber in a row: few frames are longer. Higher: its state is fetched less often when they are. Lower: a
/// packet that came alone costs less, and the last subscriber waits less when much was read together.
const ROW: usize = 8;

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Batch {
    bytes: Vec<u8>,
    packets: Vec<Taken>,
    /// In the order of their first packets.
    tracks: Vec<Group>,
    /// The one that goes out.
    current: usize,
    /// So many of its subscribers have got the row of packets that goes out.
    served: usize,
    /// Something has changed for one of them.
    unsettled: bool,
}

/// The packets of one track.
#[derive(Debug)]
struct Group {
    track: TrackId,
    from: Option<ConnectionId>,
    /// The first that has not gone out to all.
    first: Option<usize>,
    last: usize,
}

#[derive(Debug)]
struct Taken {
    /// Without what it borrows.
    packet: Packet<'static>,
    reading: Reading,
    extensions: Range<usize>,
    payload: Range<usize>,
    mark: Mark,
    /// The next one of the same track.
    next: Option<usize>,
}

/// A packet of a batch.
#[derive(Debug, Clone)]
pub(super) struct Waiting<'a> {
    pub(super) packet: Packet<'a>,
    pub(super) extensions: StoredExtensions<'a>,
    /// Its place in the history.
    pub(super) mark: Mark,
}

impl Batch {
    /// Whether nothing waits.
    pub(super) const fn is_empty(&self) -> bool {
        self.tracks.is_empty()
    }

    /// Whether packets wait that came over this connection.
    pub(super) fn is_from(&self, connection: ConnectionId) -> bool {
        self.tracks.iter().any(|group| group.from == Some(connection))
    }

    /// Takes a packet that is in the history at `mark`, with its extensions.
    pub(super) fn push<'e>(
        &mut self,
        (from, track): (Option<ConnectionId>, TrackId),
        packet: &Packet<'_>,
        extensions: impl Iterator<Item = (u8, &'e [u8])>,
        mark: Mark,
    ) {
        let start = self.bytes.len();
        StoredExtensions::write(&mut self.bytes, extensions);
        let middle = self.bytes.len();
        self.bytes.extend_from_slice(packet.payload);
        let index = self.packets.len();
        self.packets.push(Taken {
            packet: packet.detached(),
            reading: Reading::of(packet.dependencies),
            extensions: start..middle,
            payload: middle..self.bytes.len(),
            mark,
            next: None,
        });
        // The packets of a frame come in a row.
        match self.tracks.iter_mut().rev().find(|group| group.track == track) {
            Some(group) => {
                self.packets[group.last].next = Some(index);
                group.last = index;
            }
            None => self.tracks.push(Group { track, from, first: Some(index), last: index }),
        }
    }

    /// The track that goes out now.
    pub(super) fn track(&self) -> Option<TrackId> {
        self.tracks.get(self.current).map(|group| group.track)
    }

    /// Its next packets, as they came.
    pub(super) fn row(&self) -> [Option<Waiting<'_>>; ROW] {
        let mut next = self.tracks.get(self.current).and_then(|group| group.first);
        std::array::from_fn(|_| {
            let taken = self.packets.get(next?)?;
            next = taken.next;
            Some(self.waiting(taken))
        })
    }

    fn waiting<'a>(&'a self, taken: &'a Taken) -> Waiting<'a> {
        let packet = Packet {
            payload: &self.bytes[taken.payload.clone()],
            dependencies: taken.reading.as_ref(),
            ..taken.packet
        };
        let extensions = StoredExtensions::new(&self.bytes[taken.extensions.clone()]);
        Waiting { packet, extensions, mark: taken.mark }
    }

    /// How many of the track's subscribers have got that row.
    pub(super) const fn served(&self) -> usize {
        self.served
    }

    /// So many have now; `unsettled`: and something has changed for one of them.
    pub(super) const fn serve(&mut self, served: usize, unsettled: bool) {
        self.served = served;
        self.unsettled |= unsettled;
    }

    /// Everybody has got the row; whether something has changed for one of them.
    pub(super) fn next_row(&mut self) -> bool {
        if let Some(group) = self.tracks.get_mut(self.current) {
            for _ in 0..ROW {
                group.first = group.first.and_then(|first| self.packets.get(first)?.next);
            }
            self.current += usize::from(group.first.is_none());
        }
        self.served = 0;
        std::mem::replace(&mut self.unsettled, false)
    }

    /// Forgets everything and keeps the memory.
    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.packets.clear();
        self.tracks.clear();
        (self.current, self.served, self.unsettled) = (0, 0, false);
    }
}
