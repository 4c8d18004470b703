//! What subscriptions want becomes events, keyframe requests and sender reports.

use std::time::Instant;

use sfu_transport::Egress;

use super::Sfu;
use crate::change::Applied;
use crate::codec::Kind;
use crate::command::CommandError;
use crate::demand::Layers;
use crate::event::Event;
use crate::id::{SubscriptionId, TrackId};
use crate::keyframe::Wish;
use crate::layer::{Encodings, Layer};
use crate::relay::{Message, Wants};
use crate::subscription::Subscription;
use crate::track::{Encoding, Origin};

impl Sfu {
    /// The application wants a keyframe of every encoding.
    pub(super) fn request_keyframe(
        &mut self,
        now: Instant,
        id: TrackId,
        egress: &mut Egress,
    ) -> Result<(), CommandError> {
        let track = self.tracks.get_mut(id).filter(|track| track.is_published()).ok_or(CommandError::TrackEnded)?;
        for encoding in &mut track.encodings {
            encoding.keyframes.order(now);
        }
        self.settle_track(now, id, egress);
        Ok(())
    }

    /// A subscription waits for its first picture: its publisher is asked with the next tick, which is due at once.
    pub(super) fn want_keyframe_soon(&mut self, now: Instant, id: SubscriptionId) {
        let Some(id) = self.subscriptions.get(id).map(|subscription| subscription.track) else { return };
        if let Some(track) = self.tracks.get(id) {
            self.timers.set(track.timer(), now);
        }
    }

    /// Goes through a track's subscriptions after something changed: layer changes are told, switches are followed by a
    /// sender report at once (so that lip sync does not wait for the next one), keyframes are asked for, and the publisher hears
    /// which layers are needed.
    pub(super) fn settle_track(&mut self, now: Instant, id: TrackId, egress: &mut Egress) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        let mut switched = Vec::new();
        let mut wants = Wants::default();
        let timer = track.timer();
        for subscription_id in &track.subscriptions {
            let Some(subscription) = self.subscriptions.get_mut(*subscription_id) else { continue };
            if let Some(event) = layer_change(now, *subscription_id, subscription) {
                self.outbox.push(event);
            }
            if subscription.forwarder.switched() {
                switched.push(*subscription_id);
            }
            if subscription.is_wanted() {
                wants.layers.add(subscription.max_layer.unwrap_or(Layer::MAX));
            }
            let wish = keyframe_wish(now, subscription, &track.encodings);
            subscription.change.awaits_keyframe(now, wish.is_some());
            if let Some((encoding, wish)) = wish {
                wants.keyframe(encoding, wish);
            }
            if let Some(due) = subscription.picture_loss.poll_timeout() {
                self.timers.set(timer, due);
            }
        }
        for tap in &track.taps {
            let Some(tap) = self.taps.get_mut(*tap) else { continue };
            wants.layers.add(tap.max_layer.unwrap_or(Layer::MAX));
            if let Some((encoding, wish)) = tap.keyframe_wish(now, &track.encodings) {
                wants.keyframe(encoding, wish);
            }
            if let Some(due) = tap.picture_loss.poll_timeout() {
                self.timers.set(timer, due);
            }
        }
        track.outlets.iter().for_each(|outlet| wants.add(&outlet.wants));
        self.settle_wants(now, id, wants);
        for subscription in switched {
            self.send_sender_report(now, subscription, egress);
        }
        self.send_keyframe_requests(now, id, egress);
    }

    /// What is needed in all is asked of the publisher, or of its shard.
    fn settle_wants(&mut self, now: Instant, id: TrackId, wants: Wants) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        if let Some(inlet) = track.inlet() {
            if let Some(wants) = inlet.tell(wants) {
                self.relay.send(id.shard(), &Message::Wants { track: id, wants });
            }
            return;
        }
        for (wish, encoding) in wants.keyframes.into_iter().zip(&mut track.encodings) {
            match wish {
                Some(wish) => encoding.keyframes.request(now, wish),
                None => encoding.keyframes.withdraw(),
            }
        }
        self.tell_demand(now, id, wants.layers);
    }

    /// Tells the publisher's session which layers of a track are needed, when that changed.
    fn tell_demand(&mut self, now: Instant, id: TrackId, needed: Layers) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        if track.kind != Kind::Video || !track.is_published() {
            return;
        }
        // What is muted goes to nobody.
        let needed = if track.muted { Layers::default() } else { needed };
        let top = track.top_layer();
        if let Some(layers) = track.demand.update(now, needed, top) {
            self.outbox.push(Event::LayersWanted { session: track.session, track: id, layers });
        }
        if let Some(due) = track.demand.poll_timeout() {
            self.timers.set(track.timer(), due);
        }
    }

    /// Tells what was learnt of the layers of a track.
    pub(super) fn tell_layers(&mut self, now: Instant, id: TrackId) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        if track.kind != Kind::Video || !track.is_published() {
            return;
        }
        let flowing = if track.stalled { Encodings::default() } else { track.activity.flowing(now) };
        let encodings = track.encodings.iter_mut().map(|encoding| (encoding.rid, &mut encoding.layers));
        // Of a track of another shard that one tells.
        let is_ours = matches!(track.origin, Origin::Connection(_));
        let Some(layers) = track.told_layers.update(now, encodings, flowing) else { return };
        if is_ours {
            self.outbox.push(Event::LayersChanged(id, layers.to_vec()));
        }
        self.divide_again_around(now, id);
    }
}

/// The event that tells of another layer.
fn layer_change(now: Instant, id: SubscriptionId, subscription: &mut Subscription) -> Option<Event> {
    let (from, to) = subscription.forwarder.take_layer_change()?;
    let is_whole = subscription.forwarder.wants_keyframe().is_none();
    let Applied { reason, wait, keyframe_wait } = subscription.change.applied(now, is_whole);
    if subscription.slot.is_some() {
        return None;
    }
    let session = subscription.session;
    Some(Event::LayerChanged { session, subscription: id, from, to, reason, wait, keyframe_wait })
}

/// The encoding of which a subscription needs a keyframe, and how much.
fn keyframe_wish(now: Instant, subscription: &mut Subscription, encodings: &[Encoding]) -> Option<(usize, Wish)> {
    let current = subscription.forwarder.encoding();
    let keyframe = current.and_then(|current| encodings.get(usize::from(current))?.keyframes.last_arrived());
    if subscription.picture_loss.poll(now, keyframe) {
        subscription.forwarder.picture_lost();
    }
    let wanted = subscription.forwarder.wants_keyframe().filter(|_| subscription.wire.is_some())?;
    let wish = if current == Some(wanted) { subscription.picture_loss.wish() } else { Wish::First };
    Some((usize::from(wanted), wish))
}
