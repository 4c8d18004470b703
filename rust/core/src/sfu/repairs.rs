//! What a subscriber was sent goes out again: because it asks for it, or to fill a probe with something useful.

use std::time::Instant;

use sfu_transport::{Class, Egress};
use sfu_wire::rtp::extension_value::AbsSendTime;

use super::Sfu;
use super::fan_out::{Delivery, Outgoing, write};
use super::sent::Sent;
use crate::audio::{MAX_RED, Material};
use crate::connection::Connection;
use crate::id::SubscriptionId;
use crate::layer::Dependencies;
use crate::nack::Refusal;
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
