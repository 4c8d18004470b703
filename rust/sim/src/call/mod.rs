//! [`Call`]: one `Sfu` and whole clients (SDP, ICE, DTLS, SRTP, SCTP) with links between them, in virtual time.
//!
//! Where a [`World`](crate::World) hands out keys, everything here is as between an SFU and browsers: clients connect, lose
//! their path, open channels and leave. Signalling is the caller's. Invariant: a seed gives one course of events, although
//! keys are drawn anew in each run. Where a link takes a datagram of a handshake, the library repeats it after a time that it draws
//! itself: from there on two runs differ by fractions of a second.

mod client;
mod video;
mod way;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sfu_core::Sfu;
use sfu_core::command::{Command, CommandError, Reply};
use sfu_core::config::SfuConfig;
use sfu_core::event::Event;
use sfu_peer::{Peer, PeerEvent, SdpError};
use sfu_transport::{Egress, Path};

use crate::random::Random;
use crate::world::queue::Queue;
use crate::world::{UNIX_TIME, sfu_config};
use client::{Client, SERVER};

pub use client::{ClientConfig, ClientId};
pub use video::Video;
pub use way::Way;

/// See the module's text.
///
/// In: commands, [`Call::with_peer`] and time ([`Call::run`]). Out: [`Call::poll_event`] and what the peers say.
#[derive(Debug)]
pub struct Call {
    seed: u64,
    start: Instant,
    now: Instant,
    sfu: Sfu,
    clients: Vec<Client>,
    queue: Queue,
    events: VecDeque<Event>,
    egress: Egress,
}

impl Call {
    /// An SFU and nobody else. `set` changes its settings: by default nobody is closed for want of checks.
    pub fn new(start: Instant, seed: u64, set: impl FnOnce(&mut SfuConfig)) -> Self {
        let mut config = sfu_config(seed);
        config.candidates = vec![SERVER];
        set(&mut config);
        Self {
            seed,
            start,
            now: start,
            sfu: Sfu::new(start, config),
            clients: Vec::new(),
            queue: Queue::default(),
            events: VecDeque::new(),
            egress: Egress::new(),
        }
    }

    /// Virtual time since the beginning.
    pub fn elapsed(&self) -> Duration {
        self.now.saturating_duration_since(self.start)
    }

    /// The wall clock, as everybody has it, since the Unix epoch.
    pub fn unix_time(&self) -> Duration {
        UNIX_TIME + self.elapsed()
    }

    /// The announced address of the SFU.
    pub const fn server() -> SocketAddr {
        SERVER
    }

    /// The fingerprint of the SFU's certificate.
    pub fn fingerprint() -> String {
        crate::world::certificate().fingerprint().to_string()
    }

    /// A command, now.
    ///
    /// # Errors
    /// The command's.
    pub fn command(&mut self, command: Command) -> Result<Reply, CommandError> {
        let reply = self.sfu.handle_command(self.now, command, &mut self.egress);
        self.launch_from_sfu();
        reply
    }

    /// What the SFU reported since the last call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Goes on until the SFU reports something, at most for `duration`; whether it did.
    pub fn run(&mut self, duration: Duration) -> bool {
        let until = self.now + duration;
        loop {
            if !self.events.is_empty() {
                return true;
            }
            let clients = self.clients.iter().filter_map(Client::poll_timeout);
            let due = clients.chain(self.sfu.poll_timeout()).chain(self.queue.next()).min();
            let Some(due) = due.filter(|due| *due <= until) else {
                self.now = self.now.max(until);
                return false;
            };
            self.now = self.now.max(due);
            self.step();
        }
    }

    /// A client that knows nothing of the server yet.
    pub fn add_client(&mut self, config: ClientConfig) -> ClientId {
        let index = self.clients.len();
        let random = Random::new(self.seed).fork(index as u64 + 1);
        self.clients.push(Client::new(index, (self.now, self.unix_time()), config, random));
        ClientId(index)
    }

    /// The client, to read from.
    pub fn client(&self, id: ClientId) -> &Client {
        &self.clients[id.0]
    }

