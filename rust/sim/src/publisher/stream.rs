//! One encoding on its way: RTP headers, the packets that may be asked for again, and its reports.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sfu_wire::rtcp::{CompoundWriter, List, SenderReport};
use sfu_wire::rtp::extension_value::AbsCaptureTime;
use sfu_wire::rtp::{ExtensionForms, RtpHeader, write_header};
use sfu_wire::{Extension, NtpTime, Pt, Ssrc};

use super::{MEDIA_PT, MediaClock, PublisherConfig, RTX_PT};
use crate::encoder::{EncodedPacket, Encoder};
use crate::random::Random;
use crate::sdp::extension_id;
use crate::world::{ParticipantId, World};

/// Packets that can be sent again. (libwebrtc keeps a second or so of them.)
const HISTORY: usize = 600;
/// Larger than every header with its extensions.
const MAX_HEADER: usize = 400;
const RIDS: [&str; 4] = ["q", "h", "f", "x"];

/// See the module's text.
#[derive(Debug)]
pub struct Stream {
    who: ParticipantId,
    encoder: Encoder,
    clock: MediaClock,
    place: u8,
    ssrc: Ssrc,
    rtx_ssrc: Ssrc,
    history: VecDeque<EncodedPacket>,
    /// What each retransmission repairs, in the order of their own numbers.
    repairs: Vec<u64>,
    keyframe_due: Option<Instant>,
    requests: Vec<Duration>,
    keyframe_interval: Option<Duration>,
    first_picture: Option<Instant>,
    last_picture: Option<Instant>,
    /// When the last picture was captured, if packets tell.
    captured: Option<Duration>,
    capture_times: bool,
    report: Option<(Instant, Duration)>,
    live: bool,
    counts: (u32, u32),
    encoded: Vec<EncodedPacket>,
}

impl Stream {
    pub(super) fn new(
        now: Instant,
        config: &PublisherConfig,
        (who, source, place): (ParticipantId, u8, u8),
        mut random: Random,
    ) -> Self {
        // In the first bytes, so that streams of one world never share an SSRC.
        let ssrc = ((who.index() as u32) << 12 | u32::from(source) << 4) + 1;
        let first_report = |interval: Duration| (now + interval.mul_f64(0.2 + 0.8 * random.unit()), interval);
        let report = config.reports.map(first_report);
        Self {
            who,
            encoder: Encoder::new(config.structure, source, random)
                .with_filler(config.filler)
                .with_keyframe_packets(config.keyframe_packets),
            clock: config.clock,
            place,
            ssrc: Ssrc::new(ssrc),
            rtx_ssrc: Ssrc::new(ssrc + 1),
            history: VecDeque::new(),
            repairs: Vec::new(),
            keyframe_due: config.keyframe_interval.map(|interval| now + interval),
            requests: Vec::new(),
            keyframe_interval: config.keyframe_interval,
            first_picture: None,
            last_picture: None,
            captured: None,
            capture_times: config.capture_times,
            report,
            live: true,
            counts: (0, 0),
            encoded: Vec::new(),
        }
    }

    /// What it encoded.
    pub const fn encoder(&self) -> &Encoder {
        &self.encoder
    }

    /// Its place among the encodings of the track, by rising quality.
    pub const fn place(&self) -> u8 {
        self.place
    }

    /// The stream's number on the wire.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Of its repairs.
    pub const fn rtx_ssrc(&self) -> Ssrc {
        self.rtx_ssrc
    }

    /// The sequence number, without wraps, that the `number`th repair carries again (counted from 0).
    pub fn repaired(&self, number: usize) -> Option<u64> {
        self.repairs.get(number).copied()
    }

    /// When it was asked for keyframes, since the beginning.
    pub fn requests(&self) -> &[Duration] {
        &self.requests
    }

