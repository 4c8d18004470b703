//! What went over the sockets of a swarm, and what its dice took away.

use std::collections::BTreeMap;

use sfu_transport::{DatagramKind, classify};
use sfu_wire::rtp::RtpPeek;
use sfu_wire::{Pt, Ssrc};

/// Of a whole swarm.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that left through the sockets.
    pub sent: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Datagrams that reached the peers.
    pub received: u64,
    /// Their bytes.
    pub received_bytes: u64,
    /// Datagrams lost on purpose on the way up.
    pub lost_up: u64,
    /// Datagrams lost on purpose on the way down.
    pub lost_down: u64,
    /// Datagrams that a socket did not take: its buffer was full.
    pub refused: u64,
}

/// RTP packets of one stream that were lost on purpose. SRTP leaves the header in the clear, so streams can be told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Dropped {
    /// The payload type of the last one.
    pub pt: Pt,
    /// How many.
    pub packets: u64,
}

/// Of one way of one peer.
#[derive(Debug, Default)]
pub(crate) struct DroppedStreams(BTreeMap<Ssrc, Dropped>);

impl DroppedStreams {
    pub(crate) fn note(&mut self, datagram: &[u8]) {
        if classify(datagram) != DatagramKind::Rtp {
            return;
        }
        if let Ok(header) = RtpPeek::parse(datagram) {
            let dropped = self.0.entry(header.ssrc).or_insert(Dropped { pt: header.pt, packets: 0 });
            dropped.pt = header.pt;
            dropped.packets += 1;
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (Ssrc, Dropped)> {
        self.0.iter().map(|(ssrc, dropped)| (*ssrc, *dropped))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_media_is_told_apart_by_stream() {
        let mut dropped = DroppedStreams::default();
        let rtp = |ssrc: u8| [0x80, 111, 0, 1, 0, 0, 0, 0, 0, 0, 0, ssrc, 1, 2, 3];
        dropped.note(&rtp(5));
        dropped.note(&rtp(5));
        dropped.note(&rtp(9));
        // A receiver report, a binding request, nothing.
        dropped.note(&[0x80, 201, 0, 1, 0, 0, 0, 5]);
        dropped.note(&[0, 1, 0, 0]);
        dropped.note(&[]);
        let counts: Vec<_> = dropped.iter().map(|(ssrc, d)| (ssrc.get(), d.pt.get(), d.packets)).collect();
        assert_eq!(counts, [(5, 111, 2), (9, 111, 1)]);
    }
}
