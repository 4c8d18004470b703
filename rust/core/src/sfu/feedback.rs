//! A clear RTCP compound comes in: reports, requests and repairs find their stream.

use std::time::Instant;

use sfu_transport::Egress;
use sfu_wire::rtcp::{DlrrReport, Rtcp, XrBlock, packets};
use sfu_wire::{NtpTime, Ssrc};

use super::Sfu;
use crate::arena::ConnectionId;
use crate::id::SubscriptionId;
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
                self.learn_bandwidth(now, from, feedback, egress);
            }
            Rtcp::Remb(remb) => self.cap_bandwidth(now, from, remb.bitrate, egress),
            Rtcp::Xr(xr) => {
                for block in xr.blocks.iter() {
                    if let XrBlock::ReceiverReferenceTime(time) = block {
                        self.answer_reference_time(now, from, xr.sender, time, egress);
                    }
                }
            }
            // A leaving stream is known from its session (BYE), names from the SDP (SDES).
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
}
