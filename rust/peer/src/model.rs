//! Encoders from outside: frames of any codec with true references. The peer gives their packets numbers and times, and writes into
//! the end of each payload what it is ([`Proof`], then [`ModelFrame`], then the length), for the peer that receives it.

use std::fmt::Debug;
use std::time::Duration;

use sfu_wire::Rid;

use crate::proof::Proof;

/// Frames that one frame refers to; the scripted patterns have four at most.
const MAX_REFERENCES: usize = 6;
/// Index, part, parts, spatial and temporal layer, count of references, references as distances.
const FRAME_LEN: usize = 9 + 2 * MAX_REFERENCES;
/// The length at the very end.
const LENGTH_LEN: usize = 2;

/// Makes the frames of one encoding.
pub trait Model: Debug + Send {
    /// Encodes the next picture, `ticks` of 90 kHz behind the one before; the first is a keyframe whatever is asked for.
    fn encode(&mut self, ticks: u64, keyframe: bool, packets: &mut Vec<ModelPacket>);
}

/// A packet before it has a header.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelPacket {
    /// The last of its picture.
    pub marker: bool,
    /// Ends with [`ModelSource::TAIL`] bytes at least that are the peer's to write.
    pub payload: Vec<u8>,
    /// The value of the dependency descriptor extension; may be empty.
    pub descriptor: Vec<u8>,
    /// What it truly is.
    pub frame: ModelFrame,
}

/// One frame as it truly is, and which packet of it this one is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ModelFrame {
    /// Counts the frames of the encoding.
    pub index: u32,
    /// This packet's place in it.
    pub part: u8,
    /// How many packets it has.
    pub parts: u8,
    /// The spatial layer inside the encoding.
    pub spatial: u8,
    /// The temporal layer.
    pub temporal: u8,
    /// Frames of the encoding that it cannot be decoded without; none: decoding can start here.
    pub references: Vec<u32>,
}

/// A video source of models.
#[derive(Debug)]
pub struct ModelSource {
    /// Of every encoding.
    pub codec: crate::PeerCodec,
    /// By rising quality; more than one is simulcast and each needs a rid.
    pub encodings: Vec<(Option<Rid>, Box<dyn Model>)>,
    /// Of every encoding.
    pub frames_per_second: u32,
    /// From a keyframe request to the first frame that may be one.
    pub keyframe_delay: Duration,
}

impl ModelSource {
    /// The bytes at the end of each payload in which the peer writes.
    pub const TAIL: usize = Proof::MIN_LEN + FRAME_LEN + LENGTH_LEN;
}

impl ModelPacket {
    /// Fills the end of the payload.
    pub(crate) fn prove(&mut self, proof: &Proof) {
        let frame = self.frame.to_bytes();
        let start = self.payload.len().saturating_sub(ModelSource::TAIL);
        self.payload.resize(start + ModelSource::TAIL, 0);
        let (proven, length) = self.payload[start..].split_at_mut(ModelSource::TAIL - LENGTH_LEN);
        proof.write_with(&frame, proven);
        length.copy_from_slice(&(ModelSource::TAIL as u16).to_be_bytes());
    }
}

impl ModelFrame {
    /// What the end of a payload proves; `None`: it is of no model, or a byte has changed there.
    pub(crate) fn of_payload(payload: &[u8]) -> Option<(Proof, Self)> {
        let (rest, length) = payload.split_last_chunk::<LENGTH_LEN>()?;
        let tail = usize::from(u16::from_be_bytes(*length)).checked_sub(LENGTH_LEN)?;
        let (proof, frame) = Proof::parse_with::<FRAME_LEN>(rest.get(rest.len().checked_sub(tail)?..)?)?;
        Some((proof, Self::parse(frame)))
    }

    fn to_bytes(&self) -> [u8; FRAME_LEN] {
        let mut bytes = [0; FRAME_LEN];
        bytes[..4].copy_from_slice(&self.index.to_be_bytes());
        let count = self.references.len().min(MAX_REFERENCES);
        bytes[4..9].copy_from_slice(&[self.part, self.parts, self.spatial, self.temporal, count as u8]);
        for (place, reference) in bytes[9..].as_chunks_mut::<2>().0.iter_mut().zip(&self.references) {
            *place = ((self.index - reference) as u16).to_be_bytes();
        }
        bytes
    }

    fn parse(bytes: &[u8; FRAME_LEN]) -> Self {
        let [i0, i1, i2, i3, part, parts, spatial, temporal, count, references @ ..] = bytes;
        let index = u32::from_be_bytes([*i0, *i1, *i2, *i3]);
        let distances = references.as_chunks::<2>().0.iter().take(usize::from(*count));
        let references =
            distances.map(|distance| index.wrapping_sub(u32::from(u16::from_be_bytes(*distance)))).collect();
        Self { index, part: *part, parts: *parts, spatial: *spatial, temporal: *temporal, references }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_packet_is_can_be_read_behind_any_payload() {
        let frame =
            ModelFrame { index: 70_000, part: 1, parts: 3, spatial: 2, temporal: 1, references: vec![69_999, 69_996] };
        let proof = Proof { publisher: 7, source: 2, encoding: 1, number: 99, sent: Duration::from_micros(1234) };
        let payload = [&[0x90, 0x80][..], &[0x55; ModelSource::TAIL]].concat();
        let mut packet = ModelPacket { payload, frame: frame.clone(), ..ModelPacket::default() };
        packet.prove(&proof);
        assert_eq!(packet.payload[..2], [0x90, 0x80]);
        assert_eq!(ModelFrame::of_payload(&packet.payload), Some((proof, frame)));
        let end = packet.payload.len();
        for place in end - ModelSource::TAIL..end {
            packet.payload[place] ^= 1;
            assert_eq!(ModelFrame::of_payload(&packet.payload), None, "byte {place}");
            packet.payload[place] ^= 1;
        }
    }
}
