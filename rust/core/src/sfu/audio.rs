//! Audio to subscribers whose formats are not the publisher's: Opus out of RED, RED around Opus, and what redundancy gives back.

use std::time::Instant;

use sfu_transport::Egress;
use sfu_wire::rtp::extension_value::AbsSendTime;

use super::Sfu;
use super::fan_out::{Delivery, Outgoing, class_of, write};
use super::sent::Sent;
use crate::audio::{MAX_RED, Material, Recovered, Way};
use crate::connection::Connection;
use crate::id::TrackId;
use crate::layer::Packet;
use crate::rewrite::{Form, Patch};
use crate::subscription::Subscription;

impl Sfu {
    /// Sends what was missing and came in `packet` to those who do not take RED; the others find it there themselves.
    pub(super) fn fan_out_recovered(
        &mut self,
        now: Instant,
        id: TrackId,
        (packet, recovered): (&Packet<'_>, &Recovered),
        egress: &mut Egress,
    ) {
        let Some(track) = self.tracks.get(id) else { return };
        let send_time = AbsSendTime::from_duration(self.clock.unix(now));
        let delivery = Delivery { now, send_time, class: class_of(track.kind), track };
        for subscription_id in &track.subscriptions {
            let Some(subscription) = self.subscriptions.get_mut(*subscription_id) else { continue };
            let Some(connection) = self.connections.get_mut(subscription.connection) else { continue };
            let way = subscription.wire.as_ref().and_then(|wire| wire.way(packet.codec, false));
            // Nothing begins with what was missing.
            if way.is_none_or(|(_, way)| way != Way::Frame) || subscription.forwarder.encoding().is_none() {
                continue;
            }
            for frame in recovered.iter() {
                let missing = Packet { seq: frame.seq, timestamp: frame.timestamp, marker: false, ..*packet };
                let Some(patch) = subscription.forwarder.forward(now, &missing, &track.timestamps) else { continue };
                let patch = patch.in_form(Form::Frame(frame.back));
                // The header extensions are another frame's.
                let none = std::iter::empty();
                self.counts.sent += delivery.deliver_form(subscription, connection, (packet, patch), none, egress);
            }
        }
        self.feed_recovered(now, id, packet, recovered);
    }
}

impl Delivery<'_> {
    /// The form in which a packet that has its numbers goes.
    pub(super) fn form(&self, subscription: &Subscription, packet: &Packet<'_>, way: Way) -> Form {
        match (way, self.track.encodings.get(usize::from(packet.encoding))) {
            (Way::Frame, _) => Form::Frame(0),
            (Way::Red(opus), Some(encoding)) => {
                let material = Material { packet: *packet, history: &encoding.history };
                material.red(opus, self.track.red, |seq| subscription.forwarder.precedes(seq))
            }
            _ => Form::Whole,
        }
    }

    /// Makes the payload that the patch names out of `packet`, writes and seals it.
    pub(super) fn deliver_form<'e>(
        &self,
        subscription: &mut Subscription,
        connection: &mut Connection,
        (packet, patch): (&Packet<'_>, Patch),
        extensions: impl Iterator<Item = (u8, &'e [u8])>,
        egress: &mut Egress,
    ) -> Sent {
        let (Some(wire), Some(encoding)) = (&subscription.wire, self.track.encodings.get(usize::from(packet.encoding)))
        else {
            return Sent::default();
        };
        let mut buffer = [0; MAX_RED];
        let material = Material { packet: *packet, history: &encoding.history };
        let Some((pt, _)) = wire.payload_types(patch.form.codec(packet.codec)) else { return Sent::default() };
        let Some(payload) = material.payload(patch.form, wire.opus(), &mut buffer) else { return Sent::default() };
        let ssrc = subscription.send.ssrc();
        let outgoing = Outgoing { pt, ssrc, seq: patch.seq, patch, original: None, payload };
        let len = write(self, connection, wire, &outgoing, extensions, egress);
        if len == 0 {
            return Sent::default();
        }
        subscription.send.sent(self.now, &Packet { payload, ..*packet }, patch, len);
        Sent { packets: 1, bytes: len as u64 }
    }
}
