//! What subscriptions want becomes events, keyframe requests and sender reports.

use std::time::Instant;

use sfu_transport::Egress;

use super::Sfu;
use crate::change::Applied;
use crate::command::CommandError;
use crate::event::Event;
use crate::id::{SubscriptionId, TrackId};
use crate::layer::Encodings;
use crate::timers::Timer;

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
        let track = self.subscriptions.get(id).and_then(|subscription| self.tracks.get(subscription.track));
        if let Some(track) = track {
            self.timers.set(Timer::Connection(track.connection), now);
        }
    }

    /// Goes through a track's subscriptions after something changed: layer changes are told, switches are followed by a
    /// sender report at once (so that lip sync does not wait for the next one), keyframes are asked for.
    pub(super) fn settle_track(&mut self, now: Instant, id: TrackId, egress: &mut Egress) {
        let Some(track) = self.tracks.get_mut(id) else { return };
        let mut switched = Vec::new();
        let mut awaited = Encodings::default();
        for subscription_id in &track.subscriptions {
            let Some(subscription) = self.subscriptions.get_mut(*subscription_id) else { continue };
            if let Some((from, to)) = subscription.forwarder.take_layer_change() {
                let (session, subscription_id) = (subscription.session, *subscription_id);
                let Applied { reason, wait, keyframe_wait } = subscription.change.applied(now);
                self.outbox.push(Event::LayerChanged {
                    session,
                    subscription: subscription_id,
                    from,
                    to,
                    reason,
                    wait,
                    keyframe_wait,
                });
            }
            if subscription.forwarder.switched() {
                switched.push(*subscription_id);
            }
            let wanted = subscription.forwarder.wants_keyframe().filter(|_| subscription.wire.is_some());
            subscription.change.awaits_keyframe(now, wanted.is_some());
            awaited = wanted.map_or(awaited, |encoding| awaited.with(encoding));
        }
        for (index, encoding) in (0..).zip(&mut track.encodings) {
            if awaited.contains(index) {
                encoding.keyframes.request(now);
            } else {
                encoding.keyframes.withdraw();
            }
        }
        for subscription in switched {
            self.send_sender_report(now, subscription, egress);
        }
        self.send_keyframe_requests(now, id, egress);
    }
}
