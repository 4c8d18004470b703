//! [`World`]: one `Sfu`, or several with a relay between them, its participants and the links between them, in virtual time.
//!
//! [`World::next`] jumps from one event to the next and returns what arrives at a participant, opened; what a participant
//! sends is sealed here. Who publishes and who receives is the caller's business. Invariant: nothing depends on the clock,
//! on addresses in memory or on the order of hash tables, so a scenario repeats byte for byte.

mod config;
mod keys;
mod participant;
pub(crate) mod queue;
mod shards;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use sfu_core::command::{Command, CommandError, Description, Reply, SdpType};
use sfu_core::config::{RoomConfig, SessionConfig, SfuConfig};
use sfu_core::event::Event;
use sfu_core::id::{RoomId, SessionId};
use sfu_core::transport::TransportKind;
use sfu_transport::{DatagramKind, Egress, classify};
use sfu_wire::Ssrc;
use sfu_wire::rtp::RtpPeek;

use crate::link::Link;
use crate::random::Random;
pub(crate) use config::{UNIX_TIME, certificate};
use participant::Participant;
use queue::Queue;

pub use config::{WorldConfig, sfu_config};
pub use shards::{RelayConfig, Shards};

/// Bytes that the SFU sends at once: less than two large packets, so that every place where it can stop is tried.
const PORTION: usize = 2000;

/// One transport of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ParticipantId(usize);

impl ParticipantId {
    /// Counts the participants in the order in which they joined.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What arrived at a participant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// When.
    pub at: Instant,
    /// Where.
    pub to: ParticipantId,
    /// The [`World::step`] in which the SFU sent it.
    pub step: u64,
    /// The first step of what the SFU had read together then: it may have sent it in any of them.
    pub since: u64,
    /// RTCP, else RTP.
    pub rtcp: bool,
    /// Clear.
    pub packet: Vec<u8>,
}

/// An RTP packet that reached the SFU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The [`World::step`] in which it did.
    pub step: u64,
    /// Since the beginning.
    pub at: Duration,
    /// As in the packet.
    pub ssrc: Ssrc,
    /// As in the packet.
    pub seq: u16,
}

/// See the module's text.
#[derive(Debug)]
pub struct World {
    config: WorldConfig,
    now: Instant,
    sfu: Shards,
    room: RoomId,
    participants: Vec<Participant>,
    queue: Queue,
    /// Has come and waits to be read: when, from whom, what.
    unread: Vec<(Instant, usize, Vec<u8>)>,
    reads_at: Option<Instant>,
    /// The first step of the last reading, unless each datagram is read by itself.
    read_since: Option<u64>,
    ready: VecDeque<Arrived>,
    events: VecDeque<Event>,
    egress: Egress,
    tap: Option<Vec<Vec<u8>>>,
    watched: Option<(ParticipantId, Vec<Reached>)>,
    step: u64,
    unopened: u64,
}

impl World {
    /// A world with one room and nobody in it.
    pub fn new(config: WorldConfig) -> Self {
        let sfu = sfu_config(config.seed);
        Self::with(config, sfu, RoomConfig::default())
    }

    /// The same with settings of the caller's for the SFU and the room.
    pub fn with(config: WorldConfig, sfu: SfuConfig, room: RoomConfig) -> Self {
        let mut egress = Egress::new();
        let mut sfu = Shards::new(config.start, sfu, config.relay);
        let mut now = config.start;
        let room = match sfu.handle_command(&mut now, Command::CreateRoom(room), &mut egress) {
            Ok(Reply::Room(room)) => room,
            other => unreachable!("a new SFU makes a room, not {other:?}"),
        };
        Self {
            now,
            config,
            sfu,
            room,
            participants: Vec::new(),
            queue: Queue::default(),
            unread: Vec::new(),
            read_since: None,
            reads_at: None,
            ready: VecDeque::new(),
            events: VecDeque::new(),
            egress,
            tap: None,
            watched: None,
            step: 0,
            unopened: 0,
        }
    }

