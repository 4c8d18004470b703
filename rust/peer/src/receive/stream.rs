//! One stream in: verified, repaired, measured.

use std::time::{Duration, Instant};

use sfu_wire::payload::Vp8Descriptor;
use sfu_wire::rtcp::{ReportBlock, SenderReport};
use sfu_wire::rtp::RtpPacket;
use sfu_wire::{Mid, SeqExtender, SeqNo, Ssrc};

use super::delays::Delays;
use super::frames::{Facts, Frames};
use super::gaps::{Arrival, Gaps};
use super::model_frames::{ModelFacts, ModelFrames};
use super::reception::{Counted, Reception};
use crate::model::ModelFrame;
use crate::proof::Proof;
use crate::publish::{AUDIO_PROOF_OFFSET, proof_offset};
use crate::sdp::{Section, SectionKind};

pub use super::frames::FrameStats;

/// Between requests for a keyframe. (libwebrtc asks once per 200 ms at most; the SFU throttles to 500 ms.)
const KEYFRAME_INTERVAL: Duration = Duration::from_millis(500);
/// Encodings that are told apart.
const ENCODINGS: usize = 4;

/// What was received of one stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamStats {
    /// The section.
    pub mid: Mid,
    /// The stream.
    pub ssrc: Ssrc,
    /// Whether it is video.
    pub video: bool,
    /// Whose payload it carries: publisher and source of the first packet.
    pub source: Option<(u32, u16)>,
    /// Packets, without duplicates.
    pub packets: u64,
    /// Of `packets`: came by retransmission.
    pub repaired: u64,
    /// Came twice.
    pub duplicates: u64,
    /// Retransmissions of what was there already.
    pub needless_repairs: u64,
    /// Payload that does not prove itself.
    pub corrupt: u64,
    /// Payload of another source than the first packet's.
    pub misrouted: u64,
    /// Not here yet.
    pub missing: u64,
    /// Given up.
    pub lost: u64,
    /// Asked for.
    pub nacks: u64,
    /// Keyframes asked for.
    pub keyframe_requests: u64,
    /// Sender reports.
    pub sender_reports: u64,
    /// Of each encoding: which of the publisher's packets came.
    pub numbers: [Option<Numbers>; ENCODINGS],
    /// The encoding of the last frame (video).
    pub encoding: Option<u8>,
    /// What became of the frames (video).
    pub frames: FrameStats,
    /// From sending to arrival, the longest; what was sent again counts from the first time.
    pub max_latency: Duration,
}

/// Which of the publisher's packets of one encoding came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The lowest number.
    pub first: u32,
    /// The highest number.
    pub last: u32,
    /// How many.
    pub count: u64,
}

impl Numbers {
    /// Whether none between the first and the last is missing.
    pub fn is_complete(&self) -> bool {
        self.count == u64::from(self.last - self.first) + 1
    }
}

#[derive(Debug)]
pub(crate) struct RecvStream {
    pub(crate) mid: Mid,
    kind: SectionKind,
    /// The server sends again what is asked for.
    repairs: bool,
    seqs: SeqExtender,
    first: Option<SeqNo>,
    gaps: Gaps,
    frames: Frames,
    /// Of a publisher whose frames are a model's.
    models: Option<ModelFrames>,
    jitter: Jitter,
    reception: Reception,
    keyframe_asked: Option<Instant>,
    /// Of the last packet, if it proved itself.
    delay: Option<Duration>,
    delays: Delays,
    stats: StreamStats,
}

/// Interarrival jitter (RFC 3550 §A.8).
#[derive(Debug, Default)]
struct Jitter {
    last: Option<(Instant, u32)>,
    estimate: f64,
}

