//! A cheap receiver: counts what comes and drops it unopened, so that one processor holds thousands.
//!
//! SRTP leaves the header in the clear and only authenticates it (RFC 3711 §3.1, RFC 7714 §8): stream, number and
//! transport-wide number can be read without a key. Nothing is asked again and nothing is verified.

use std::time::Instant;

use sfu_congestion::TwccReceiver;
use sfu_wire::rtcp::{CompoundWriter, ReportBlock, SenderReport};
use sfu_wire::rtp::RtpPeek;
use sfu_wire::rtp::extension_value::TransportSeq;
use sfu_wire::{Extension, SeqExtender, SeqNo, Ssrc};

use super::reception::{Counted, Reception};
use super::{MAX_COMPOUND, REPORT_INTERVAL, Reporter, send_reports};
use crate::config::Feedback;
use crate::outlet::Outlet;
use crate::sdp::{Negotiation, SectionKind};

/// What a counting peer has seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TallyStats {
    /// RTP packets.
    pub packets: u64,
    /// Their bytes, headers and tags included.
    pub bytes: u64,
    /// Of each stream from its first number to its highest, all together.
    pub expected: u64,
    /// Compound packets of feedback sent.
    pub feedbacks: u64,
}

/// What a peer counts that verifies nothing.
#[derive(Debug)]
pub(crate) struct Tally {
    feedback: Feedback,
    /// A subscriber has a few: looked through one by one.
    streams: Vec<Stream>,
    twcc: TwccReceiver,
    next_report: Option<Instant>,
    bytes: u64,
    feedbacks: u64,
}

#[derive(Debug)]
struct Stream {
    ssrc: Ssrc,
    seqs: SeqExtender,
    first: SeqNo,
    highest: SeqNo,
    packets: u64,
    reception: Reception,
}

impl Tally {
    pub(crate) fn new(feedback: Feedback) -> Self {
        Self { feedback, streams: Vec::new(), twcc: TwccReceiver::new(), next_report: None, bytes: 0, feedbacks: 0 }
    }

    /// Reports start when media can flow.
    pub(crate) fn start(&mut self, now: Instant) {
        if self.feedback != Feedback::None {
            self.next_report.get_or_insert(now + REPORT_INTERVAL);
        }
    }

    /// Counts a protected packet; says whether it is one.
    pub(crate) fn count(&mut self, now: Instant, packet: &[u8], negotiation: &Negotiation) -> bool {
        let Ok(header) = RtpPeek::parse(packet) else { return false };
        self.bytes += packet.len() as u64;
        self.stream(header.ssrc).count(header.seq);
        if self.feedback == Feedback::TransportWide
            && let Some(id) = transport_seq_id(negotiation)
            && let Ok(extensions) = RtpPeek::extensions(packet)
            && let Some((_, value)) = extensions.iter().find(|(found, _)| *found == id)
            && let Some(seq) = TransportSeq::parse(value)
        {
            self.twcc.record(now, header.ssrc, seq.0);
        }
        true
    }

    pub(crate) fn note_sender_report(&mut self, now: Instant, report: &SenderReport<'_>) {
        if let Some(stream) = self.streams.iter_mut().find(|stream| stream.ssrc == report.ssrc) {
            stream.reception.note_sender_report(now, report);
        }
    }

    pub(crate) fn handle_timeout(&mut self, reporter: Reporter<'_>, outlet: &mut Outlet<'_>) {
        let before = outlet.compounds;
        super::send_transport_feedback(&mut self.twcc, reporter.ssrc, outlet);
        if self.next_report.is_some_and(|at| outlet.now >= at) {
            self.next_report = Some(outlet.now + REPORT_INTERVAL);
            self.report(reporter, outlet);
        }
        self.feedbacks += outlet.compounds - before;
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        [self.twcc.poll_timeout(), self.next_report].into_iter().flatten().min()
    }

