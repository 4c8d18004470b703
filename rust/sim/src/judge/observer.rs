//! What one subscriber got and wanted, noted as it happened.

use std::time::Duration;

use sfu_core::layer::Layer;
use sfu_wire::rtp::RtpPacket;
use sfu_wire::{SeqExtender, Ssrc};

use super::reader::{Descriptors, Reader};
use crate::encoder::{Structure, Token};

/// One packet on the subscriber's primary stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Got {
    /// The step in which the SFU sent it, or the last one in which it may have.
    pub step: u64,
    /// The first one in which it may have.
    pub since: u64,
    /// Since the beginning of the scenario.
    pub at: Duration,
    /// What it is.
    pub token: Token,
    /// Its number here, without wraps.
    pub out: u64,
    /// As in the packet.
    pub timestamp: u32,
    /// As in the packet.
    pub marker: bool,
    /// What a receiver reads of it.
    pub descriptors: Descriptors,
}

/// A wish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The step in which the SFU was told.
    pub step: u64,
    /// Since the beginning of the scenario.
    pub at: Duration,
    /// Nothing above this.
    pub layer: Layer,
}

/// See the module's text.
#[derive(Debug)]
pub struct Observer {
    ssrc: Ssrc,
    numbers: SeqExtender,
    reader: Reader,
    /// In the order in which they came.
    pub(super) got: Vec<Got>,
    /// In order.
    pub(super) targets: Vec<Target>,
    /// Packets on the primary stream that carry no payload or no token.
    pub(super) strange: u64,
    /// The step and time until which it was observed.
    pub(super) end: (u64, Duration),
}

impl Observer {
    /// Of the stream `ssrc`, whose packets are of this kind.
    pub fn new(ssrc: Ssrc, structure: Structure) -> Self {
        Self {
            ssrc,
            numbers: SeqExtender::default(),
            reader: Reader::new(structure),
            got: Vec::new(),
            targets: Vec::new(),
            strange: 0,
            end: (u64::MAX, Duration::MAX),
        }
    }

    /// A clear RTP packet came.
    pub fn handle_rtp(&mut self, (since, step, at): (u64, u64, Duration), packet: &[u8]) {
        let Ok(packet) = RtpPacket::parse(packet) else {
            self.strange += 1;
            return;
        };
        let header = packet.header();
        if header.ssrc != self.ssrc {
            return;
        }
        let Some(token) = Token::of_payload(packet.payload()) else {
            self.strange += 1;
            return;
        };
        self.got.push(Got {
            step,
            since,
            at,
            token,
            out: self.numbers.extend(header.seq).get(),
            timestamp: header.timestamp,
            marker: header.marker,
            descriptors: self.reader.read(&packet),
        });
    }

    /// The subscriber wants another layer.
    pub fn wants(&mut self, (step, at): (u64, Duration), layer: Layer) {
        self.targets.push(Target { step, at, layer });
    }

    /// Nothing is observed any more.
    pub fn ends(&mut self, step: u64, at: Duration) {
        self.end = (step, at);
    }

    /// How many packets came on the primary stream.
    pub fn packets(&self) -> usize {
        self.got.len()
    }
}
