//! One encoding of a video source: what its next frame is, and the packets of it.
//!
//! Frames are scripted VP8 (RFC 7741: any size, keyframes on request, payload that proves itself), those of a VP8 clip (a real
//! picture, keyframes where the clip has them), or a model's of any codec. Descriptors count on continuously in all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_transport::{Class, Random};
use sfu_wire::payload::PictureId;
use sfu_wire::payload::vp8::{Vp8Descriptor, Vp8Temporal};

use super::script::write_payload;
use super::stream::{Destination, Piece, SendStream};
use crate::clip::Clip;
use crate::config::{Encoding, Pacing};
use crate::model::{Model, ModelPacket};
use crate::outlet::Outlet;
use crate::proof::Proof;

/// A scripted keyframe has so many times the packets of a delta frame.
const KEYFRAME_FACTOR: usize = 4;
/// Temporal layer and whether it refers to layer 0 only, over four frames (libvpx's pattern for three layers).
const L1T3: [(u8, bool); 4] = [(0, false), (2, true), (1, true), (2, false)];
/// Frame bytes in one packet of a clip. Higher: fewer packets. Lower: fits narrower paths (libwebrtc sends 1200 with all).
const MAX_FRAGMENT: usize = 1100;

/// What an encoder sends.
#[derive(Debug)]
pub(super) enum Content {
    /// One or three temporal layers.
    Script {
        encoding: Encoding,
        temporal_layers: bool,
        pacing: Pacing,
    },
    Clip(Arc<Clip>),
    Model(Box<dyn Model>),
}

#[derive(Debug)]
pub(super) struct Encoder {
    content: Content,
    pub(super) stream: SendStream,
    pub(super) active: bool,
    /// A keyframe is wanted, from then on.
    keyframe_at: Option<Instant>,
    packets: u32,
    picture_id: u16,
    tl0_pic_idx: u8,
    key_idx: u8,
    /// Position in the temporal pattern.
    position: usize,
    started: bool,
    /// The time of the last frame, in units of the RTP clock.
    last: u32,
    modelled: Vec<ModelPacket>,
    /// The scripted frame that is on its way.
    script: Option<Script>,
    pub(super) keyframes: u64,
}

/// When a frame was captured, and for whom it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Capture {
    /// Counts the source's capture instants.
    pub(super) index: u64,
    /// In units of the RTP clock, from 0.
    pub(super) time: u32,
    /// Since the Unix epoch.
    pub(super) captured: Duration,
    /// When the frame is due, and the time until the next one.
    pub(super) at: Instant,
    pub(super) interval: Duration,
    /// All but its number.
    pub(super) proof: Proof,
}

/// What one frame is.
#[derive(Debug, Clone, Copy)]
struct Frame {
    keyframe: bool,
    temporal: Option<Vp8Temporal>,
    time: u32,
    captured: Duration,
}

/// A scripted frame of which not all packets have left.
#[derive(Debug, Clone, Copy)]
struct Script {
    frame: Frame,
    proof: Proof,
    at: Instant,
    /// From one packet to the next.
    spacing: Duration,
    sent: u32,
    count: u32,
}

impl Encoder {
    pub(super) fn new(content: Content, stream: SendStream, random: &mut Random) -> Self {
        Self {
            content,
            stream,
            active: true,
            keyframe_at: None,
            packets: 0,
            picture_id: random.u16() & 0x7fff,
            tl0_pic_idx: random.u16() as u8,
            key_idx: 0,
            position: 0,
            started: false,
            last: 0,
            modelled: Vec::new(),
            script: None,
            keyframes: 0,
        }
    }

    /// From then on the next scripted frame is a keyframe; a clip has its own.
    pub(super) fn request_keyframe(&mut self, at: Instant) {
        self.keyframe_at.get_or_insert(at);
    }

    /// Frames were left out: what comes can refer to nothing.
    pub(super) fn interrupt(&mut self) {
        self.started = false;
    }

    /// Sends the frame of one capture instant; a clip that was interrupted waits for its next keyframe.
    pub(super) fn send(
        &mut self,
        capture: &Capture,
        payload: &mut Vec<u8>,
        to: &Destination<'_>,
        outlet: &mut Outlet<'_>,
    ) {
        // The descriptors of the frame before are gone with the next one's.
        self.hurry();
        self.send_due(payload, to, outlet);
        let is_due = self.keyframe_at.is_some_and(|at| outlet.now >= at);
        let keyframe = match &self.content {
            Content::Script { .. } | Content::Model(_) => !self.started || is_due,
            Content::Clip(clip) => clip.is_keyframe(capture.index),
        };
        if !keyframe && !self.started {
            return;
        }
        let frame = self.next_frame(keyframe, capture);
        match &self.content {
            Content::Script { encoding, pacing, .. } => {
                self.script = Some(Script::new(encoding, *pacing, frame, capture));
                self.send_due(payload, to, outlet);
            }
            Content::Clip(clip) => {
                let clip = clip.clone();
                self.send_clip(clip.frame(capture.index), &frame, payload, &mut |s, p| s.send(p, to, outlet));
            }
            Content::Model(_) => self.send_model(&frame, capture.proof, &mut |s, p| s.send(p, to, outlet)),
        }
    }

