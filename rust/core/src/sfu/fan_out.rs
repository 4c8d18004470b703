//! A packet goes to everybody who wants it: select, rewrite, write into the send buffer, seal there.

use std::time::Instant;

use sfu_transport::{Class, Egress};
use sfu_wire::rtp::RtpHeader;
use sfu_wire::rtp::extension_value::AbsSendTime;
use sfu_wire::{DataSize, Pt, SeqNo, Ssrc};

use super::Sfu;
use super::batch::{Batch, Waiting};
use super::sent::Sent;
use super::taps::Feed;
use super::ticks::{Beside, REPORT_INTERVAL};
use crate::audio::Way;
use crate::codec::Kind;
use crate::connection::{Binding, Connection};
use crate::forward::Patch;
use crate::header::Passed;
use crate::id::{SubscriptionId, TrackId};
use crate::layer::{Dependencies, Packet};
use crate::stream::Mark;
use crate::subscription::{Subscription, Wire};
use crate::tap::Tap;
use crate::track::Track;

/// Room for the header with every extension that the SFU knows, on top of the payload and the tag: a dependency descriptor
/// alone may take 255 bytes. Only a publisher who repeats an extension exceeds it; that packet does not leave.
pub(super) const HEADER_ROOM: usize = 512;

/// One packet as it leaves: numbers of the subscriber, bytes of the publisher.
pub(super) struct Outgoing<'a> {
    pub(super) pt: Pt,
    pub(super) ssrc: Ssrc,
    /// Of the SSRC that it leaves under.
    pub(super) seq: SeqNo,
    pub(super) patch: Patch,
    /// The original sequence number, when it is a retransmission (RFC 4588 §4).
    pub(super) original: Option<u16>,
    pub(super) payload: &'a [u8],
}

/// What is the same for all subscribers of a packet.
pub(super) struct Delivery<'a> {
    pub(super) now: Instant,
    pub(super) send_time: AbsSendTime,
    pub(super) class: Class,
    pub(super) track: &'a Track,
}

impl Sfu {
    /// Sends what was taken in: of each track, all packets to one subscriber before the next, whose state then comes into the
    /// cache once for all of them. Stops when `enough` bytes wait in the egress; whether something is left.
    pub(super) fn fan_out(&mut self, now: Instant, enough: usize, egress: &mut Egress) -> bool {
        let mut batch = std::mem::take(&mut self.batch);
        while let Some(id) = batch.track() {
            if !self.fan_out_row(now, id, &mut batch, enough, egress) {
                self.batch = batch;
                return true;
            }
            let mut unsettled = false;
            if self.tracks.get(id).is_some_and(|track| !track.taps.is_empty()) {
                for waiting in batch.row().iter().flatten() {
                    unsettled |= self.feed_taps(now, id, waiting);
                }
            }
            unsettled |= batch.next_row();
            if unsettled {
                self.settle_track(now, id, egress);
            }
        }
        batch.clear();
        self.batch = batch;
        false
    }

    /// Whether all subscribers of the track have got the next row of its packets.
    fn fan_out_row(
        &mut self,
        now: Instant,
        id: TrackId,
        batch: &mut Batch,
        enough: usize,
        egress: &mut Egress,
    ) -> bool {
        let Some(track) = self.tracks.get(id) else { return true };
        let send_time = AbsSendTime::from_duration(self.clock.unix(now));
        let delivery = Delivery { now, send_time, class: class_of(track.kind), track };
        let row = batch.row();
        let packets = row.iter().flatten().count();
        let (mut served, mut unsettled, mut beside) = (batch.served(), false, Beside::new(now));
        while let Some(subscription_id) = track.subscriptions.get(served).filter(|_| egress.bytes() < enough) {
            self.prefetch(track.subscriptions.get(served + 1..).unwrap_or_default(), packets);
            served += 1;
            let Some(subscription) = self.subscriptions.get_mut(*subscription_id) else { continue };
            let Some(connection) = self.connections.get_mut(subscription.connection) else { continue };
            let last = subscription.send.last_sent();
            let sent = delivery.deliver_all(subscription, connection, row.iter().flatten(), egress);
            self.counts.sent += sent;
            unsettled |= subscription.forwarder.is_unsettled();
            connection.left(now, DataSize::new(sent.bytes));
            if sent.packets > 0 && last.is_some_and(|last| beside.takes(last, connection.next_report)) {
                self.reporting.push(subscription.connection);
                connection.next_report = now + REPORT_INTERVAL;
            }
        }
        let all = served >= track.subscriptions.len();
        batch.serve(served, unsettled);
        all
    }

