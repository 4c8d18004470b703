//! A viewer's receiving side as a browser has it: it asks again for what is missing, puts frames together in order, asks for
//! keyframes when it cannot go on, shows frames out of a jitter buffer, and counts what a human would see.
//!
//! Times and limits are those of libwebrtc. Driven like everything sans-IO; what it has to say leaves through the world.

mod frames;
mod missing;

use std::time::{Duration, Instant};

use sfu_wire::rtcp::{
    CompoundWriter, List, Nack, NackPair, Pli, ReceiverReport, ReportBlock, Rtcp, SenderReport, WriteRtcp, packets,
};
use sfu_wire::rtp::RtpPacket;
use sfu_wire::{SeqExtender, Ssrc, ntp};

use crate::encoder::Token;
use crate::world::{Arrived, ParticipantId, World};
use frames::{Frames, Lack};
use missing::Missing;

/// How often missing packets are looked after (libwebrtc: 20 ms).
const TICK: Duration = Duration::from_millis(20);
/// Between receiver reports.
const REPORT: Duration = Duration::from_secs(1);
/// Without a decodable frame for so long a keyframe is asked for: when it needs one to begin (libwebrtc: `kMaxWaitForKeyFrame`), and
/// when what is missing may still come (`kMaxWaitForFrame`).
const KEYFRAME_WAIT: Duration = Duration::from_millis(200);
const FRAME_WAIT: Duration = Duration::from_secs(3);

/// What a receiver has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ReceiverStats {
    /// Packets on the primary stream, and out of the repair stream.
    pub packets: u64,
    /// Of those, out of the repair stream.
    pub repaired: u64,
    /// Bytes on the repair stream, whole packets.
    pub repair_bytes: u64,
    /// Bytes on the primary stream, whole packets.
    pub bytes: u64,
    /// Numbers asked for again, each as often as it was.
    pub nacks: u64,
    /// Keyframe requests.
    pub plis: u64,
    /// Frames that were decoded.
    pub decoded: u64,
    /// Frames that came in part or could not be decoded.
    pub lost: u64,
    /// Pauses of three usual ones and 150 ms more than usual (W3C webrtc-stats `freezeCount`).
    pub freezes: u64,
    /// From the beginning to the first decoded frame.
    pub first_frame: Option<Duration>,
}

/// The stream that a receiver is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streams {
    /// Of the media.
    pub media: Ssrc,
    /// Of its repairs.
    pub rtx: Option<Ssrc>,
}

/// See the module's text.
#[derive(Debug)]
pub struct Receiver {
    who: ParticipantId,
    streams: Streams,
    began: Instant,
    numbers: SeqExtender,
    missing: Missing,
    frames: Frames,
    last_report: Option<(SenderReport<'static>, Instant)>,
    /// Expected and received at the last report of ours.
    reported: (u64, u64),
    next_tick: Instant,
    next_report: Instant,
    asked_for_keyframe: Option<Instant>,
    rtt: Duration,
    stats: ReceiverStats,
}

impl Receiver {
    /// A receiver that begins now; `rtt` is the round trip to the SFU.
    pub fn new(world: &World, who: ParticipantId, streams: Streams, rtt: Duration) -> Self {
        let now = world.now();
        Self {
            who,
            streams,
            began: now,
            numbers: SeqExtender::default(),
            missing: Missing::default(),
            frames: Frames::default(),
            last_report: None,
            reported: (0, 0),
            next_tick: now + TICK,
            next_report: now + REPORT,
            asked_for_keyframe: None,
            rtt,
            stats: ReceiverStats::default(),
        }
    }

    /// Whose it is.
    pub const fn id(&self) -> ParticipantId {
        self.who
    }

    /// The streams that it is for.
    pub const fn streams(&self) -> Streams {
        self.streams
    }

    /// Whether packets under this SSRC are for it.
    pub fn takes(&self, ssrc: Ssrc) -> bool {
        ssrc == self.streams.media || Some(ssrc) == self.streams.rtx
    }

    /// What it has seen so far.
    pub fn stats(&self) -> ReceiverStats {
        let (decoded, lost, freezes, first) = self.frames.counts();
        let first_frame = first.map(|first| first.saturating_duration_since(self.began));
        ReceiverStats { decoded, lost, freezes, first_frame, ..self.stats }
    }