    pub(super) fn rid(&self) -> &'static str {
        RIDS[usize::from(self.place)]
    }

    pub(super) const fn is_live(&self) -> bool {
        self.live
    }

    pub(super) fn end(&mut self) {
        self.live = false;
        self.stop_reports();
    }

    pub(super) fn stop_reports(&mut self) {
        self.report = None;
    }

    /// `delay`: until the keyframe; `None`: there is none.
    pub(super) fn want_keyframe(&mut self, world: &World, delay: Option<Duration>) {
        self.requests.push(world.elapsed());
        let Some(delay) = delay else { return };
        let due = world.now() + delay;
        self.keyframe_due = Some(self.keyframe_due.map_or(due, |standing| standing.min(due)));
    }

    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        self.report.filter(|_| self.last_picture.is_some()).map(|(due, _)| due)
    }

    pub(super) fn send_picture(&mut self, world: &mut World, interval: Duration) {
        let now = world.now();
        let keyframe = self.keyframe_due.is_some_and(|due| due <= now);
        if keyframe {
            self.keyframe_due = self.keyframe_interval.map(|interval| now + interval);
        }
        // From the first picture on, so that roundings do not add up.
        let first = *self.first_picture.get_or_insert(now);
        let clock = self.clock;
        let since = |at: Instant| ticks(clock.passed(at.saturating_duration_since(first)));
        let passed = self.last_picture.map_or(ticks(interval), |last| since(now) - since(last));
        let mut packets = std::mem::take(&mut self.encoded);
        self.encoder.encode(passed, keyframe, &mut packets);
        self.last_picture = Some(now);
        self.captured = self.capture_times.then(|| self.clock.unix(world));
        for packet in packets.drain(..) {
            self.counts = (self.counts.0.wrapping_add(1), self.counts.1.wrapping_add(packet.payload.len() as u32));
            self.send(world, &packet, None);
            if self.history.len() == HISTORY {
                self.history.pop_front();
            }
            self.history.push_back(packet);
        }
        self.encoded = packets;
    }

    /// Sends a packet again on the repair stream (RFC 4588 §4).
    pub(super) fn retransmit(&mut self, world: &mut World, seq: u16) {
        let Some(packet) = self.history.iter().rev().find(|packet| packet.seq as u16 == seq) else { return };
        if packet.payload.is_empty() {
            return;
        }
        let packet = packet.clone();
        let number = self.repairs.len() as u16;
        self.repairs.push(packet.seq);
        self.send(world, &packet, Some(number));
    }

    pub(super) fn send_report(&mut self, world: &mut World) {
        let (Some((due, interval)), Some(last)) = (self.report, self.last_picture) else { return };
        self.report = Some((due + interval, interval));
        let passed = ticks(self.clock.passed(world.now().saturating_duration_since(last)));
        let report = SenderReport {
            ssrc: self.ssrc,
            ntp: NtpTime::from_unix(self.clock.unix(world)),
            rtp_timestamp: (self.encoder.timestamp() + passed) as u32,
            packet_count: self.counts.0,
            octet_count: self.counts.1,
            reports: List::default(),
        };
        let mut buffer = [0; 100];
        let mut writer = CompoundWriter::new(&mut buffer);
        writer.push(&report);
        world.send_rtcp(self.who, writer.as_bytes());
    }

    /// Writes the header; `repair` is the number on the repair stream.
    fn send(&self, world: &mut World, packet: &EncodedPacket, repair: Option<u16>) {
        let header = RtpHeader {
            marker: packet.marker,
            pt: Pt::new(if repair.is_some() { RTX_PT } else { MEDIA_PT }),
            seq: repair.unwrap_or(packet.seq as u16),
            timestamp: packet.timestamp as u32,
            ssrc: if repair.is_some() { self.rtx_ssrc } else { self.ssrc },
        };
        let rid = if repair.is_some() { Extension::RepairedRid } else { Extension::Rid };
        let mut extensions: [(u8, &[u8]); 4] = [(extension_id(Extension::Mid), b"0"), (0, &[]), (0, &[]), (0, &[])];
        let mut count = 1;
        let captured = self.capture_time(packet.timestamp).map(AbsCaptureTime::to_bytes);
        if let Some((value, len)) = &captured {
            extensions[count] = (extension_id(Extension::AbsCaptureTime), &value[..*len]);
            count += 1;
        }
        if self.encoder.structure().encodings > 1 {
            extensions[count] = (extension_id(rid), self.rid().as_bytes());
            count += 1;
        }
        if !packet.descriptor.is_empty() {
            extensions[count] = (extension_id(Extension::DependencyDescriptor), &packet.descriptor);
            count += 1;
        }
        let mut buffer = [0; 1500];
        let head = write_header(&mut buffer[..MAX_HEADER], &header, &[], &extensions[..count], ExtensionForms::Mixed);
        let Some(mut len) = head.map(|head| head.len()) else { return };
        let original = (packet.seq as u16).to_be_bytes();
        for bytes in [if repair.is_some() { &original[..] } else { &[] }, &packet.payload] {
            buffer[len..len + bytes.len()].copy_from_slice(bytes);
            len += bytes.len();
        }
        if packet.payload.is_empty() {
            // Padding only: the P bit and a count (RFC 3550 §5.1).
            buffer[0] |= 0x20;
            buffer[len..len + 4].copy_from_slice(&[0, 0, 0, 4]);
            len += 4;
        }
        world.send_rtp(self.who, &buffer[..len]);
    }

    /// When the picture with this timestamp was captured; whole milliseconds, as libwebrtc tells it.
    fn capture_time(&self, timestamp: u64) -> Option<AbsCaptureTime> {
        let before = Duration::from_nanos((self.encoder.timestamp() - timestamp) * 100_000 / 9);
        let millis = self.captured?.saturating_sub(before).as_millis() as u64;
        Some(AbsCaptureTime { timestamp: NtpTime::from_unix(Duration::from_millis(millis)), clock_offset: Some(0) })
    }
}

/// 90 kHz.
fn ticks(duration: Duration) -> u64 {
    (duration.as_nanos() * 9 / 100_000) as u64
}
