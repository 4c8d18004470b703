//! One SSRC out, with its retransmissions: what was sent under which number, and how the subscriber gets it.
//!
//! A sent packet is remembered as where it came from and the [`Patch`] that it left with, never as bytes: the same patch on
//! the same packet of the [`History`](super::History) gives the same bytes again.

use std::time::{Duration, Instant};

use sfu_wire::rtcp::ReportBlock;
use sfu_wire::{NtpTime, SeqNo, Ssrc, prefetch};

use super::recv::ticks_to_duration;
use crate::codec::Kind;
use crate::layer::Packet;
use crate::nack::responder::{Budget, MAX_RESENDS, Past, Refusal, Refusals, may_resend, playable};
use crate::rewrite::Patch;

const FIRST_ENTRIES: usize = 64;
const MAX_ENTRIES: usize = 2048;
/// No report is made up for a stream that has been silent for longer.
const REPORTABLE: Duration = Duration::from_secs(2);
/// A receiver report's round trip above this is a mistake.
const MAX_RTT_NANOS: i64 = 10_000_000_000;

/// As small as it goes: there is one for each packet that may still be played, for each subscription.
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

/// Milliseconds since the stream first sent anything: they last for 49 days, and what is compared is seconds apart.
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

    /// Asks for the memory where the next `count` packets will be remembered.
    pub fn prefetch(&self, count: usize) {
        for ahead in 1..=count as u64 {
            if let Some(index) = index_of(self.newest.plus(ahead), self.entries.len()) {
                prefetch::item(&self.entries, index);
            }
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

    /// What went out so many packets before the last one, as far as it is remembered.
    pub(crate) fn recent(&self, back: u64) -> Option<Sent> {
        let seq = SeqNo::new(self.newest.get().checked_sub(back)?);
        let entry = self.entries.get(index_of(seq, self.entries.len())?)?.filter(|entry| entry.patch.seq == seq)?;
        Some(Sent { encoding: entry.encoding, seq: entry.source, patch: entry.patch })
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

    /// The highest number that was sent, while the subscriber takes retransmissions.
    pub const fn newest(&self) -> SeqNo {
        self.newest
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
        // What is older is not sent again.
        let retention = playable(self.stats.rtt);
        loop {
            let Some(index) = index_of(entry.patch.seq, self.entries.len()) else {
                self.entries = vec![None; FIRST_ENTRIES];
                continue;
            };
            let young = |old: Entry| old.patch.seq < entry.patch.seq && entry.sent.since(old.sent) < retention;
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
mod tests;
