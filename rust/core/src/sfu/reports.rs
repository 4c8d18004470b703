//! RTCP out: reports, requests and transport-wide feedback. What one peer is told at one time goes as one compound.

use std::time::Instant;

use sfu_transport::{Egress, Transport};
use sfu_wire::rtcp::{
    CompoundWriter, DlrrReport, Fir, FirEntry, List, Nack, NackPair, Pli, ReceiverReport, Remb, ReportBlock, Sdes,
    SdesChunk, SenderReport, WriteRtcp, Xr, XrBlock, XrBlocks,
};
use sfu_wire::{NtpTime, Ssrc};

use super::Sfu;
use super::compound::Compound;
use crate::arena::{Arena, ConnectionId};
use crate::connection::Connection;
use crate::id::{SessionId, SubscriptionId, TrackId};
use crate::negotiation::KeyframeRequest;
use crate::session::Session;
use crate::timers::Timer;
use crate::track::{Origin, Track};

/// Report blocks of one RR; five bits count them, and this many fit a compound (RFC 3550 §6.4.2).
const MAX_BLOCKS: usize = 31;
/// NACK pairs of one packet: enough for a burst, small enough for a compound.
const MAX_PAIRS: usize = 64;

impl Sfu {
    /// RR with REMB for what comes in, SR with SDES for what goes out.
    pub(super) fn write_reports(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        self.write_receiver_reports(now, id, egress);
        let mut index = 0;
        while let Some(subscription) = self.connections.get(id).and_then(|carrier| carrier.subscriptions.get(index)) {
            index += 1;
            self.write_sender_report(now, *subscription, egress);
        }
    }

    /// A sender report that cannot wait for the next ones.
    pub(super) fn send_sender_report(&mut self, now: Instant, id: SubscriptionId, egress: &mut Egress) {
        self.write_sender_report(now, id, egress);
        if let Some(subscription) = self.subscriptions.get(id) {
            self.send_rtcp(subscription.connection, egress);
        }
    }

    /// Where the subscriber's timeline stands in wall-clock time: lip sync hangs on it (RFC 3550 §6.4.1).
    fn write_sender_report(&mut self, now: Instant, id: SubscriptionId, egress: &mut Egress) {
        let unix = self.clock.unix(now);
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        let Some(track) = self.tracks.get(subscription.track) else { return };
        let publisher = match &track.origin {
            Origin::Connection(id) => self.connections.get(*id).map(|connection| &connection.publisher_clock),
            Origin::Relay(_) => self.relay.publishers.get(&track.session).map(|publisher| &publisher.clock),
        };
        let Some(publisher) = publisher else { return };
        let timestamp = subscription.forwarder.report_timestamp(now, unix, publisher, &track.timestamps);
        let Some(rtp_timestamp) = timestamp.filter(|timestamp| subscription.send.may_report(now, *timestamp)) else {
            return;
        };
        let label = publisher_label(track, &self.sessions);
        let Some(connection) = self.connections.get_mut(subscription.connection) else { return };
        let ssrc = subscription.send.ssrc();
        let sent = subscription.send.stats();
        let report = SenderReport {
            ssrc,
            ntp: NtpTime::from_unix(unix),
            rtp_timestamp,
            packet_count: sent.packets_sent as u32,
            octet_count: sent.payload_bytes_sent as u32,
            reports: List::default(),
        };
        self.rtcp.add(&mut connection.transport, egress, |writer, _| {
            writer.push(&report) && push_name(writer, ssrc, label.as_bytes())
        });
    }

    fn write_receiver_reports(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let mut blocks = Blocks::default();
        let mut without_twcc: Vec<Ssrc> = Vec::new();
        let (opening, sender) = (Opening::of(connection), connection.rtcp_ssrc);
        for (_, track_id) in &connection.tracks {
            let Some(track) = self.tracks.get_mut(*track_id) else { continue };
            for encoding in &mut track.encodings {
                let Some(ssrc) = encoding.ssrc else { continue };
                if let Some(block) = encoding.stream.report_block(now, ssrc) {
                    if blocks.is_full() {
                        blocks.report(sender, &mut self.rtcp, &mut connection.transport, egress);
                    }
                    blocks.push(block);
                }
                if track.parameters.remb && !track.parameters.twcc {
                    without_twcc.push(ssrc);
                }
            }
        }
        blocks.report(sender, &mut self.rtcp, &mut connection.transport, egress);
        if !without_twcc.is_empty() {
            let remb = Remb { sender, bitrate: self.config.remb, ssrcs: without_twcc.as_slice().into() };
            opening.add(&mut self.rtcp, &mut connection.transport, egress, &remb);
        }
    }

    /// Asks again for what is missing (RFC 4585 §6.2.1).
    pub(super) fn write_nacks(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.next_nack.is_none_or(|deadline| deadline > now) {
            return;
        }
        let mut next: Option<Instant> = None;
        let (opening, sender) = (Opening::of(connection), connection.rtcp_ssrc);
        for index in 0..connection.tracks.len() {
            let Some(track) = self.tracks.get_mut(connection.tracks[index].1) else { continue };
            let nack_accepted = track.parameters.nack;
            for encoding in &mut track.encodings {
                let Some(media) = encoding.ssrc else { continue };
                if !nack_accepted {
                    encoding.stream.give_up_missing();
                    continue;
                }
                let missing = encoding.stream.poll_nacks(now, connection.rtt);
                for missing in missing.chunks(MAX_PAIRS) {
                    let mut pairs = [NackPair { first: 0, following: 0 }; MAX_PAIRS];
                    let packed = NackPair::pack(missing.iter().map(|seq| seq.as_u16()));
                    let count = pairs.iter_mut().zip(packed).map(|(place, pair)| *place = pair).count();
                    let nack = Nack { sender, media, pairs: pairs[..count].into() };
                    opening.add(&mut self.rtcp, &mut connection.transport, egress, &nack);
                }
                next = [next, encoding.stream.poll_timeout()].into_iter().flatten().min();
            }
        }
        connection.next_nack = next;
    }

