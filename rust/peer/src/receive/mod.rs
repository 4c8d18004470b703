//! What a peer receives: streams by SSRC, their repair, and the feedback that it owes the server.

mod delays;
mod frames;
mod gaps;
mod layers;
mod model_frames;
mod playback;
mod reception;
mod stream;
mod tally;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sfu_congestion::TwccReceiver;
use sfu_transport::Random;
use sfu_wire::rtcp::{CompoundWriter, Nack, NackPair, Pli, ReceiverReport, ReportBlock, Rtcp, Sdes, SdesChunk};
use sfu_wire::rtp::RtpPacket;
use sfu_wire::rtp::extension_value::TransportSeq;
use sfu_wire::{Extension, Mid, Ssrc};

use crate::outlet::Outlet;
use crate::publish::SendStream;
use crate::sdp::{Negotiation, Section, SectionKind};
pub use delays::Delays;
pub use playback::Playback;
use stream::RecvStream;
pub use stream::{FrameStats, Numbers, StreamStats};
pub(crate) use tally::Tally;
pub use tally::TallyStats;

/// Reports on what is received. (libwebrtc: 1 s for video, 5 s for audio.)
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Looks for packets to ask again. (libwebrtc `kUpdateInterval`, 20 ms.)
const REPAIR_INTERVAL: Duration = Duration::from_millis(20);
/// Report blocks of one packet (RFC 3550 §6.4.1: five bits).
const MAX_REPORTS: usize = 31;
/// Feedback of one turn in one datagram.
const MAX_COMPOUND: usize = 1200;

/// All received streams of a peer.
#[derive(Debug, Default)]
pub(crate) struct Downlink {
    streams: BTreeMap<Ssrc, RecvStream>,
    /// Repair stream to the stream that it repairs.
    repairs: BTreeMap<Ssrc, Ssrc>,
    twcc: TwccReceiver,
    next_report: Option<Instant>,
    next_repair: Option<Instant>,
    doubts: Option<Doubts>,
    pub(crate) unknown: u64,
    pub(crate) byes: u64,
}

/// Takes for lost what came, so that it is asked for and sent again.
#[derive(Debug)]
pub(crate) struct Doubts {
    pub(crate) random: Random,
    /// Of all packets, from 0 to 1.
    pub(crate) share: f64,
}

impl Doubts {
    fn throw(&mut self) -> bool {
        f64::from(self.random.u32()) < self.share * f64::from(u32::MAX)
    }
}

/// What the peer says of itself in its feedback.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reporter<'a> {
    pub(crate) ssrc: Ssrc,
    pub(crate) cname: &'a str,
    pub(crate) rtt: Option<Duration>,
}

impl Downlink {
    pub(crate) fn doubting(doubts: Option<Doubts>) -> Self {
        Self { doubts, ..Self::default() }
    }

    /// Feedback starts when media can flow.
    pub(crate) fn start(&mut self, now: Instant) {
        self.next_report.get_or_insert(now + REPORT_INTERVAL);
        self.next_repair.get_or_insert(now + REPAIR_INTERVAL);
    }

    pub(crate) fn handle_rtp(&mut self, now: Instant, unix_time: Duration, packet: &[u8], negotiation: &Negotiation) {
        let Ok(packet) = RtpPacket::parse(packet) else {
            self.unknown += 1;
            return;
        };
        let ssrc = packet.header().ssrc;
        let known = self
            .streams
            .get(&ssrc)
            .map(|s| s.mid)
            .or_else(|| self.repairs.get(&ssrc).and_then(|primary| self.streams.get(primary)).map(|s| s.mid));
        let announced = || negotiation.of_stream(mid_of(&packet, negotiation), ssrc);
        let section = known.and_then(|mid| negotiation.of_stream(Some(mid), ssrc)).or_else(announced);
        let Some(section) = section else {
            self.unknown += 1;
            return;
        };
        self.note_transport_seq(now, &packet, section);
        let pt = packet.header().pt.get();
        match section.codec_of(pt) {
            // The first packet of a stream is never in doubt: nothing before it tells that it is missing.
            Some(codec)
                if codec.pt == pt
                    && codec.rtx.is_some()
                    && self.streams.contains_key(&ssrc)
                    && self.doubts.as_mut().is_some_and(Doubts::throw) => {}
            Some(codec) if codec.pt == pt => {
                let stream = self.streams.entry(ssrc).or_insert_with(|| RecvStream::new(section, ssrc));
                stream.set_repairs(codec.rtx.is_some());
                stream.receive(now, unix_time, &packet);
            }
            Some(_) => self.receive_repair(now, unix_time, &packet, section),
            None => self.unknown += 1,
        }
    }

    pub(crate) fn handle_rtcp(&mut self, now: Instant, packet: &Rtcp<'_>) {
        match packet {
            Rtcp::SenderReport(report) => {
                if let Some(stream) = self.streams.get_mut(&report.ssrc) {
                    stream.note_sender_report(now, report);
                }
            }
            Rtcp::Bye(_) => self.byes += 1,
            _ => {}
        }
    }

