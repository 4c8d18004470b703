//! What a publisher sends and one subscriber wishes for: packets of the simulator's encoders, parsed as they are on their way in.

use std::time::Instant;

use sfu_core::codec::CodecName;
use sfu_core::layer::{DependencyReader, FrameFacts, Layer, Packet, Reading, packet_facts};
use sfu_sim::Random;
use sfu_sim::encoder::{EncodedPacket, Encoder, InterLayer, Payload, Structure};
use sfu_wire::SeqNo;

/// Pictures between keyframes. Encodings have them together, as browsers make them.
const KEYFRAME_INTERVAL: usize = 60;
/// Pictures between two wishes.
const DWELL: usize = 30;
/// Ticks of 90 kHz: 30 frames a second.
const TICKS: u64 = 3000;
/// Beside descriptors, which are a few bytes.
const FILLER: usize = 1150;

/// What happens to a stream on its way through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// Everything goes out.
    Whole,
    /// The frame rate changes once a second.
    Temporal,
    /// The size of an SVC picture changes once a second.
    Spatial,
    /// Likewise, with another of three encodings.
    Simulcast,
}

impl Way {
    /// As in the table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Whole => "whole",
            Self::Temporal => "temporal",
            Self::Spatial => "spatial",
            Self::Simulcast => "simulcast",
        }
    }

    /// In turn.
    const fn wishes(self) -> &'static [Layer] {
        const fn size(spatial: u8) -> Layer {
            Layer { spatial, ..Layer::MAX }
        }
        const fn rate(temporal: u8) -> Layer {
            Layer { temporal, ..Layer::MAX }
        }
        const RATES: [Layer; 2] = [rate(0), rate(1)];
        const SIZES: [Layer; 2] = [size(0), size(1)];
        const ENCODINGS: [Layer; 3] = [size(0), size(2), size(1)];
        match self {
            Self::Whole => &[Layer::MAX],
            Self::Temporal => &RATES,
            Self::Spatial => &SIZES,
            Self::Simulcast => &ENCODINGS,
        }
    }
}

/// See the module's text.
pub(crate) struct Stream {
    codec: CodecName,
    pictures: Vec<Picture>,
}

/// The packets of all encodings at one moment.
struct Picture {
    wish: Layer,
    packets: Vec<Parsed>,
}

struct Parsed {
    encoding: u8,
    sent: EncodedPacket,
    facts: FrameFacts,
    reading: Reading,
}

impl Stream {
    /// So many pictures of a structure.
    pub(crate) fn new(structure: Structure, way: Way, pictures: usize) -> Self {
        let codec = codec(structure.payload);
        let mut sources: Vec<(Encoder, DependencyReader)> = (0..structure.encodings)
            .map(|source| {
                let encoder = Encoder::new(structure, source, Random::new(source.into())).with_filler(FILLER);
                (encoder, DependencyReader::default())
            })
            .collect();
        let pictures = (0..pictures).map(|number| {
            let wish = way.wishes()[number / DWELL % way.wishes().len()];
            let packets = (0..).zip(&mut sources).flat_map(|(encoding, (encoder, reader))| {
                let mut sent = Vec::new();
                encoder.encode(TICKS, number % KEYFRAME_INTERVAL == 0, &mut sent);
                sent.into_iter().map(move |sent| Parsed::new(codec, encoding, sent, reader))
            });
            Picture { wish, packets: packets.collect() }
        });
        Self { codec, pictures: pictures.collect() }
    }

    /// Picture by picture: what is wished for, and the packets.
    pub(crate) fn pictures(&self, arrival: Instant) -> Vec<(Layer, Vec<Packet<'_>>)> {
        let all = self.pictures.iter().map(|Picture { wish, packets }| {
            (*wish, packets.iter().map(|packet| packet.packet(self.codec, arrival)).collect())
        });
        all.collect()
    }

