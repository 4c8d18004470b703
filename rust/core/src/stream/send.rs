//! One SSRC out, with its retransmissions: what was sent under which number, and how the subscriber gets it.
//!
//! A sent packet is remembered as where it came from and the [`Patch`] that it left with, never as bytes: the same patch on
//! the same packet of the [`History`](super::History) gives the same bytes again.

use std::time::{Duration, Instant};

use sfu_wire::rtcp::ReportBlock;
use sfu_wire::{NtpTime, SeqNo, Ssrc};

use super::recv::ticks_to_duration;
use crate::codec::Kind;
use crate::layer::Packet;
use crate::nack::responder::{Budget, MAX_RESENDS, PLAYABLE, Past, Refusal, Refusals, may_resend};
use crate::rewrite::Patch;

/// What is older is not sent again.
const RETENTION: Duration = PLAYABLE;
const FIRST_ENTRIES: usize = 64;
const MAX_ENTRIES: usize = 2048;
/// No report is made up for a stream that has been silent for longer.
const REPORTABLE: Duration = Duration::from_secs(2);
/// A receiver report's round trip above this is a mistake.
const MAX_RTT_NANOS: i64 = 10_000_000_000;

/// As small as it goes: there is one for each packet of half a second, for each subscription.
#[derive(Debug, Clone, Copy)]
struct Entry {
    patch: Patch,
    source: SeqNo,
    /// When it was first sent.
    sent: Millis,
    /// When it was last sent, after that.
    resent: u16,
    len: u16,
    encoding: u8,
    resends: u8,
}

/// Milliseconds since the stream first sent anything: they last for 49 days, and what is compared is less than a second apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Millis(u32);

impl Millis {
    const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.wrapping_sub(earlier.0) as u64)
    }
}

/// What was sent under a number that is asked for again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sent {
    /// The encoding that it came from.
    pub encoding: u8,
    /// Its number there.
    pub seq: SeqNo,
    /// What it left with.
    pub patch: Patch,
}

/// Counters of one subscription, and what its receiver reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SendStats {
    /// Without retransmissions.
    pub packets_sent: u64,
    /// Whole packets, without retransmissions.
    pub bytes_sent: u64,
    /// Their payloads, for the sender report.
    pub payload_bytes_sent: u64,
    /// Packets sent again.
    pub packets_retransmitted: u64,
    /// Their bytes.
    pub bytes_retransmitted: u64,
    /// Numbers that were asked for again.
    pub nacks_received: u64,
    /// Those of them that were not sent.
    pub refused: Refusals,
    /// The peer's count.
    pub packets_lost: i64,
    /// The peer's.
    pub jitter: Duration,
    /// From the peer's reports.
    pub rtt: Option<Duration>,
}

/// See the module's text.
#[derive(Debug)]
pub struct SendStream {
    rate: u32,
    ssrc: Ssrc,
    rtx_ssrc: Ssrc,
    next_rtx: SeqNo,
    /// The subscriber takes retransmissions.
    repairs: bool,
    /// By outgoing number; its length is a power of two, or zero before anything was sent.
    entries: Vec<Option<Entry>>,
    newest: SeqNo,
    budget: Budget,
    stats: SendStats,
    first_sent: Option<Instant>,
    last_sent: Option<Instant>,
    keyframe: Option<Keyframe>,
    last_report: Option<u32>,
}

/// The keyframe that was sent last.
#[derive(Debug, Clone, Copy)]
struct Keyframe {
    /// Of its first packet.
    seq: SeqNo,
    /// What tells it from others.
    timestamp: u32,
}

impl SendStream {
    /// Retransmissions are numbered from `first_rtx` on, which is to be below 2^15 as for any outgoing stream.
    pub const fn new(kind: Kind, ssrc: Ssrc, rtx_ssrc: Ssrc, first_rtx: SeqNo) -> Self {
        let rate = match kind {
            Kind::Audio => 48_000,
            Kind::Video => 90_000,
        };
        Self {
            rate,
            ssrc,
            rtx_ssrc,
            next_rtx: first_rtx,
            repairs: false,
            entries: Vec::new(),
            newest: SeqNo::new(0),
            budget: Budget::new(),
            stats: SendStats {
                packets_sent: 0,
                bytes_sent: 0,
                payload_bytes_sent: 0,
                packets_retransmitted: 0,
                bytes_retransmitted: 0,
                nacks_received: 0,
                refused: Refusals {
                    unknown: 0,
                    superseded: 0,
                    too_old: 0,
                    too_often: 0,
                    too_soon: 0,
                    over_budget: 0,
                    flood: 0,
                },
                packets_lost: 0,
                jitter: Duration::ZERO,
                rtt: None,
            },
            first_sent: None,
            last_sent: None,
            keyframe: None,
            last_report: None,
        }
    }

