//! Everything of one SSRC of a capture, and what that says of it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use sfu_core::codec::CodecName;
use sfu_core::layer::frame_facts;
use sfu_wire::rtp::RtpPacket;
use sfu_wire::{Extension, Ssrc};

/// Timestamps of audio run this fast.
const AUDIO_CLOCK_RATES: [f64; 4] = [8_000.0, 16_000.0, 44_100.0, 48_000.0];

/// Everything of one SSRC.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) ssrc: Ssrc,
    pub(super) rid: Option<String>,
    pub(super) mid: Option<String>,
    /// Whether `rid` is that of the encoding that it repairs.
    pub(super) repairs_rid: bool,
    pub(super) packets: usize,
    pub(super) bytes: usize,
    /// How often each payload type came.
    pub(super) payload_types: BTreeMap<u8, usize>,
    pub(super) first: Duration,
    pub(super) last: Duration,
    /// From the first timestamp to the last.
    pub(super) ticks: i64,
    newest_timestamp: u32,
    has_audio_level: bool,
    /// Packets with which a keyframe of the codec would start.
    pub(super) keyframes: usize,
    /// Packets with a dependency descriptor.
    pub(super) described: usize,
    /// Header extensions that the packets have.
    pub(super) extensions: BTreeSet<u8>,
    first_timestamp: u32,
    /// By rising timestamp.
    frames: Vec<Frame>,
    /// If it is a repair: sequence numbers and timestamps of what it repeats.
    pub(super) repeated: Vec<(u16, u32)>,
}

/// Packets of one timestamp.
#[derive(Debug, Clone, Copy)]
struct Frame {
    /// Ticks since the first timestamp.
    at: u32,
    /// Their first sequence number, and their last.
    seqs: (u16, u16),
}

impl Stream {
    pub(super) fn new(packet: &RtpPacket<'_>, at: Duration) -> Self {
        Self {
            ssrc: packet.header().ssrc,
            rid: None,
            mid: None,
            repairs_rid: false,
            packets: 0,
            bytes: 0,
            payload_types: BTreeMap::new(),
            first: at,
            last: at,
            ticks: 0,
            newest_timestamp: packet.header().timestamp,
            has_audio_level: false,
            keyframes: 0,
            described: 0,
            extensions: BTreeSet::new(),
            first_timestamp: packet.header().timestamp,
            frames: Vec::new(),
            repeated: Vec::new(),
        }
    }

    pub(super) fn take(
        &mut self,
        packet: &RtpPacket<'_>,
        at: Duration,
        (codec, extensions): (CodecName, &[(u8, Extension)]),
    ) {
        let header = packet.header();
        self.keyframes += usize::from(frame_facts(codec, packet.payload(), header.marker).keyframe);
        self.packets += 1;
        self.bytes += packet.payload().len();
        *self.payload_types.entry(header.pt.get()).or_default() += 1;
        self.last = at;
        let step = header.timestamp.wrapping_sub(self.newest_timestamp) as i32;
        if step > 0 {
            self.ticks += i64::from(step);
            self.newest_timestamp = header.timestamp;
        }
        let at = header.timestamp.wrapping_sub(self.first_timestamp);
        match self.frames.last_mut() {
            Some(frame) if frame.at == at => {
                if header.seq.wrapping_sub(frame.seqs.1) < 1 << 15 {
                    frame.seqs.1 = header.seq;
                }
            }
            Some(frame) if frame.at > at => {}
            _ => self.frames.push(Frame { at, seqs: (header.seq, header.seq) }),
        }
        if let Some(original) = packet.payload().first_chunk::<2>() {
            self.repeated.push((u16::from_be_bytes(*original), header.timestamp));
        }
        for (id, value) in &packet.extensions() {
            self.extensions.insert(id);
            let text = || std::str::from_utf8(value).ok().map(str::to_owned);
            match extensions.iter().find(|(known, _)| *known == id).map(|(_, extension)| *extension) {
                Some(Extension::Rid) if !self.repairs_rid => self.rid = text().or(self.rid.take()),
                Some(Extension::Mid) => self.mid = text().or(self.mid.take()),
                Some(Extension::RepairedRid) => (self.rid, self.repairs_rid) = (text(), true),
                Some(Extension::AudioLevel) => self.has_audio_level = true,
                Some(Extension::DependencyDescriptor) => self.described += 1,
                _ => {}
            }
        }
    }

    pub(super) fn is_no_media(&self) -> Option<&'static str> {
        if self.has_audio_level {
            return Some("it has audio levels");
        }
        if self.bytes == 0 {
            return Some("it is padding only");
        }
        let seconds = self.last.saturating_sub(self.first).as_secs_f64();
        let rate = self.ticks as f64 / seconds;
        let audio = AUDIO_CLOCK_RATES.iter().any(|known| (rate / known - 1.0).abs() < 0.05);
        (seconds >= 1.0 && self.packets >= 10 && audio).then_some("its timestamps run at an audio clock's rate")
    }

    /// Whether a packet with this number and timestamp was sent here, or is missing here.
    pub(super) fn may_have_sent(&self, (seq, timestamp): (u16, u32)) -> bool {
        /// So far a repair may reach beyond both ends of the capture.
        const BEYOND: u16 = 64;
        let at = timestamp.wrapping_sub(self.first_timestamp);
        let next = self.frames.partition_point(|frame| frame.at <= at);
        let before = self.frames[..next].iter().rev().find(|frame| frame.at < at);
        let (Some(first), Some(last)) = (self.frames.first(), self.frames.last()) else { return false };
        let low = before.map_or(first.seqs.0.wrapping_sub(BEYOND), |frame| frame.seqs.1);
        let high = self.frames.get(next).map_or(last.seqs.1.wrapping_add(BEYOND), |frame| frame.seqs.0);
        seq.wrapping_sub(low) <= high.wrapping_sub(low)
    }

    pub(super) fn main_payload_type(&self) -> Option<u8> {
        self.payload_types.iter().max_by_key(|(_, count)| **count).map(|(pt, _)| *pt)
    }
}
