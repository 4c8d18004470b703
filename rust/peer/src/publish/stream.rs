//! One stream out: numbering, reports, and the history from which retransmissions are answered (RFC 4588).

use std::time::Duration;

use sfu_transport::{Class, Random};
use sfu_wire::rtcp::SenderReport;
use sfu_wire::rtp::RtpHeader;
use sfu_wire::{Extension, ExtensionMap, Mid, NtpTime, Pt, Rid, SeqNo, Ssrc};

use crate::outlet::{Outlet, Packet};
use crate::sdp::Codec;

/// Packets kept for retransmission, of audio 2.5 seconds. Higher: long round trips are served. Lower: less memory a peer.
const AUDIO_HISTORY: usize = 128;
const VIDEO_HISTORY: usize = 256;

/// Where a source's packets go, as negotiated.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Destination<'a> {
    pub(crate) mid: Mid,
    pub(crate) codec: Codec,
    pub(crate) ids: &'a ExtensionMap,
}

/// A frame's packet on its way out.
pub(crate) struct Piece<'a> {
    pub(crate) marker: bool,
    /// On the stream's own timeline, from 0.
    pub(crate) time: u32,
    /// Since the Unix epoch.
    pub(crate) captured: Duration,
    pub(crate) class: Class,
    pub(crate) level: Option<u8>,
    /// The dependency descriptor; may be empty.
    pub(crate) descriptor: &'a [u8],
    pub(crate) payload: &'a [u8],
}

#[derive(Debug)]
pub(crate) struct SendStream {
    pub(crate) ssrc: Ssrc,
    pub(crate) rid: Option<Rid>,
    pub(crate) packets: u64,
    pub(crate) resent: u64,
    octets: u64,
    next: SeqNo,
    first_time: u32,
    clock_rate: u32,
    /// The last packet's timestamp, and when it was captured.
    last: (u32, Duration),
    repair: Repair,
}

/// The stream that repairs another.
#[derive(Debug)]
struct Repair {
    ssrc: Ssrc,
    next: SeqNo,
    /// By the lower bits of the number; empty before anything was sent that may be asked for.
    history: Vec<Sent>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Sent {
    seq: u64,
    marker: bool,
    timestamp: u32,
    descriptor: Vec<u8>,
    /// The original number and the payload (RFC 4588 §4).
    payload: Vec<u8>,
}

impl SendStream {
    pub(crate) fn audio(random: &mut Random) -> Self {
        Self::new(None, 48_000, AUDIO_HISTORY, random)
    }

    pub(crate) fn video(rid: Option<Rid>, random: &mut Random) -> Self {
        Self::new(rid, 90_000, VIDEO_HISTORY, random)
    }

    fn new(rid: Option<Rid>, clock_rate: u32, capacity: usize, random: &mut Random) -> Self {
        let repair = Repair { ssrc: Ssrc::new(random.u32()), next: first_seq(random), history: Vec::new(), capacity };
        Self {
            ssrc: Ssrc::new(random.u32()),
            rid,
            packets: 0,
            resent: 0,
            octets: 0,
            next: first_seq(random),
            first_time: random.u32(),
            clock_rate,
            last: (0, Duration::ZERO),
            repair,
        }
    }

    /// The repair stream's SSRC.
    pub(crate) fn repair(&self) -> Ssrc {
        self.repair.ssrc
    }

