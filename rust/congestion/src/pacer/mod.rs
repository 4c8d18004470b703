//! Spreads what goes to one subscriber, so that a burst of its publisher does not become a queue on the way.
//!
//! It stands between the choice of packets and their stamps and keys. What may leave at once is not kept: [`Pacer::admits`] is asked first, and
//! only when it says no a packet is queued, as whatever stands for it ([`Pacer::push`]); it leaves by [`Pacer::poll_send`], at the time of
//! [`Pacer::poll_timeout`]. Sound never waits. A probe is what is sent faster for a while: media that leaves meanwhile counts, and
//! [`Pacer::poll_padding`] tells what is missing. Invariant: within a class the order stays, and nothing of a lower class passes one above.

mod debt;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sfu_wire::{Bitrate, DataSize, SeqNo};

use self::debt::Debt;
use crate::probe::{ProbePlan, SentProbe};

/// How much faster than the estimate it sends. Higher: frames arrive sooner. Lower: shorter queues on the way.
/// (libwebrtc `goog_cc_network_control.cc`: 2.5)
const AHEAD: f64 = 2.5;

/// In the order in which they leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PacketClass {
    /// Leaves at once, and counts.
    Audio,
    /// What was asked for again.
    Retransmission,
    /// New pictures.
    Video,
}

#[derive(Debug)]
struct Waiting<T> {
    size: DataSize,
    since: Instant,
    item: T,
}

#[derive(Debug, Clone, Copy)]
struct Probing {
    plan: ProbePlan,
    debt: Debt,
    began: Instant,
    /// When its last burst left.
    burst: Instant,
    packets: u32,
    size: DataSize,
    numbers: Option<(SeqNo, SeqNo)>,
}

/// See the module's text. `T` stands for a packet that waits.
#[derive(Debug)]
pub struct Pacer<T> {
    debt: Debt,
    retransmissions: VecDeque<Waiting<T>>,
    video: VecDeque<Waiting<T>>,
    queued: DataSize,
    probing: Option<Probing>,
    /// Behind the one that is being sent.
    next_probe: Option<ProbePlan>,
    done: Option<SentProbe>,
}

impl<T> Pacer<T> {
    /// For a way that carries `estimate`.
    pub fn new(now: Instant, estimate: Bitrate) -> Self {
        Self {
            debt: Debt::new(now, estimate * AHEAD),
            retransmissions: VecDeque::new(),
            video: VecDeque::new(),
            queued: DataSize::ZERO,
            probing: None,
            next_probe: None,
            done: None,
        }
    }

    /// The way carries `estimate` from now on.
    pub fn set_estimate(&mut self, now: Instant, estimate: Bitrate) {
        self.debt.set_rate(now, estimate * AHEAD);
    }

    /// Whether a packet may leave now; then it has to, and [`Self::handle_sent`] be told.
    pub fn admits(&mut self, now: Instant, class: PacketClass) -> bool {
        match class {
            PacketClass::Audio => true,
            PacketClass::Retransmission => self.retransmissions.is_empty() && self.debt.allows(now),
            PacketClass::Video => self.is_empty() && self.debt.allows(now),
        }
    }

    /// A packet that may not leave now waits. Sound that is put here waits with retransmissions.
    pub fn push(&mut self, now: Instant, class: PacketClass, size: DataSize, item: T) {
        let queue = if class == PacketClass::Video { &mut self.video } else { &mut self.retransmissions };
        queue.push_back(Waiting { size, since: now, item });
        self.queued += size;
    }

    /// The next one whose time has come; [`Self::handle_sent`] has to be told when it has left.
    pub fn poll_send(&mut self, now: Instant) -> Option<T> {
        if self.is_empty() || !self.debt.allows(now) {
            return None;
        }
        let waiting = self.retransmissions.pop_front().or_else(|| self.video.pop_front())?;
        self.queued = self.queued - waiting.size;
        Some(waiting.item)
    }