    pub(crate) fn handle_timeout<'a>(
        &mut self,
        reporter: Reporter<'_>,
        senders: impl Iterator<Item = &'a SendStream>,
        outlet: &mut Outlet<'_>,
    ) {
        send_transport_feedback(&mut self.twcc, reporter.ssrc, outlet);
        if self.next_repair.is_some_and(|at| outlet.now >= at) {
            self.next_repair = Some(outlet.now + REPAIR_INTERVAL);
            self.repair(reporter, outlet);
        }
        if self.next_report.is_some_and(|at| outlet.now >= at) {
            self.next_report = Some(outlet.now + REPORT_INTERVAL);
            self.report(reporter, senders, outlet);
        }
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.twcc.poll_timeout(), self.next_report, self.next_repair].into_iter().flatten().min()
    }

    pub(crate) fn stats(&self) -> impl Iterator<Item = &StreamStats> {
        self.streams.values().map(RecvStream::stats)
    }

    /// Of all streams together.
    pub(crate) fn delays(&self) -> Delays {
        self.streams.values().fold(Delays::default(), |mut sum, stream| {
            sum.merge(stream.delays());
            sum
        })
    }

    fn note_transport_seq(&mut self, now: Instant, packet: &RtpPacket<'_>, section: &Section) {
        let Some(id) = section.extensions.id(Extension::TransportCc) else { return };
        if let Some(seq) = packet.extension(id).and_then(TransportSeq::parse) {
            self.twcc.record(now, packet.header().ssrc, seq.0);
        }
    }

    /// RFC 4588 §4: the payload starts with the original sequence number.
    fn receive_repair(&mut self, now: Instant, unix_time: Duration, packet: &RtpPacket<'_>, section: &Section) {
        let repair = packet.header().ssrc;
        let primary = self.repairs.get(&repair).copied().or_else(|| {
            let announced = section.announced.iter().find(|(_, r)| *r == Some(repair)).map(|(p, _)| *p);
            announced.or_else(|| self.streams.iter().find(|(_, s)| s.mid == section.mid).map(|(ssrc, _)| *ssrc))
        });
        let Some(primary) = primary else {
            self.unknown += 1;
            return;
        };
        self.repairs.insert(repair, primary);
        let stream = self.streams.entry(primary).or_insert_with(|| RecvStream::new(section, primary));
        stream.receive_repair(now, unix_time, packet);
    }

    /// Asks for packets and keyframes.
    fn repair(&mut self, reporter: Reporter<'_>, outlet: &mut Outlet<'_>) {
        let mut buffer = [0; MAX_COMPOUND];
        let mut compound = CompoundWriter::new(&mut buffer);
        for (&ssrc, stream) in &mut self.streams {
            let seqs = stream.missing(outlet.now, outlet.unix_time, reporter.rtt);
            let pairs: Vec<NackPair> = NackPair::pack(seqs).collect();
            let nack = Nack { sender: reporter.ssrc, media: ssrc, pairs: pairs[..].into() };
            push(&mut compound, &nack, !pairs.is_empty(), outlet);
            let pli = Pli { sender: reporter.ssrc, media: ssrc };
            push(&mut compound, &pli, stream.wants_keyframe(outlet.now), outlet);
        }
        outlet.send_rtcp(compound.as_bytes());
    }

    fn report<'a>(
        &mut self,
        reporter: Reporter<'_>,
        senders: impl Iterator<Item = &'a SendStream>,
        outlet: &mut Outlet<'_>,
    ) {
        let mut buffer = [0; MAX_COMPOUND];
        let mut compound = CompoundWriter::new(&mut buffer);
        for stream in senders {
            if let Some(report) = stream.sender_report(outlet.unix_time) {
                push(&mut compound, &report, true, outlet);
            }
        }
        let blocks: Vec<ReportBlock> = self.streams.values_mut().map(|s| s.report_block(outlet.now)).collect();
        send_reports(&mut compound, &blocks, reporter, outlet);
    }
}

/// Sends what is due of the arrivals, in the name of `sender`.
fn send_transport_feedback(twcc: &mut TwccReceiver, sender: Ssrc, outlet: &mut Outlet<'_>) {
    while let Some(feedback) = twcc.poll_feedback(outlet.now, sender) {
        let mut buffer = [0; MAX_COMPOUND];
        let mut compound = CompoundWriter::new(&mut buffer);
        compound.push(&feedback);
        outlet.send_rtcp(compound.as_bytes());
    }
}

/// Ends a compound packet with report blocks and the name of who reports (RFC 3550 §6.1), and sends it.
fn send_reports(
    compound: &mut CompoundWriter<'_>,
    blocks: &[ReportBlock],
    reporter: Reporter<'_>,
    outlet: &mut Outlet<'_>,
) {
    for reports in blocks.chunks(MAX_REPORTS) {
        push(compound, &ReceiverReport { ssrc: reporter.ssrc, reports: reports.into() }, true, outlet);
    }
    let chunk = [SdesChunk { ssrc: reporter.ssrc, cname: reporter.cname.as_bytes() }];
    let reports_something = !compound.is_empty();
    push(compound, &Sdes::new(&chunk), reports_something, outlet);
    outlet.send_rtcp(compound.as_bytes());
}

/// Appends a packet; what is full is sent first.
fn push(
    compound: &mut CompoundWriter<'_>,
    packet: &impl sfu_wire::rtcp::WriteRtcp,
    wanted: bool,
    outlet: &mut Outlet<'_>,
) {
    if wanted && !compound.push(packet) {
        outlet.send_rtcp(compound.as_bytes());
        compound.clear();
        compound.push(packet);
    }
}

/// The mid that the packet carries, under any of the transport's ids for it.
fn mid_of(packet: &RtpPacket<'_>, negotiation: &Negotiation) -> Option<Mid> {
    let id = negotiation.sections.iter().find_map(|s| s.extensions.id(Extension::Mid))?;
    Mid::from_bytes(packet.extension(id)?)
}

impl SectionKind {
    /// Timestamp units a second.
    pub(crate) const fn clock_rate(self) -> u32 {
        match self {
            Self::Audio => 48_000,
            Self::Video | Self::Application => 90_000,
        }
    }
}
