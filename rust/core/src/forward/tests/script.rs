//! Encoders that tell what each of their packets is and what each of their frames depends on.

use sfu_wire::payload::vp8::Vp8Temporal;
use sfu_wire::payload::vp9::{Vp9Layer, Vp9Structure};
use sfu_wire::payload::{PictureId, Vp8Descriptor, Vp9Descriptor};

use crate::codec::CodecName;

/// Random numbers (splitmix64): the same seed gives the same scene.
#[derive(Debug, Clone)]
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.below(100) < percent
    }
}

/// What is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Structure {
    pub(super) codec: CodecName,
    /// Three temporal layers in the pattern 0 2 1 2, or one.
    pub(super) temporal: bool,
    /// Spatial layers inside the encoding.
    pub(super) spatial: u8,
    /// VP9's flexible mode.
    pub(super) flexible: bool,
    /// Picture ids of 15 bits.
    pub(super) long_ids: bool,
}

/// One frame of one spatial layer.
#[derive(Debug, Clone)]
pub(super) struct ScriptedFrame {
    pub(super) temporal: u8,
    pub(super) spatial: u8,
    pub(super) keyframe: bool,
    /// Indices of frames of the same encoding.
    pub(super) references: Vec<usize>,
    /// Counts pictures: the layers of one picture share it.
    pub(super) picture: u64,
}

/// What the network carries.
#[derive(Debug, Clone)]
pub(super) struct WirePacket {
    pub(super) seq: u16,
    pub(super) timestamp: u32,
    pub(super) marker: bool,
    pub(super) payload: Vec<u8>,
    /// Index of its frame; none for padding.
    pub(super) frame: Option<usize>,
}

/// The newest frame of each temporal layer, for one spatial layer.
#[derive(Debug, Clone, Copy, Default)]
struct Buffers {
    newest: [Option<usize>; 3],
}

#[derive(Debug)]
pub(super) struct Encoder {
    structure: Structure,
    pub(super) frames: Vec<ScriptedFrame>,
    buffers: [Buffers; 3],
    /// Position in the temporal pattern.
    position: u64,
    /// Whether layer 1 was coded since the last of layer 0 without looking back beyond it.
    pictures: u64,
    first_picture: u64,
    tl0: u8,
    key_index: u8,
    seq: u16,
    timestamp: u32,
    pub(super) keyframe_wanted: bool,
}

const PATTERN: [u8; 4] = [0, 2, 1, 2];

impl Encoder {
    /// All numbers start shortly before they wrap, or anywhere.
    pub(super) fn new(structure: Structure, random: &mut Random) -> Self {
        Self {
            structure,
            frames: Vec::new(),
            buffers: [Buffers::default(); 3],
            position: 0,
            pictures: 0,
            first_picture: if random.chance(50) { 32_700 } else { random.below(32_768) },
            tl0: random.next() as u8,
            key_index: random.next() as u8,
            seq: if random.chance(50) { 65_400 } else { random.next() as u16 },
            timestamp: if random.chance(50) { u32::MAX - 200_000 } else { random.next() as u32 },
            keyframe_wanted: true,
        }
    }

    pub(super) fn timestamp(&self) -> u32 {
        self.timestamp
    }

    /// The packets of the next picture, of all its spatial layers.
    pub(super) fn encode(&mut self, random: &mut Random) -> Vec<WirePacket> {
        let keyframe = std::mem::take(&mut self.keyframe_wanted);
        if keyframe {
            self.position = 0;
            self.buffers = [Buffers::default(); 3];
            self.key_index = self.key_index.wrapping_add(1);
        }
        let temporal = if self.structure.temporal { PATTERN[(self.position % 4) as usize] } else { 0 };
        // Every second group of pictures starts its layers over from layer 0, as libvpx does.
        let sync = self.position % 8 < 4 && temporal > 0;
        self.position += 1;
        if temporal == 0 {
            self.tl0 = self.tl0.wrapping_add(1);
        }
        let mut packets = Vec::new();
        for spatial in 0..self.structure.spatial {
            let references = self.references(temporal, spatial, sync);
            let frame = ScriptedFrame { temporal, spatial, keyframe, references, picture: self.pictures };
            self.buffers[usize::from(spatial)].newest[usize::from(temporal)] = Some(self.frames.len());
            self.frames.push(frame);
            self.packetize(random, &mut packets);
        }
        if let Some(last) = packets.last_mut() {
            last.marker = true;
        }
        if random.chance(5) {
            packets.push(self.packet(Vec::new(), None));
        }
        self.pictures += 1;
        self.timestamp = self.timestamp.wrapping_add(3000);
        packets
    }

    fn references(&self, temporal: u8, spatial: u8, sync: bool) -> Vec<usize> {
        let newest = &self.buffers[usize::from(spatial)].newest;
        let mut references: Vec<usize> = newest[0].into_iter().collect();
        if !sync && temporal > 0 {
            references.extend(newest[1]);
        }
        if !sync && temporal > 1 && self.structure.codec == CodecName::Vp8 {
            references.extend(newest[2]);
        }
        if spatial > 0 {
            // The layer below of the same picture was just coded.
            references.push(self.frames.len() - 1);
        }
        references
    }

