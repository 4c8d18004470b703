//! Sound beside the picture: 20 ms of Opus a packet, on an RTP clock of its own, and its reports.

use std::time::{Duration, Instant};

use sfu_core::codec::Kind;
use sfu_wire::rtcp::{CompoundWriter, List, SenderReport};
use sfu_wire::rtp::{ExtensionForms, RtpHeader, write_header};
use sfu_wire::{Extension, NtpTime, Pt, Ssrc};

use super::{MediaClock, PublisherConfig};
use crate::encoder::Token;
use crate::random::Random;
use crate::sdp::{self, Direction, Format, Section, extension_id};
use crate::world::{ParticipantId, World};

/// The payload type of simulated sound.
pub(super) const AUDIO_PT: u8 = 111;
/// The `source` of its tokens: no encoding has it.
const SOURCE: u8 = u8::MAX;
const PACKET: Duration = Duration::from_millis(20);

/// See the module's text.
#[derive(Debug)]
pub struct AudioStream {
    who: ParticipantId,
    ssrc: Ssrc,
    clock: MediaClock,
    first_seq: u16,
    first_timestamp: u32,
    /// When the first packet was sampled.
    began: Instant,
    sent: u32,
    report: Option<(Instant, Duration)>,
}

impl AudioStream {
    pub(super) fn new(now: Instant, config: &PublisherConfig, who: ParticipantId, mut random: Random) -> Self {
        Self {
            who,
            ssrc: Ssrc::new((who.index() as u32) << 12 | 0xff1),
            clock: config.clock,
            first_seq: random.next() as u16,
            first_timestamp: random.next() as u32,
            began: now,
            sent: 0,
            report: config.reports.map(|interval| (now + interval.mul_f64(0.2 + 0.8 * random.unit()), interval)),
        }
    }

    /// The format, as simulated participants offer it.
    pub fn format() -> Format {
        Format {
            pt: AUDIO_PT,
            rtx: None,
            map: String::from("opus/48000/2"),
            fmtp: String::from("minptime=10;useinbandfec=1"),
        }
    }

    /// Samples of 48 kHz between the first packet and the one that tokens give this number.
    pub const fn sampled(frame: u32) -> u64 {
        frame as u64 * 960
    }

    /// When `handle_timeout` is due.
    pub(super) fn poll_timeout(&self) -> Instant {
        self.report.map_or(self.next_packet(), |(due, _)| due.min(self.next_packet()))
    }

    /// Sends what is due.
    pub(super) fn handle_timeout(&mut self, world: &mut World) {
        while self.next_packet() <= world.now() {
            self.send(world);
        }
        if let Some((due, interval)) = self.report.filter(|(due, _)| *due <= world.now()) {
            self.report = Some((due + interval, interval));
            self.send_report(world);
        }
    }

    pub(super) fn stop_reports(&mut self) {
        self.report = None;
    }

    pub(super) fn section(&self) -> Section {
        Section {
            mid: String::from("1"),
            kind: Kind::Audio,
            direction: Direction::SendOnly,
            formats: vec![Self::format()],
            extensions: sdp::extensions(&[Extension::Mid]),
            rids: Vec::new(),
            ssrcs: vec![(self.ssrc, None)],
        }
    }

    /// In real time: a clock that is fast makes its packets earlier.
    fn next_packet(&self) -> Instant {
        let slower = 1.0 + f64::from(self.clock.drift_ppm) / 1_000_000.0;
        self.began + (PACKET * self.sent).div_f64(slower)
    }

    fn send(&mut self, world: &mut World) {
        let header = RtpHeader {
            marker: self.sent == 0,
            pt: Pt::new(AUDIO_PT),
            seq: self.first_seq.wrapping_add(self.sent as u16),
            timestamp: self.first_timestamp.wrapping_add(Self::sampled(self.sent) as u32),
            ssrc: self.ssrc,
        };
        let extensions: [(u8, &[u8]); 1] = [(extension_id(Extension::Mid), b"1")];
        let token = Token { source: SOURCE, frame: self.sent, part: 0, count: 1 };
        let mut buffer = [0; 100];
        let head = write_header(&mut buffer, &header, &[], &extensions, ExtensionForms::Mixed);
        let Some(len) = head.map(|head| head.len()) else { return };
        // Full band, 20 ms, one frame (RFC 6716 §3.1).
        let payload = [&[0xf8][..], &token.to_bytes()].concat();
        buffer[len..len + payload.len()].copy_from_slice(&payload);
        world.send_rtp(self.who, &buffer[..len + payload.len()]);
        self.sent += 1;
    }

    fn send_report(&self, world: &mut World) {
        let passed = self.clock.passed(world.now().saturating_duration_since(self.began));
        let report = SenderReport {
            ssrc: self.ssrc,
            ntp: NtpTime::from_unix(self.clock.unix(world)),
            rtp_timestamp: self.first_timestamp.wrapping_add((passed.as_nanos() * 48 / 1_000_000) as u32),
            packet_count: self.sent,
            octet_count: self.sent * (1 + Token::LEN as u32),
            reports: List::default(),
        };
        let mut buffer = [0; 100];
        let mut writer = CompoundWriter::new(&mut buffer);
        writer.push(&report);
        world.send_rtcp(self.who, writer.as_bytes());
    }
}