    /// Advances the descriptor's counters (RFC 7741 §4.2).
    fn next_frame(&mut self, keyframe: bool, capture: &Capture) -> Frame {
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        if keyframe {
            self.started = true;
            self.keyframe_at = None;
            self.position = 0;
            self.key_idx = (self.key_idx + 1) & 0x1f;
            self.keyframes += 1;
        }
        let layered = match &self.content {
            Content::Script { temporal_layers, .. } => *temporal_layers,
            Content::Clip(_) | Content::Model(_) => false,
        };
        let (tid, layer_sync) = if layered { L1T3[self.position] } else { (0, false) };
        self.position = (self.position + 1) % L1T3.len();
        if tid == 0 {
            self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        }
        // A clip says that it has one layer; a script without layers says nothing.
        let named = layered || matches!(self.content, Content::Clip(_));
        let temporal = named.then_some(Vp8Temporal { tid, layer_sync });
        Frame { keyframe, temporal, time: capture.time, captured: capture.captured }
    }

    /// When the next packet of a scripted frame leaves.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.script.map(|script| script.at + script.spacing * script.sent)
    }

    /// Sends what is due of a scripted frame.
    pub(super) fn send_due(&mut self, payload: &mut Vec<u8>, to: &Destination<'_>, outlet: &mut Outlet<'_>) {
        while self.next_due().is_some_and(|due| due <= outlet.now) {
            self.send_one(payload, to, outlet);
        }
    }

    /// What is left of a scripted frame is due now.
    fn hurry(&mut self) {
        if let Some(script) = &mut self.script {
            script.spacing = Duration::ZERO;
        }
    }

    fn send_one(&mut self, payload: &mut Vec<u8>, to: &Destination<'_>, outlet: &mut Outlet<'_>) {
        let (Content::Script { encoding, .. }, Some(script)) = (&self.content, &mut self.script) else { return };
        let (frame, first) = (script.frame, script.sent == 0);
        let proof = Proof { number: self.packets, sent: outlet.unix_time, ..script.proof };
        let encoding = *encoding;
        script.sent += 1;
        let last = script.sent == script.count;
        if last {
            self.script = None;
        }
        let len = write_payload(&encoding, frame.keyframe, &self.descriptor(&frame, first), &proof, payload);
        self.stream.send(&frame.piece(last, &payload[..len]), to, outlet);
        self.packets += 1;
    }

    /// Fragments of equal size: bursts of equal datagrams are cheap to send (`UDP_SEGMENT`).
    fn send_clip(
        &mut self,
        bytes: &[u8],
        frame: &Frame,
        payload: &mut Vec<u8>,
        send: &mut dyn FnMut(&mut SendStream, &Piece<'_>),
    ) {
        let count = bytes.len().div_ceil(MAX_FRAGMENT);
        for (index, fragment) in bytes.chunks(bytes.len().div_ceil(count)).enumerate() {
            payload.resize(Vp8Descriptor::MAX_LEN, 0);
            let len = self.descriptor(frame, index == 0).write(payload).expect("there is room for a descriptor");
            payload.truncate(len);
            payload.extend_from_slice(fragment);
            send(&mut self.stream, &frame.piece(index + 1 == count, payload));
            self.packets += 1;
        }
    }

    fn send_model(&mut self, frame: &Frame, proof: Proof, send: &mut dyn FnMut(&mut SendStream, &Piece<'_>)) {
        let Content::Model(model) = &mut self.content else { return };
        let mut packets = std::mem::take(&mut self.modelled);
        packets.clear();
        model.encode(u64::from(frame.time.wrapping_sub(self.last)), frame.keyframe, &mut packets);
        self.last = frame.time;
        for packet in &mut packets {
            packet.prove(&Proof { number: self.packets, ..proof });
            let piece = Piece { descriptor: &packet.descriptor, ..frame.piece(packet.marker, &packet.payload) };
            send(&mut self.stream, &piece);
            self.packets += 1;
        }
        self.modelled = packets;
    }

    fn descriptor(&self, frame: &Frame, first: bool) -> Vp8Descriptor {
        Vp8Descriptor {
            non_reference: frame.temporal.is_some_and(|t| t.tid == 2),
            starts_partition: first,
            partition: 0,
            picture_id: Some(PictureId::long(self.picture_id)),
            tl0_pic_idx: frame.temporal.map(|_| self.tl0_pic_idx),
            temporal: frame.temporal,
            key_idx: Some(self.key_idx),
        }
    }
}

impl Script {
    fn new(encoding: &Encoding, pacing: Pacing, frame: Frame, capture: &Capture) -> Self {
        let factor = if frame.keyframe { KEYFRAME_FACTOR } else { 1 };
        let count = (encoding.packets_per_frame * factor) as u32;
        let spacing = match pacing {
            Pacing::Burst => Duration::ZERO,
            Pacing::Spread => capture.interval * 2 / 5 / count.max(1),
        };
        Self { frame, proof: capture.proof, at: capture.at, spacing, sent: 0, count }
    }
}

impl Frame {
    fn piece<'a>(&self, marker: bool, payload: &'a [u8]) -> Piece<'a> {
        Piece {
            marker,
            time: self.time,
            captured: self.captured,
            class: Class::Video,
            level: None,
            descriptor: &[],
            payload,
        }
    }
}