    pub(crate) fn stats(&self) -> TallyStats {
        TallyStats {
            packets: self.streams.iter().map(|stream| stream.packets).sum(),
            bytes: self.bytes,
            feedbacks: self.feedbacks,
            expected: self.streams.iter().map(|stream| stream.counted().expected()).sum(),
        }
    }

    fn report(&mut self, reporter: Reporter<'_>, outlet: &mut Outlet<'_>) {
        let mut buffer = [0; MAX_COMPOUND];
        let mut compound = CompoundWriter::new(&mut buffer);
        let blocks: Vec<ReportBlock> = self.streams.iter_mut().map(|stream| stream.report_block(outlet.now)).collect();
        send_reports(&mut compound, &blocks, reporter, outlet);
    }

    fn stream(&mut self, ssrc: Ssrc) -> &mut Stream {
        let place = self.streams.iter().position(|stream| stream.ssrc == ssrc).unwrap_or_else(|| {
            self.streams.push(Stream::new(ssrc));
            self.streams.len() - 1
        });
        &mut self.streams[place]
    }
}

impl Stream {
    fn new(ssrc: Ssrc) -> Self {
        let (seqs, reception) = Default::default();
        Self { ssrc, seqs, first: SeqNo::default(), highest: SeqNo::default(), packets: 0, reception }
    }

    fn count(&mut self, seq: u16) {
        let seq = self.seqs.extend(seq);
        if self.packets == 0 {
            (self.first, self.highest) = (seq, seq);
        }
        self.highest = self.highest.max(seq);
        self.packets += 1;
    }

    fn counted(&self) -> Counted {
        let &Self { ssrc, first, highest, packets, .. } = self;
        Counted { ssrc, first, highest, received: packets, jitter: 0 }
    }

    fn report_block(&mut self, now: Instant) -> ReportBlock {
        let counted = self.counted();
        self.reception.report_block(now, &counted)
    }
}

/// One numbering of extensions holds for all media of a bundle (RFC 8843 §9.2); the section of data channels has none.
fn transport_seq_id(negotiation: &Negotiation) -> Option<u8> {
    let mut media = negotiation.sections.iter().filter(|section| section.kind != SectionKind::Application);
    media.find_map(|section| section.extensions.id(Extension::TransportCc))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(ssrc: u8, seq: u16) -> Vec<u8> {
        let [high, low] = seq.to_be_bytes();
        [&[0x80, 96, high, low, 0, 0, 0, 0, 0, 0, 0, ssrc][..], &[0xaa; 20]].concat()
    }

    #[test]
    fn what_is_missing_shows_in_what_was_expected_across_a_wrap() {
        let (now, mut tally) = (Instant::now(), Tally::new(Feedback::None));
        let negotiation = Negotiation::default();
        for seq in [65_534, 65_535, 1, 2] {
            assert!(tally.count(now, &packet(1, seq), &negotiation));
        }
        assert!(tally.count(now, &packet(2, 7), &negotiation));
        assert!(!tally.count(now, &packet(1, 9)[..11], &negotiation), "no whole header");
        assert_eq!(tally.stats(), TallyStats { packets: 5, bytes: 5 * 32, expected: 6, feedbacks: 0 });
        assert_eq!(tally.poll_timeout(), None, "it owes nothing");
    }

    #[test]
    fn a_report_tells_the_loss_since_the_last_one() {
        let (now, mut tally) = (Instant::now(), Tally::new(Feedback::Reports));
        tally.start(now);
        assert_eq!(tally.poll_timeout(), Some(now + REPORT_INTERVAL));
        for (seqs, fraction, lost) in [([10, 11, 12, 14], 51, 1), ([15, 16, 17, 18], 0, 1)] {
            for seq in seqs {
                tally.count(now, &packet(1, seq), &Negotiation::default());
            }
            let block = tally.streams[0].report_block(now);
            assert_eq!((block.fraction_lost, block.cumulative_lost), (fraction, lost));
            assert_eq!(block.highest_seq, u32::from(seqs[3]));
        }
    }
}
