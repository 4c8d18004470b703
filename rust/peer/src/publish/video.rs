//! VP8 as an encoder would send it (RFC 7741): frames on a clock, one or three temporal layers, keyframes on request.
//!
//! All encodings of a source capture at the same instants. Descriptors and frame headers are valid; what follows them is
//! a [`Proof`].

use std::time::{Duration, Instant};

use sfu_transport::{Class, Random};
use sfu_wire::Ssrc;
use sfu_wire::payload::PictureId;
use sfu_wire::payload::vp8::{Vp8Descriptor, Vp8Temporal};

use super::stream::{Destination, Piece, SendStream};
use crate::config::{Encoding, VideoSource};
use crate::outlet::Outlet;
use crate::proof::Proof;

/// Of VP8 (RFC 7741 §4.1).
const CLOCK_RATE: u64 = 90_000;
/// A keyframe has so many times the packets of a delta frame.
const KEYFRAME_FACTOR: usize = 4;
/// Temporal layer and whether it refers to layer 0 only, over four frames (libvpx's pattern for three layers).
const L1T3: [(u8, bool); 4] = [(0, false), (2, true), (1, true), (2, false)];
/// Behind by more, the schedule starts anew instead of catching up in a burst.
const MAX_BEHIND: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(crate) struct VideoPublisher {
    source: VideoSource,
    number: u16,
    encoders: Vec<Encoder>,
    /// Counts capture instants.
    frame: u64,
    start: Option<Instant>,
    payload: Vec<u8>,
}

/// One encoding's script.
#[derive(Debug)]
struct Encoder {
    encoding: Encoding,
    stream: SendStream,
    active: bool,
    /// A keyframe is wanted, from then on.
    keyframe_at: Option<Instant>,
    packets: u32,
    picture_id: u16,
    tl0_pic_idx: u8,
    key_idx: u8,
    /// Position in the temporal pattern.
    position: usize,
    started: bool,
    keyframes: u64,
}

/// What one frame is.
#[derive(Debug, Clone, Copy)]
struct Frame {
    keyframe: bool,
    temporal: Option<Vp8Temporal>,
    time: u32,
    captured: Duration,
}

impl VideoPublisher {
    pub(crate) fn new(source: VideoSource, number: u16, random: &mut Random) -> Self {
        let encoders = source.encodings.iter().map(|&encoding| Encoder::new(encoding, random)).collect();
        Self { source, number, encoders, frame: 0, start: None, payload: Vec::new() }
    }

    pub(crate) fn start(&mut self, now: Instant) {
        self.start.get_or_insert(now);
    }

    pub(crate) fn next_due(&self) -> Option<Instant> {
        self.start.map(|start| start + self.capture_time(self.frame))
    }

    pub(crate) fn streams(&self) -> impl Iterator<Item = &SendStream> {
        self.encoders.iter().map(|e| &e.stream)
    }

    pub(crate) fn keyframes(&self) -> u64 {
        self.encoders.iter().map(|e| e.keyframes).sum()
    }

    pub(crate) fn stream_mut(&mut self, ssrc: Ssrc) -> Option<&mut SendStream> {
        self.encoders.iter_mut().map(|e| &mut e.stream).find(|s| s.ssrc == ssrc)
    }

    pub(crate) fn request_keyframe(&mut self, ssrc: Ssrc, now: Instant) {
        let at = now + self.source.keyframe_delay;
        for encoder in self.encoders.iter_mut().filter(|e| e.stream.ssrc == ssrc) {
            encoder.keyframe_at.get_or_insert(at);
        }
    }

    /// Stops or restarts one encoding (a browser does so when bandwidth or the window's size changes).
    pub(crate) fn set_active(&mut self, encoding: usize, active: bool) {
        if let Some(encoder) = self.encoders.get_mut(encoding) {
            // What comes after a pause can refer to nothing.
            encoder.started &= active;
            encoder.active = active;
        }
    }

    pub(crate) fn send_due(&mut self, publisher: u32, to: &Destination<'_>, outlet: &mut Outlet<'_>) {
        let Some(start) = self.start else { return };
        if outlet.now > start + self.capture_time(self.frame) + MAX_BEHIND {
            self.frame = self.frame_after(outlet.now - start);
        }
        while start + self.capture_time(self.frame) <= outlet.now {
            let offset = self.capture_time(self.frame);
            let captured = outlet.unix_time.saturating_sub(outlet.now - (start + offset));
            let time = (offset.as_micros() as u64 * CLOCK_RATE / 1_000_000) as u32;
            for (index, encoder) in self.encoders.iter_mut().enumerate().filter(|(_, e)| e.active) {
                let proof = Proof { publisher, source: self.number, encoding: index as u8, number: 0, captured };
                let frame = encoder.next_frame(outlet.now, self.source.temporal_layers, time, captured);
                encoder.send(&frame, proof, &mut self.payload, to, outlet);
            }
            self.frame += 1;
        }
    }

