//! [`Sfu`]: the door of the core. Datagrams, commands and time go in; datagrams, replies and events come out.
//!
//! The way of a packet is `ingress` → `fan_out` (per subscription: select, rewrite, write, seal); the way of a command is
//! [`Sfu::handle_command`] → the file named after its subject. Every input ends in `settle`, which turns what changed into
//! events, offers and deadlines.

mod audio;
mod audio_slots;
mod bandwidth;
mod batch;
mod channels;
mod compound;
mod describe;
mod fan_out;
mod feedback;
mod ingress;
mod keyed;
mod relay;
mod relay_rooms;
mod relay_tracks;
mod repairs;
mod reports;
mod requests;
mod rooms;
mod sent;
mod sessions;
mod stats;
mod subscriptions;
mod taps;
mod ticks;
mod tracks;
mod transport_events;

use std::collections::VecDeque;
use std::time::Instant;

use sfu_transport::{DatagramKind, DropCounts, Egress, Incoming, Path, Random, classify, stun_local_ufrag};

use crate::arena::{Arena, ConnectionId};
use crate::bandwidth::Divider;
use crate::channel::Channel;
use crate::clock::Clock;
use crate::command::{Command, CommandError, Reply};
use crate::config::SfuConfig;
use crate::connection::{Connection, Progress};
use crate::demux::Demux;
use crate::event::Event;
use crate::id::{ChannelId, RoomId, SessionId, SubscriptionId, TapId, TrackId};
use crate::outbox::Outbox;
use crate::pending::Pending;
use crate::relay::Relay;
use crate::room::Room;
use crate::session::Session;
use crate::subscription::Subscription;
use crate::tap::Tap;
use crate::timers::Timers;
use crate::track::Track;
use batch::Batch;
use compound::Compound;
use sent::Sent;

/// Totals over the life of an `Sfu`.
#[derive(Debug, Default)]
struct Counts {
    datagrams_received: u64,
    packets_received: u64,
    bytes_received: u64,
    sent: Sent,
    checks: u64,
    keep_alives: u64,
    dtls: u64,
    dropped: DropCounts,
    half_open: usize,
}

/// A selective forwarding unit without sockets, clock and threads.
///
/// `handle_datagram`, `handle_command` and `handle_timeout` put in; what they send is in the [`Egress`] afterwards, what they
/// report comes out of `poll_event`. `poll_timeout` tells when `handle_timeout` is due. `now` never goes backwards.
#[derive(Debug)]
pub struct Sfu {
    config: SfuConfig,
    clock: Clock,
    random: Random,
    rooms: Arena<RoomId, Room>,
    sessions: Arena<SessionId, Session>,
    connections: Arena<ConnectionId, Connection>,
    tracks: Arena<TrackId, Track>,
    subscriptions: Arena<SubscriptionId, Subscription>,
    taps: Arena<TapId, Tap>,
    /// Those whose tracks have ended, and until when they can be emptied.
    ended_taps: VecDeque<(Instant, TapId)>,
    channels: Arena<ChannelId, Channel>,
    demux: Demux,
    timers: Timers,
    outbox: Outbox,
    /// What came in and has not gone out yet.
    batch: Batch,
    /// Who has just got media and whose reports are due soon.
    reporting: Vec<ConnectionId>,
    counts: Counts,
    relay: Relay,
    /// Commands that wait for another shard.
    pending: Pending,
    rtcp: Compound,
    /// Where a packet of another shard is put together.
    scratch: Vec<u8>,
    divider: Divider,
}

impl Sfu {
    /// An empty one.
    pub fn new(now: Instant, config: SfuConfig) -> Self {
        let shard = config.shard;
        Self {
            clock: Clock::new(now, config.unix_time),
            random: Random::new(config.seed),
            rooms: Arena::new(shard),
            sessions: Arena::new(shard),
            connections: Arena::new(shard),
            tracks: Arena::new(shard),
            subscriptions: Arena::new(shard),
            taps: Arena::new(shard),
            ended_taps: VecDeque::new(),
            channels: Arena::new(shard),
            demux: Demux::default(),
            timers: Timers::new(now),
            outbox: Outbox::new(config.event_capacity),
            batch: Batch::default(),
            reporting: Vec::new(),
            counts: Counts::default(),
            relay: Relay::new(shard, config.shards),
            rtcp: Compound::default(),
            pending: Pending::default(),
            scratch: Vec::new(),
            divider: Divider::default(),
            config,
        }
    }