    pub(crate) fn send(&mut self, piece: &Piece<'_>, to: &Destination<'_>, outlet: &mut Outlet<'_>) {
        let seq = self.next;
        self.next = seq.next();
        let timestamp = self.first_time.wrapping_add(piece.time);
        let level = [piece.level.unwrap_or_default()];
        let mut values: [(Extension, &[u8]); 4] = [(Extension::Mid, to.mid.as_str().as_bytes()); 4];
        let mut count = 1;
        if let Some(rid) = &self.rid {
            values[count] = (Extension::Rid, rid.as_str().as_bytes());
            count += 1;
        }
        if piece.level.is_some() {
            values[count] = (Extension::AudioLevel, &level);
            count += 1;
        }
        if !piece.descriptor.is_empty() {
            values[count] = (Extension::DependencyDescriptor, piece.descriptor);
            count += 1;
        }
        let header =
            RtpHeader { marker: piece.marker, pt: Pt::new(to.codec.pt), seq: seq.as_u16(), timestamp, ssrc: self.ssrc };
        let payload = [piece.payload, &[]];
        outlet.send_rtp(&Packet { header, seq, class: piece.class, ids: to.ids, values: &values[..count], payload });
        self.packets += 1;
        self.octets += piece.payload.len() as u64;
        self.last = (timestamp, piece.captured);
        if to.codec.rtx.is_some() {
            self.repair.remember(seq, piece, timestamp);
        }
    }

    /// Sends a packet again over the repair stream, if it is still known.
    pub(crate) fn resend(&mut self, seq: u16, to: &Destination<'_>, outlet: &mut Outlet<'_>) {
        let Some(pt) = to.codec.rtx else { return };
        let Repair { ssrc, next, history, capacity } = &mut self.repair;
        let Some(sent) = history.get(usize::from(seq) % *capacity).filter(|sent| sent.is(seq)) else { return };
        let number = *next;
        *next = number.next();
        let mut values: [(Extension, &[u8]); 3] = [(Extension::Mid, to.mid.as_str().as_bytes()); 3];
        let mut count = 1;
        if let Some(rid) = &self.rid {
            values[count] = (Extension::RepairedRid, rid.as_str().as_bytes());
            count += 1;
        }
        if !sent.descriptor.is_empty() {
            values[count] = (Extension::DependencyDescriptor, &sent.descriptor);
            count += 1;
        }
        let header = RtpHeader {
            marker: sent.marker,
            pt: Pt::new(pt),
            seq: number.as_u16(),
            timestamp: sent.timestamp,
            ssrc: *ssrc,
        };
        let payload = [&sent.payload[..], &[]];
        let class = Class::Retransmission;
        outlet.send_rtp(&Packet { header, seq: number, class, ids: to.ids, values: &values[..count], payload });
        self.resent += 1;
    }

    /// `None` before anything was sent.
    pub(crate) fn sender_report(&self, unix_time: Duration) -> Option<SenderReport<'static>> {
        if self.packets == 0 {
            return None;
        }
        let (timestamp, captured) = self.last;
        let since = unix_time.saturating_sub(captured).as_micros() as u64;
        let units = since * u64::from(self.clock_rate) / 1_000_000;
        Some(SenderReport {
            ssrc: self.ssrc,
            ntp: NtpTime::from_unix(unix_time),
            rtp_timestamp: timestamp.wrapping_add(units as u32),
            packet_count: self.packets as u32,
            octet_count: self.octets as u32,
            reports: sfu_wire::rtcp::List::default(),
        })
    }
}

impl Repair {
    fn remember(&mut self, seq: SeqNo, piece: &Piece<'_>, timestamp: u32) {
        self.history.resize_with(self.capacity, Sent::default);
        let sent = &mut self.history[usize::from(seq.as_u16()) % self.capacity];
        sent.seq = seq.get();
        sent.marker = piece.marker;
        sent.timestamp = timestamp;
        sent.descriptor.clear();
        sent.descriptor.extend_from_slice(piece.descriptor);
        sent.payload.clear();
        sent.payload.extend_from_slice(&seq.as_u16().to_be_bytes());
        sent.payload.extend_from_slice(piece.payload);
    }
}

impl Sent {
    fn is(&self, seq: u16) -> bool {
        self.seq as u16 == seq && !self.payload.is_empty()
    }
}

/// Below 2^15, so that a loss at the start does not look like a rollover (RFC 3711 §3.3.1).
fn first_seq(random: &mut Random) -> SeqNo {
    SeqNo::new(u64::from(random.u16() >> 1))
}