    fn packetize(&mut self, random: &mut Random, packets: &mut Vec<WirePacket>) {
        let index = self.frames.len() - 1;
        let count = 1 + random.below(if self.frames[index].keyframe { 6 } else { 3 });
        for part in 0..count {
            let mut payload = match self.structure.codec {
                CodecName::Vp8 => self.vp8(part == 0),
                CodecName::Vp9 => self.vp9(part == 0, part + 1 == count),
                CodecName::H264 => self.h264(part == 0),
                CodecName::H265 => self.h265(part == 0),
                _ => Vec::new(),
            };
            // The first bit tells VP8's keyframes; the rest makes every packet different.
            payload.push(u8::from(!self.frames[index].keyframe));
            payload.extend((index as u32).to_be_bytes());
            payload.push(part as u8);
            packets.push(self.packet(payload, Some(index)));
        }
    }

    fn packet(&mut self, payload: Vec<u8>, frame: Option<usize>) -> WirePacket {
        let seq = self.seq;
        self.seq = self.seq.wrapping_add(1);
        WirePacket { seq, timestamp: self.timestamp, marker: false, payload, frame }
    }

    fn picture_id(&self) -> PictureId {
        let id = self.first_picture + self.pictures;
        if self.structure.long_ids { PictureId::long(id as u16) } else { PictureId::Short(id as u8 & 0x7f) }
    }

    fn vp8(&self, first: bool) -> Vec<u8> {
        let frame = &self.frames[self.frames.len() - 1];
        let base_only = frame.references.iter().all(|index| self.frames[*index].temporal == 0);
        let temporal = Vp8Temporal { tid: frame.temporal, layer_sync: base_only && frame.temporal > 0 };
        let descriptor = Vp8Descriptor {
            non_reference: false,
            starts_partition: first,
            partition: 0,
            picture_id: Some(self.picture_id()),
            tl0_pic_idx: Some(self.tl0),
            temporal: Some(temporal),
            key_idx: Some(self.key_index & 0x1f),
        };
        let mut buffer = [0; Vp8Descriptor::MAX_LEN];
        let len = descriptor.write(&mut buffer).unwrap();
        buffer[..len].to_vec()
    }

    /// An IDR picture or another one; its first slice begins with macroblock 0.
    fn h264(&self, first: bool) -> Vec<u8> {
        let frame = &self.frames[self.frames.len() - 1];
        vec![if frame.keyframe { 0x65 } else { 0x41 }, if first { 0x88 } else { 0x40 }]
    }

    /// An IDR picture, one that opens its temporal layer (TSA), or another one.
    fn h265(&self, first: bool) -> Vec<u8> {
        let frame = &self.frames[self.frames.len() - 1];
        let opens = frame.temporal > 0 && frame.references.iter().all(|index| self.frames[*index].temporal == 0);
        let nal_type = match (frame.keyframe, opens) {
            (true, _) => 19,
            (false, true) => 3,
            (false, false) => 1,
        };
        vec![nal_type << 1, frame.temporal + 1, if first { 0x80 } else { 0x40 }]
    }

    fn vp9(&self, first: bool, last: bool) -> Vec<u8> {
        let frame = &self.frames[self.frames.len() - 1];
        let earlier: Vec<&ScriptedFrame> =
            frame.references.iter().map(|index| &self.frames[*index]).filter(|f| f.picture < frame.picture).collect();
        let lower = earlier.iter().all(|reference| reference.temporal < frame.temporal);
        let mut descriptor = Vp9Descriptor {
            picture_id: Some(self.picture_id()),
            inter_picture: !earlier.is_empty(),
            flexible: self.structure.flexible,
            starts_frame: first,
            ends_frame: last,
            layer: Some(Vp9Layer {
                temporal: frame.temporal,
                switch_up: lower && frame.temporal > 0,
                spatial: frame.spatial,
                inter_layer: frame.spatial > 0,
            }),
            tl0_pic_idx: (!self.structure.flexible).then_some(self.tl0),
            ..Vp9Descriptor::default()
        };
        let mut tail = Vec::new();
        if self.structure.flexible {
            for (n, reference) in earlier.iter().enumerate() {
                tail.push(((frame.picture - reference.picture) as u8) << 1 | u8::from(n + 1 < earlier.len()));
            }
        }
        if frame.keyframe && first && frame.spatial == 0 {
            descriptor.structure = Some(Vp9Structure::default());
            tail.push((self.structure.spatial - 1) << 5);
        }
        let mut buffer = [0; Vp9Descriptor::MAX_PREFIX];
        let len = descriptor.write_prefix(&mut buffer).unwrap();
        [&buffer[..len], &tail].concat()
    }
}