    /// Media.
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// Retransmissions.
    pub const fn rtx_ssrc(&self) -> Ssrc {
        self.rtx_ssrc
    }

    /// Whether the subscriber takes retransmissions. If not, nothing is remembered.
    pub fn set_repairs(&mut self, repairs: bool) {
        self.repairs = repairs;
        if !repairs {
            self.entries = Vec::new();
        }
    }

    /// `packet` went out with `patch`, `len` bytes in all.
    pub fn sent(&mut self, now: Instant, packet: &Packet<'_>, patch: Patch, len: usize) {
        let (prefix, rest) = patch.apply(packet.payload);
        self.stats.packets_sent += 1;
        self.stats.bytes_sent += len as u64;
        self.stats.payload_bytes_sent += (prefix.len() + rest.len()) as u64;
        self.first_sent.get_or_insert(now);
        self.last_sent = Some(now);
        self.budget.sent(len);
        if packet.facts.keyframe {
            self.note_keyframe(&patch);
        }
        if self.repairs {
            self.newest = self.newest.max(patch.seq);
            let (source, encoding, len) = (packet.seq, packet.encoding, u16::try_from(len).unwrap_or(u16::MAX));
            let sent = self.millis(now);
            self.remember(Entry { patch, source, sent, resent: 0, len, encoding, resends: 0 });
        }
    }

    /// The subscriber asks for `seq` again; `None` when it does not get it, which is counted. What is given counts as sent again.
    pub fn answer_nack(&mut self, now: Instant, seq: u16, rtt: Option<Duration>) -> Option<Sent> {
        self.stats.nacks_received += 1;
        match self.find_sent(now, seq, rtt) {
            Ok(sent) => Some(sent),
            Err(refusal) => {
                self.refuse(refusal);
                None
            }
        }
    }

    /// Counts a request that is not answered.
    pub fn refuse(&mut self, refusal: Refusal) {
        self.stats.refused.count(refusal);
    }

    fn find_sent(&mut self, now: Instant, seq: u16, rtt: Option<Duration>) -> Result<Sent, Refusal> {
        let seq = sfu_wire::extend_seq(self.newest, seq);
        let now = self.millis(now);
        let index = index_of(seq, self.entries.len()).ok_or(Refusal::Unknown)?;
        let entry = self.entries[index].as_mut().filter(|entry| entry.patch.seq == seq).ok_or(Refusal::Unknown)?;
        if self.keyframe.is_some_and(|keyframe| seq < keyframe.seq) {
            return Err(Refusal::Superseded);
        }
        let age = now.since(entry.sent);
        let since = age.saturating_sub(Duration::from_millis(u64::from(entry.resent)));
        may_resend(&Past { age, since, resends: entry.resends }, rtt.or(self.stats.rtt))?;
        if !self.budget.allows(usize::from(entry.len)) {
            return Err(Refusal::OverBudget);
        }
        entry.resends = (entry.resends + 1).min(MAX_RESENDS);
        entry.resent = u16::try_from(age.as_millis()).unwrap_or(u16::MAX);
        Ok(Sent { encoding: entry.encoding, seq: entry.source, patch: entry.patch })
    }

    /// A keyframe may begin with several packets that each look like its first (parameter sets), in any order.
    fn note_keyframe(&mut self, patch: &Patch) {
        let (seq, timestamp) = (patch.seq, patch.timestamp);
        match &mut self.keyframe {
            Some(known) if known.timestamp == timestamp => known.seq = known.seq.min(seq),
            Some(known) if known.seq > seq => {}
            known => *known = Some(Keyframe { seq, timestamp }),
        }
    }

    fn millis(&self, now: Instant) -> Millis {
        let first = self.first_sent.unwrap_or(now);
        Millis(now.saturating_duration_since(first).as_millis() as u32)
    }

    /// Whether a sender report may name `timestamp` as now: a receiver's clock never goes back, and nobody knows where the clock
    /// of a stream that rests would stand (mediasoup: 2 s).
    pub fn may_report(&mut self, now: Instant, timestamp: u32) -> bool {
        let rests = self.last_sent.is_none_or(|last| now >= last + REPORTABLE);
        let goes_back = self.last_report.is_some_and(|last| (timestamp.wrapping_sub(last) as i32) < 0);
        if !rests && !goes_back {
            self.last_report = Some(timestamp);
        }
        !rests && !goes_back
    }

    /// The number of the next retransmission.
    pub fn next_rtx(&mut self) -> SeqNo {
        let seq = self.next_rtx;
        self.next_rtx = seq.next();
        seq
    }

