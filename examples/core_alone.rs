//! A call without sockets, threads, clock or Python: the core alone, as an embedder drives it.
//!
//! Two peers (`sfu-peer`, also sans-IO) publish to each other through an `Sfu`. All that an embedder brings is here: the time,
//! the random seed, a way for datagrams and a way for SDP. Three seconds of the call take a moment.
//!
//! ```text
//! cargo run -p sfu-core --example core_alone
//! ```
#![allow(clippy::print_stdout, reason = "that is what it is for")]

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_core::Sfu;
use sfu_core::command::{Command, Description, Reply, SdpType};
use sfu_core::config::{Estimation, RoomConfig, SessionConfig, SfuConfig};
use sfu_core::event::Event;
use sfu_core::id::SessionId;
use sfu_core::transport::TransportKind;
use sfu_peer::{AudioSource, Peer, PeerConfig, VideoSource};
use sfu_transport::{Certificate, Egress, Path};
use sfu_wire::Bitrate;

const SERVER: &str = "192.0.2.1:7882";

fn main() -> Result<(), Box<dyn Error>> {
    let mut call = Call::new(Instant::now())?;
    let Reply::Room(room) = call.command(Command::CreateRoom(RoomConfig::default()))? else { unreachable!() };
    for (id, address) in [(1, "192.0.2.11:5000"), (2, "192.0.2.12:5000")] {
        let Reply::Session(session) = call.command(Command::Join(room, SessionConfig::default()))? else {
            unreachable!()
        };
        call.bring_peer(id, address.parse()?, session)?;
    }
    call.run_for(Duration::from_secs(3))?;
    for (address, peer) in &call.peers {
        for stream in peer.stats().streams {
            let kind = if stream.video { "video" } else { "audio" };
            let publisher = stream.source.map_or(0, |(id, _)| id);
            println!(
                "{address} received {kind} of peer {publisher}: {} packets, {} frames, {} corrupt, {} missing",
                stream.packets, stream.frames.decoded, stream.corrupt, stream.missing
            );
        }
    }
    Ok(())
}

/// An `Sfu`, its peers, and what is on its way between them.
struct Call {
    now: Instant,
    sfu: Sfu,
    peers: BTreeMap<SocketAddr, Peer>,
    addresses: BTreeMap<SessionId, SocketAddr>,
    /// From, to, bytes.
    wire: VecDeque<(SocketAddr, SocketAddr, Vec<u8>)>,
    egress: Egress,
    certificate: Arc<Certificate>,
}

impl Call {
    fn new(now: Instant) -> Result<Self, Box<dyn Error>> {
        let certificate = Arc::new(Certificate::generate()?);
        let config = SfuConfig {
            shard: 0,
            shards: 1,
            seed: [7; 32],
            unix_time: Duration::from_secs(1_767_225_600),
            candidates: vec![SERVER.parse()?],
            certificate: certificate.clone(),
            consent_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(20),
            connect_timeout: Duration::from_secs(20),
            max_half_open: 64,
            channel_buffer: 1 << 20,
            remb: Bitrate::new(8_000_000),
            event_capacity: 1024,
            estimation: Estimation::default(),
        };
        let (peers, addresses, wire, egress) = Default::default();
        Ok(Self { now, sfu: Sfu::new(now, config), peers, addresses, wire, egress, certificate })
    }

    /// A command and its answer; what the command sends goes on its way.
    fn command(&mut self, command: Command) -> Result<Reply, Box<dyn Error>> {
        let reply = self.sfu.handle_command(self.now, command, &mut self.egress)?;
        self.send();
        Ok(reply)
    }

    /// A peer with a microphone and a camera, which offers.
    fn bring_peer(&mut self, id: u32, address: SocketAddr, session: SessionId) -> Result<(), Box<dyn Error>> {
        let mut config = PeerConfig::new(id, address, self.certificate.clone());
        config.audio.push(AudioSource::default());
        config.video.push(VideoSource::simulcast());
        let mut peer = Peer::new(self.now, config);
        let offer = peer.create_offer();
        if let Some(answer) = self.describe(session, SdpType::Offer, offer, None)? {
            peer.receive_answer(self.now, &answer.sdp)?;
        }
        self.peers.insert(address, peer);
        self.addresses.insert(session, address);
        Ok(())
    }

    fn describe(
        &mut self,
        session: SessionId,
        kind: SdpType,
        sdp: String,
        id: Option<u64>,
    ) -> Result<Option<Description>, Box<dyn Error>> {
        let description = Description { transport: TransportKind::Main, kind, sdp, id };
        match self.command(Command::Receive(session, description))? {
            Reply::Description(answer) => Ok(answer),
            _ => unreachable!("`Receive` is answered by a description"),
        }
    }

    /// Lets virtual time pass: deliver what is on its way, then jump to whichever timer is due next.
    fn run_for(&mut self, duration: Duration) -> Result<(), Box<dyn Error>> {
        let end = self.now + duration;
        while self.now < end {
            while let Some((from, to, mut datagram)) = self.wire.pop_front() {
                self.deliver(from, to, &mut datagram);
            }
            self.signal()?;
            if self.wire.is_empty() {
                let timers = self.peers.values().map(Peer::poll_timeout).chain([self.sfu.poll_timeout()]);
                self.now = timers.flatten().min().unwrap_or(end).clamp(self.now, end);
                self.fire();
            }
        }
        Ok(())
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, datagram: &mut [u8]) {
        let path = Path { local: to, remote: from };
        match self.peers.get_mut(&to) {
            Some(peer) => peer.handle_datagram(self.now, path, datagram, &mut self.egress),
            None => self.sfu.handle_datagram(self.now, path, datagram, &mut self.egress),
        }
        self.send();
    }

    fn fire(&mut self) {
        self.sfu.handle_timeout(self.now, &mut self.egress);
        for peer in self.peers.values_mut() {
            peer.handle_timeout(self.now, &mut self.egress);
        }
        self.send();
    }

    /// The server's offers, which tell a peer of the other's tracks, and the peers' answers.
    fn signal(&mut self) -> Result<(), Box<dyn Error>> {
        while let Some(event) = self.sfu.poll_event() {
            match event {
                Event::OfferReady(session, offer) => {
                    let address = self.addresses.get(&session);
                    let Some(peer) = address.and_then(|address| self.peers.get_mut(address)) else { continue };
                    let answer = peer.receive_offer(self.now, &offer.sdp)?;
                    self.describe(session, SdpType::Answer, answer, offer.id)?;
                }
                Event::TrackPublished(track) => println!("published: {:?} {:?}", track.kind, track.rids),
                _ => {}
            }
        }
        Ok(())
    }

    fn send(&mut self) {
        for (outgoing, datagram) in self.egress.iter() {
            self.wire.push_back((outgoing.path.local, outgoing.path.remote, datagram.to_vec()));
        }
        self.egress.clear();
    }
}