    /// The client's links may be changed: to the SFU and from it.
    pub fn links(&mut self, id: ClientId) -> (&mut Way, &mut Way) {
        let client = &mut self.clients[id.0];
        (&mut client.uplink, &mut client.downlink)
    }

    /// The client publishes one more; its index, in the next offer.
    pub fn add_video(&mut self, id: ClientId, video: Video) -> usize {
        let index = self.clients[id.0].add_video(video);
        self.launch_from_client(id.0);
        index
    }

    /// The client is asked something, now; what it sends is on its way afterwards.
    pub fn with_peer<T>(&mut self, id: ClientId, ask: impl FnOnce(&mut Peer, Instant, &mut Egress) -> T) -> T {
        let answer = ask(&mut self.clients[id.0].peer, self.now, &mut self.egress);
        self.launch_from_client(id.0);
        answer
    }

    /// The client answers an offer of the SFU.
    ///
    /// # Errors
    /// It cannot follow the SDP.
    pub fn answer(&mut self, id: ClientId, offer: &str) -> Result<String, SdpError> {
        self.with_peer(id, |peer, now, _| peer.receive_offer(now, offer))
    }

    /// What happened to the client since the last call.
    pub fn poll_client(&mut self, id: ClientId) -> Option<PeerEvent> {
        self.clients[id.0].peer.poll_event()
    }

    /// The client gets another address (NAT, from Wi-Fi to mobile); its next check tells the SFU.
    pub fn move_client(&mut self, id: ClientId) {
        let now = self.now;
        self.clients[id.0].move_away(now);
        self.launch_from_client(id.0);
    }

    /// The client sends and receives nothing any more (a killed process).
    pub fn vanish(&mut self, id: ClientId) {
        self.clients[id.0].vanish();
    }

    fn step(&mut self) {
        let now = self.now;
        if self.sfu.poll_timeout().is_some_and(|due| due <= now) {
            self.sfu.handle_timeout(now, &mut self.egress);
            self.launch_from_sfu();
        } else if let Some(index) = self.clients.iter().position(|client| client.is_due(now)) {
            self.clients[index].peer.handle_timeout(now, &mut self.egress);
            self.launch_from_client(index);
        } else if let Some((index, to_sfu, mut datagram)) = self.queue.pop() {
            if to_sfu {
                let path = self.clients[index].path_at_sfu();
                self.sfu.handle_datagram(now, path, &mut datagram, &mut self.egress);
                self.launch_from_sfu();
            } else if !self.clients[index].has_vanished() {
                let path = self.clients[index].path();
                self.clients[index].peer.handle_datagram(now, path, &mut datagram, &mut self.egress);
                self.launch_from_client(index);
            }
            self.queue.recycle(datagram);
        }
    }

    fn launch_from_sfu(&mut self) {
        while let Some(event) = self.sfu.poll_event() {
            self.events.push_back(event);
        }
        for index in 0..self.egress.len() {
            let Some((outgoing, bytes)) = self.egress.get(index) else { continue };
            let Path { remote, .. } = outgoing.path;
            let Some(who) = client::index_of(remote) else { continue };
            let Some(client) = self.clients.get_mut(who).filter(|client| client.address() == remote) else { continue };
            send((&mut client.downlink, &mut self.queue), self.now, (who, false), bytes);
        }
        self.egress.clear();
    }

    fn launch_from_client(&mut self, who: usize) {
        let client = &mut self.clients[who];
        client.touched();
        for index in 0..self.egress.len() {
            let Some((_, bytes)) = self.egress.get(index).filter(|_| !client.has_vanished()) else { continue };
            send((&mut client.uplink, &mut self.queue), self.now, (who, true), bytes);
        }
        self.egress.clear();
    }
}

/// A datagram enters a link.
fn send((way, queue): (&mut Way, &mut Queue), now: Instant, (who, to_sfu): (usize, bool), bytes: &[u8]) {
    let datagram = queue.copy(bytes);
    way.send(now, datagram, |at, datagram| queue.push(at, who, to_sfu, datagram));
}

#[cfg(test)]
mod tests;