    /// A retransmission of `len` bytes went out.
    pub fn retransmitted(&mut self, len: usize) {
        self.stats.packets_retransmitted += 1;
        self.stats.bytes_retransmitted += len as u64;
        self.budget.resent(len);
    }

    /// The subscriber reports how it receives the stream; `ntp` is now on the clock of the sender reports.
    pub fn receiver_report(&mut self, ntp: NtpTime, block: &ReportBlock) {
        self.stats.packets_lost = i64::from(block.cumulative_lost);
        self.stats.jitter = ticks_to_duration(u64::from(block.jitter), self.rate);
        if block.last_sr != 0 {
            // RFC 3550 §6.4.1, in units of 1/65536 s.
            let passed = ntp.middle().wrapping_sub(block.last_sr).wrapping_sub(block.delay_since_last_sr) as i32;
            let nanos = i64::from(passed.max(0)) * 1_000_000_000 / 65_536;
            if nanos < MAX_RTT_NANOS {
                self.stats.rtt = Some(Duration::from_nanos(nanos as u64));
            }
        }
    }

    /// What was sent cannot be found any more where it came from.
    pub fn forget_sent(&mut self) {
        self.entries.fill(None);
    }

    /// The counters.
    pub const fn stats(&self) -> SendStats {
        self.stats
    }

    /// When media last went out.
    pub const fn last_sent(&self) -> Option<Instant> {
        self.last_sent
    }

    fn remember(&mut self, entry: Entry) {
        loop {
            let Some(index) = index_of(entry.patch.seq, self.entries.len()) else {
                self.entries = vec![None; FIRST_ENTRIES];
                continue;
            };
            let young = |old: Entry| old.patch.seq < entry.patch.seq && entry.sent.since(old.sent) < RETENTION;
            if self.entries[index].is_some_and(young) && self.entries.len() < MAX_ENTRIES {
                self.grow();
                continue;
            }
            if self.entries[index].is_none_or(|old| old.patch.seq < entry.patch.seq) {
                self.entries[index] = Some(entry);
            }
            return;
        }
    }

    fn grow(&mut self) {
        let count = self.entries.len() * 2;
        let old = std::mem::replace(&mut self.entries, vec![None; count]);
        for entry in old.into_iter().flatten() {
            if let Some(index) = index_of(entry.patch.seq, count) {
                self.entries[index] = Some(entry);
            }
        }
    }
}