    /// The dependency descriptors, in the order of the packets.
    pub(crate) fn descriptors(&self) -> Vec<&[u8]> {
        let packets = self.pictures.iter().flat_map(|picture| &picture.packets);
        packets.map(|packet| &packet.sent.descriptor[..]).collect()
    }
}

impl Parsed {
    fn new(codec: CodecName, encoding: u8, sent: EncodedPacket, reader: &mut DependencyReader) -> Self {
        let reading = if sent.descriptor.is_empty() { Reading::None } else { reader.read(0, true, &sent.descriptor) };
        let facts = packet_facts(codec, &sent.payload, sent.marker, reading.as_ref());
        Self { encoding, sent, facts, reading }
    }

    const fn packet(&self, codec: CodecName, arrival: Instant) -> Packet<'_> {
        let seq = SeqNo::new(self.sent.seq);
        Packet {
            encoding: self.encoding,
            epoch: 0,
            seq,
            newest: seq,
            timestamp: self.sent.timestamp,
            marker: self.sent.marker,
            codec,
            payload: self.sent.payload.as_slice(),
            facts: self.facts,
            dependencies: self.reading.as_ref(),
            arrival,
        }
    }
}

const fn codec(payload: Payload) -> CodecName {
    match payload {
        Payload::Vp8 => CodecName::Vp8,
        Payload::Vp9 { .. } => CodecName::Vp9,
        Payload::H264 => CodecName::H264,
        Payload::H265 => CodecName::H265,
        Payload::Av1 => CodecName::Av1,
    }
}

/// Codec by codec: the name of its figures, a structure, and what happens to it.
pub(crate) fn cases() -> Vec<(&'static str, &'static str, Structure, Way)> {
    let vp9 = Payload::Vp9 { flexible: false };
    let single = |payload, temporal| Structure { temporal, ..Structure::single(payload) };
    let svc = |payload| Structure::l3t3(payload, InterLayer::Always);
    let k_svc = |payload| Structure::l3t3(payload, InterLayer::AtKeyframes);
    let flexible = svc(Payload::Vp9 { flexible: true });
    vec![
        ("vp8", "L1T3", single(Payload::Vp8, 3), Way::Whole),
        ("vp8", "L1T3", single(Payload::Vp8, 3), Way::Temporal),
        ("vp8", "3 x L1T3", Structure::simulcast(Payload::Vp8, 3), Way::Simulcast),
        ("h264", "L1T1", single(Payload::H264, 1), Way::Whole),
        ("h264", "3 x L1T1", Structure::simulcast(Payload::H264, 1), Way::Simulcast),
        ("h265", "L1T3", single(Payload::H265, 3), Way::Whole),
        ("h265", "L1T3", single(Payload::H265, 3), Way::Temporal),
        ("h265", "3 x L1T3", Structure::simulcast(Payload::H265, 3), Way::Simulcast),
        ("vp9", "L3T3", svc(vp9), Way::Whole),
        ("vp9", "L3T3", svc(vp9), Way::Temporal),
        ("vp9", "L3T3", svc(vp9), Way::Spatial),
        ("vp9", "L3T3 flexible", flexible, Way::Whole),
        ("vp9", "L3T3 flexible", flexible, Way::Spatial),
        ("vp9", "L3T3_KEY", k_svc(vp9), Way::Spatial),
        ("vp9", "3 x L1T3", Structure::simulcast(vp9, 3), Way::Simulcast),
        ("av1_dd", "L3T3", svc(Payload::Av1), Way::Whole),
        ("av1_dd", "L3T3", svc(Payload::Av1), Way::Temporal),
        ("av1_dd", "L3T3", svc(Payload::Av1), Way::Spatial),
        ("av1_dd", "L3T3_KEY", k_svc(Payload::Av1), Way::Spatial),
        ("av1_dd", "3 x L1T2", Structure::simulcast(Payload::Av1, 2), Way::Simulcast),
    ]
}