impl RecvStream {
    pub(crate) fn new(section: &Section, ssrc: Ssrc) -> Self {
        Self {
            mid: section.mid,
            kind: section.kind,
            repairs: section.codecs.iter().any(|codec| codec.rtx.is_some()),
            seqs: SeqExtender::new(),
            first: None,
            gaps: Gaps::default(),
            frames: Frames::default(),
            models: None,
            jitter: Jitter::default(),
            reception: Reception::default(),
            keyframe_asked: None,
            delay: None,
            delays: Delays::default(),
            stats: StreamStats {
                mid: section.mid,
                ssrc,
                video: section.kind == SectionKind::Video,
                source: None,
                packets: 0,
                repaired: 0,
                duplicates: 0,
                needless_repairs: 0,
                corrupt: 0,
                misrouted: 0,
                missing: 0,
                lost: 0,
                nacks: 0,
                keyframe_requests: 0,
                sender_reports: 0,
                numbers: [None; ENCODINGS],
                encoding: None,
                frames: FrameStats::default(),
                max_latency: Duration::ZERO,
            },
        }
    }

    pub(crate) fn stats(&self) -> &StreamStats {
        &self.stats
    }

    /// From sending to arrival, without what came by retransmission.
    pub(crate) fn delays(&self) -> &Delays {
        &self.delays
    }

    /// Whether the server sends again what is asked for, which an offer may change.
    pub(crate) fn set_repairs(&mut self, repairs: bool) {
        self.repairs = repairs;
    }

    pub(crate) fn receive(&mut self, now: Instant, unix_time: Duration, packet: &RtpPacket<'_>) {
        let header = packet.header();
        let before = self.gaps.highest();
        let seq = self.seqs.extend(header.seq);
        self.first.get_or_insert(seq);
        self.jitter.note(now, header.timestamp, self.kind.clock_rate());
        match self.gaps.note(now, seq) {
            Arrival::Duplicate => self.stats.duplicates += 1,
            Arrival::New if before.is_some_and(|before| self.gaps.is_empty() && seq > before.next()) => {
                self.frames.jump_to(seq);
                self.take(seq, unix_time, packet, packet.payload());
            }
            Arrival::New | Arrival::Late => self.take(seq, unix_time, packet, packet.payload()),
        }
        if let Some(delay) = self.delay.take() {
            self.delays.record(delay);
        }
        self.stats.missing = self.gaps.len() as u64;
    }

    /// RFC 4588 §4: two bytes of original sequence number, then the payload. Padding carries nothing: a probe.
    pub(crate) fn receive_repair(&mut self, now: Instant, unix_time: Duration, packet: &RtpPacket<'_>) {
        let Some((original, payload)) = packet.payload().split_first_chunk::<2>() else { return };
        let seq = self.seqs.extend(u16::from_be_bytes(*original));
        self.first.get_or_insert(seq);
        match self.gaps.note(now, seq) {
            Arrival::Duplicate => self.stats.needless_repairs += 1,
            Arrival::New | Arrival::Late => {
                self.stats.repaired += 1;
                self.take(seq, unix_time, packet, payload);
                self.delay = None;
            }
        }
        self.stats.missing = self.gaps.len() as u64;
    }

    pub(crate) fn note_sender_report(&mut self, now: Instant, report: &SenderReport<'_>) {
        self.stats.sender_reports += 1;
        self.reception.note_sender_report(now, report);
    }

    /// What to ask for now; nothing where there is no RTX.
    pub(crate) fn missing(&mut self, now: Instant, unix_time: Duration, rtt: Option<Duration>) -> Vec<u16> {
        let mut given_up = Vec::new();
        let mut seqs = self.gaps.due(now, rtt, &mut given_up);
        self.stats.lost += given_up.len() as u64;
        self.stats.missing = self.gaps.len() as u64;
        if self.kind == SectionKind::Video {
            if let Some(models) = &mut self.models {
                models.settle(unix_time, self.gaps.oldest(), &mut self.stats.frames);
            } else {
                for seq in given_up {
                    self.frames.skip(unix_time, seq);
                }
                self.stats.frames = *self.frames.stats();
            }
        }
        if !self.repairs {
            seqs.clear();
        }
        self.stats.nacks += seqs.len() as u64;
        seqs
    }

    pub(crate) fn wants_keyframe(&mut self, now: Instant) -> bool {
        let is_due = self.keyframe_asked.is_none_or(|asked| now >= asked + KEYFRAME_INTERVAL);
        let is_broken = self.models.as_ref().map_or_else(|| self.frames.is_broken(), ModelFrames::is_broken);
        let wants = self.kind == SectionKind::Video && is_broken && is_due;
        if wants {
            self.keyframe_asked = Some(now);
            self.stats.keyframe_requests += 1;
        }
        wants
    }

