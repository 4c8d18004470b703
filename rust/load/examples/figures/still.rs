//! Figures of the core alone, in virtual time: no thread disturbs them, and a peer that has done its part can be dropped, so
//! that what remains is the server's.

use std::collections::{BTreeMap, VecDeque};
use std::fs;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_core::Sfu;
use sfu_core::command::{Command, Description, Reply, SdpType};
use sfu_core::config::{Estimation, RoomConfig, SessionConfig, SfuConfig};
use sfu_core::event::Event;
use sfu_core::id::{RoomId, SessionId};
use sfu_core::transport::TransportKind;
use sfu_peer::{AudioSource, Peer, PeerConfig, VideoSource};
use sfu_transport::{Certificate, Egress, Path};
use sfu_wire::Bitrate;

use crate::{Figures, median};

/// What fills caches and tables comes first.
const WARM_UP: usize = 50;

pub(crate) fn sections(count: usize) -> Figures {
    let (mut server, mut firsts, mut agains) = (Server::new(), Vec::new(), Vec::new());
    let room = server.room();
    let mut sdp = String::new();
    for _ in 0..11 {
        let session = server.session(room);
        let mut peer = server.peer(|config| {
            (config.receive_audio, config.receive_video) = (count / 2, count - count / 2);
        });
        sdp = peer.create_offer();
        for times in [&mut firsts, &mut agains] {
            let start = Instant::now();
            assert!(server.describe(session, SdpType::Offer, sdp.clone(), None).is_some());
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    vec![
        ("sections", sdp.matches("\nm=").count() as f64),
        ("offer_bytes", sdp.len() as f64),
        ("answer_ms", median(&mut firsts)),
        ("answer_again_ms", median(&mut agains)),
    ]
}

pub(crate) fn idle(sessions: usize) -> Figures {
    let mut server = Server::new();
    let room = server.room();
    for _ in 0..WARM_UP {
        server.connect(room, |config| config.channels = true);
    }
    let before = resident_bytes();
    for _ in 0..sessions {
        server.connect(room, |config| config.channels = true);
    }
    let grown = resident_bytes() - before;
    vec![("sessions", sessions as f64), ("bytes_per_idle_session", grown / sessions as f64)]
}

pub(crate) fn subscribers(sessions: usize) -> Figures {
    let mut server = Server::new();
    let room = server.room();
    let publisher = server.bring(room, |config| {
        config.video.push(VideoSource::single(100));
        config.audio.push(AudioSource::default());
    });
    server.run_for(Duration::from_secs(3));
    for _ in 0..WARM_UP {
        server.connect(room, |config| config.channels = true);
    }
    let before = resident_bytes();
    for _ in 0..sessions {
        server.connect(room, |config| config.channels = true);
    }
    // Until what a subscription remembers of its packets is full.
    server.run_for(Duration::from_secs(5));
    let grown = resident_bytes() - before;
    assert!(server.peers.contains_key(&publisher));
    vec![("subscribers", sessions as f64), ("bytes_per_subscriber", grown / sessions as f64)]
}

fn resident_bytes() -> f64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_ascii_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 4096.0
}

/// From, to, and what.
type Sent = (SocketAddr, SocketAddr, Vec<u8>);

/// An `Sfu` and the peers that still live.
pub(crate) struct Server {
    pub(crate) now: Instant,
    pub(crate) sfu: Sfu,
    peers: BTreeMap<SocketAddr, Peer>,
    addresses: BTreeMap<SessionId, SocketAddr>,
    wire: VecDeque<Sent>,
    pub(crate) egress: Egress,
    certificate: Arc<Certificate>,
    count: u32,
}

impl Server {
    pub(crate) fn new() -> Self {
        let (now, certificate) = (Instant::now(), Arc::new(Certificate::generate().unwrap()));
        let hours = Duration::from_secs(24 * 3600);
        let config = SfuConfig {
            shard: 0,
            shards: 1,
            seed: [7; 32],
            unix_time: Duration::from_secs(1_767_225_600),
            candidates: vec!["192.0.2.1:7882".parse().unwrap()],
            certificate: certificate.clone(),
            // Peers are dropped, their sessions are to stay.
            consent_timeout: hours,
            close_timeout: hours,
            connect_timeout: hours,
            max_half_open: 1024,
            channel_buffer: 1 << 20,
            remb: Bitrate::new(8_000_000),
            event_capacity: 1 << 16,
            estimation: Estimation::default(),
        };
        let (peers, addresses, wire, egress, count) = Default::default();
        Self { now, sfu: Sfu::new(now, config), peers, addresses, wire, egress, certificate, count }
    }

    pub(crate) fn room(&mut self) -> RoomId {
        match self.command(Command::CreateRoom(RoomConfig::default())) {
            Reply::Room(room) => room,
            other => panic!("{other:?}"),
        }
    }

    fn session(&mut self, room: RoomId) -> SessionId {
        match self.command(Command::Join(room, SessionConfig::default())) {
            Reply::Session(session) => session,
            other => panic!("{other:?}"),
        }
    }

    fn peer(&mut self, configure: impl FnOnce(&mut PeerConfig)) -> Peer {
        self.count += 1;
        let [_, b, c, d] = self.count.to_be_bytes();
        let local = SocketAddr::from(([10, b, c, d], 5000));
        let mut config = PeerConfig::new(self.count, local, self.certificate.clone());
        configure(&mut config);
        Peer::new(self.now, config)
    }

    /// A peer that stays.
    pub(crate) fn bring(&mut self, room: RoomId, configure: impl FnOnce(&mut PeerConfig)) -> SocketAddr {
        let session = self.session(room);
        let mut peer = self.peer(configure);
        let [_, b, c, d] = self.count.to_be_bytes();
        let address = SocketAddr::from(([10, b, c, d], 5000));
        let offer = peer.create_offer();
        // An offer of the server that meets this one comes again.
        while self.sfu.poll_event().is_some() {}
        let answer = self.describe(session, SdpType::Offer, offer, None).unwrap();
        peer.receive_answer(self.now, &answer.sdp).unwrap();
        self.peers.insert(address, peer);
        self.addresses.insert(session, address);
        self.run_for(Duration::from_millis(100));
        assert!(self.peers[&address].is_connected(), "it connects within a tenth of a second");
        address
    }

    /// A peer that connects, and of which nothing is left but its session.
    pub(crate) fn connect(&mut self, room: RoomId, configure: impl FnOnce(&mut PeerConfig)) {
        let address = self.bring(room, configure);
        self.peers.remove(&address);
    }

    fn command(&mut self, command: Command) -> Reply {
        let reply = self.sfu.handle_command(self.now, command, &mut self.egress).unwrap();
        self.send();
        reply
    }

    fn describe(&mut self, session: SessionId, kind: SdpType, sdp: String, id: Option<u64>) -> Option<Description> {
        let description = Description { transport: TransportKind::Main, kind, sdp, id };
        match self.command(Command::Receive(session, description)) {
            Reply::Description(answer) => answer,
            other => panic!("{other:?}"),
        }
    }

    /// The next `count` datagrams that a peer sends at once, on their way to the server; everything before has come.
    pub(crate) fn next_burst(&mut self, sender: SocketAddr, count: usize) -> Vec<Sent> {
        loop {
            let due = self.peers[&sender].poll_timeout().unwrap();
            self.run_for(due.saturating_duration_since(self.now));
            self.peers.get_mut(&sender).unwrap().handle_timeout(self.now, &mut self.egress);
            self.send();
            let (burst, others): (VecDeque<Sent>, _) = self.wire.drain(..).partition(|(from, ..)| *from == sender);
            self.wire = others;
            if burst.len() == count {
                return burst.into();
            }
            self.wire.extend(burst);
            self.run_for(Duration::from_micros(1));
        }
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while self.now < end {
            while let Some((from, to, mut datagram)) = self.wire.pop_front() {
                self.deliver(from, to, &mut datagram);
            }
            self.signal();
            if self.wire.is_empty() {
                let timers = self.peers.values().map(Peer::poll_timeout).chain([self.sfu.poll_timeout()]);
                self.now = timers.flatten().min().unwrap_or(end).clamp(self.now, end);
                self.sfu.handle_timeout(self.now, &mut self.egress);
                for peer in self.peers.values_mut() {
                    peer.handle_timeout(self.now, &mut self.egress);
                }
                self.send();
            }
        }
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, datagram: &mut [u8]) {
        let path = Path { local: to, remote: from };
        match self.peers.get_mut(&to) {
            Some(peer) => peer.handle_datagram(self.now, path, datagram, &mut self.egress),
            // To a peer that was dropped: lost.
            None if to.port() == 5000 => {}
            None => self.sfu.handle_datagram(self.now, path, datagram, &mut self.egress),
        }
        self.send();
    }

    fn signal(&mut self) {
        while let Some(event) = self.sfu.poll_event() {
            let Event::OfferReady(session, offer) = event else { continue };
            let address = self.addresses.get(&session);
            let Some(peer) = address.and_then(|address| self.peers.get_mut(address)) else { continue };
            let answer = peer.receive_offer(self.now, &offer.sdp).unwrap();
            self.describe(session, SdpType::Answer, answer, offer.id);
        }
    }

    fn send(&mut self) {
        for (outgoing, datagram) in self.egress.iter() {
            self.wire.push_back((outgoing.path.local, outgoing.path.remote, datagram.to_vec()));
        }
        self.egress.clear();
    }
}
