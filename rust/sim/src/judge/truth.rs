//! What a publisher truly sent, and what of it reached the SFU when.

use std::collections::BTreeMap;
use std::time::Duration;

use sfu_wire::Ssrc;

use crate::encoder::{Frame, Structure};
use crate::publisher::{Publisher, Stream};
use crate::world::Reached;

/// Did not reach the SFU.
pub(super) const NEVER: u64 = u64::MAX;

/// Everything about one publisher.
#[derive(Debug)]
pub struct Truth<'a> {
    sources: Vec<Source<'a>>,
    reached: &'a [Reached],
    /// How long requests are on their way to the publisher.
    pub(super) one_way: Duration,
}

/// One stream (SSRC) of it.
#[derive(Debug)]
pub struct Source<'a> {
    /// What was encoded.
    pub frames: &'a [Frame],
    /// Of what kind.
    pub structure: Structure,
    /// Its place among the encodings, by rising quality.
    pub place: u8,
    /// When it was asked for keyframes.
    pub requests: &'a [Duration],
    /// The step in which something of the stream that took its place reached the SFU: from then on it is over, for stragglers too.
    pub(super) replaced: u64,
    first_seq: u64,
    /// By sequence number: the step in which it first reached the SFU.
    arrived: Vec<u64>,
    /// By sequence number: the frame; none for padding.
    owner: Vec<Option<u32>>,
}

impl<'a> Truth<'a> {
    /// From the publisher and what the world noted of it.
    pub fn new(publisher: &'a Publisher, reached: &'a [Reached], one_way: Duration) -> Self {
        let mut sources: Vec<Source<'a>> = publisher.streams().iter().map(Source::new).collect();
        let mut newest: BTreeMap<Ssrc, u64> = BTreeMap::new();
        let mut repairs: BTreeMap<Ssrc, u64> = BTreeMap::new();
        for packet in reached {
            for (stream, source) in publisher.streams().iter().zip(&mut sources) {
                if stream.ssrc() == packet.ssrc {
                    let newest = newest.entry(packet.ssrc).or_insert(source.first_seq);
                    let seq = extend(*newest, packet.seq);
                    *newest = seq.max(*newest);
                    source.arrive(seq, packet.step);
                } else if stream.rtx_ssrc() == packet.ssrc {
                    let newest = repairs.entry(packet.ssrc).or_insert(0);
                    let number = extend(*newest, packet.seq);
                    *newest = number.max(*newest);
                    if let Some(seq) = stream.repaired(number as usize) {
                        source.arrive(seq, packet.step);
                    }
                }
            }
        }
        note_successors(&mut sources);
        Self { sources, reached, one_way }
    }

    /// The stream that tokens name `source`.
    pub(super) fn source(&self, source: u8) -> Option<&Source<'a>> {
        self.sources.get(usize::from(source))
    }

    /// When the step was, of those in which something reached the SFU.
    pub(super) fn time(&self, step: u64) -> Duration {
        let found = self.reached.partition_point(|packet| packet.step < step);
        self.reached.get(found).map_or(Duration::MAX, |packet| packet.at)
    }

    /// All of them.
    pub(super) fn sources(&self) -> &[Source<'a>] {
        &self.sources
    }
}

impl<'a> Source<'a> {
    fn new(stream: &'a Stream) -> Self {
        let frames = stream.encoder().frames();
        let first_seq = frames.first().map_or(0, |frame| frame.first_seq);
        let end = frames.last().map_or(0, |frame| frame.first_seq + u64::from(frame.packets));
        let mut owner = vec![None; (end - first_seq) as usize];
        for (index, frame) in (0..).zip(frames) {
            let start = (frame.first_seq - first_seq) as usize;
            owner[start..start + usize::from(frame.packets)].fill(Some(index));
        }
        let structure = *stream.encoder().structure();
        let (place, requests) = (stream.place(), stream.requests());
        let arrived = vec![NEVER; owner.len()];
        Self { frames, structure, place, requests, replaced: NEVER, first_seq, arrived, owner }
    }

    fn arrive(&mut self, seq: u64, step: u64) {
        if let Some(place) = seq.checked_sub(self.first_seq).and_then(|place| self.arrived.get_mut(place as usize)) {
            *place = (*place).min(step);
        }
    }

    /// The step in which the packet first reached the SFU.
    pub(super) fn arrival(&self, seq: u64) -> u64 {
        seq.checked_sub(self.first_seq).and_then(|place| self.arrived.get(place as usize)).copied().unwrap_or(NEVER)
    }

    /// The frame that the packet belongs to.
    pub(super) fn owner(&self, seq: u64) -> Option<u32> {
        self.owner.get(seq.checked_sub(self.first_seq)? as usize).copied().flatten()
    }

    /// The steps in which the packets of a frame reached the SFU.
    pub(super) fn arrivals(&self, frame: u32) -> impl Iterator<Item = u64> {
        let Frame { first_seq, packets, .. } = self.frames[frame as usize];
        (0..u64::from(packets)).map(move |part| self.arrival(first_seq + part))
    }

    /// The step in which the last packet of a frame reached the SFU; [`NEVER`] when one did not.
    pub(super) fn complete(&self, frame: u32) -> u64 {
        self.arrivals(frame).max().unwrap_or(NEVER)
    }

    /// The step in which the first did.
    pub(super) fn noticed(&self, frame: u32) -> u64 {
        self.arrivals(frame).min().unwrap_or(NEVER)
    }
}

/// A later stream of the same place takes it over with the first packet of it that comes.
fn note_successors(sources: &mut [Source<'_>]) {
    for index in 0..sources.len() {
        let (before, after) = sources.split_at_mut(index + 1);
        let [.., source] = before else { continue };
        let successors = after.iter().filter(|other| other.place == source.place);
        source.replaced = successors.flat_map(|other| &other.arrived).copied().min().unwrap_or(NEVER);
    }
}

/// The number with these lower bits that is closest to `near`.
fn extend(near: u64, bits: u16) -> u64 {
    let ahead = i64::from(bits.wrapping_sub(near as u16) as i16);
    near.saturating_add_signed(ahead)
}

#[cfg(test)]
impl<'a> Source<'a> {
    /// Of frames of one packet each, which came in these steps.
    pub(super) fn of(frames: &'a [Frame], structure: Structure, place: u8, arrived: Vec<u64>) -> Self {
        let owner = (0..frames.len() as u32).map(Some).collect();
        Self { frames, structure, place, requests: &[], replaced: NEVER, first_seq: 0, arrived, owner }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::Payload;

    #[test]
    fn a_stream_is_over_when_anything_of_the_one_in_its_place_came() {
        let structure = Structure::single(Payload::Vp8);
        let mut sources = [(0, vec![3, 40]), (1, vec![5, 6]), (0, vec![NEVER, 30, 20])]
            .map(|(place, arrived)| Source::of(&[], structure, place, arrived));
        note_successors(&mut sources);
        assert_eq!(sources.map(|source| source.replaced), [20, NEVER, NEVER]);
    }
}
