//! What a subscriber's reports tell becomes an estimate, probes, and the layers that the subscriber gets.

use std::time::Instant;

use sfu_transport::{Class, Egress};
use sfu_wire::rtcp::TransportFeedback;
use sfu_wire::rtp::extension_value::AbsSendTime;
use sfu_wire::{Bitrate, DataSize, SeqNo};

use super::Sfu;
use super::fan_out::Delivery;
use super::repairs::{send_again, write_padding};
use super::sent::Sent;
use crate::allocate::{Demand, Point};
use crate::arena::ConnectionId;
use crate::bandwidth::{Bandwidth, Share, audio_rate, is_whole, video_points};
use crate::codec::Kind;
use crate::connection::{Connection, Progress};
use crate::event::LayerReason;
use crate::id::{SubscriptionId, TrackId};
use crate::timers::Timer;

/// What a probe lacks is sent as media again from so many bytes on: less of it is padding, which comes in packets of at most 255.
const WORTH_MEDIA: u64 = 600;

impl Sfu {
    /// A report on transport-wide numbers came.
    pub(super) fn learn_bandwidth(
        &mut self,
        now: Instant,
        from: ConnectionId,
        feedback: &TransportFeedback<'_>,
        egress: &mut Egress,
    ) {
        let Some(connection) = self.connections.get_mut(from) else { return };
        let results = &mut self.divider.results;
        results.clear();
        let summary = connection.twcc_sender.on_feedback_with(now, feedback, |result| results.push(result));
        connection.rtt = summary.rtt.or(connection.rtt);
        // Reports on what was never sent say nothing of the way.
        if results.is_empty() {
            return;
        }
        self.begin_bandwidth(now, from);
        let Some(connection) = self.connections.get_mut(from) else { return };
        if let Some(bandwidth) = &mut connection.bandwidth {
            bandwidth.handle_feedback(now, &mut self.divider.results);
            self.settle_bandwidth(now, from, egress);
            self.set_deadlines(from);
        }
    }

    /// What the way of a peer that reports carries is looked for as soon as a video goes to it: there is nothing to divide before, nor
    /// anything to fill probes with.
    fn begin_bandwidth(&mut self, now: Instant, id: ConnectionId) {
        let begins =
            |connection: &Connection| connection.bandwidth.is_none() && self.probe_carrier(connection).is_some();
        if !self.connections.get(id).is_some_and(begins) {
            return;
        }
        let Some(estimator) = self.config.estimation.begin(now) else { return };
        let wanted = self.ask(now, id, Bitrate::ZERO);
        if let Some(connection) = self.connections.get_mut(id) {
            connection.bandwidth = Some(Box::new(Bandwidth::new(now, estimator, wanted)));
        }
    }

    /// The subscription on whose stream of retransmissions probes go.
    fn probe_carrier(&self, connection: &Connection) -> Option<SubscriptionId> {
        let carries = |id: &SubscriptionId| {
            let subscription = self.subscriptions.get(*id)?;
            let track = self.tracks.get(subscription.track).filter(|track| track.kind == Kind::Video)?;
            let (_, rtx) = subscription.wire.as_ref()?.payload_types(track.codec?)?;
            rtx.and(subscription.send.recent(0)).map(|_| *id)
        };
        connection.subscriptions.iter().find_map(carries)
    }

    /// The receiver's own estimate came.
    pub(super) fn cap_bandwidth(&mut self, now: Instant, from: ConnectionId, rate: Bitrate, egress: &mut Egress) {
        let bandwidth = self.connections.get_mut(from).and_then(|connection| connection.bandwidth.as_deref_mut());
        if let Some(bandwidth) = bandwidth {
            bandwidth.handle_remb(now, rate);
            self.settle_bandwidth(now, from, egress);
        }
    }

    /// Does for a subscriber's bandwidth what is due.
    pub(super) fn settle_bandwidth(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some(bandwidth) = &mut connection.bandwidth else { return };
        bandwidth.handle_timeout(now);
        let is_due = bandwidth.is_division_due(now);
        self.fill_probe(now, id, egress);
        if is_due {
            self.divide(now, id, egress);
        }
    }

    /// What a subscriber's bandwidth is divided among has changed: it is divided again with the next tick, which is due at once.
    pub(super) fn divide_again(&mut self, now: Instant, id: ConnectionId) {
        let bandwidth = self.connections.get_mut(id).and_then(|connection| connection.bandwidth.as_deref_mut());
        if let Some(bandwidth) = bandwidth {
            bandwidth.set_stale();
            self.timers.set(Timer::Connection(id), now);
        }
    }

    /// The same for everybody who receives a track.
    pub(super) fn divide_again_around(&mut self, now: Instant, id: TrackId) {
        let mut index = 0;
        while let Some(subscription) = self.tracks.get(id).and_then(|track| track.subscriptions.get(index)) {
            index += 1;
            if let Some(connection) = self.subscriptions.get(*subscription).map(|one| one.connection) {
                self.divide_again(now, connection);
            }
        }
    }

