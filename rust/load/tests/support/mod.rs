//! A server and its callers in one process: descriptions go straight from one to the other.
#![allow(dead_code, reason = "each test file uses its part")]

pub(crate) mod schedule;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use log::LevelFilter;
use sfu_core::codec::Kind;
use sfu_core::command::{Command, Description, Reply, SdpType};
use sfu_core::config::{Estimation, RoomConfig, SessionConfig};
use sfu_core::event::Event;
use sfu_core::id::{RoomId, SessionId, SubscriptionId, TrackId};
use sfu_core::stats::SfuStats;
use sfu_core::transport::TransportKind;
use sfu_load::{PeerId, Swarm, SwarmConfig};
use sfu_peer::PeerConfig;
use sfu_runtime::{CoreSettings, Drained, RuntimeConfig, Server, Ticket};
use sfu_transport::Certificate;
use sfu_wire::Bitrate;

/// Nothing here takes so long, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long one turn waits for datagrams before the server's outbox is looked into again.
const TURN: Duration = Duration::from_millis(5);

/// A server, and the peers that call it.
pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) swarm: Swarm,
    certificate: Arc<Certificate>,
    callers: BTreeMap<SessionId, PeerId>,
    waiting: BTreeMap<Ticket, Question>,
    drained: Drained,
    peers: u32,
    /// How long one turn waits at most. Lower: signalling takes less time, and more of the processor.
    pub(crate) patience: Duration,
    pub(crate) closed: Vec<SessionId>,
    /// What is published, by whom; what has ended is forgotten.
    pub(crate) tracks: Vec<(SessionId, TrackId, Kind)>,
    /// Who receives which track; what has ended is forgotten.
    pub(crate) subscriptions: Vec<(SessionId, TrackId, SubscriptionId)>,
}

/// What a reply belongs to.
#[derive(Debug)]
enum Question {
    Join(PeerId),
    Receive(PeerId),
    /// Nobody waits.
    Nothing,
}

pub(crate) fn settings() -> RuntimeConfig {
    RuntimeConfig {
        udp: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        announce: Vec::new(),
        shards: Some(1),
        spread: false,
        steer: true,
        hold: Duration::ZERO,
        pin: Vec::new(),
        receive_buffer: 8 << 20,
        send_buffer: 8 << 20,
        certificate: None,
        event_capacity: 1 << 16,
        log_level: LevelFilter::Off,
        core: CoreSettings {
            consent_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(20),
            max_half_open: 1024,
            channel_buffer: 1 << 20,
            remb: Bitrate::new(8_000_000),
            estimation: Estimation::default(),
        },
    }
}

impl House {
    pub(crate) fn new() -> Self {
        Self::with(&settings())
    }

    pub(crate) fn with(settings: &RuntimeConfig) -> Self {
        Self::far(settings, Ipv4Addr::LOCALHOST.into())
    }

    /// With peers that have another address than the server.
    pub(crate) fn far(settings: &RuntimeConfig, peers: IpAddr) -> Self {
        Self {
            server: Server::start(settings).expect("a free port"),
            swarm: Swarm::new(SwarmConfig::new(peers)).expect("an epoll"),
            certificate: Arc::new(Certificate::generate().expect("a certificate")),
            callers: BTreeMap::new(),
            waiting: BTreeMap::new(),
            drained: Drained::default(),
            peers: 0,
            patience: TURN,
            closed: Vec::new(),
            tracks: Vec::new(),
            subscriptions: Vec::new(),
        }
    }

    pub(crate) fn create_room(&mut self) -> RoomId {
        match self.ask(Command::CreateRoom(RoomConfig::default())) {
            Reply::Room(room) => room,
            other => panic!("{other:?}"),
        }
    }

    /// A peer that joins a room and offers; the rest happens in [`House::turn`].
    pub(crate) fn join(
        &mut self,
        room: RoomId,
        session: SessionConfig,
        configure: impl FnOnce(&mut PeerConfig),
    ) -> PeerId {
        let (number, certificate) = (self.peers, self.certificate.clone());
        self.peers += 1;
        let peer = self.swarm.add(|local| {
            let mut config = PeerConfig::new(number, local, certificate);
            configure(&mut config);
            config
        });
        let peer = peer.expect("a socket");
        self.post(Command::Join(room, session), Question::Join(peer));
        peer
    }

    /// The session of a peer that has joined.
    pub(crate) fn session_of(&self, peer: PeerId) -> Option<SessionId> {
        self.callers.iter().find(|(_, known)| **known == peer).map(|(session, _)| *session)
    }