    /// Feedback on every packet's arrival: without it a browser never sends its upper layers.
    pub(super) fn write_transport_feedback(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let (opening, sender) = (Opening::of(connection), connection.rtcp_ssrc);
        while let Some(feedback) = connection.twcc_receiver.poll_feedback(now, sender) {
            opening.add(&mut self.rtcp, &mut connection.transport, egress, &feedback);
        }
    }

    /// Sends what was written for a peer. To be called after each `write_…` and before one for another peer.
    pub(super) fn send_rtcp(&mut self, id: ConnectionId, egress: &mut Egress) {
        if let Some(connection) = self.connections.get_mut(id) {
            self.rtcp.send(&mut connection.transport, egress);
        }
    }

    /// Sends the keyframe requests that the governors let pass.
    pub(super) fn send_keyframe_requests(&mut self, now: Instant, id: TrackId, egress: &mut Egress) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        let Some(connection_id) = track.connection() else { return };
        let Some(connection) = self.connections.get_mut(connection_id) else { return };
        for encoding in &mut track.encodings {
            let Some(media) = encoding.ssrc else { continue };
            if encoding.keyframes.poll(now) {
                let (opening, sender) = (Opening::of(connection), connection.rtcp_ssrc);
                let (rtcp, transport) = (&mut self.rtcp, &mut connection.transport);
                match track.parameters.keyframe_request {
                    KeyframeRequest::Pli => opening.add(rtcp, transport, egress, &Pli { sender, media }),
                    KeyframeRequest::Fir => {
                        // Each request has a number of its own (RFC 5104 §4.3.1.2).
                        let entries = [FirEntry { ssrc: media, request: encoding.keyframes.sent() as u8 }];
                        let fir = Fir { sender, entries: entries.as_slice().into() };
                        opening.add(rtcp, transport, egress, &fir);
                    }
                }
            }
            if let Some(deadline) = encoding.keyframes.poll_timeout() {
                self.timers.set(Timer::Connection(connection_id), deadline);
            }
        }
        self.rtcp.send(&mut connection.transport, egress);
    }

    /// Lets a peer that only receives measure its round trip (RFC 3611 §4.5).
    pub(super) fn send_dlrr(&mut self, id: ConnectionId, report: DlrrReport, egress: &mut Egress) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        let (opening, reports) = (Opening::of(connection), [report]);
        let blocks = [XrBlock::Delays(reports.as_slice().into())];
        let delays = Xr { sender: connection.rtcp_ssrc, blocks: XrBlocks::new(&blocks) };
        opening.add(&mut self.rtcp, &mut connection.transport, egress, &delays);
        self.rtcp.send(&mut connection.transport, egress);
    }
}

/// The name under which the publisher's tracks belong together, wherever its session lives.
pub(super) fn publisher_label<'a>(track: &'a Track, sessions: &'a Arena<SessionId, Session>) -> &'a str {
    match &track.origin {
        Origin::Connection(_) => sessions.get(track.session).map_or("", |session| session.config.label.as_str()),
        Origin::Relay(inlet) => &inlet.label,
    }
}

/// The name of this side's reports. Nothing is played under it, so it need not tell sessions apart.
const CNAME: &[u8] = b"sfu";

/// How feedback for one peer begins: with nothing if it takes reduced-size reports (RFC 5506), else as a whole compound does
/// (RFC 3550 §6.1).
#[derive(Clone, Copy)]
struct Opening {
    sender: Ssrc,
    reduced: bool,
}

impl Opening {
    const fn of(connection: &Connection) -> Self {
        Self { sender: connection.rtcp_ssrc, reduced: connection.reduced_reports }
    }

    /// Adds one packet of feedback, behind whatever the compound begins with.
    fn add(self, rtcp: &mut Compound, transport: &mut Transport, egress: &mut Egress, feedback: &impl WriteRtcp) {
        let report = ReceiverReport { ssrc: self.sender, reports: List::default() };
        rtcp.add(transport, egress, |writer, first| {
            let opens = first && !self.reduced;
            (!opens || writer.push(&report) && push_name(writer, self.sender, CNAME)) && writer.push(feedback)
        });
    }
}

/// Report blocks of one RR.
#[derive(Default)]
struct Blocks {
    blocks: [ReportBlock; MAX_BLOCKS],
    count: usize,
}

impl Blocks {
    const fn is_full(&self) -> bool {
        self.count == MAX_BLOCKS
    }

    fn push(&mut self, block: ReportBlock) {
        self.blocks[self.count] = block;
        self.count += 1;
    }

    /// Adds an RR with them, if there are any, and begins anew.
    fn report(&mut self, sender: Ssrc, rtcp: &mut Compound, transport: &mut Transport, egress: &mut Egress) {
        let blocks = &self.blocks[..std::mem::take(&mut self.count)];
        if !blocks.is_empty() {
            let report = ReceiverReport { ssrc: sender, reports: blocks.into() };
            rtcp.add(transport, egress, |writer, _| writer.push(&report) && push_name(writer, sender, CNAME));
        }
    }
}

fn push_name(writer: &mut CompoundWriter<'_>, ssrc: Ssrc, cname: &[u8]) -> bool {
    writer.push(&Sdes::new(&[SdesChunk { ssrc, cname }]))
}
