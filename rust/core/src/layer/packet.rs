//! A packet on its way to the subscribers: what it is, in plain values that all of them share.

use std::time::Instant;

use sfu_wire::SeqNo;

use super::dependency_descriptor::Dependencies;
use super::facts::FrameFacts;
use crate::codec::CodecName;

/// A received packet, numbered without wraps, on its way to the subscribers.
#[derive(Debug, Clone, Copy)]
pub struct Packet<'a> {
    /// Index of the encoding by rising quality.
    pub encoding: u8,
    /// Counts the restarts of that encoding's stream: numbers and pictures before one have no relation to those after.
    pub epoch: u16,
    /// Extended, per encoding.
    pub seq: SeqNo,
    /// The highest `seq` of the encoding so far, this packet's included.
    pub newest: SeqNo,
    /// Extended, per encoding.
    pub timestamp: u64,
    /// The RTP marker.
    pub marker: bool,
    /// What it carries.
    pub codec: CodecName,
    /// Without padding; empty when the packet is padding only.
    pub payload: &'a [u8],
    /// What the payload, or the dependency descriptor in its place, says.
    pub facts: FrameFacts,
    /// Its dependency descriptor.
    pub dependencies: Dependencies<'a>,
    /// When it came.
    pub arrival: Instant,
}

impl Packet<'_> {
    /// Without what it borrows.
    pub(crate) const fn detached(&self) -> Packet<'static> {
        let Self { encoding, epoch, seq, newest, timestamp, marker, codec, facts, arrival, .. } = *self;
        let (payload, dependencies) = (&[], Dependencies::None);
        Packet { encoding, epoch, seq, newest, timestamp, marker, codec, payload, facts, dependencies, arrival }
    }
}
