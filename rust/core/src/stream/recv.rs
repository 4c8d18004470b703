//! One SSRC in: numbering, what is missing, and how the publisher's side of the path is doing (RFC 3550 §6.4, §A.3, §A.8).

use std::time::{Duration, Instant};

use sfu_wire::rtcp::ReportBlock;
use sfu_wire::{Bitrate, NtpTime, Rid, SeqNo, Ssrc, ntp};

use super::numbering::{Accepted, Numbering, StreamEnd, ToldNumbers};
use super::rate::RateMeter;
use crate::codec::Kind;
use crate::layer::FrameFacts;
use crate::nack::generator::NackGenerator;
use crate::stats::EncodingStats;

/// An encoding is active when it brought packets within this time.
const ACTIVE: Duration = Duration::from_secs(2);

/// A packet as it came, or as it came out of a repair stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The sequence number of the primary stream.
    pub seq: u16,
    /// As in the packet.
    pub timestamp: u32,
    /// Bytes of payload.
    pub len: usize,
    /// It came as a retransmission.
    pub repaired: bool,
}

/// What a packet is to the newest keyframe of its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyframePart {
    /// Its first.
    Start,
    /// Another of its frame, or of its picture with SVC.
    Rest,
    /// None.
    None,
}

#[derive(Debug, Clone, Copy, Default)]
struct Counts {
    packets: u64,
    bytes: u64,
    repaired: u64,
    nacks: u64,
    keyframes: u64,
    frames: u64,
}

/// Expected and received packets, and both at the last report.
#[derive(Debug, Clone, Copy, Default)]
struct Losses {
    expected: u64,
    received: u64,
    reported: (u64, u64),
}

/// See the module's text.
#[derive(Debug)]
pub struct RecvStream {
    rate: u32,
    numbering: Numbering,
    nack: NackGenerator,
    counts: Counts,
    losses: Losses,
    meter: RateMeter,
    /// In units of 1/16 tick.
    jitter: u64,
    /// Arrival and timestamp of the packet that jitter is measured against.
    transit: Option<(Instant, u64)>,
    last_report: Option<(NtpTime, Instant)>,
    last_arrival: Option<Instant>,
    silence: Duration,
    newest_frame: u64,
    newest_keyframe: u64,
}

impl RecvStream {
    /// Nothing has come yet.
    pub const fn new(kind: Kind) -> Self {
        let rate = match kind {
            Kind::Audio => 48_000,
            Kind::Video => 90_000,
        };
        Self {
            rate,
            numbering: Numbering::new(rate),
            nack: NackGenerator::new(),
            counts: Counts { packets: 0, bytes: 0, repaired: 0, nacks: 0, keyframes: 0, frames: 0 },
            losses: Losses { expected: 0, received: 0, reported: (0, 0) },
            meter: RateMeter::new(),
            jitter: 0,
            transit: None,
            last_report: None,
            last_arrival: None,
            silence: Duration::ZERO,
            newest_frame: 0,
            newest_keyframe: 0,
        }
    }

    /// A packet came, padding too. `None`: it is a duplicate or too old, and to be dropped.
    pub fn receive(&mut self, now: Instant, arrival: &Arrival) -> Option<Accepted> {
        // Late repairs of what was before a restart are no restart.
        if arrival.repaired && !self.numbering.reaches(arrival.seq) {
            return None;
        }
        let accepted = self.numbering.accept(now, arrival.seq, arrival.timestamp)?;
        self.count(now, arrival);
        self.losses.received += 1;
        self.losses.expected += accepted.earlier;
        match accepted.previous {
            Some(previous) => {
                self.losses.expected += accepted.seq.since(previous) as u64;
                self.nack.gap(now, previous, accepted.seq);
            }
            None if accepted.seq == accepted.newest => {
                self.losses.expected += 1;
                self.nack.clear();
                self.transit = None;
            }
            None => self.nack.arrived(now, accepted.seq, arrival.repaired),
        }
        if !arrival.repaired && accepted.seq == accepted.newest {
            self.measure_jitter(now, accepted.timestamp);
        }
        Some(accepted)
    }

    /// A packet came that was numbered elsewhere. `None`: it came before.
    pub(crate) fn follow(&mut self, now: Instant, told: ToldNumbers, arrival: &Arrival) -> Option<Accepted> {
        let accepted = self.numbering.follow(told)?;
        self.count(now, arrival);
        Some(accepted)
    }

    fn count(&mut self, now: Instant, arrival: &Arrival) {
        let last = self.last_arrival.replace(now);
        self.silence = last.map_or(Duration::ZERO, |last| now.saturating_duration_since(last));
        self.counts.packets += 1;
        self.counts.bytes += arrival.len as u64;
        self.counts.repaired += u64::from(arrival.repaired);
        self.meter.add(now, arrival.len);
    }