fn index_of(seq: SeqNo, count: usize) -> Option<usize> {
    Some(seq.get() as usize & count.checked_sub(1)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::CodecName;
    use crate::layer::FrameFacts;

    const RTT: Option<Duration> = Some(Duration::from_millis(40));

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn stream() -> SendStream {
        let mut stream = SendStream::new(Kind::Video, Ssrc::new(1), Ssrc::new(2), SeqNo::new(100));
        stream.set_repairs(true);
        stream
    }

    fn packet(now: Instant, out: u64) -> Packet<'static> {
        Packet {
            encoding: 2,
            epoch: 0,
            seq: SeqNo::new(out + 70_000),
            newest: SeqNo::new(out + 70_000),
            timestamp: 0,
            marker: false,
            codec: CodecName::H264,
            payload: &[0; 1000],
            facts: FrameFacts::opaque(false),
            dependencies: crate::layer::Dependencies::None,
            arrival: now,
        }
    }

    fn send(stream: &mut SendStream, now: Instant, out: u64) {
        stream.sent(now, &packet(now, out), Patch::new(SeqNo::new(out), out as u32, true), 1050);
    }

    #[test]
    fn what_was_sent_is_found_by_its_number_across_wraps() {
        let now = Instant::now();
        let mut stream = stream();
        (65_500..65_600).for_each(|out| send(&mut stream, now, out));
        for out in [65_500_u64, 65_535, 65_536, 65_599] {
            let sent = stream.answer_nack(now, out as u16, RTT).unwrap();
            assert_eq!((sent.seq.get(), sent.patch.seq.get(), sent.encoding), (out + 70_000, out, 2));
        }
        assert_eq!(stream.answer_nack(now, 65_499, RTT), None);
        assert_eq!(stream.answer_nack(now, 64, RTT), None, "not sent yet");
        assert_eq!(stream.stats().payload_bytes_sent, 100_000);
    }

    #[test]
    fn each_number_is_sent_again_three_times_and_a_round_trip_apart() {
        let now = Instant::now();
        let mut stream = stream();
        send(&mut stream, now, 7);
        let answered: Vec<u64> =
            (0..500).filter(|ms| stream.answer_nack(now + millis(*ms), 7, RTT).is_some()).collect();
        assert_eq!(answered, [0, 40, 80]);
        let stats = stream.stats();
        let refused = Refusals { too_soon: 78, too_often: 400, too_old: 19, ..Refusals::default() };
        assert_eq!((stats.nacks_received, stats.refused), (500, refused));
    }

    #[test]
    fn what_a_keyframe_superseded_is_not_sent_again() {
        let now = Instant::now();
        let mut stream = stream();
        (10..14).for_each(|out| send(&mut stream, now, out));
        // Parameter sets and picture each look like the start of their keyframe, and came in the wrong order.
        for out in [16, 15] {
            let facts = FrameFacts { keyframe: true, ..FrameFacts::opaque(false) };
            let packet = Packet { facts, ..packet(now, out) };
            stream.sent(now, &packet, Patch::new(SeqNo::new(out), 3000, false), 1050);
        }
        send(&mut stream, now, 17);
        let answered: Vec<u16> = (9..18).filter(|out| stream.answer_nack(now, *out, RTT).is_some()).collect();
        assert_eq!(answered, [15, 16, 17]);
        let refused = Refusals { unknown: 2, superseded: 4, ..Refusals::default() };
        assert_eq!(stream.stats().refused, refused, "9 and 14 were never sent");
    }

    #[test]
    fn what_would_be_played_no_more_is_not_sent_again() {
        let now = Instant::now();
        let mut stream = stream();
        send(&mut stream, now, 7);
        let rtt = Some(millis(200));
        assert_eq!(stream.answer_nack(now + millis(401), 7, rtt), None);
        assert_eq!(stream.stats().refused.too_old, 1);
        assert!(stream.answer_nack(now + millis(400), 7, rtt).is_some());
    }

    #[test]
    fn reports_go_forward_and_rest_with_the_stream() {
        let now = Instant::now();
        let mut stream = stream();
        assert!(!stream.may_report(now, 1000), "nothing was sent");
        send(&mut stream, now, 7);
        assert!(stream.may_report(now, u32::MAX - 10));
        assert!(stream.may_report(now + millis(1999), 20), "it wraps");
        assert!(!stream.may_report(now + millis(1999), 19), "it goes back");
        assert!(!stream.may_report(now + millis(2000), 500), "it rests");
        send(&mut stream, now + millis(5000), 8);
        assert!(stream.may_report(now + millis(5000), 400));
    }

    #[test]
    fn a_flood_of_requests_is_answered_within_the_budget() {
        let start = Instant::now();
        let mut stream = stream();
        let mut resent = 0;
        for out in 0..5000_u64 {
            let now = start + millis(out);
            send(&mut stream, now, out);
            for back in 0..20 {
                if stream.answer_nack(now, (out as u16).wrapping_sub(back), RTT).is_some() {
                    stream.retransmitted(1050);
                    resent += 1;
                }
            }
        }
        assert!((1200..1400).contains(&resent), "{resent}");
    }

    #[test]
    fn it_remembers_what_may_still_be_played_and_then_stays_as_large() {
        let start = Instant::now();
        let mut stream = stream();
        for out in 0..2000_u64 {
            let now = start + millis(4 * out);
            send(&mut stream, now, out);
            if out >= 125 {
                let index = index_of(SeqNo::new(out - 124), stream.entries.len()).unwrap();
                assert_eq!(stream.entries[index].unwrap().patch.seq.get(), out - 124);
            }
        }
        assert_eq!(stream.entries.len(), 128);
    }

    #[test]
    fn without_retransmissions_nothing_is_remembered() {
        let now = Instant::now();
        let mut audio = SendStream::new(Kind::Audio, Ssrc::new(1), Ssrc::new(2), SeqNo::new(0));
        send(&mut audio, now, 1);
        assert_eq!((audio.entries.capacity(), audio.answer_nack(now, 1, RTT)), (0, None));
        audio.set_repairs(true);
        send(&mut audio, now, 2);
        assert!(audio.answer_nack(now, 2, RTT).is_some());
        audio.set_repairs(false);
        assert_eq!((audio.entries.capacity(), audio.answer_nack(now, 2, RTT)), (0, None));
    }

    #[test]
    fn the_round_trip_comes_from_the_report() {
        let mut stream = stream();
        let ntp = NtpTime::from_unix(Duration::from_millis(1_700_000_000_500));
        let block = ReportBlock {
            cumulative_lost: -1,
            jitter: 900,
            last_sr: NtpTime::from_unix(Duration::from_secs(1_700_000_000)).middle(),
            delay_since_last_sr: 65_536 / 4,
            ..ReportBlock::default()
        };
        stream.receiver_report(ntp, &block);
        let stats = stream.stats();
        assert_eq!((stats.packets_lost, stats.jitter), (-1, millis(10)));
        let rtt = stats.rtt.unwrap();
        assert!((millis(249)..millis(251)).contains(&rtt), "{rtt:?}");
    }
}
