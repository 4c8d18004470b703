//! A whole world in virtual time: one `Sfu`, any number of peers, a network with delay and loss between them.
//!
//! `run` jumps from one event to the next; nothing sleeps, and the same seed gives the same run.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use sfu_core::command::{Command, CommandError, Description, Reply, SdpType};
use sfu_core::config::{Estimation, Offers, RoomConfig, SessionConfig, SfuConfig};
use sfu_core::event::Event;
use sfu_core::id::{RoomId, SessionId, SubscriptionId, TrackId};
use sfu_core::stats::{SessionStats, SfuStats};
use sfu_core::transport::{ConnectionState, TransportKind};
use sfu_peer::{Peer, PeerConfig, PeerEvent, VideoSource};
use sfu_sim::Link;
use sfu_sim::world::{RelayConfig, Shards};
use sfu_transport::{Certificate, Egress, Path, Random};
use sfu_wire::Bitrate;

pub(crate) const SERVER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1)), 7882);

/// The same server over IPv6.
pub(crate) const SERVER_V6: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V6(std::net::Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1)), 7882);

pub(crate) fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

pub(crate) fn seconds(s: u64) -> Duration {
    Duration::from_secs(s)
}

/// Making one takes longer than everything else in a test.
pub(crate) fn certificate() -> Arc<Certificate> {
    static CERTIFICATE: OnceLock<Arc<Certificate>> = OnceLock::new();
    CERTIFICATE.get_or_init(|| Arc::new(Certificate::generate().expect("a certificate"))).clone()
}

pub(crate) struct Client {
    pub(crate) peer: Peer,
    pub(crate) session: SessionId,
    pub(crate) transport: TransportKind,
    pub(crate) address: SocketAddr,
    pub(crate) events: Vec<PeerEvent>,
    /// Answers the server's offers as they come.
    pub(crate) answers: bool,
    /// Has something to offer; else it waits for the server's offer.
    pub(crate) offers: bool,
    /// Sends and receives nothing any more (a killed process).
    pub(crate) dead: bool,
    /// On its way from the server; `None`: as everybody's.
    pub(crate) downlink: Option<Link>,
}

pub(crate) struct World {
    pub(crate) now: Instant,
    pub(crate) sfu: Shards,
    relay: RelayConfig,
    pub(crate) room: RoomId,
    pub(crate) clients: Vec<Client>,
    pub(crate) events: Vec<Event>,
    /// One way.
    pub(crate) delay: Duration,
    /// Of datagrams in each direction, in percent.
    pub(crate) loss: u64,
    /// Copies of what reaches the server, if somebody listens in.
    pub(crate) tap: Option<Vec<(Path, Vec<u8>)>>,
    flights: BTreeMap<(Instant, u64), (Path, Vec<u8>)>,
    launched: u64,
    random: Random,
    egress: Egress,
}

pub(crate) fn config() -> SfuConfig {
    SfuConfig {
        shard: 0,
        shards: 1,
        seed: [7; 32],
        unix_time: Duration::from_secs(1_767_225_600),
        candidates: vec![SERVER, SERVER_V6],
        certificate: certificate(),
        consent_timeout: seconds(10),
        close_timeout: seconds(20),
        connect_timeout: seconds(20),
        max_half_open: 100,
        channel_buffer: 1 << 20,
        remb: Bitrate::new(3_000_000),
        event_capacity: 10_000,
        estimation: Estimation::default(),
    }
}

