//! A clear RTCP compound comes in: reports, requests and repairs find their stream.

use std::time::Instant;

use sfu_transport::{Class, Egress};
use sfu_wire::rtcp::{DlrrReport, Rtcp, XrBlock, packets};
use sfu_wire::rtp::extension_value::AbsSendTime;
use sfu_wire::{NtpTime, Ssrc};

use super::Sfu;
use super::fan_out::{Delivery, Outgoing, write};
use super::sent::Sent;
use crate::arena::ConnectionId;
use crate::audio::{MAX_RED, Material};
use crate::id::SubscriptionId;
use crate::layer::Dependencies;
use crate::nack::Refusal;
use crate::timers::Timer;

impl Sfu {
    pub(super) fn ingress_rtcp(&mut self, now: Instant, from: ConnectionId, clear: &[u8], egress: &mut Egress) {
        for packet in packets(clear) {
            let Ok(packet) = packet else {
                self.counts.dropped.malformed += 1;
                continue;
            };
            self.feedback(now, from, &packet, egress);
        }
    }

    fn feedback(&mut self, now: Instant, from: ConnectionId, packet: &Rtcp<'_>, egress: &mut Egress) {
        match packet {
            Rtcp::SenderReport(report) => {
                self.sender_report(now, from, report.ssrc, report.ntp, report.rtp_timestamp);
                for block in report.reports.iter() {
                    self.report_block(now, from, &block);
                }
            }
            Rtcp::ReceiverReport(report) => {
                for block in report.reports.iter() {
                    self.report_block(now, from, &block);
                }
            }
            Rtcp::Nack(nack) => {
                if let Some(subscription) = self.outgoing(from, nack.media) {
                    self.answer_nack(now, subscription, nack.seqs(), egress);
                }
            }
            Rtcp::Pli(pli) => self.picture_lost(now, from, pli.media, egress),
            Rtcp::Fir(fir) => {
                for entry in fir.entries.iter() {
                    self.picture_lost(now, from, entry.ssrc, egress);
                }
            }
            Rtcp::TransportFeedback(feedback) => {
                if let Some(connection) = self.connections.get_mut(from) {
                    let summary = connection.twcc_sender.on_feedback(now, feedback);
                    connection.rtt = summary.rtt.or(connection.rtt);
                }
            }
            Rtcp::Xr(xr) => {
                for block in xr.blocks.iter() {
                    if let XrBlock::ReceiverReferenceTime(time) = block {
                        self.answer_reference_time(now, from, xr.sender, time, egress);
                    }
                }
            }
            // A leaving stream is known from its session (BYE), names from the SDP (SDES), and REMB does not limit what was
            // chosen by hand.
            _ => {}
        }
    }

    fn outgoing(&self, connection: ConnectionId, ssrc: Ssrc) -> Option<SubscriptionId> {
        self.connections.get(connection)?.outgoing.get(&ssrc).copied()
    }

    fn sender_report(&mut self, now: Instant, from: ConnectionId, ssrc: Ssrc, ntp: NtpTime, timestamp: u32) {
        let Some(connection) = self.connections.get_mut(from) else { return };
        let Some(binding) = connection.bindings.get(&ssrc) else { return };
        let Some(track) = self.tracks.get_mut(binding.track).filter(|_| !binding.rtx) else { return };
        let Some(encoding) = track.encodings.get_mut(binding.encoding) else { return };
        if let Some(timestamp) = encoding.stream.sender_report(now, ntp, timestamp) {
            track.timestamps.reported(binding.encoding, ntp, timestamp);
            connection.publisher_clock.reported(self.clock.unix(now), ntp);
            let track = binding.track;
            self.tell_clock(track, None);
        }
    }

    fn report_block(&mut self, now: Instant, from: ConnectionId, block: &sfu_wire::rtcp::ReportBlock) {
        let ntp = NtpTime::from_unix(self.clock.unix(now));
        let Some(id) = self.outgoing(from, block.ssrc) else { return };
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        subscription.send.receiver_report(ntp, block);
        if let (Some(rtt), Some(connection)) = (subscription.send.stats().rtt, self.connections.get_mut(from)) {
            connection.rtt = Some(rtt);
        }
    }

    fn picture_lost(&mut self, now: Instant, from: ConnectionId, ssrc: Ssrc, egress: &mut Egress) {
        let Some(id) = self.outgoing(from, ssrc) else { return };
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        subscription.plis_received += 1;
        // Before its first picture a subscriber has a keyframe coming anyway.
        if subscription.forwarder.encoding().is_none() {
            return;
        }
        if subscription.picture_loss.request(now) {
            subscription.forwarder.picture_lost();
        }
        let track = subscription.track;
        self.settle_track(now, track, egress);
    }

    fn answer_reference_time(
        &mut self,
        now: Instant,
        id: ConnectionId,
        ssrc: Ssrc,
        time: NtpTime,
        egress: &mut Egress,
    ) {
        let report = DlrrReport { ssrc, last_rr: time.middle(), delay_since_last_rr: 0 };
        self.send_dlrr(id, report, egress);
        self.timers.set(Timer::Connection(id), now + super::ticks::REPORT_INTERVAL);
    }

    /// Sends again what a subscriber misses: the bytes that it was sent, but for the fields of RTX (RFC 4588 §4).
    fn answer_nack(&mut self, now: Instant, id: SubscriptionId, seqs: impl Iterator<Item = u16>, egress: &mut Egress) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        let Some(connection) = self.connections.get_mut(subscription.connection) else { return };
        let Some(wire) = &subscription.wire else { return };
        let send_time = AbsSendTime::from_duration(self.clock.unix(now));
        for seq in seqs {
            if !connection.look_ups.admits(now) {
                subscription.send.refuse(Refusal::Flood);
                return;
            }
            let Some(sent) = subscription.send.answer_nack(now, seq, connection.rtt) else { continue };
            // A slot may have carried another voice then.
            let past = subscription.slot.as_ref().and_then(|slot| slot.past.of(sent.patch.seq));
            let track = self.tracks.get(past.unwrap_or(subscription.track));
            let source = track.and_then(|track| Some((track, track.encodings.get(usize::from(sent.encoding))?)));
            let source = source.and_then(|(track, encoding)| Some((track, encoding, encoding.history.get(sent.seq)?)));
            let Some((track, encoding, stored)) = source else {
                subscription.send.refuse(Refusal::Unknown);
                continue;
            };
            // Without RTX nothing can be sent again under the same index: its nonce is used.
            let form = sent.patch.form;
            let Some((_, Some(rtx))) = wire.payload_types(form.codec(stored.codec())) else { continue };
            let mut buffer = [0; MAX_RED];
            let material = Material { packet: stored.packet(sent.seq, Dependencies::None), history: &encoding.history };
            let Some(payload) = material.payload(form, wire.opus(), &mut buffer) else {
                subscription.send.refuse(Refusal::Unknown);
                continue;
            };
            let outgoing = Outgoing {
                pt: rtx,
                ssrc: subscription.send.rtx_ssrc(),
                seq: subscription.send.next_rtx(),
                patch: sent.patch,
                original: Some(sent.patch.seq.as_u16()),
                payload,
            };
            let extensions = stored.extensions().filter(|_| !form.is_earlier());
            let delivery = Delivery { now, send_time, class: Class::Retransmission, track };
            let len = write(&delivery, connection, wire, &outgoing, extensions, egress);
            if len > 0 {
                subscription.send.retransmitted(len);
                self.counts.sent += Sent { packets: 1, bytes: len as u64 };
            }
        }
    }
}
