//! Scripted encoders: no pixels, but frames with true references, packets with true descriptors, and numbers that wrap soon.
//!
//! [`Encoder`] is one encoding (one SSRC). What it made is in [`Encoder::frames`], for the judges; what it sends carries a
//! [`Token`] in its last bytes, so that a judge knows each packet without trusting any header.

mod av1;
mod frame;
mod h264;
mod h265;
mod references;
mod structure;
mod token;
mod vp8;
mod vp9;

use std::num::NonZero;

use crate::random::Random;
use frame::Counters;
use references::References;

pub use av1::dependency_structure;
pub use frame::{EncodedPacket, Frame};
pub use structure::{InterLayer, Payload, Structure};
pub use token::Token;

/// See the module's text.
#[derive(Debug)]
pub struct Encoder {
    structure: Structure,
    /// Which encoding it is, for the tokens.
    source: u8,
    random: Random,
    frames: Vec<Frame>,
    references: References,
    counters: Counters,
    seq: u64,
    timestamp: u64,
    pictures: u32,
    filler: usize,
    /// Of each layer of a keyframe, if it is not left to chance.
    keyframe_packets: Option<NonZero<u8>>,
    dependencies: Option<av1::Dependencies>,
}

impl Encoder {
    /// An encoder whose packets name `source`.
    pub fn new(structure: Structure, source: u8, mut random: Random) -> Self {
        let mut near = |end: u64, before: u64| end - 1 - random.below(before);
        let counters = Counters {
            picture_id: near(1 << 15, 200) as u32,
            tl0: near(1 << 8, 100) as u8,
            key: near(1 << 5, 8) as u8,
            frame_number: near(1 << 16, 500) as u32,
        };
        let (seq, timestamp) = (near(1 << 16, 800), near(1 << 32, 20 * 90_000));
        Self {
            structure,
            source,
            references: References::new(structure),
            counters,
            seq,
            timestamp,
            random,
            frames: Vec::new(),
            pictures: 0,
            filler: 0,
            keyframe_packets: None,
            dependencies: structure.has_dependency_descriptor().then(|| av1::Dependencies::new(structure)),
        }
    }

    /// With so many bytes more in each payload.
    #[must_use]
    pub fn with_filler(self, filler: usize) -> Self {
        Self { filler, ..self }
    }

    /// With so many packets in each layer of a keyframe; 0: as many as in any other frame.
    #[must_use]
    pub fn with_keyframe_packets(self, packets: u8) -> Self {
        Self { keyframe_packets: NonZero::new(packets), ..self }
    }

    /// Everything that was encoded so far; frames are named by their place.
    pub fn frames(&self) -> &[Frame] {
        &self.frames
    }

    /// The structure.
    pub const fn structure(&self) -> &Structure {
        &self.structure
    }

    /// The RTP timestamp of the picture that comes next, without wraps.
    pub const fn timestamp(&self) -> u64 {
        self.timestamp
    }

    /// Encodes the next picture, `ticks` of 90 kHz behind the one before. The first is a keyframe whatever is asked for.
    pub fn encode(&mut self, ticks: u64, keyframe: bool, packets: &mut Vec<EncodedPacket>) {
        let keyframe = keyframe || self.pictures == 0;
        self.timestamp += ticks;
        self.references.begin_picture(keyframe);
        self.counters.picture_id += 1;
        if keyframe {
            self.counters.key = self.counters.key.wrapping_add(1) & 0x1f;
        }
        if self.references.temporal(0) == 0 {
            self.counters.tl0 = self.counters.tl0.wrapping_add(1);
        }
        let may_skip = self.structure.payload.may_skip_layers() && !keyframe && self.structure.spatial > 1;
        let skips = may_skip && self.random.chance(0.02);
        let layers = self.structure.spatial - u8::from(skips);
        for spatial in 0..layers {
            self.encode_layer(spatial, layers - 1, packets);
        }
        if let Some(last) = packets.last_mut() {
            last.marker = true;
        }
        self.pictures += 1;
        if self.random.chance(0.01) {
            self.pad(packets);
        }
    }

    fn encode_layer(&mut self, spatial: u8, top: u8, packets: &mut Vec<EncodedPacket>) {
        let index = self.frames.len() as u32;
        let temporal = self.references.temporal(spatial);
        let references = self.references.of_layer(spatial, index);
        let any = 1 + self.random.below(3) as u8;
        let large = self.keyframe_packets.filter(|_| self.references.in_keyframe());
        let count = large.map_or(any, NonZero::get);
        let entry = temporal > 0 && self.is_entry(temporal, &references);
        let frame = Frame {
            picture: self.pictures,
            spatial,
            temporal,
            references,
            entry,
            in_keyframe: self.references.in_keyframe(),
            top,
            first_seq: self.seq,
            packets: count,
            timestamp: self.timestamp,
        };
        self.frames.push(frame);
        self.counters.frame_number += 1;
        for part in 0..count {
            let mut packet = EncodedPacket { seq: self.seq, timestamp: self.timestamp, ..EncodedPacket::default() };
            self.seq += 1;
            self.write_payload(part, &mut packet);
            let token = Token { source: self.source, frame: index, part, count };
            packet.payload.extend(std::iter::repeat_n(0x55, self.filler));
            packet.payload.extend(token.to_bytes());
            packets.push(packet);
        }
        if let Some(dependencies) = &mut self.dependencies {
            dependencies.sent(&self.frames[index as usize], self.counters.frame_number);
        }
    }

    /// Whether the codec's descriptor can tell that only lower layers are referred to.
    fn is_entry(&self, temporal: u8, references: &[u32]) -> bool {
        let layer = |index: &u32| self.frames[*index as usize].temporal;
        match self.structure.payload {
            Payload::Vp8 => references.iter().all(|index| layer(index) == 0),
            _ => references.iter().all(|index| layer(index) < temporal),
        }
    }

    fn write_payload(&mut self, part: u8, packet: &mut EncodedPacket) {
        let Some(frame) = self.frames.last() else { return };
        match self.structure.payload {
            Payload::Vp8 => {
                let counters = (!self.structure.described).then_some(self.counters);
                vp8::write(&self.frames, counters, part, &mut packet.payload);
            }
            Payload::Vp9 { flexible } => {
                vp9::write(self.structure, &self.frames, self.counters, (flexible, part), &mut packet.payload);
            }
            Payload::H264 => h264::write(frame, (part, self.filler + Token::LEN), &mut packet.payload),
            Payload::H265 => h265::write(frame, (part, self.filler + Token::LEN), &mut packet.payload),
            Payload::Av1 => av1::write_payload(frame, part, &mut packet.payload),
        }
        if let Some(dependencies) = &self.dependencies {
            dependencies.write(frame, self.counters.frame_number, part, &mut packet.descriptor);
        }
    }

    /// A packet of padding only takes a number and carries nothing (RFC 3550 §5.1).
    fn pad(&mut self, packets: &mut Vec<EncodedPacket>) {
        packets.push(EncodedPacket { seq: self.seq, timestamp: self.timestamp, ..EncodedPacket::default() });
        self.seq += 1;
    }
}

#[cfg(test)]
mod tests;