    /// What the payload of an accepted packet with this extended timestamp says of its frame.
    pub fn frame(&mut self, timestamp: u64, facts: &FrameFacts) -> KeyframePart {
        if timestamp > self.newest_frame {
            self.newest_frame = timestamp;
            self.counts.frames += 1;
        }
        if facts.keyframe && timestamp > self.newest_keyframe {
            self.newest_keyframe = timestamp;
            self.counts.keyframes += 1;
            KeyframePart::Start
        } else if timestamp == self.newest_keyframe {
            KeyframePart::Rest
        } else {
            KeyframePart::None
        }
    }

    /// How long nothing had come before the last packet.
    pub const fn silence(&self) -> Duration {
        self.silence
    }

    /// The publisher begins a new stream in the place of this one (another SSRC): numbers go on above the old ones.
    pub fn restart(&mut self) {
        self.numbering.restart();
        self.last_report = None;
    }

    /// Where the stream stands; `None` before anything came.
    pub(crate) fn end(&self) -> Option<StreamEnd> {
        self.numbering.end()
    }

    /// The publisher's sender report came; gives its timestamp without wraps.
    pub fn sender_report(&mut self, now: Instant, ntp: NtpTime, timestamp: u32) -> Option<u64> {
        self.last_report = Some((ntp, now));
        self.numbering.extend_timestamp(timestamp)
    }

    /// What to report to the publisher under `ssrc`; `None` before anything came.
    pub fn report_block(&mut self, now: Instant, ssrc: Ssrc) -> Option<ReportBlock> {
        self.last_arrival?;
        let Losses { expected, received, reported } = self.losses;
        let (new, lost) = (expected - reported.0, (expected - reported.0).saturating_sub(received - reported.1));
        self.losses.reported = (expected, received);
        Some(ReportBlock {
            ssrc,
            fraction_lost: (lost * 256).checked_div(new).unwrap_or(0).min(255) as u8,
            cumulative_lost: (expected as i64 - received as i64) as i32,
            highest_seq: self.numbering.highest_reported(),
            jitter: (self.jitter >> 4) as u32,
            last_sr: self.last_report.map_or(0, |(ntp, _)| ntp.middle()),
            delay_since_last_sr: self
                .last_report
                .map_or(0, |(_, arrival)| ntp::to_short(now.saturating_duration_since(arrival))),
        })
    }

    /// The numbers to ask for now, rising.
    pub fn poll_nacks(&mut self, now: Instant, rtt: Option<Duration>) -> &[SeqNo] {
        let asked = self.nack.poll(now, rtt);
        self.counts.nacks += asked.len() as u64;
        asked
    }

    /// How long a packet that is asked for takes to come, when it comes; `rtt` as it was reported.
    pub fn round_trip(&self, rtt: Option<Duration>) -> Duration {
        self.nack.round_trip(rtt)
    }

    /// The publisher does not take NACKs.
    pub fn give_up_missing(&mut self) {
        self.nack.clear();
    }

    /// When to poll for NACKs.
    pub const fn poll_timeout(&self) -> Option<Instant> {
        self.nack.poll_timeout()
    }

    /// The highest number so far.
    pub const fn newest(&self) -> SeqNo {
        self.numbering.highest()
    }

    /// Over the last second.
    pub(crate) fn bitrate(&mut self, now: Instant) -> Bitrate {
        self.meter.rate(now)
    }

    /// The statistics, with what the stream does not know of itself.
    pub fn stats(&mut self, now: Instant, rid: Option<Rid>, ssrc: Ssrc, spatial: u8, plis_sent: u64) -> EncodingStats {
        EncodingStats {
            rid,
            ssrc,
            spatial,
            active: self.last_arrival.is_some_and(|last| now < last + ACTIVE),
            packets_received: self.counts.packets,
            bytes_received: self.counts.bytes,
            packets_lost: self.losses.expected.saturating_sub(self.losses.received),
            packets_repaired: self.counts.repaired,
            jitter: ticks_to_duration(self.jitter >> 4, self.rate),
            nacks_sent: self.counts.nacks,
            plis_sent,
            keyframes: self.counts.keyframes,
            frames: self.counts.frames,
            bitrate: self.bitrate(now),
        }
    }

    fn measure_jitter(&mut self, now: Instant, timestamp: u64) {
        if let Some((arrival, reference)) = self.transit.replace((now, timestamp)) {
            let passed = now.saturating_duration_since(arrival).as_nanos() * u128::from(self.rate) / 1_000_000_000;
            let difference = (passed as i64 - timestamp.wrapping_sub(reference) as i64).unsigned_abs();
            // RFC 3550 §A.8, with the estimate in 1/16 ticks.
            self.jitter = self.jitter + difference - ((self.jitter + 8) >> 4);
        }
    }
}

