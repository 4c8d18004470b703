//! What time brings: handshakes that take too long, reports, repeated requests, speakers.

use std::time::{Duration, Instant};

use sfu_transport::Egress;

use super::Sfu;
use crate::arena::ConnectionId;
use crate::bandwidth::Bandwidth;
use crate::connection::Progress;
use crate::event::{CloseReason, Event};
use crate::id::{RoomId, TrackId};
use crate::timers::Timer;

/// Between reports (RFC 3550 §6.2 with the reduced minimum; browsers send every second for video).
/// Lower: faster RTT and lip sync. Higher: less RTCP.
pub(super) const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Reports fall due at multiples of this, those of many peers at once. Higher: fewer wakes. Lower: media waits for fewer of them.
const GRID: Duration = Duration::from_millis(25);
/// No report goes earlier than this, whatever it could go beside. Higher: fewer go alone to whoever gets a packet now and then. Lower:
/// fewer go in all. (libwebrtc sends a report half an interval to one and a half after the last one.)
const EARLY: Duration = Duration::from_millis(750);

/// Reports that are due before this go beside media that leaves `now`, as one message with it: the next is likely to come when they
/// are due already, judged by how long after the last one this came.
fn reports_before(now: Instant, last_media: Instant) -> Instant {
    now + now.saturating_duration_since(last_media).min(EARLY)
}

/// Whose reports go beside media that leaves now. Most of its receivers got the last one at the same time, so that is worked out
/// once for them.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beside {
    now: Instant,
    last: Instant,
    before: Instant,
}

impl Beside {
    pub(super) fn new(now: Instant) -> Self {
        Self { now, last: now, before: now }
    }

    /// Whether reports that are `due` go beside what leaves now to who got media at `last`.
    pub(super) fn takes(&mut self, last: Instant, due: Instant) -> bool {
        if last != self.last {
            (self.last, self.before) = (last, reports_before(self.now, last));
        }
        due <= self.before
    }
}

impl Sfu {
    pub(super) fn tick(&mut self, now: Instant, timer: Timer, egress: &mut Egress) {
        match timer {
            Timer::Connection(id) => self.tick_connection(now, id, egress),
            Timer::Room(id) => self.tick_room(now, id),
            Timer::Replica(id) => {
                if let Some(track) = self.relay.replicas.get(id).copied() {
                    self.tick_replica(now, track, egress);
                }
            }
            Timer::Pending => self.tick_pending(now),
            Timer::EndedTaps => self.tick_ended_taps(now),
        }
    }

    fn tick_connection(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.progress.deadline().is_some_and(|deadline| deadline <= now) {
            let session = connection.session;
            self.close_session(now, session, CloseReason::Timeout, egress);
            return;
        }
        if connection.transport.poll_timeout().is_some_and(|deadline| deadline <= now) {
            connection.transport.handle_timeout(now, egress);
            self.settle_transport(now, id, egress);
        }
        let Some(connection) = self.connections.get_mut(id) else { return };
        if connection.progress == Progress::Connected {
            if connection.next_report <= now {
                self.report(now, id, egress);
            } else {
                self.send_feedback(now, id, egress);
            }
            self.settle_bandwidth(now, id, egress);
        }
        let mut index = 0;
        while let Some(track) = self.track_of(id, index) {
            index += 1;
            self.settle_track(now, track, egress);
            let over =
                self.tracks.get(track).and_then(|track| track.dump.as_ref()).is_some_and(|dump| dump.is_over(now));
            if over {
                self.finish_dump(track);
            }
        }
        self.set_deadlines(id);
    }

    /// What is done once in an interval.
    fn report(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let next = self.next_report(now);
        let Some(connection) = self.connections.get_mut(id) else { return };
        connection.next_report = next;
        let session = connection.session;
        self.write_reports(now, id, egress);
        // Behind the reports: they begin a compound as it must begin.
        self.send_feedback(now, id, egress);
        self.settle_negotiation(now, session);
        self.find_stalled(now, id, egress);
    }

    fn send_feedback(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        self.write_transport_feedback(now, id, egress);
        self.write_nacks(now, id, egress);
        self.send_rtcp(id, egress);
    }

    /// Never in less than an interval, so that media which comes once in one finds its reports still to be sent.
    fn next_report(&self, now: Instant) -> Instant {
        let due = now + REPORT_INTERVAL;
        let (nanos, step) = (self.clock.unix(due).subsec_nanos(), GRID.subsec_nanos());
        due + Duration::from_nanos((step - nanos % step).into())
    }

    /// Reports to those who have just got media: what they are made of is in the cache.
    pub(super) fn report_beside(&mut self, now: Instant, egress: &mut Egress) {
        let mut peers = std::mem::take(&mut self.reporting);
        for id in peers.drain(..) {
            let Some(connection) = self.connections.get(id) else { continue };
            if connection.progress != Progress::Connected {
                continue;
            }
            // What stands is the time of these reports. Who publishes is called for its tracks as well.
            let watches_only = connection.tracks.is_empty();
            self.report(now, id, egress);
            if watches_only {
                self.timers.remove(Timer::Connection(id));
                self.set_deadlines(id);
            }
        }
        self.reporting = peers;
    }

    /// What a connection publishes, one after another.
    fn track_of(&self, id: ConnectionId, index: usize) -> Option<TrackId> {
        self.connections.get(id)?.tracks.get(index).map(|(_, track)| *track)
    }

    /// Everything that has a time of its own; a later tick finds what is due.
    pub(super) fn set_deadlines(&mut self, id: ConnectionId) {
        let Some(connection) = self.connections.get(id) else { return };
        let connected = connection.progress == Progress::Connected;
        let dumps =
            connection.tracks.iter().filter_map(|(_, track)| Some(self.tracks.get(*track)?.dump.as_ref()?.end()));
        let deadlines = [
            connection.progress.deadline(),
            connection.transport.poll_timeout(),
            connected.then_some(connection.next_report),
            connection.next_nack.filter(|_| connected),
            connection.twcc_receiver.poll_timeout().filter(|_| connected),
            connection.bandwidth.as_deref().and_then(Bandwidth::poll_timeout).filter(|_| connected),
        ];
        if let Some(deadline) = deadlines.into_iter().flatten().chain(dumps).min() {
            self.timers.set(Timer::Connection(id), deadline);
        }
    }

    /// Encodings that stopped, so that selection falls back; and whole tracks, so that the application knows.
    fn find_stalled(&mut self, now: Instant, id: ConnectionId, egress: &mut Egress) {
        let mut index = 0;
        while let Some(track_id) = self.track_of(id, index) {
            index += 1;
            self.find_playable(now, track_id);
            let Some(track) = self.tracks.get_mut(track_id).filter(|track| track.is_published()) else { continue };
            let active = track.activity.flowing(now);
            if track.activity.is_stalled(now) && !track.stalled {
                track.stalled = true;
                self.outbox.push(Event::TrackStalled(track_id, true));
            }
            self.set_available(track_id, active);
            self.tell_layers(now, track_id);
            self.settle_track(now, track_id, egress);
        }
    }

    fn tick_room(&mut self, now: Instant, id: RoomId) {
        let Some(room) = self.rooms.get_mut(id) else { return };
        if let Some(speakers) = room.speakers.poll(now) {
            self.outbox.push(Event::SpeakersChanged(id, speakers));
        }
        if let Some(deadline) = room.speakers.poll_timeout() {
            self.timers.set(Timer::Room(id), deadline);
        }
    }
}