    /// Asks for the memory of the subscribers whose turn comes next, in steps: each goes where the one before has led.
    fn prefetch(&self, next: &[SubscriptionId], packets: usize) {
        let subscription = |index| self.subscriptions.get(*next.get(index)?);
        let connection = |index| self.connections.get(subscription(index)?.connection);
        if let Some(id) = next.get(3) {
            self.subscriptions.prefetch(*id, Subscription::OUTGOING);
        }
        if let Some(subscription) = subscription(2) {
            self.connections.prefetch(subscription.connection, Connection::OUTGOING);
            subscription.send.prefetch(packets);
            subscription.forwarder.prefetch();
        }
        if let Some(connection) = connection(1) {
            connection.transport.prefetch_sealer();
            connection.twcc_sender.prefetch(packets);
        }
        if let Some(connection) = connection(0) {
            connection.transport.prefetch_keys();
        }
    }

    /// A packet of the history is now known to start a keyframe: it goes to those who waited for one.
    pub(super) fn fan_out_keyframe(&mut self, now: Instant, binding: Binding, seq: SeqNo, egress: &mut Egress) {
        let Some(track) = self.tracks.get_mut(binding.track) else { return };
        let Some(encoding) = track.encodings.get_mut(binding.encoding) else { return };
        encoding.keyframe_known(now, seq);
        let Some(stored) = encoding.history.get(seq) else { return };
        let Packet { timestamp, mut facts, .. } = stored.packet(encoding.stream.newest(), Dependencies::None);
        (facts.keyframe, facts.prerequisite) = (true, encoding.starts.prerequisite());
        encoding.stream.frame(timestamp, &facts);
        let Some(track) = self.tracks.get(binding.track) else { return };
        let Some(encoding) = track.encodings.get(binding.encoding) else { return };
        let Some(stored) = encoding.history.get(seq) else { return };
        let packet = Packet { facts, ..stored.packet(encoding.stream.newest(), Dependencies::None) };
        let send_time = AbsSendTime::from_duration(self.clock.unix(now));
        let delivery = Delivery { now, send_time, class: class_of(track.kind), track };
        for subscription_id in &track.subscriptions {
            let Some(subscription) = self.subscriptions.get_mut(*subscription_id) else { continue };
            let Some(connection) = self.connections.get_mut(subscription.connection) else { continue };
            if subscription.forwarder.encoding() == Some(packet.encoding) {
                continue;
            }
            let waiting = Waiting { packet, extensions: stored.extensions(), mark: Mark::END };
            let sent = delivery.deliver_all(subscription, connection, std::iter::once(&waiting), egress);
            self.counts.sent += sent;
            connection.left(now, DataSize::new(sent.bytes));
        }
        let waits = |tap: &Tap| tap.forwarder.encoding() != Some(packet.encoding);
        let feed = Feed::new(now, track, &self.connections);
        feed.give(&mut self.taps, &mut self.outbox, (&packet, Mark::END), waits);
        self.settle_track(now, binding.track, egress);
    }
}