    /// The SFU's newest report on the stream, and when it came.
    pub const fn last_report(&self) -> Option<&(SenderReport<'static>, Instant)> {
        self.last_report.as_ref()
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Instant {
        self.next_tick.min(self.next_report)
    }

    /// Something arrived for this participant. `keyframe` says of a token whether its frame is one.
    pub fn handle(&mut self, arrived: &Arrived, keyframe: impl Fn(Token) -> bool) {
        if arrived.rtcp {
            self.handle_rtcp(arrived);
        } else if let Ok(packet) = RtpPacket::parse(&arrived.packet) {
            self.handle_rtp(arrived.at, &packet, keyframe);
        }
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, world: &mut World) {
        let now = world.now();
        if self.next_tick <= now {
            self.next_tick = now + TICK;
            self.ask_again(world);
            self.ask_for_keyframe(world);
        }
        if self.next_report <= now {
            self.next_report = now + REPORT;
            self.report(world);
        }
    }

    fn handle_rtp(&mut self, at: Instant, packet: &RtpPacket<'_>, keyframe: impl Fn(Token) -> bool) {
        let (header, payload) = (packet.header(), packet.payload());
        let (number, payload) = if header.ssrc == self.streams.media {
            self.stats.bytes += packet.as_bytes().len() as u64;
            (header.seq, payload)
        } else if Some(header.ssrc) == self.streams.rtx {
            self.stats.repair_bytes += packet.as_bytes().len() as u64;
            let Some((original, payload)) = payload.split_first_chunk::<2>() else { return };
            (u16::from_be_bytes(*original), payload)
        } else {
            return;
        };
        let Some(token) = Token::of_payload(payload) else { return };
        let repaired = header.ssrc != self.streams.media;
        let seq = self.numbers.extend(number).get();
        if !self.missing.arrived(at, seq) {
            return;
        }
        self.stats.packets += 1;
        self.stats.repaired += u64::from(repaired);
        let starts_keyframe = token.part == 0 && keyframe(token);
        self.frames.add(at, seq, (header.timestamp, header.marker, starts_keyframe));
    }

    fn handle_rtcp(&mut self, arrived: &Arrived) {
        for packet in packets(&arrived.packet).flatten() {
            if let Rtcp::SenderReport(report) = packet
                && report.ssrc == self.streams.media
            {
                self.last_report = Some((SenderReport { reports: List::default(), ..report }, arrived.at));
            }
        }
    }

    fn ask_again(&mut self, world: &mut World) {
        let due = self.missing.poll(world.now(), self.rtt);
        if due.is_empty() {
            return;
        }
        self.stats.nacks += due.len() as u64;
        let pairs: Vec<NackPair> = NackPair::pack(due.iter().map(|seq| *seq as u16)).collect();
        for pairs in pairs.chunks(64) {
            let nack = Nack { sender: Ssrc::new(1), media: self.streams.media, pairs: pairs.into() };
            self.send(world, &nack);
        }
    }

    fn ask_for_keyframe(&mut self, world: &mut World) {
        let now = world.now();
        let wait = match self.frames.lacks() {
            Some(Lack::Keyframe) => KEYFRAME_WAIT,
            Some(Lack::Packet) => FRAME_WAIT,
            None => return,
        };
        let since = self.frames.waiting_since().unwrap_or(self.began);
        let asked = self.asked_for_keyframe.is_some_and(|asked| now < asked + KEYFRAME_WAIT.max(self.rtt));
        if now >= since + wait && !asked {
            self.asked_for_keyframe = Some(now);
            self.stats.plis += 1;
            self.send(world, &Pli { sender: Ssrc::new(1), media: self.streams.media });
        }
    }

    fn report(&mut self, world: &mut World) {
        let Some((highest, expected)) = self.missing.progress() else { return };
        let received = self.stats.packets;
        let new = expected - self.reported.0;
        let lost = new.saturating_sub(received - self.reported.1);
        self.reported = (expected, received);
        let now = world.now();
        let block = ReportBlock {
            ssrc: self.streams.media,
            fraction_lost: (lost * 256).checked_div(new).unwrap_or(0).min(255) as u8,
            cumulative_lost: expected.saturating_sub(received) as i32,
            highest_seq: highest as u32,
            jitter: 0,
            last_sr: self.last_report.as_ref().map_or(0, |(report, _)| report.ntp.middle()),
            delay_since_last_sr: self
                .last_report
                .as_ref()
                .map_or(0, |(_, at)| ntp::to_short(now.saturating_duration_since(*at))),
        };
        let blocks = [block];
        self.send(world, &ReceiverReport { ssrc: Ssrc::new(1), reports: blocks.as_slice().into() });
    }

    fn send(&self, world: &mut World, packet: &impl WriteRtcp) {
        let mut buffer = [0; 1200];
        let mut writer = CompoundWriter::new(&mut buffer);
        if writer.push(packet) {
            world.send_rtcp(self.who, writer.as_bytes());
        }
    }
}