/// A count of RTP clock ticks as time.
pub(super) fn ticks_to_duration(ticks: u64, rate: u32) -> Duration {
    Duration::from_nanos((u128::from(ticks) * 1_000_000_000 / u128::from(rate)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn arrival(seq: u16) -> Arrival {
        Arrival { seq, timestamp: u32::from(seq) * 3000, len: 100, repaired: false }
    }

    const SSRC: Ssrc = Ssrc::new(9);

    #[test]
    fn losses_are_reported_once_as_a_fraction_and_all_the_time_in_sum() {
        let start = Instant::now();
        let mut stream = RecvStream::new(Kind::Video);
        assert_eq!(stream.report_block(start, SSRC), None);
        for seq in (0..100).filter(|seq| seq % 4 != 1) {
            stream.receive(start, &arrival(seq));
        }
        let block = stream.report_block(start, SSRC).unwrap();
        assert_eq!((block.cumulative_lost, block.highest_seq), (25, 99));
        assert_eq!(block.fraction_lost, 64);
        let block = stream.report_block(start, SSRC).unwrap();
        assert_eq!((block.cumulative_lost, block.fraction_lost), (25, 0));
        stream.receive(start, &Arrival { repaired: true, ..arrival(1) });
        let stats = stream.stats(start, None, SSRC, 0, 3);
        assert_eq!((stats.packets_lost, stats.packets_repaired, stats.packets_received), (24, 1, 76));
    }

    #[test]
    fn what_is_missing_is_asked_for_unless_it_came_repaired_first() {
        let start = Instant::now();
        let mut stream = RecvStream::new(Kind::Video);
        for seq in [5, 6, 9] {
            stream.receive(start, &arrival(seq));
        }
        stream.receive(start + millis(1), &Arrival { repaired: true, ..arrival(8) });
        let due = stream.poll_timeout().unwrap();
        let asked: Vec<u16> = stream.poll_nacks(due, None).iter().map(|seq| seq.as_u16()).collect();
        assert_eq!(asked, [7]);
        assert!(stream.receive(due, &arrival(7)).is_some());
        assert!(stream.receive(due, &arrival(7)).is_none(), "a duplicate");
        assert_eq!(stream.poll_timeout(), None);
    }

    #[test]
    fn jitter_is_what_arrival_and_timestamps_differ_by() {
        let start = Instant::now();
        let mut steady = RecvStream::new(Kind::Video);
        let mut shaky = RecvStream::new(Kind::Video);
        for seq in 0..300_u16 {
            let sent = start + Duration::from_micros(33_333) * u32::from(seq);
            steady.receive(sent, &arrival(seq));
            shaky.receive(sent + millis(u64::from(seq % 2) * 10), &arrival(seq));
        }
        assert!(steady.stats(start, None, SSRC, 0, 0).jitter < millis(1));
        let jitter = shaky.stats(start, None, SSRC, 0, 0).jitter;
        assert!((millis(9)..millis(11)).contains(&jitter), "{jitter:?}");
    }

    #[test]
    fn the_last_sender_report_is_named_in_the_block() {
        let start = Instant::now();
        let mut stream = RecvStream::new(Kind::Audio);
        stream.receive(start, &arrival(1));
        let ntp = NtpTime::new(0x1234_5678_9abc_def0);
        assert_eq!(stream.sender_report(start, ntp, 3000), Some((1 << 32) + 3000));
        let block = stream.report_block(start + millis(500), SSRC).unwrap();
        assert_eq!((block.last_sr, block.delay_since_last_sr), (0x5678_9abc, 32_768));
    }

    #[test]
    fn a_restart_loses_nothing() {
        let start = Instant::now();
        let mut stream = RecvStream::new(Kind::Video);
        stream.receive(start, &arrival(1));
        stream.restart();
        let accepted = stream.receive(start, &arrival(40_000)).unwrap();
        assert_eq!(accepted.epoch, 1);
        assert_eq!(stream.stats(start, None, SSRC, 0, 0).packets_lost, 0);
        assert_eq!(stream.poll_timeout(), None);
    }

    #[test]
    fn repairs_of_the_stream_before_a_restart_do_not_restart_it() {
        let start = Instant::now();
        let mut stream = RecvStream::new(Kind::Video);
        stream.receive(start, &arrival(1000));
        stream.restart();
        let restarted = stream.receive(start, &arrival(40_000)).unwrap();
        for seq in [998, 999] {
            assert_eq!(stream.receive(start, &Arrival { repaired: true, ..arrival(seq) }), None);
        }
        let next = stream.receive(start, &arrival(40_001)).unwrap();
        assert_eq!((next.epoch, next.seq), (restarted.epoch, restarted.seq.next()));
    }

    #[test]
    fn frames_and_keyframes_are_counted_by_their_timestamp() {
        let start = Instant::now();
        let mut stream = RecvStream::new(Kind::Video);
        let keyframe = FrameFacts { keyframe: true, ..FrameFacts::opaque(false) };
        for (seq, timestamp, facts) in
            [(1, 0, keyframe), (2, 0, keyframe), (3, 0, FrameFacts::opaque(true)), (4, 3000, FrameFacts::opaque(true))]
        {
            let accepted = stream.receive(start, &Arrival { timestamp, ..arrival(seq) }).unwrap();
            stream.frame(accepted.timestamp, &facts);
        }
        let stats = stream.stats(start, None, SSRC, 0, 0);
        assert_eq!((stats.frames, stats.keyframes), (2, 1));
    }
}