    fn capture_time(&self, frame: u64) -> Duration {
        Duration::from_nanos(frame * 1_000_000_000 / u64::from(self.source.frames_per_second.max(1)))
    }

    fn frame_after(&self, elapsed: Duration) -> u64 {
        (elapsed.as_nanos() * u128::from(self.source.frames_per_second.max(1)) / 1_000_000_000) as u64 + 1
    }
}

impl Encoder {
    fn new(encoding: Encoding, random: &mut Random) -> Self {
        Self {
            encoding,
            stream: SendStream::video(encoding.rid, random),
            active: true,
            keyframe_at: None,
            packets: 0,
            picture_id: random.u16() & 0x7fff,
            tl0_pic_idx: random.u16() as u8,
            key_idx: 0,
            position: 0,
            started: false,
            keyframes: 0,
        }
    }

    /// Advances the descriptor's counters (RFC 7741 §4.2).
    fn next_frame(&mut self, now: Instant, temporal_layers: bool, time: u32, captured: Duration) -> Frame {
        let keyframe = !self.started || self.keyframe_at.is_some_and(|at| now >= at);
        self.picture_id = (self.picture_id + 1) & 0x7fff;
        if keyframe {
            self.started = true;
            self.keyframe_at = None;
            self.position = 0;
            self.key_idx = (self.key_idx + 1) & 0x1f;
            self.keyframes += 1;
        }
        let (tid, layer_sync) = if temporal_layers { L1T3[self.position] } else { (0, false) };
        self.position = (self.position + 1) % L1T3.len();
        if tid == 0 {
            self.tl0_pic_idx = self.tl0_pic_idx.wrapping_add(1);
        }
        Frame { keyframe, temporal: temporal_layers.then_some(Vp8Temporal { tid, layer_sync }), time, captured }
    }

    fn send(
        &mut self,
        frame: &Frame,
        proof: Proof,
        payload: &mut Vec<u8>,
        to: &Destination<'_>,
        outlet: &mut Outlet<'_>,
    ) {
        let factor = if frame.keyframe { KEYFRAME_FACTOR } else { 1 };
        let count = self.encoding.packets_per_frame * factor;
        for index in 0..count {
            let len = self.write_payload(frame, index == 0, proof, payload);
            let piece = Piece {
                marker: index + 1 == count,
                time: frame.time,
                captured: frame.captured,
                class: Class::Video,
                level: None,
                payload: &payload[..len],
            };
            self.stream.send(&piece, to, outlet);
            self.packets += 1;
        }
    }

    fn write_payload(&self, frame: &Frame, first: bool, proof: Proof, payload: &mut Vec<u8>) -> usize {
        const FRAME_TAG_LEN: usize = 3;
        const KEYFRAME_HEADER_LEN: usize = 10;
        let len = self.encoding.packet_len.max(Vp8Descriptor::MAX_LEN + KEYFRAME_HEADER_LEN + Proof::MIN_LEN);
        payload.resize(len, 0);
        let descriptor = Vp8Descriptor {
            non_reference: frame.temporal.is_some_and(|t| t.tid == 2),
            starts_partition: first,
            partition: 0,
            picture_id: Some(PictureId::long(self.picture_id)),
            tl0_pic_idx: frame.temporal.map(|_| self.tl0_pic_idx),
            temporal: frame.temporal,
            key_idx: Some(self.key_idx),
        };
        let mut at = descriptor.write(payload).expect("there is room for a descriptor");
        match (first, frame.keyframe) {
            (true, true) => {
                payload[at..at + KEYFRAME_HEADER_LEN].copy_from_slice(&self.keyframe_header());
                at += KEYFRAME_HEADER_LEN;
            }
            (true, false) => {
                // The lowest bit: not a keyframe (RFC 6386 §9.1).
                payload[at..at + FRAME_TAG_LEN].copy_from_slice(&[0x11, 0, 0]);
                at += FRAME_TAG_LEN;
            }
            (false, _) => {}
        }
        Proof { number: self.packets, ..proof }.write(&mut payload[at..]);
        len
    }

    /// Frame tag, start code, width and height (RFC 6386 §9.1).
    fn keyframe_header(&self) -> [u8; 10] {
        let [width, height] = [self.encoding.width.to_le_bytes(), self.encoding.height.to_le_bytes()];
        [0x10, 0, 0, 0x9d, 0x01, 0x2a, width[0], width[1], height[0], height[1]]
    }
}

/// Where the frame's own bytes end and the proof starts, behind a descriptor of `descriptor_len` bytes.
pub(crate) fn proof_offset(descriptor: &Vp8Descriptor, descriptor_len: usize, frame: &[u8]) -> usize {
    let header = match (descriptor.starts_frame(), descriptor.starts_keyframe(frame)) {
        (true, true) => 10,
        (true, false) => 3,
        (false, _) => 0,
    };
    descriptor_len + header
}