    /// Takes one datagram that arrived over `path`, and sends on what was in it. It is decrypted in place.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &mut [u8], egress: &mut Egress) {
        self.take_datagram(now, now, path, datagram, egress);
        self.forward_all(now, egress);
    }

    /// One datagram of several that were read together at `now`: the media in it waits for [`Sfu::forward`], everything else is
    /// dealt with. Senders are told of `arrived`, because a reader that is late is no congestion.
    ///
    /// Says whether it was a check that proved its path to be one of a session here.
    pub fn take_datagram(
        &mut self,
        now: Instant,
        arrived: Instant,
        path: Path,
        datagram: &mut [u8],
        egress: &mut Egress,
    ) -> bool {
        self.counts.datagrams_received += 1;
        let by_ufrag = stun_local_ufrag(datagram).and_then(|ufrag| self.demux.by_ufrag(ufrag));
        let Some(id) = by_ufrag.or_else(|| self.demux.by_path(&path)) else {
            self.counts.dropped.unknown_path += 1;
            return false;
        };
        let Some(connection) = self.connections.get_mut(id) else {
            self.counts.dropped.unknown_path += 1;
            return false;
        };
        if matches!(connection.progress, Progress::Waiting { .. }) && self.counts.half_open >= self.config.max_half_open
        {
            self.counts.dropped.half_open_limit += 1;
            return false;
        }
        let mut proven = false;
        let is_dtls = classify(datagram) == DatagramKind::Dtls;
        match connection.transport.handle_datagram(now, path, datagram, egress) {
            Incoming::Rtp(packet) => self.ingress_rtp((now, arrived), id, packet, egress),
            Incoming::Rtcp(packet) => {
                // What a publisher says of its packets comes after them.
                if self.batch.is_from(id) {
                    self.forward_all(now, egress);
                }
                self.ingress_rtcp(now, id, packet, egress);
            }
            Incoming::Check => {
                self.counts.checks += 1;
                // Of two connections that prove one path (a NAT gave a port to somebody else), the last check decides.
                let transport = &connection.transport;
                let is_check = by_ufrag == Some(id) && transport.last_check() == Some(now);
                proven = is_check && transport.paths().any(|known| known == path);
                if proven {
                    self.demux.add_path(path, id);
                }
                self.settle_transport(now, id, egress);
            }
            Incoming::KeepAlive => self.counts.keep_alives += 1,
            Incoming::Dtls => {
                self.counts.dtls += 1;
                self.forward_all(now, egress);
                self.settle_transport(now, id, egress);
            }
            Incoming::Dropped(reason) => {
                self.counts.dropped.count(reason);
                if is_dtls {
                    // It gave the time to a handshake, whatever it was.
                    self.settle_transport(now, id, egress);
                }
            }
        }
        proven
    }

    /// Sends on the media of all datagrams that were taken since the last time, until `enough` bytes wait in the egress: the
    /// kernel copies them while they are in the cache. `true`: something is left, it is to be called again.
    pub fn forward(&mut self, now: Instant, enough: usize, egress: &mut Egress) -> bool {
        if self.batch.is_empty() {
            return false;
        }
        let more = self.fan_out(now, enough, egress);
        self.report_beside(now, egress);
        more
    }

    fn forward_all(&mut self, now: Instant, egress: &mut Egress) {
        self.forward(now, usize::MAX, egress);
    }

    /// Carries out a command.
    ///
    /// # Errors
    /// Says why not; nothing has changed then.
    pub fn handle_command(
        &mut self,
        now: Instant,
        command: Command,
        egress: &mut Egress,
    ) -> Result<Reply, CommandError> {
        self.forward_all(now, egress);
        match command {
            Command::CreateRoom(config) => Ok(Reply::Room(self.create_room(config))),
            Command::CloseRoom(room) => self.close_room(now, room, egress).map(|()| Reply::Done),
            Command::Join(room, config) => self.join(now, room, config),
            Command::CloseSession(session) => self.leave(now, session, egress).map(|()| Reply::Done),
            Command::Receive(session, description) => {
                self.receive(now, session, &description, egress).map(Reply::Description)
            }
            Command::AddCandidate(session, transport, candidate) => {
                self.add_candidate(session, transport, candidate).map(|()| Reply::Done)
            }
            Command::RestartIce(session, transport, remote) => {
                self.restart_ice(now, session, transport, &remote).map(Reply::IceCredentials)
            }
            Command::OfferIceRestart(session, transport) => {
                self.offer_ice_restart(now, session, transport).map(|()| Reply::Done)
            }
            Command::Subscribe { session, track, max_layer } => self.subscribe(now, session, track, max_layer, egress),
            Command::Unsubscribe(subscription) => self.unsubscribe(now, subscription).map(|()| Reply::Done),
            Command::SetLayer(subscription, layer) => {
                self.set_layer(now, subscription, layer, egress).map(|()| Reply::Done)
            }
            Command::SetPaused(subscription, paused) => {
                self.set_paused(now, subscription, paused, egress).map(|()| Reply::Done)
            }
            Command::SetMuted(track, muted) => self.set_muted(now, track, muted, egress).map(|()| Reply::Done),
            Command::RequestKeyframe(track) => self.request_keyframe(now, track, egress).map(|()| Reply::Done),
            Command::OpenChannel(session, config) => {
                self.open_channel(now, session, config, egress).map(Reply::Channel)
            }
            Command::SendMessage { channel, binary, payload } => {
                self.send_message(now, channel, binary, payload, egress).map(Reply::Sent)
            }
            Command::CloseChannel(channel) => self.close_channel(now, channel, egress).map(|()| Reply::Done),
            Command::Dump { track, duration, max_bytes } => {
                self.dump(now, track, duration, max_bytes).map(|()| Reply::Done)
            }
            Command::Tap { track, max_layer, capacity } => self.tap(now, track, max_layer, capacity).map(Reply::Tap),
            Command::TakeFrames(tap) => {
                self.take_frames(now, tap, egress).map(|frames| Reply::Frames(Box::new(frames)))
            }
            Command::Untap(tap) => self.untap(now, tap, egress).map(|()| Reply::Done),
            Command::SfuStats => Ok(Reply::SfuStats(Box::new(self.stats()))),
            Command::RoomStats(room) => self.room_stats(now, room).map(|stats| Reply::RoomStats(Box::new(stats))),
            Command::SessionStats(session) => {
                self.session_stats(now, session).map(|stats| Reply::SessionStats(Box::new(stats)))
            }
        }
    }

    /// Does what is due at `now`.
    pub fn handle_timeout(&mut self, now: Instant, egress: &mut Egress) {
        self.forward_all(now, egress);
        while let Some(timer) = self.timers.pop_due(now) {
            self.tick(now, timer, egress);
        }
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// The next event.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.outbox.pop()
    }
}
