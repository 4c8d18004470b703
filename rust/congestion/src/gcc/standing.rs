//! A queue that stands: packets wait long, and no longer than those before them.
//!
//! The trend sees a queue that grows. One that is full does not grow any more, so its delay looks calm while a share of what is sent is lost; and a
//! sudden one is full before twenty groups have shown a slope. So here the delay itself counts: how much longer a packet took than the
//! quickest of the last half minute. When even the quickest of a report waited for more than [`TOLERATED`], the rate falls below what has just
//! arrived, which is what the bottleneck passes. Others may be who fills the queue: what three falls in a row do not shorten is not
//! ours: the falls are taken back, it is tolerated, and that forgotten again slowly. Not in libwebrtc, whose senders ask their encoders for less when too much
//! is under way (its congestion window). Invariant: what is tolerated is never below [`TOLERATED`].

use std::time::{Duration, Instant};

use sfu_wire::rtcp::FeedbackTime;
use sfu_wire::{Bitrate, DataSize};

use crate::twcc::PacketResult;

/// Higher: later. Lower: jitter costs rate. (Signals of LiveKit's sendsidebwe: 50 ms.)
const TOLERATED: Duration = Duration::from_millis(60);
/// The quickest packet of one to two of these is what the way takes by itself. Longer: a way that became longer is
/// mistaken for a queue. Shorter: a queue that stands is mistaken for the way.
const WINDOW: Duration = Duration::from_secs(15);
/// How long a fall may take to be seen, with twice the queue that it has to get through. Longer: a queue stands longer. Shorter: falls for what
/// the last one has cured already.
const PATIENCE: Duration = Duration::from_millis(250);
/// A queue that has become so much shorter is one that our falls shorten. A fall leaves 85 %, so in 250 ms it is 37 ms.
const SHORTER: Duration = Duration::from_millis(20);
/// What is tolerated of a queue that is not ours, as a multiple of its length.
const TOLERANCE: f64 = 1.25;
/// How often half of what was tolerated beyond [`TOLERATED`] is forgotten.
const FORGET: Duration = Duration::from_secs(10);

/// Three packets of 1200 bytes, in bits: less is no queue, however long a slow way takes for them.
const FEW_PACKETS: f64 = 3.0 * 1200.0 * 8.0;
/// Of fewer packets the longest time between two is one like the others.
const FEW_GAPS: u32 = 5;
/// Falls that shorten nothing before the queue is taken for another's.
const FALLS: u32 = 3;

/// What a report says of the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Queue {
    /// It is short, or what it is due to has been done.
    Calm,
    /// It stands, and so much passes: the rate is to fall below.
    Ours(Bitrate),
    /// It stands, whatever the rate: the falls were in vain.
    NotOurs,
}

/// What arrived, as reports told it.
#[derive(Debug, Clone, Copy)]
struct Arrived {
    first: FeedbackTime,
    first_size: DataSize,
    last: FeedbackTime,
    size: DataSize,
    packets: u32,
    /// The longest time without an arrival, in microseconds, and the packet that ended it.
    gap: (i64, DataSize),
}

impl Arrived {
    fn new(arrival: FeedbackTime, size: DataSize) -> Self {
        Self { first: arrival, first_size: size, last: arrival, size, packets: 1, gap: (0, DataSize::ZERO) }
    }

    fn add(&mut self, arrival: FeedbackTime, size: DataSize) {
        self.gap = longer(self.gap, (arrival.micros_since(self.last), size));
        (self.last, self.size, self.packets) = (arrival, self.size + size, self.packets + 1);
    }
}