    /// Sends what a probe lacks now: packets that went out lately, as what was lost of them comes again by that, or padding.
    fn fill_probe(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let Some((missing, place)) = connection.bandwidth.as_deref_mut().and_then(|one| one.poll_padding(now)) else {
            return;
        };
        let connection = self.connections.get(id).filter(|connection| connection.progress == Progress::Connected);
        let carrier = connection.and_then(|connection| self.probe_carrier(connection));
        let Self { connections, subscriptions, tracks, counts, clock, .. } = self;
        let Some(connection) = connections.get_mut(id) else { return };
        let subscription = carrier.and_then(|carrier| subscriptions.get_mut(carrier));
        let source = subscription.and_then(|one| tracks.get(one.track).map(|track| (one, track)));
        let Some((subscription, track)) = source else {
            if let Some(bandwidth) = &mut connection.bandwidth {
                bandwidth.abandon_probes();
            }
            return;
        };
        let send_time = AbsSendTime::from_duration(clock.unix(now));
        let delivery = Delivery { now, send_time, class: Class::Retransmission, track };
        let (mut left, mut place) = (missing.get(), place);
        while left > 0 {
            let recent = subscription.send.recent(place).filter(|_| left >= WORTH_MEDIA);
            let media =
                recent.and_then(|sent| send_again(&delivery, connection, subscription, &sent, egress)).unwrap_or(0);
            let len = if media > 0 { media } else { write_padding(&delivery, connection, subscription, left, egress) };
            // It took the last one.
            let number = SeqNo::new(connection.twcc_sender.next_seq().get().saturating_sub(1));
            let Some(bandwidth) = connection.bandwidth.as_deref_mut() else { return };
            if len == 0 {
                bandwidth.abandon_probes();
                return;
            }
            counts.sent += Sent { packets: 1, bytes: len as u64 };
            bandwidth.handle_padding(now, DataSize::new(len as u64), number);
            (left, place) = (left.saturating_sub(len as u64), place + 1);
        }
    }

    /// Divides a subscriber's bandwidth among what it receives.
    fn divide(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let Some(bandwidth) = self.connections.get(id).and_then(|connection| connection.bandwidth.as_deref()) else {
            return;
        };
        let Some(budget) = bandwidth.budget(now) else { return };
        let used = bandwidth.used();
        let wanted = self.ask(now, id, budget);
        let divider = &mut self.divider;
        let allocation = divider.allocator.allocate(Bandwidth::with_reserve(budget), &divider.demands);
        // Nobody loses to the reserve what fits.
        let allocation = if allocation.total() < used.min(budget) {
            divider.allocator.allocate(budget, &divider.demands)
        } else {
            allocation
        };
        let (mut changed, mut bar) = (Vec::new(), None);
        for (asking, choice) in divider.asking.iter().zip(&allocation.choices) {
            let Some(subscription) = self.subscriptions.get_mut(*asking) else { continue };
            let Some(track) = self.tracks.get(subscription.track) else { continue };
            let is_whole = choice.layer.is_some_and(|layer| is_whole(track, layer));
            let share = Share::new(now, subscription.share, choice, is_whole, budget);
            bar = bar.max(share.bar(now, budget));
            if subscription.set_share(share) {
                subscription.change.decided(now, LayerReason::Bandwidth);
                changed.push(subscription.track);
            }
        }
        if let Some(bandwidth) = self.connections.get_mut(id).and_then(|connection| connection.bandwidth.as_deref_mut())
        {
            bandwidth.divided(now, budget, allocation, wanted, bar);
        }
        for track in changed {
            self.settle_track(now, track, egress);
        }
    }

    /// Puts together what a subscriber wants; gives how much that is at most.
    fn ask(&mut self, now: Instant, id: ConnectionId, budget: Bitrate) -> Bitrate {
        let Self { connections, subscriptions, tracks, divider, .. } = self;
        let (demands, asking) = (&mut divider.demands, &mut divider.asking);
        demands.clear();
        asking.clear();
        let mut wanted = Bitrate::ZERO;
        let Some(connection) = connections.get(id) else { return wanted };
        for id in &connection.subscriptions {
            let Some(subscription) = subscriptions.get(*id).filter(|one| one.is_wanted() && one.wire.is_some()) else {
                continue;
            };
            let Some(track) = tracks.get_mut(subscription.track).filter(|track| track.is_published()) else { continue };
            if track.kind == Kind::Audio {
                demands.reserved += audio_rate(now, track);
            } else if !track.muted {
                let current = subscription.share.map(|share| share.current(now));
                let limit = subscription.max_layer;
                let running = subscription.forwarder.layer();
                let points = video_points(track, running);
                let allowed =
                    |point: &Point| point.flowing && limit.is_none_or(|max| point.layer.spatial <= max.spatial);
                let most = points.clone().filter(allowed).map(|point| point.rate).max();
                wanted += most.unwrap_or_default();
                let admits = |point: &Point| subscription.share.is_none_or(|share| share.admits(now, budget, point));
                demands.push(Demand { limit, current, ..Demand::default() }, points.filter(admits));
                asking.push(*id);
            }
        }
        wanted + demands.reserved
    }
}
