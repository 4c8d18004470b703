//! What a capture's encodings come to, for the report.

use std::collections::{BTreeMap, BTreeSet};

use sfu_wire::{Extension, SeqExtender, SeqNo, Ssrc};

use super::flow::rtp;
use super::frames::Frames;
use super::report::EncodingReport;
use super::streams::{Role, Streams};
use crate::capture::Capture;
use crate::world::Reached;

/// The encodings by rising quality; `keyframes` as the SFU counted them.
pub(super) fn encodings(
    capture: &Capture,
    streams: &Streams,
    (codec, extensions): (&str, &[(u8, Extension)]),
    keyframes: &[u64],
) -> Vec<EncodingReport> {
    let reports = streams.encodings.iter().enumerate().map(|(index, encoding)| {
        let mut frames = Frames::default();
        let mut numbers: BTreeMap<Ssrc, Numbers> = BTreeMap::new();
        for packet in capture.records.iter().filter_map(rtp) {
            if encoding.ssrcs.contains(&packet.header().ssrc) {
                frames.take(&packet, codec, extensions);
                numbers.entry(packet.header().ssrc).or_default().take(packet.header().seq);
            }
        }
        let repairs = streams.roles.iter().filter(|(_, role)| **role == Role::Repair(index));
        EncodingReport {
            rid: encoding.rid.clone(),
            ssrcs: encoding.ssrcs.iter().map(|ssrc| ssrc.get()).collect(),
            repairs: repairs.map(|(ssrc, _)| ssrc.get()).collect(),
            payload_types: encoding.payload_types.keys().copied().collect(),
            packets: encoding.packets as u64,
            bytes: encoding.bytes as u64,
            bitrate: encoding.rate() as u64,
            frames: frames.count(),
            keyframes: keyframes.get(index).copied().unwrap_or_default(),
            missing: numbers.values().map(Numbers::missing).sum(),
        }
    });
    reports.collect()
}

/// Packets of the encodings that reached the SFU behind one of a higher number.
pub(super) fn overtaken(reached: &[Reached], streams: &Streams) -> u64 {
    let mut newest: BTreeMap<Ssrc, (SeqExtender, SeqNo)> = BTreeMap::new();
    let media = reached.iter().filter(|packet| matches!(streams.roles.get(&packet.ssrc), Some(Role::Media(_))));
    let behind = media.filter(|packet| {
        let (extender, newest) = newest.entry(packet.ssrc).or_default();
        let seq = extender.extend(packet.seq);
        *newest = seq.max(*newest);
        seq < *newest
    });
    behind.count() as u64
}

/// Which sequence numbers of an SSRC there are.
#[derive(Debug, Default)]
struct Numbers {
    extender: SeqExtender,
    seen: BTreeSet<SeqNo>,
}

impl Numbers {
    fn take(&mut self, seq: u16) {
        let seq = self.extender.extend(seq);
        self.seen.insert(seq);
    }

    fn missing(&self) -> u64 {
        match (self.seen.first(), self.seen.last()) {
            (Some(first), Some(last)) => last.get() - first.get() + 1 - self.seen.len() as u64,
            _ => 0,
        }
    }
}
