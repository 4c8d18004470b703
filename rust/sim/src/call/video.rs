//! What clients of a call publish: the peer's own scripted VP8, or any structure of the simulator's encoder.

use std::time::Duration;

use sfu_peer::{Model, ModelFrame, ModelPacket, ModelSource, Peer, PeerCodec, VideoSource};
use sfu_wire::Rid;

use crate::encoder::{EncodedPacket, Encoder, Payload, Structure, Token};
use crate::random::Random;

/// Names of simulcast encodings, by rising quality.
const RIDS: [&str; 3] = ["l", "m", "h"];
/// Bytes that each payload has more, by rising quality of the encoding; its pictures have one to three packets a layer.
const FILLER: [usize; 3] = [100, 300, 700];

/// A video source.
#[derive(Debug, Clone)]
pub enum Video {
    /// VP8 whose frames may have any size.
    Scripted(VideoSource),
    /// Any codec and structure.
    Modelled {
        /// Codec, encodings, layers and references.
        structure: Structure,
        /// Of every encoding.
        frames_per_second: u32,
        /// From a keyframe request to the first frame that may be one.
        keyframe_delay: Duration,
    },
}

impl Video {
    /// The peer publishes it; its index among the peer's video.
    pub(super) fn add_to(self, peer: &mut Peer, random: &Random) -> usize {
        let (structure, frames_per_second, keyframe_delay) = match self {
            Self::Scripted(source) => return peer.add_video(source),
            Self::Modelled { structure, frames_per_second, keyframe_delay } => {
                (structure, frames_per_second, keyframe_delay)
            }
        };
        let first = RIDS.len() - usize::from(structure.encodings).min(RIDS.len());
        let encodings = RIDS.iter().zip(FILLER).skip(first).enumerate().map(|(place, (rid, filler))| {
            let model: Box<dyn Model> = Box::new(EncoderModel::new(structure, filler, random.fork(place as u64)));
            (Rid::new(rid).filter(|_| structure.encodings > 1), model)
        });
        let encodings = encodings.collect();
        let codec = match structure.payload {
            Payload::Vp8 => PeerCodec::Vp8,
            Payload::Vp9 { .. } => PeerCodec::Vp9,
            Payload::H264 => PeerCodec::H264,
            Payload::H265 => PeerCodec::H265,
            Payload::Av1 => PeerCodec::Av1,
        };
        peer.add_models(ModelSource { codec, encodings, frames_per_second, keyframe_delay })
    }
}

/// The simulator's encoder as the peer takes it.
#[derive(Debug)]
struct EncoderModel {
    encoder: Encoder,
    encoded: Vec<EncodedPacket>,
}

impl EncoderModel {
    fn new(structure: Structure, filler: usize, random: Random) -> Self {
        // The token, and room for what the peer says instead.
        let tail = ModelSource::TAIL.saturating_sub(Token::LEN);
        Self { encoder: Encoder::new(structure, 0, random).with_filler(filler + tail), encoded: Vec::new() }
    }
}

impl Model for EncoderModel {
    fn encode(&mut self, ticks: u64, keyframe: bool, packets: &mut Vec<ModelPacket>) {
        self.encoder.encode(ticks, keyframe, &mut self.encoded);
        // Padding takes numbers, which are the peer's to give.
        for EncodedPacket { marker, payload, descriptor, .. } in self.encoded.drain(..) {
            let Some(token) = Token::of_payload(&payload) else { continue };
            let frame = &self.encoder.frames()[token.frame as usize];
            let frame = ModelFrame {
                index: token.frame,
                part: token.part,
                parts: token.count,
                spatial: frame.spatial,
                temporal: frame.temporal,
                references: frame.references.clone(),
            };
            packets.push(ModelPacket { marker, payload, descriptor, frame });
        }
    }
}