    /// Asks and waits for the answer; calls go on meanwhile.
    pub(crate) fn ask(&mut self, command: Command) -> Reply {
        let ticket = self.server.command(command).expect("it is open");
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "no answer");
            self.swarm.turn(Duration::from_millis(1)).expect("sockets work");
            let mut drained = std::mem::take(&mut self.drained);
            self.server.drain(&mut drained).expect("the same process");
            let answer = drained.replies.iter().position(|(found, _)| *found == ticket);
            let answer = answer.map(|index| drained.replies.remove(index).1);
            self.handle(&mut drained);
            self.drained = drained;
            if let Some(answer) = answer {
                return answer.expect("it is allowed");
            }
        }
    }

    pub(crate) fn stats(&mut self) -> SfuStats {
        match self.ask(Command::SfuStats) {
            Reply::SfuStats(stats) => *stats,
            other => panic!("{other:?}"),
        }
    }

    /// Moves packets, descriptions and time.
    pub(crate) fn turn(&mut self) {
        self.swarm.turn(self.patience).expect("sockets work");
        while self.swarm.poll_event().is_some() {}
        let mut drained = std::mem::take(&mut self.drained);
        self.server.drain(&mut drained).expect("the same process");
        self.handle(&mut drained);
        self.drained = drained;
    }

    /// Turns for so long; the longest time between two turns.
    pub(crate) fn run_for(&mut self, duration: Duration) -> Duration {
        let (start, mut longest) = (Instant::now(), Duration::ZERO);
        let mut last = start;
        while last < start + duration {
            self.turn();
            let now = Instant::now();
            longest = longest.max(now - last);
            last = now;
        }
        longest
    }

    /// Turns until `holds`; how long that took.
    pub(crate) fn run_until(&mut self, what: &str, mut holds: impl FnMut(&mut Self) -> bool) -> Duration {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < PATIENCE, "still not: {what}");
            self.turn();
        }
        start.elapsed()
    }

    /// Leaves as a closed page does.
    pub(crate) fn hang_up(&mut self, peer: PeerId) {
        self.swarm.close(peer);
    }

    /// Nobody waits for the answer.
    pub(crate) fn tell(&mut self, command: Command) {
        self.post(command, Question::Nothing);
    }

    fn post(&mut self, command: Command, question: Question) {
        let ticket = self.server.command(command).expect("it is open");
        self.waiting.insert(ticket, question);
    }

    fn handle(&mut self, drained: &mut Drained) {
        assert_eq!(drained.events_dropped, 0);
        for (ticket, reply) in drained.replies.drain(..) {
            match (self.waiting.remove(&ticket), reply) {
                (Some(Question::Join(peer)), reply) => self.joined(peer, &reply.expect("there is room")),
                (Some(Question::Receive(peer)), Ok(Reply::Description(answer))) => self.answered(peer, answer),
                // A session that has just gone.
                (Some(Question::Receive(_)), Err(error)) => log::debug!("{error}"),
                (Some(Question::Nothing) | None, _) => {}
                (question, reply) => panic!("{question:?}: {reply:?}"),
            }
        }
        for event in drained.events.drain(..) {
            match event {
                Event::OfferReady(session, offer) => self.offered(session, &offer),
                Event::SessionClosed(session, _) => {
                    self.callers.remove(&session);
                    self.closed.push(session);
                }
                Event::TrackPublished(published) => {
                    self.tracks.push((published.session, published.track, published.kind));
                }
                Event::TrackUnpublished { track, .. } => self.tracks.retain(|(_, known, _)| *known != track),
                Event::Subscribed { session, subscription, track, .. } => {
                    self.subscriptions.push((session, track, subscription));
                }
                Event::Unsubscribed { subscription, .. } => {
                    self.subscriptions.retain(|(_, _, known)| *known != subscription);
                }
                _ => {}
            }
        }
    }

    fn joined(&mut self, peer: PeerId, reply: &Reply) {
        let &Reply::Session(session) = reply else { panic!("{reply:?}") };
        self.callers.insert(session, peer);
        let Some(sdp) = self.swarm.with(peer, |_, peer, _| peer.create_offer()) else { return };
        self.describe(session, peer, SdpType::Offer, sdp, None);
    }

    fn answered(&mut self, peer: PeerId, answer: Option<Description>) {
        if let Some(answer) = answer {
            let taken = self.swarm.with(peer, |now, peer, _| peer.receive_answer(now, &answer.sdp));
            taken.unwrap_or(Ok(())).expect("an answer that can be followed");
        }
    }

    fn offered(&mut self, session: SessionId, offer: &Description) {
        let Some(&peer) = self.callers.get(&session) else { return };
        // Of two offers that meet the client's counts, and the server's comes again.
        if self.waiting.values().any(|question| matches!(question, Question::Receive(asked) if *asked == peer)) {
            return;
        }
        if let Some(answer) = self.swarm.with(peer, |now, peer, _| peer.receive_offer(now, &offer.sdp)) {
            let sdp = answer.expect("an offer that can be answered");
            self.describe(session, peer, SdpType::Answer, sdp, offer.id);
        }
    }

    fn describe(&mut self, session: SessionId, peer: PeerId, kind: SdpType, sdp: String, id: Option<u64>) {
        let description = Description { transport: TransportKind::Main, kind, sdp, id };
        self.post(Command::Receive(session, description), Question::Receive(peer));
    }
}