impl Delivery<'_> {
    /// Packets that were taken in together, for one subscriber.
    fn deliver_all<'p>(
        &self,
        subscription: &mut Subscription,
        connection: &mut Connection,
        packets: impl Iterator<Item = &'p Waiting<'p>>,
        egress: &mut Egress,
    ) -> Sent {
        let mut sent = Sent::default();
        for Waiting { packet, extensions, mark } in packets {
            sent += self.deliver(subscription, connection, packet, extensions.clone(), egress);
            // Pieces of a keyframe that had overtaken its first packet: they follow it now, out of the history.
            if let Some(missed) = subscription.forwarder.take_catch_up() {
                self.track.look_back(missed, *mark, |packet, extensions| {
                    sent += self.deliver(subscription, connection, packet, extensions, egress);
                });
            }
        }
        sent
    }

    /// Select, rewrite, write, seal: one packet for one subscriber.
    fn deliver<'e>(
        &self,
        subscription: &mut Subscription,
        connection: &mut Connection,
        packet: &Packet<'_>,
        extensions: impl Iterator<Item = (u8, &'e [u8])>,
        egress: &mut Egress,
    ) -> Sent {
        let Some(wire) = &subscription.wire else { return Sent::default() };
        let Some((pt, way)) = wire.way(packet.codec, self.track.red > 0) else { return Sent::default() };
        if way == Way::Frame && self.track.was_recovered(packet) {
            return Sent::default();
        }
        let Some(patch) = subscription.forwarder.forward(self.now, packet, &self.track.timestamps) else {
            return Sent::default();
        };
        if way != Way::Whole {
            let patch = patch.in_form(self.form(subscription, packet, way));
            return self.deliver_form(subscription, connection, (packet, patch), extensions, egress);
        }
        let ssrc = subscription.send.ssrc();
        let outgoing = Outgoing { pt, ssrc, seq: patch.seq, patch, original: None, payload: packet.payload };
        let len = write(self, connection, wire, &outgoing, extensions, egress);
        if len == 0 {
            return Sent::default();
        }
        subscription.send.sent(self.now, packet, patch, len);
        Sent { packets: 1, bytes: len as u64 }
    }
}

pub(super) const fn class_of(kind: Kind) -> Class {
    match kind {
        Kind::Audio => Class::Audio,
        Kind::Video => Class::Video,
    }
}

/// Writes, stamps and seals; returns the bytes that were queued, 0 when the peer cannot be sent to now.
pub(super) fn write<'e>(
    delivery: &Delivery<'_>,
    connection: &mut Connection,
    wire: &Wire,
    packet: &Outgoing<'_>,
    extensions: impl Iterator<Item = (u8, &'e [u8])>,
    egress: &mut Egress,
) -> usize {
    let header = RtpHeader {
        marker: packet.patch.marker,
        pt: packet.pt,
        seq: packet.seq.as_u16(),
        timestamp: packet.patch.timestamp,
        ssrc: packet.ssrc,
    };
    let publisher = &delivery.track.parameters.extensions;
    let passed = Passed { extensions, publisher, dependency: packet.patch.dependency };
    let (prefix, rest) = packet.patch.apply(packet.payload);
    let original = packet.original.map(u16::to_be_bytes);
    let Connection { transport, twcc_sender, .. } = connection;
    let mut written = 0;
    let max_len = HEADER_ROOM + packet.payload.len();
    let sent = transport.send_rtp(egress, delivery.class, (packet.ssrc, packet.seq), max_len, |buffer| {
        let Some(head) = wire.header.write(buffer, &header, passed, delivery.send_time) else { return (0, 0) };
        let mut len = head.len;
        for bytes in [original.as_ref().map_or(&[][..], |bytes| &bytes[..]), prefix, rest] {
            let Some(place) = buffer.get_mut(len..len + bytes.len()) else { return (0, 0) };
            place.copy_from_slice(bytes);
            len += bytes.len();
        }
        if let Some(at) = head.number {
            buffer[at..at + 2].copy_from_slice(&twcc_sender.send(delivery.now, len).to_be_bytes());
        }
        written = len;
        (len, head.len)
    });
    if sent { written } else { 0 }
}