/// All scenarios hold for one shard as for several: `SFU_SHARDS=2` plays them over two.
pub(crate) fn relay_config() -> RelayConfig {
    let shards = std::env::var("SFU_SHARDS").ok().and_then(|shards| shards.parse().ok());
    RelayConfig { shards: shards.unwrap_or(1), ..RelayConfig::default() }
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(config(), RoomConfig::default())
    }

    pub(crate) fn with(config: SfuConfig, room: RoomConfig) -> Self {
        Self::over(config, room, relay_config())
    }

    pub(crate) fn over(config: SfuConfig, room: RoomConfig, relay: RelayConfig) -> Self {
        let mut now = Instant::now();
        let mut sfu = Shards::new(now, config, relay);
        let mut egress = Egress::new();
        let Ok(Reply::Room(room)) = sfu.handle_command(&mut now, Command::CreateRoom(room), &mut egress) else {
            panic!("a room is made")
        };
        Self {
            now,
            sfu,
            relay,
            room,
            clients: Vec::new(),
            events: Vec::new(),
            delay: millis(20),
            loss: 0,
            tap: None,
            flights: BTreeMap::new(),
            launched: 0,
            random: Random::new([42; 32]),
            egress,
        }
    }

    pub(crate) fn address(index: usize) -> SocketAddr {
        SocketAddr::new([10, 0, 1, index as u8].into(), 5000)
    }

    /// A peer joins and offers what it has, or answers what the server offers; its index.
    pub(crate) fn join(&mut self, configure: impl FnOnce(&mut PeerConfig)) -> usize {
        self.join_as(SessionConfig::default(), configure)
    }

    pub(crate) fn join_as(&mut self, config: SessionConfig, configure: impl FnOnce(&mut PeerConfig)) -> usize {
        let transport = if config.offers == Offers::Split { TransportKind::Publisher } else { TransportKind::Main };
        let Ok(Reply::Session(session)) = self.command(Command::Join(self.room, config)) else { panic!("it joins") };
        let index = self.add_client(session, transport, configure);
        let waiting = self.events.iter().rev().find_map(|event| match event {
            Event::OfferReady(id, offer) if *id == session => Some(offer.clone()),
            _ => None,
        });
        if self.clients[index].offers {
            self.offer(index);
        } else if let Some(offer) = waiting {
            self.answer(session, &offer);
        }
        index
    }

    /// A peer for one transport of a session.
    pub(crate) fn add_client(
        &mut self,
        session: SessionId,
        transport: TransportKind,
        configure: impl FnOnce(&mut PeerConfig),
    ) -> usize {
        let index = self.clients.len();
        let address = Self::address(index);
        let mut config = PeerConfig::new(index as u32 + 1, address, certificate());
        configure(&mut config);
        let offers = !config.audio.is_empty()
            || !config.video.is_empty()
            || config.receive_audio + config.receive_video > 0
            || config.channels;
        let address = config.local;
        let peer = Peer::new(self.now, config);
        self.clients.push(Client {
            peer,
            session,
            transport,
            address,
            events: Vec::new(),
            answers: true,
            offers,
            dead: false,
            downlink: None,
        });
        index
    }

    /// The peer offers, the server answers.
    pub(crate) fn offer(&mut self, index: usize) {
        self.offer_edited(index, |sdp| sdp);
    }

    /// The same with the offer's text changed on its way.
    pub(crate) fn offer_edited(&mut self, index: usize, edit: impl FnOnce(String) -> String) {
        let client = &mut self.clients[index];
        let sdp = edit(client.peer.create_offer());
        let description = Description { transport: client.transport, kind: SdpType::Offer, sdp, id: None };
        let session = client.session;
        // The answer reaches the peer before an offer that the server made after it.
        let mut now = self.now;
        match self.sfu.handle_command(&mut now, Command::Receive(session, description), &mut self.egress) {
            Ok(Reply::Description(Some(answer))) => {
                self.clients[index].peer.receive_answer(now, &answer.sdp).expect("the peer takes the answer");
            }
            other => panic!("no answer but {other:?}"),
        }
        self.launch();
        self.drain_events();
    }

    pub(crate) fn command(&mut self, command: Command) -> Result<Reply, CommandError> {
        let reply = self.sfu.handle_command(&mut self.now, command, &mut self.egress);
        self.launch();
        self.drain_events();
        self.word_gets_around();
        reply
    }

    /// All shards hear of what has happened.
    pub(crate) fn word_gets_around(&mut self) {
        if self.relay.shards > 1 {
            self.run(self.relay.delay * 4);
        }
    }

    pub(crate) fn run(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.next_event().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            self.step();
        }
        self.now = end;
    }

    /// Runs until `done`, at most `patience`; says whether it came to that.
    pub(crate) fn run_until(&mut self, patience: Duration, mut done: impl FnMut(&mut Self) -> bool) -> bool {
        let end = self.now + patience;
        while self.now < end {
            if done(self) {
                return true;
            }
            self.run(millis(10));
        }
        done(self)
    }

    pub(crate) fn stats(&mut self) -> SfuStats {
        self.sfu.stats()
    }

    pub(crate) fn session_stats(&mut self, index: usize) -> SessionStats {
        let session = self.clients[index].session;
        match self.command(Command::SessionStats(session)) {
            Ok(Reply::SessionStats(stats)) => *stats,
            other => panic!("no statistics but {other:?}"),
        }
    }

    pub(crate) fn states(&self, index: usize) -> Vec<ConnectionState> {
        let session = self.clients[index].session;
        let mut states = Vec::new();
        for event in &self.events {
            if let Event::ConnectionStateChanged(id, state) = event
                && *id == session
            {
                states.push(*state);
            }
        }
        states
    }

    /// The tracks that a client has published so far.
    pub(crate) fn tracks_of(&self, index: usize) -> Vec<TrackId> {
        let session = self.clients[index].session;
        let published = self.events.iter().filter_map(|event| match event {
            Event::TrackPublished(published) if published.session == session => Some(published.track),
            _ => None,
        });
        published.collect()
    }

    /// A publisher of three simulcast encodings and one viewer, `duration` after they met.
    pub(crate) fn watched(duration: Duration) -> (Self, usize, TrackId, SubscriptionId) {
        let mut world = Self::new();
        let publisher = world.join(|config| config.video.push(VideoSource::simulcast()));
        let viewer = world.join(|_| {});
        world.run(duration);
        let track = world.tracks_of(publisher)[0];
        let subscription = world.subscription(viewer, track).unwrap();
        (world, viewer, track, subscription)
    }

    /// Who is subscribed to what: (subscriber's index, subscription).
    pub(crate) fn subscription(&self, index: usize, track: TrackId) -> Option<SubscriptionId> {
        let session = self.clients[index].session;
        self.events.iter().rev().find_map(|event| match event {
            Event::Subscribed { session: subscriber, subscription, track: of, .. }
                if *subscriber == session && *of == track =>
            {
                Some(*subscription)
            }
            _ => None,
        })
    }

    fn next_event(&self) -> Option<Instant> {
        let peers = self.clients.iter().filter(|client| !client.dead).filter_map(|client| client.peer.poll_timeout());
        let flight = self.flights.keys().next().map(|(at, _)| *at);
        peers.chain(self.sfu.poll_timeout()).chain(flight).min()
    }

    fn step(&mut self) {
        let now = self.now;
        while let Some(entry) = self.flights.first_entry().filter(|entry| entry.key().0 <= now) {
            let (path, datagram) = entry.remove();
            self.land(path, datagram);
        }
        if self.sfu.poll_timeout().is_some_and(|due| due <= now) {
            self.sfu.handle_timeout(now, &mut self.egress);
            self.launch();
        }
        for index in 0..self.clients.len() {
            let client = &mut self.clients[index];
            if !client.dead && client.peer.poll_timeout().is_some_and(|due| due <= now) {
                client.peer.handle_timeout(now, &mut self.egress);
                self.launch_from_peer(index);
            }
        }
        self.drain_events();
    }

    fn land(&mut self, path: Path, mut datagram: Vec<u8>) {
        let now = self.now;
        if path.remote == SERVER || path.remote == SERVER_V6 {
            let path = Path { local: path.remote, remote: path.local };
            if let Some(tap) = &mut self.tap {
                tap.push((path, datagram.clone()));
            }
            self.sfu.handle_datagram(now, path, &mut datagram, &mut self.egress);
            self.launch();
        } else if let Some(index) = self.clients.iter().position(|client| client.address == path.remote && !client.dead)
        {
            let path = Path { local: path.remote, remote: path.local };
            self.clients[index].peer.handle_datagram(now, path, &mut datagram, &mut self.egress);
            self.launch_from_peer(index);
        }
    }

    pub(crate) fn launch_from_peer(&mut self, index: usize) {
        self.launch();
        while let Some(event) = self.clients[index].peer.poll_event() {
            self.clients[index].events.push(event);
        }
    }

    fn launch(&mut self) {
        for (outgoing, datagram) in self.egress.iter() {
            let client = self.clients.iter_mut().find(|client| client.address == outgoing.path.remote);
            if let Some(link) = client.and_then(|client| client.downlink.as_mut()) {
                link.send(self.now, datagram.to_vec(), |at, datagram| {
                    self.launched += 1;
                    self.flights.insert((at, self.launched), (outgoing.path, datagram));
                });
            } else if self.random.below(100) >= self.loss {
                self.launched += 1;
                self.flights.insert((self.now + self.delay, self.launched), (outgoing.path, datagram.to_vec()));
            }
        }
        self.egress.clear();
    }

    fn drain_events(&mut self) {
        while let Some(event) = self.sfu.poll_event() {
            if let Event::OfferReady(session, offer) = &event {
                self.answer(*session, offer);
            }
            self.events.push(event);
        }
    }

    /// The peer answers an offer of the server, at once.
    pub(crate) fn answer(&mut self, session: SessionId, offer: &Description) {
        let mut now = self.now;
        let found = self
            .clients
            .iter_mut()
            .find(|client| client.session == session && client.transport == offer.transport && client.answers);
        let Some(client) = found else { return };
        let sdp = client.peer.receive_offer(now, &offer.sdp).expect("the peer takes the offer");
        let answer = Description { kind: SdpType::Answer, sdp, ..offer.clone() };
        let reply = self.sfu.handle_command(&mut now, Command::Receive(session, answer), &mut self.egress);
        reply.expect("the server takes the answer");
        self.launch();
    }
}