    /// A packet left, with this transport-wide number when it has one.
    pub fn handle_sent(&mut self, now: Instant, size: DataSize, number: Option<SeqNo>) {
        self.debt.add(now, size);
        if let (Some(probing), Some(number)) = (&mut self.probing, number) {
            probing.debt.add(now, size);
            probing.packets += 1;
            probing.size += size;
            probing.burst = now;
            probing.numbers = Some((probing.numbers.map_or(number, |(first, _)| first), number));
            self.end_probe(now);
        }
    }

    /// A probe is to be sent, behind the one that is. A third is not taken: it comes again.
    pub fn probe(&mut self, now: Instant, plan: ProbePlan) {
        if self.probing.is_none() {
            self.begin_probe(now, plan);
        } else {
            self.next_probe.get_or_insert(plan);
        }
    }

    /// What the probe lacks now: to be filled by what is useful, or by padding.
    pub fn poll_padding(&mut self, now: Instant) -> Option<DataSize> {
        let probing = self.probing.as_ref()?;
        let due = probing.packets == 0 || now >= probing.burst + probing.plan.min_delta;
        if !due || !probing.debt.is_paid(now) {
            return None;
        }
        // No more than the packets that are asked for would carry: at low rates they are small.
        Some(probing.plan.target.size_in(probing.plan.min_delta).max(probing.smallest()))
    }

    /// Probes that have not left as a whole are not sent: there is nothing to fill them with.
    pub fn abandon_probes(&mut self) {
        (self.probing, self.next_probe) = (None, None);
    }

    /// A probe that has left as a whole.
    pub fn poll_probe(&mut self) -> Option<SentProbe> {
        self.done.take()
    }

    /// How long the oldest packet has waited.
    pub fn oldest(&self, now: Instant) -> Duration {
        let fronts = [self.retransmissions.front(), self.video.front()];
        let waits = fronts.into_iter().flatten().map(|waiting| now.saturating_duration_since(waiting.since));
        waits.max().unwrap_or_default()
    }

    /// How long it would take until a packet that came now could leave.
    pub fn queue_time(&self, now: Instant) -> Duration {
        self.debt.time_of(now, self.queued)
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.retransmissions.is_empty() && self.video.is_empty()
    }

    /// Forgets what waits and is not to be kept: a subscription has ended.
    pub fn retain(&mut self, mut keep: impl FnMut(&T) -> bool) {
        for queue in [&mut self.retransmissions, &mut self.video] {
            queue.retain(|waiting| keep(&waiting.item));
        }
        let sizes = self.retransmissions.iter().chain(&self.video).map(|waiting| waiting.size);
        self.queued = sizes.sum();
    }

    /// When [`Self::poll_send`] or [`Self::poll_padding`] has something next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let media = (!self.is_empty()).then(|| self.debt.paid());
        let probe = self.probing.as_ref().map(|probing| {
            if probing.packets == 0 {
                probing.began
            } else {
                probing.debt.paid().max(probing.burst + probing.plan.min_delta)
            }
        });
        media.into_iter().chain(probe).min()
    }

    fn begin_probe(&mut self, now: Instant, plan: ProbePlan) {
        self.probing = Some(Probing {
            plan,
            debt: Debt::new(now, plan.target),
            began: now,
            burst: now,
            packets: 0,
            size: DataSize::ZERO,
            numbers: None,
        });
    }

    /// The next one begins where this one has been sent.
    fn end_probe(&mut self, now: Instant) {
        let Some(probing) = &self.probing else { return };
        if probing.packets < probing.plan.min_packets || probing.size < probing.plan.min_size() {
            return;
        }
        if let Some((first, last)) = probing.numbers {
            self.done = Some(SentProbe { plan: probing.plan, first, last });
        }
        self.probing = None;
        if let Some(plan) = self.next_probe.take() {
            self.begin_probe(now, plan);
        }
    }
}

impl Probing {
    /// What one of its packets carries when the fewest are sent.
    fn smallest(&self) -> DataSize {
        DataSize::new(self.plan.min_size().get() / u64::from(self.plan.min_packets.max(1)))
    }
}

#[cfg(test)]
mod tests;
