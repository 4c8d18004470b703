//! A packet goes to everybody who wants it: select, rewrite, write into the send buffer, seal there.

use std::time::Instant;

use sfu_transport::{Class, Egress};
use sfu_wire::rtp::extension_block::ExtensionBlock;
use sfu_wire::rtp::extension_value::AbsSendTime;
use sfu_wire::rtp::header::RtpHeader;
use sfu_wire::rtp::writer::{ExtensionForms, MAX_EXTENSIONS, write_header};
use sfu_wire::{Extension, ExtensionMap, Pt, SeqNo, Ssrc};

use super::Sfu;
use crate::codec::Kind;
use crate::connection::{Binding, Connection};
use crate::event::Event;
use crate::forward::Patch;
use crate::id::{SubscriptionId, TrackId};
use crate::layer::Packet;
use crate::subscription::Wire;

/// Room for the header with every extension that the SFU knows, on top of the payload and the tag.
const HEADER_ROOM: usize = 256;

/// One packet as it leaves: numbers of the subscriber, bytes of the publisher.
pub(super) struct Outgoing<'a> {
    pub(super) pt: Pt,
    pub(super) ssrc: Ssrc,
    /// Of the SSRC that it leaves under.
    pub(super) seq: SeqNo,
    pub(super) patch: Patch,
    /// The original sequence number, when it is a retransmission (RFC 4588 §4).
    pub(super) original: Option<u16>,
    pub(super) extensions: ExtensionBlock<'a>,
    /// The publisher's ids.
    pub(super) map: &'a ExtensionMap,
    pub(super) payload: &'a [u8],
}

impl Sfu {
    pub(super) fn fan_out(
        &mut self,
        now: Instant,
        id: TrackId,
        packet: &Packet<'_>,
        extensions: ExtensionBlock<'_>,
        egress: &mut Egress,
    ) {
        let Some(track) = self.tracks.get(id) else { return };
        let class = class_of(track.kind);
        let send_time = AbsSendTime::from_duration(self.clock.unix(now));
        let mut unsettled = false;
        for subscription_id in &track.subscriptions {
            let Some(subscription) = self.subscriptions.get_mut(*subscription_id) else { continue };
            let Some(wire) = &subscription.wire else { continue };
            let Some((pt, _)) = wire.payload_types(packet.codec) else { continue };
            let patch = subscription.forwarder.forward(now, packet, &track.timestamps);
            unsettled |= subscription.forwarder.is_unsettled();
            let Some(patch) = patch else { continue };
            let Some(connection) = self.connections.get_mut(subscription.connection) else { continue };
            let outgoing = Outgoing {
                pt,
                ssrc: subscription.send.ssrc(),
                seq: patch.seq,
                patch,
                original: None,
                extensions,
                map: &track.parameters.extensions,
                payload: packet.payload,
            };
            let len = write(now, connection, wire, &outgoing, send_time, class, egress);
            if len > 0 {
                subscription.send.sent(now, packet, patch, len);
                self.counts.packets_sent += 1;
                self.counts.bytes_sent += len as u64;
            }
        }
        if unsettled {
            self.settle_track(now, id, egress);
        }
    }

    /// Padding carries nothing for subscribers: their numbering closes the gap.
    pub(super) fn forward_padding(&mut self, binding: Binding, seq: SeqNo) {
        let Some(track) = self.tracks.get(binding.track) else { return };
        for subscription in &track.subscriptions {
            if let Some(subscription) = self.subscriptions.get_mut(*subscription) {
                subscription.forwarder.padding(binding.encoding as u8, seq);
            }
        }
    }
}

pub(super) const fn class_of(kind: Kind) -> Class {
    match kind {
        Kind::Audio => Class::Audio,
        Kind::Video => Class::Video,
    }
}

/// Writes, stamps and seals; returns the bytes that were queued, 0 when the peer cannot be sent to now.
pub(super) fn write(
    now: Instant,
    connection: &mut Connection,
    wire: &Wire,
    packet: &Outgoing<'_>,
    send_time: AbsSendTime,
    class: Class,
    egress: &mut Egress,
) -> usize {
    let transport_seq = wire.extensions.id(Extension::TransportCc).map(|id| (id, connection.twcc_sender.peek()));
    let send_time = send_time.to_bytes();
    let seq_bytes = transport_seq.map_or([0; 2], |(_, seq)| seq.to_be_bytes());
    let mut list: [(u8, &[u8]); MAX_EXTENSIONS] = [(0, &[]); MAX_EXTENSIONS];
    let mut count = 0;
    let mut add = |id: u8, value| {
        if let Some(place) = list.get_mut(count) {
            *place = (id, value);
            count += 1;
        }
    };
    if let Some(id) = wire.extensions.id(Extension::Mid) {
        add(id, wire.mid.as_bytes());
    }
    if let Some((id, _)) = transport_seq {
        add(id, &seq_bytes);
    }
    if let Some(id) = wire.extensions.id(Extension::AbsSendTime) {
        add(id, &send_time);
    }
    for (id, value) in packet.extensions.iter() {
        if let Some(id) = packet.map.extension(id).filter(|kind| passes(*kind)).and_then(|kind| wire.extensions.id(kind)) {
            add(id, value);
        }
    }
    let header = RtpHeader {
        marker: packet.patch.marker,
        pt: packet.pt,
        seq: packet.seq.as_u16(),
        timestamp: packet.patch.timestamp,
        ssrc: packet.ssrc,
    };
    let forms = if wire.extmap_allow_mixed { ExtensionForms::Mixed } else { ExtensionForms::OneByte };
    let mut written = 0;
    let sent = connection.transport.send_rtp(
        egress,
        class,
        (packet.ssrc, packet.seq),
        HEADER_ROOM + packet.payload.len(),
        |buffer| {
            let Some(head) = write_header(buffer, &header, &[], &list[..count], forms) else { return (0, 0) };
            let mut len = head.len();
            let mut put = |bytes: &[u8]| {
                buffer[len..len + bytes.len()].copy_from_slice(bytes);
                len += bytes.len();
            };
            if let Some(original) = packet.original {
                put(&original.to_be_bytes());
            }
            put(packet.patch.prefix());
            put(&packet.payload[usize::from(packet.patch.strip)..]);
            written = len;
            (len, head.len())
        },
    );
    if !sent {
        return 0;
    }
    if transport_seq.is_some() {
        connection.twcc_sender.sent(now, written);
    }
    written
}

/// What is the publisher's to say; MID, RID, transport-wide numbers and send times are the SFU's own on each hop.
const fn passes(extension: Extension) -> bool {
    matches!(
        extension,
        Extension::AudioLevel
            | Extension::VideoOrientation
            | Extension::DependencyDescriptor
            | Extension::AbsCaptureTime
    )
}