    /// Virtual time.
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Virtual time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(self.config.start)
    }

    /// The wall clock, as the SFU has it.
    pub fn unix(&self) -> Duration {
        UNIX_TIME + self.elapsed()
    }

    /// Counts what the SFU has taken in: commands, datagrams, timeouts. What happens in one step has no order that anybody
    /// could tell.
    pub const fn step(&self) -> u64 {
        self.step
    }

    /// The first room.
    pub const fn room(&self) -> RoomId {
        self.room
    }

    /// A session joins the first room; its keys are there once it was described.
    ///
    /// # Errors
    /// As [`Command::Join`].
    pub fn join(&mut self, config: SessionConfig) -> Result<ParticipantId, CommandError> {
        match self.command(Command::Join(self.room, config))? {
            Reply::Session(session) => Ok(self.add(session, TransportKind::Main)),
            other => unreachable!("joining gives a session, not {other:?}"),
        }
    }

    /// One more transport of a session, or the first of one that was made by a command.
    pub fn add(&mut self, session: SessionId, transport: TransportKind) -> ParticipantId {
        let index = self.participants.len();
        let random = Random::new(self.config.seed).fork(index as u64 + 1);
        let links = (Link::new(self.config.uplink, random.fork(1)), Link::new(self.config.downlink, random.fork(2)));
        let keys = keys::fixed(self.config.profile, self.config.seed, index);
        self.participants.push(Participant::new(index, (session, transport), keys, links));
        ParticipantId(index)
    }

    /// The participant's session.
    pub fn session(&self, who: ParticipantId) -> SessionId {
        self.participants[who.0].session
    }

    /// The participant whose session it is: of several transports the first.
    pub fn participant(&self, session: SessionId) -> Option<ParticipantId> {
        self.participants.iter().position(|participant| participant.session == session).map(ParticipantId)
    }

    /// The link from the participant to the SFU.
    pub fn uplink(&mut self, who: ParticipantId) -> &mut Link {
        &mut self.participants[who.0].uplink
    }

    /// What the participant sends from now on is so much longer on its way: not all of its streams need take the same.
    pub fn set_detour(&mut self, who: ParticipantId, detour: Duration) {
        self.participants[who.0].detour = detour;
    }

    /// The link from the SFU to the participant.
    pub fn downlink(&mut self, who: ParticipantId) -> &mut Link {
        &mut self.participants[who.0].downlink
    }

    /// The participant offers; gives the SFU's answer. Signalling takes no time. The first description connects.
    ///
    /// # Errors
    /// As [`Command::Receive`].
    pub fn offer(&mut self, who: ParticipantId, sdp: &str) -> Result<String, CommandError> {
        let answer = self.describe(who, SdpType::Offer, sdp, None)?;
        Ok(answer.map(|description| description.sdp).unwrap_or_default())
    }

    /// The participant answers the SFU's offer with this id.
    ///
    /// # Errors
    /// As [`Command::Receive`].
    pub fn answer(&mut self, who: ParticipantId, sdp: &str, id: Option<u64>) -> Result<(), CommandError> {
        self.describe(who, SdpType::Answer, sdp, id).map(|_| ())
    }

    /// A command, now.
    ///
    /// # Errors
    /// The command's.
    pub fn command(&mut self, command: Command) -> Result<Reply, CommandError> {
        self.step += 1;
        let reply = self.sfu.handle_command(&mut self.now, command, &mut self.egress);
        self.launch();
        reply
    }

    /// Seals a clear RTP packet and sends it. Wraps of the sequence number are followed; `false`: the number was sent before,
    /// or the packet is none.
    pub fn send_rtp(&mut self, who: ParticipantId, packet: &[u8]) -> bool {
        let Some(sealed) = self.participants[who.0].seal_rtp(packet) else { return false };
        let datagram = self.queue.copy(sealed);
        self.send(who, datagram);
        true
    }

    /// Seals a clear RTCP compound and sends it.
    pub fn send_rtcp(&mut self, who: ParticipantId, compound: &[u8]) -> bool {
        let Some(sealed) = self.participants[who.0].seal_rtcp(compound) else { return false };
        let datagram = self.queue.copy(sealed);
        self.send(who, datagram);
        true
    }

    /// The next that arrives at a participant, at `until` at the latest; `None`: it is `until` and nothing came.
    pub fn next(&mut self, until: Instant) -> Option<Arrived> {
        loop {
            if let Some(arrived) = self.ready.pop_front() {
                return Some(arrived);
            }
            let timeout = self.sfu.poll_timeout();
            let due = [timeout, self.queue.next(), self.reads_at].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= until) else {
                self.now = self.now.max(until);
                return None;
            };
            self.now = self.now.max(due);
            self.step += 1;
            if self.reads_at.take_if(|at| *at <= self.now).is_some() {
                self.read();
            } else if timeout.is_some_and(|timeout| timeout <= self.now) {
                self.sfu.handle_timeout(self.now, &mut self.egress);
                self.launch();
            } else if let Some((who, to_sfu, mut datagram)) = self.queue.pop() {
                if to_sfu && self.config.reads_every > Duration::ZERO {
                    self.unread.push((self.now, who, datagram));
                    self.reads_at.get_or_insert(self.now + self.config.reads_every);
                } else if to_sfu {
                    let path = self.participants[who].path();
                    self.note(who, &datagram);
                    self.sfu.handle_datagram(self.now, path, &mut datagram, &mut self.egress);
                    self.launch();
                    self.queue.recycle(datagram);
                } else {
                    self.open(who, datagram);
                }
            }
        }
    }

    /// The SFU, or the shards that it is made of.
    pub const fn shards(&mut self) -> &mut Shards {
        &mut self.sfu
    }

    /// What the SFU reported since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Gives the memory of an arrived packet back.
    pub fn recycle(&mut self, packet: Vec<u8>) {
        self.queue.recycle(packet);
    }

    /// Keeps a copy of every datagram that the SFU sends, as it is on the wire.
    pub fn listen(&mut self) {
        self.tap = Some(Vec::new());
    }

    /// What was heard since [`World::listen`].
    pub fn heard(&self) -> &[Vec<u8>] {
        self.tap.as_deref().unwrap_or_default()
    }

    /// Notes every RTP packet of this participant that reaches the SFU.
    pub fn watch(&mut self, who: ParticipantId) {
        self.watched = Some((who, Vec::new()));
    }

    /// What reached the SFU since [`World::watch`], in this order.
    pub fn reached(&self) -> &[Reached] {
        self.watched.as_ref().map_or(&[], |(_, reached)| reached)
    }

    /// Datagrams that a participant could not open: there is something wrong when it is not 0.
    pub const fn unopened(&self) -> u64 {
        self.unopened
    }

    /// The SFU takes in what has come, and sends a little at a time.
    fn read(&mut self) {
        self.read_since = Some(self.step);
        for (arrived, who, mut datagram) in std::mem::take(&mut self.unread) {
            let path = self.participants[who].path();
            self.note(who, &datagram);
            self.sfu.take_datagram((self.now, arrived), path, &mut datagram, &mut self.egress);
            self.queue.recycle(datagram);
            self.step += 1;
        }
        while self.sfu.forward(self.now, PORTION, &mut self.egress) {
            self.launch();
        }
        self.launch();
    }

    fn describe(
        &mut self,
        who: ParticipantId,
        kind: SdpType,
        sdp: &str,
        id: Option<u64>,
    ) -> Result<Option<Description>, CommandError> {
        let Participant { session, transport, .. } = self.participants[who.0];
        let description = Description { transport, kind, sdp: sdp.to_owned(), id };
        let reply = self.command(Command::Receive(session, description))?;
        self.connect(who)?;
        match reply {
            Reply::Description(answer) => Ok(answer),
            other => unreachable!("a description is answered by one, not by {other:?}"),
        }
    }

    fn connect(&mut self, who: ParticipantId) -> Result<(), CommandError> {
        let participant = &mut self.participants[who.0];
        if std::mem::replace(&mut participant.connected, true) {
            return Ok(());
        }
        let (session, path) = ((participant.session, participant.transport), participant.path());
        self.sfu.connect_with_keys(self.now, session, path, &participant.keys, &mut self.egress)?;
        self.launch();
        Ok(())
    }

    fn send(&mut self, who: ParticipantId, datagram: Vec<u8>) {
        let (queue, participant) = (&mut self.queue, &mut self.participants[who.0]);
        let detour = participant.detour;
        participant.uplink.send(self.now, datagram, |at, datagram| queue.push(at + detour, who.0, true, datagram));
    }

    /// Puts what the SFU wrote on its way.
    fn launch(&mut self) {
        while let Some(event) = self.sfu.poll_event() {
            self.events.push_back(event);
        }
        for index in 0..self.egress.len() {
            let Some((outgoing, bytes)) = self.egress.get(index) else { continue };
            if let Some(tap) = &mut self.tap {
                tap.push(bytes.to_vec());
            }
            let Some(who) = Participant::index_of(outgoing.path) else { continue };
            let datagram = self.queue.copy(bytes);
            let Some(participant) = self.participants.get_mut(who) else { continue };
            let (queue, now) = (&mut self.queue, self.now);
            let mut at_once = None;
            participant.downlink.send(now, datagram, |at, datagram| {
                if at <= now { at_once = Some(datagram) } else { queue.push(at, who, false, datagram) }
            });
            if let Some(datagram) = at_once {
                self.open(who, datagram);
            }
        }
        self.egress.clear();
    }

    fn note(&mut self, who: usize, datagram: &[u8]) {
        let at = self.elapsed();
        let Some((watched, reached)) = &mut self.watched else { return };
        if watched.0 == who
            && classify(datagram) == DatagramKind::Rtp
            && let Ok(peek) = RtpPeek::parse(datagram)
        {
            reached.push(Reached { step: self.step, at, ssrc: peek.ssrc, seq: peek.seq });
        }
    }

    fn open(&mut self, who: usize, mut datagram: Vec<u8>) {
        let participant = &mut self.participants[who];
        let rtcp = classify(&datagram) == DatagramKind::Rtcp;
        match participant.open(&mut datagram, rtcp) {
            Some(len) => {
                datagram.truncate(len);
                self.ready.push_back(Arrived {
                    at: self.now,
                    to: ParticipantId(who),
                    step: self.step,
                    since: self.read_since.unwrap_or(self.step),
                    rtcp,
                    packet: datagram,
                });
            }
            None => self.unopened += 1,
        }
    }
}

#[cfg(test)]
mod tests;