    /// RFC 3550 §6.4.1.
    pub(crate) fn report_block(&mut self, now: Instant) -> ReportBlock {
        let counted = Counted {
            ssrc: self.stats.ssrc,
            first: self.first.unwrap_or_default(),
            highest: self.gaps.highest().unwrap_or_default(),
            received: self.stats.packets - self.stats.repaired,
            jitter: self.jitter.estimate as u32,
        };
        self.reception.report_block(now, &counted)
    }

    fn take(&mut self, seq: SeqNo, unix_time: Duration, packet: &RtpPacket<'_>, payload: &[u8]) {
        self.stats.packets += 1;
        if self.kind == SectionKind::Audio {
            self.verify(unix_time, payload.get(AUDIO_PROOF_OFFSET..).unwrap_or_default());
            return;
        }
        if let Some((proof, frame)) = ModelFrame::of_payload(payload) {
            self.take_model((unix_time, seq), packet.header().timestamp, (&proof, frame));
            return;
        }
        if self.models.is_some() && payload.is_empty() {
            return;
        }
        let facts = if payload.is_empty() { None } else { self.facts(unix_time, packet, payload) };
        self.frames.insert(unix_time, seq, facts);
        self.stats.frames = *self.frames.stats();
        self.stats.encoding = self.frames.encoding();
    }

    fn take_model(&mut self, arrival: (Duration, SeqNo), timestamp: u32, (proof, frame): (&Proof, ModelFrame)) {
        self.note(arrival.0, proof);
        let models = self.models.get_or_insert_default();
        let facts = ModelFacts { timestamp, encoding: proof.encoding, frame };
        models.insert(arrival, facts, self.gaps.oldest(), &mut self.stats.frames);
        self.stats.encoding = models.encoding();
    }

    fn facts(&mut self, unix_time: Duration, packet: &RtpPacket<'_>, payload: &[u8]) -> Option<Facts> {
        let Ok((descriptor, len)) = Vp8Descriptor::parse(payload) else {
            self.stats.corrupt += 1;
            return None;
        };
        let frame = payload.get(len..).unwrap_or_default();
        let proof = payload.get(proof_offset(&descriptor, len, frame)..).unwrap_or_default();
        let encoding = self.verify(unix_time, proof)?.encoding;
        let keyframe = descriptor.starts_keyframe(frame);
        Some(Facts {
            marker: packet.header().marker,
            timestamp: packet.header().timestamp,
            keyframe,
            encoding,
            descriptor,
        })
    }

    fn verify(&mut self, unix_time: Duration, payload: &[u8]) -> Option<Proof> {
        let Some(proof) = Proof::parse(payload) else {
            self.stats.corrupt += 1;
            return None;
        };
        self.note(unix_time, &proof);
        Some(proof)
    }

    fn note(&mut self, unix_time: Duration, proof: &Proof) {
        let stats = &mut self.stats;
        if *stats.source.get_or_insert((proof.publisher, proof.source)) != (proof.publisher, proof.source) {
            stats.misrouted += 1;
        }
        let delay = unix_time.saturating_sub(proof.sent);
        self.delay = Some(delay);
        stats.max_latency = stats.max_latency.max(delay);
        let Some(numbers) = stats.numbers.get_mut(usize::from(proof.encoding)) else { return };
        let first = Numbers { first: proof.number, last: proof.number, count: 0 };
        let numbers = numbers.get_or_insert(first);
        numbers.first = numbers.first.min(proof.number);
        numbers.last = numbers.last.max(proof.number);
        numbers.count += 1;
    }
}

impl Jitter {
    fn note(&mut self, now: Instant, timestamp: u32, clock_rate: u32) {
        if let Some((last, last_timestamp)) = self.last {
            let elapsed = now.saturating_duration_since(last).as_secs_f64() * f64::from(clock_rate);
            let difference = elapsed - f64::from(timestamp.wrapping_sub(last_timestamp) as i32);
            self.estimate += (difference.abs() - self.estimate) / 16.0;
        }
        self.last = Some((now, timestamp));
    }
}
