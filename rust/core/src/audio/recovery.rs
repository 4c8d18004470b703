//! What redundancy gives back: frames in a RED packet whose own packets have not come (RFC 2198 §4).
//!
//! A block says how old its frame is, not which packet it was; it is the packet as many before as it stands before the new
//! frame, unless a packet that has come says otherwise. Invariant: a frame is given back at most once.

use sfu_wire::SeqNo;
use sfu_wire::payload::OpusToc;
use sfu_wire::payload::red::RedPayload;

use super::form::MAX_BACK;
use crate::codec::CodecName;
use crate::layer::{Dependencies, Packet};
use crate::stream::History;

/// What is further behind the newest packet comes too late to be played. (`NetEq` holds some 200 ms, ten packets of 20 ms.)
const WINDOW: u64 = 64;

/// See the module's text.
#[derive(Debug, Clone, Default)]
pub(crate) struct Recovery {
    newest: u64,
    /// Bit n: the packet n before the newest was given back.
    given: u64,
}

/// A frame that came in another's packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Found {
    /// So many before the new frame.
    pub(crate) back: u8,
    pub(crate) seq: SeqNo,
    pub(crate) timestamp: u64,
}

/// The frames that one packet gives back, oldest first.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Recovered {
    frames: [Found; MAX_BACK],
    len: usize,
}

impl Recovered {
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Found> {
        self.frames[..self.len].iter()
    }
}

impl Recovery {
    /// What is missing and in `packet`.
    pub(crate) fn take(&mut self, packet: &Packet<'_>, history: &History) -> Recovered {
        let mut recovered = Recovered::default();
        if packet.codec != CodecName::Red || packet.newest.get() > packet.seq.get() + WINDOW / 2 {
            return recovered;
        }
        self.move_to(packet.newest.get());
        let Some((frames, count)) = frames(packet).filter(|(frames, count)| agree(&frames[..*count], history)) else {
            return recovered;
        };
        for frame in frames[..count].iter().rev() {
            if history.get(frame.seq).is_none() && !self.contains(frame.seq) {
                self.given |= self.bit(frame.seq);
                recovered.frames[recovered.len] = *frame;
                recovered.len += 1;
            }
        }
        recovered
    }

    /// Whether this packet was given back before it came.
    pub(crate) fn contains(&self, seq: SeqNo) -> bool {
        self.given & self.bit(seq) != 0
    }

    fn move_to(&mut self, newest: u64) {
        let ahead = newest.saturating_sub(self.newest);
        self.given = u32::try_from(ahead).ok().and_then(|ahead| self.given.checked_shl(ahead)).unwrap_or(0);
        self.newest = self.newest.max(newest);
    }

    fn bit(&self, seq: SeqNo) -> u64 {
        let behind = self.newest.checked_sub(seq.get()).filter(|behind| *behind < WINDOW);
        behind.map_or(0, |behind| 1 << behind)
    }
}

/// The earlier frames in a RED packet, newest first. `None`: one is empty, or they do not follow each other in time.
fn frames(packet: &Packet<'_>) -> Option<([Found; MAX_BACK], usize)> {
    let red = RedPayload::parse(packet.payload).ok()?;
    let blocks = red.blocks().count().checked_sub(1)?;
    let mut frames = [Found::default(); MAX_BACK];
    let count = blocks.min(MAX_BACK);
    let mut ends = 0;
    for (index, block) in red.blocks().take(blocks).enumerate() {
        let timestamp = packet.timestamp.checked_sub(u64::from(block.timestamp_offset))?;
        let back = blocks - index;
        let ticks = OpusToc::parse(block.data).map_or(0, OpusToc::ticks);
        if block.data.is_empty() || timestamp < ends || timestamp + u64::from(ticks) > packet.timestamp {
            return None;
        }
        ends = timestamp + u64::from(ticks);
        if back <= count {
            let seq = SeqNo::new(packet.seq.get().checked_sub(back as u64)?);
            frames[back - 1] = Found { back: back as u8, seq, timestamp };
        }
    }
    Some((frames, count))
}

/// Whether the packets that have come are those that their places say.
fn agree(frames: &[Found], history: &History) -> bool {
    let timestamp = |seq: SeqNo| Some(history.get(seq)?.packet(seq, Dependencies::None).timestamp);
    let oldest = frames.last();
    let before = oldest.and_then(|oldest| timestamp(SeqNo::new(oldest.seq.get().checked_sub(1)?)));
    frames.iter().all(|frame| timestamp(frame.seq).is_none_or(|came| came == frame.timestamp))
        && oldest.is_none_or(|oldest| before.is_none_or(|before| before < oldest.timestamp))
}

#[cfg(test)]
mod tests;