fn longer(one: (i64, DataSize), other: (i64, DataSize)) -> (i64, DataSize) {
    if other.0 > one.0 { other } else { one }
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Standing {
    first: Option<(Instant, FeedbackTime)>,
    /// Of this window and the one before: the quickest way, in microseconds behind the first packet's.
    quickest: (i64, i64),
    window: Option<Instant>,
    /// Of this report.
    shortest: Option<i64>,
    /// In this report and the one before.
    arrived: (Option<Arrived>, Option<Arrived>),
    tolerated: Duration,
    forgot: Option<Instant>,
    /// The last fall, and how long packets waited then.
    fell: Option<(Instant, Duration)>,
    in_vain: u32,
}

impl Standing {
    pub(super) const fn new() -> Self {
        Self {
            first: None,
            quickest: (i64::MAX, i64::MAX),
            window: None,
            shortest: None,
            arrived: (None, None),
            tolerated: TOLERATED,
            forgot: None,
            fell: None,
            in_vain: 0,
        }
    }

    /// A packet of this report.
    pub(super) fn add(&mut self, now: Instant, packet: &PacketResult, arrival: FeedbackTime) {
        let (sent, arrived) = *self.first.get_or_insert((packet.sent, arrival));
        let later = packet.sent.saturating_duration_since(sent).as_micros() as i64
            - sent.saturating_duration_since(packet.sent).as_micros() as i64;
        let way = arrival.micros_since(arrived) - later;
        let window = *self.window.get_or_insert(now);
        if now.saturating_duration_since(window) >= WINDOW {
            (self.quickest, self.window) = ((i64::MAX, self.quickest.0), Some(now));
        }
        self.quickest.0 = self.quickest.0.min(way);
        self.shortest = Some(self.shortest.map_or(way, |shortest| shortest.min(way)));
        if let Some(arrived) = &mut self.arrived.0 {
            arrived.add(arrival, packet.size);
        } else {
            self.arrived.0 = Some(Arrived::new(arrival, packet.size));
        }
    }

    /// The report is over.
    pub(super) fn ends(&mut self, now: Instant) -> Queue {
        let passes = self.passes();
        self.arrived = (None, self.arrived.0);
        match (self.shortest.take(), passes.filter(|passes| *passes > Bitrate::ZERO)) {
            (Some(shortest), Some(passes)) => self.judge(now, shortest, passes),
            _ => Queue::Calm,
        }
    }

    /// Whether a fall is still to show what it brings.
    pub(super) const fn is_watched(&self) -> bool {
        self.fell.is_some()
    }

    /// What has arrived in the last two reports, by the time that it took. The longest time without an arrival does not count: packets leave a
    /// queue one behind the other, and a way that became longer leaves one gap.
    fn passes(&self) -> Option<Bitrate> {
        let newest = self.arrived.0?;
        let (first, before, packets, mut gap) = match self.arrived.1 {
            Some(older) => {
                let between = (newest.first.micros_since(older.last), newest.first_size);
                (older, older.size, older.packets, longer(older.gap, longer(between, newest.gap)))
            }
            None => (newest, DataSize::ZERO, 0, newest.gap),
        };
        if packets + newest.packets < FEW_GAPS {
            gap = (0, DataSize::ZERO);
        }
        let micros = newest.last.micros_since(first.first).saturating_sub(gap.0);
        let micros = u64::try_from(micros).ok().filter(|micros| *micros > 0)?;
        // The first packet's own time was before it arrived.
        Some(Bitrate::of(before + newest.size - first.first_size - gap.1, Duration::from_micros(micros)))
    }

    fn judge(&mut self, now: Instant, shortest: i64, passes: Bitrate) -> Queue {
        let way = self.quickest.0.min(self.quickest.1);
        let waited = Duration::from_micros(u64::try_from(shortest.saturating_sub(way)).unwrap_or(0));
        self.forget(now, waited);
        let few = Duration::from_secs_f64(FEW_PACKETS / passes.get() as f64);
        if waited <= self.tolerated.max(few) {
            (self.fell, self.in_vain) = (None, 0);
            return Queue::Calm;
        }
        if let Some((fell, before)) = self.fell {
            if now.saturating_duration_since(fell) < PATIENCE + before * 2 {
                return Queue::Calm;
            }
            self.in_vain = if waited + SHORTER <= before { 0 } else { self.in_vain + 1 };
            if self.in_vain >= FALLS {
                (self.tolerated, self.fell, self.in_vain) = (waited.mul_f64(TOLERANCE), None, 0);
                return Queue::NotOurs;
            }
        }
        self.fell = Some((now, waited));
        Queue::Ours(passes)
    }

    /// What is tolerated is forgotten while the queue is much shorter.
    fn forget(&mut self, now: Instant, waited: Duration) {
        let since = *self.forgot.get_or_insert(now);
        if waited > self.tolerated / 2 {
            self.forgot = Some(now);
        } else if now.saturating_duration_since(since) >= FORGET {
            self.tolerated = TOLERATED + self.tolerated.saturating_sub(TOLERATED) / 2;
            self.forgot = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use sfu_wire::SeqNo;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A way of `delay` milliseconds, and what is told of it every 50 ms: ten packets 5 ms apart.
    struct Path {
        standing: Standing,
        start: Instant,
        now: Instant,
        sent: u64,
    }

    impl Path {
        fn new() -> Self {
            let now = Instant::now();
            Self { standing: Standing::new(), start: now, now, sent: 0 }
        }

        /// Reports for `time`; how often a queue was seen, and the last rate.
        fn play(&mut self, time: Duration, delay: u64) -> (u32, Option<Bitrate>) {
            let (mut seen, mut rate) = (0, None);
            for _ in 0..time.as_millis() / 50 {
                for _ in 0..10 {
                    self.sent += 5;
                    let arrival = FeedbackTime::new((self.sent + delay) as i64 * 1000 / FeedbackTime::TICK_MICROS);
                    let sent = self.start + Duration::from_millis(self.sent);
                    let size = DataSize::new(1200);
                    let packet = PacketResult { seq: SeqNo::new(self.sent), sent, size, arrival: Some(arrival) };
                    self.standing.add(self.now, &packet, arrival);
                }
                self.now += 50 * MS;
                if let Queue::Ours(passes) = self.standing.ends(self.now) {
                    (seen, rate) = (seen + 1, Some(passes));
                }
            }
            (seen, rate)
        }
    }

    #[test]
    fn a_queue_that_stands_is_seen_with_what_passes() {
        let mut path = Path::new();
        assert_eq!(path.play(1000 * MS, 50), (0, None));
        assert_eq!(path.play(1000 * MS, 105), (0, None), "55 ms are tolerated");
        let (seen, rate) = path.play(200 * MS, 250);
        assert_eq!(
            (seen, rate.unwrap().get() / 1000),
            (1, 1920),
            "a packet each 5 ms, but for the moment in which the way became longer"
        );
    }

    #[test]
    fn what_three_falls_do_not_shorten_is_tolerated_for_a_while() {
        let mut path = Path::new();
        path.play(1000 * MS, 50);
        assert_eq!(path.play(5000 * MS, 250).0, 3);
        assert_eq!(path.play(5000 * MS, 250).0, 0);
        path.play(21_000 * MS, 50);
        assert_eq!(path.play(5000 * MS, 250).0, 3, "forgotten");
    }

    #[test]
    fn a_queue_that_falls_shorten_is_ours() {
        let mut path = Path::new();
        path.play(1000 * MS, 50);
        let seen: u32 = [400, 300, 220, 160, 120].map(|delay| path.play(1000 * MS, delay).0).iter().sum();
        assert!(seen >= 5, "{seen}");
        assert_eq!(path.play(300 * MS, 60).0, 0);
    }

    #[test]
    fn after_half_a_minute_a_longer_way_is_the_way() {
        let mut path = Path::new();
        path.play(1000 * MS, 50);
        path.play(31_000 * MS, 150);
        assert_eq!(path.play(10_000 * MS, 200).0, 0, "50 ms more than the way");
        assert!(path.play(1000 * MS, 300).0 > 0);
    }
}
