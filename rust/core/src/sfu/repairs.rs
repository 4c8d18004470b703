//! What a subscriber was sent goes out again: because it asks for it, or to fill a probe with something useful; and what fills probes
//! otherwise.

use std::iter;
use std::time::Instant;

use sfu_transport::{Class, Egress};
use sfu_wire::DataSize;
use sfu_wire::rtp::RtpHeader;
use sfu_wire::rtp::extension_value::AbsSendTime;

use super::Sfu;
use super::fan_out::{Delivery, HEADER_ROOM, Outgoing, write};
use super::sent::Sent;
use crate::audio::{MAX_RED, Material};
use crate::connection::Connection;
use crate::header::Passed;
use crate::id::SubscriptionId;
use crate::layer::Dependencies;
use crate::nack::Refusal;
use crate::rewrite::dependency_descriptor::DependencyPatch;
use crate::stream;
use crate::subscription::Subscription;

impl Sfu {
    /// Sends again what a subscriber misses.
    pub(super) fn answer_nack(
        &mut self,
        now: Instant,
        id: SubscriptionId,
        seqs: impl Iterator<Item = u16>,
        egress: &mut Egress,
    ) {
        let Some(subscription) = self.subscriptions.get_mut(id) else { return };
        let Some(connection) = self.connections.get_mut(subscription.connection) else { return };
        if subscription.wire.is_none() {
            return;
        }
        let send_time = AbsSendTime::from_duration(self.clock.unix(now));
        for seq in seqs {
            if !connection.look_ups.admits(now) {
                subscription.send.refuse(Refusal::Flood);
                return;
            }
            let Some(sent) = subscription.send.answer_nack(now, seq, connection.rtt) else { continue };
            // A slot may have carried another voice then.
            let past = subscription.slot.as_ref().and_then(|slot| slot.past.of(sent.patch.seq));
            let Some(track) = self.tracks.get(past.unwrap_or(subscription.track)) else {
                subscription.send.refuse(Refusal::Unknown);
                continue;
            };
            let delivery = Delivery { now, send_time, class: Class::Retransmission, track };
            match send_again(&delivery, connection, subscription, &sent, egress) {
                None => subscription.send.refuse(Refusal::Unknown),
                Some(0) => {}
                Some(len) => {
                    subscription.send.retransmitted(len);
                    connection.left(now, DataSize::new(len as u64));
                    self.counts.sent += Sent { packets: 1, bytes: len as u64 };
                }
            }
        }
    }
}

/// Sends once more what a subscriber was sent: its bytes, but for the fields of RTX (RFC 4588 §4). How many; `None`: nobody has it any more.
pub(super) fn send_again(
    delivery: &Delivery<'_>,
    connection: &mut Connection,
    subscription: &mut Subscription,
    sent: &stream::Sent,
    egress: &mut Egress,
) -> Option<usize> {
    let Subscription { wire: Some(wire), send, .. } = subscription else { return Some(0) };
    let encoding = delivery.track.encodings.get(usize::from(sent.encoding))?;
    let stored = encoding.history.get(sent.seq)?;
    // Without RTX nothing can be sent again under the same index: its nonce is used.
    let form = sent.patch.form;
    let Some((_, Some(rtx))) = wire.payload_types(form.codec(stored.codec())) else { return Some(0) };
    let mut buffer = [0; MAX_RED];
    let material = Material { packet: stored.packet(sent.seq, Dependencies::None), history: &encoding.history };
    let payload = material.payload(form, wire.opus(), &mut buffer)?;
    let outgoing = Outgoing {
        pt: rtx,
        ssrc: send.rtx_ssrc(),
        seq: send.next_rtx(),
        patch: sent.patch,
        original: Some(sent.patch.seq.as_u16()),
        payload,
    };
    let extensions = stored.extensions().filter(|_| !form.is_earlier());
    Some(write(delivery, connection, wire, &outgoing, extensions, egress))
}

/// What bit 5 of a header's first byte says: the last byte of the packet counts those that are padding (RFC 3550 §5.1).
const PADDED: u8 = 0x20;

/// Sends a packet of nothing but padding, `len` bytes in all where that is possible: in the stream of retransmissions, where receivers expect
/// no media behind each number. How many bytes went.
pub(super) fn write_padding(
    delivery: &Delivery<'_>,
    connection: &mut Connection,
    subscription: &mut Subscription,
    len: u64,
    egress: &mut Egress,
) -> usize {
    let Subscription { wire: Some(wire), send, .. } = subscription else { return 0 };
    let pt = delivery.track.codec.and_then(|codec| wire.payload_types(codec)?.1);
    let Some((pt, newest)) = pt.zip(send.recent(0)) else { return 0 };
    let (ssrc, seq) = (send.rtx_ssrc(), send.next_rtx());
    let header = RtpHeader { marker: false, pt, seq: seq.as_u16(), timestamp: newest.patch.timestamp, ssrc };
    let publisher = &delivery.track.parameters.extensions;
    let Connection { transport, twcc_sender, .. } = connection;
    let mut written = 0;
    let max_len = HEADER_ROOM + usize::from(u8::MAX);
    let sent = transport.send_rtp(egress, delivery.class, (ssrc, seq), max_len, |buffer| {
        let passed = Passed { extensions: iter::empty(), publisher, dependency: DependencyPatch::default() };
        let Some(head) = wire.header.write(buffer, &header, passed, delivery.send_time) else { return (0, 0) };
        let count = len.saturating_sub(head.len as u64).clamp(1, u64::from(u8::MAX)) as u8;
        let end = head.len + usize::from(count);
        let Some(padding) = buffer.get_mut(head.len..end) else { return (0, 0) };
        padding.fill(0);
        buffer[end - 1] = count;
        buffer[0] |= PADDED;
        if let Some(at) = head.number {
            buffer[at..at + 2].copy_from_slice(&twcc_sender.send(delivery.now, end).to_be_bytes());
        }
        written = end;
        (end, head.len)
    });
    if sent { written } else { 0 }
}
