//! The far end: a peer, its address and its two links.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use sfu_peer::{AudioSource, Peer, PeerConfig};
use sfu_transport::Path;

use super::video::Video;
use super::way::Way;
use crate::link::LinkConfig;
use crate::random::Random;
use crate::world::certificate;

/// Where the SFU is.
pub(super) const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)), 7882);
/// The clients' network, 11.0.0.0/8: their index is in the address.
const NETWORK: u32 = 11 << 24;
/// Their first port; each move takes the next.
const PORT: u16 = 5000;

/// Names a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(pub(super) usize);

impl ClientId {
    /// Counts the clients in the order in which they were added.
    pub const fn index(self) -> usize {
        self.0
    }
}

/// What a client is.
#[derive(Debug, Clone, Default)]
pub struct ClientConfig {
    /// What it publishes.
    pub audio: Vec<AudioSource>,
    /// What it publishes.
    pub video: Vec<Video>,
    /// Offers data channels.
    pub channels: bool,
    /// To the SFU.
    pub uplink: LinkConfig,
    /// From the SFU.
    pub downlink: LinkConfig,
}

/// See the module's text.
#[derive(Debug)]
pub struct Client {
    pub(super) peer: Peer,
    pub(super) uplink: Way,
    pub(super) downlink: Way,
    random: Random,
    address: SocketAddr,
    /// When the peer wants the time; `None`: never again.
    due: Option<Instant>,
    vanished: bool,
}

impl Client {
    pub(super) fn new(
        index: usize,
        (now, unix_time): (Instant, Duration),
        config: ClientConfig,
        mut random: Random,
    ) -> Self {
        let address = SocketAddr::new(Ipv4Addr::from_bits(NETWORK + index as u32).into(), PORT);
        let (uplink, downlink) = (random.fork(1), random.fork(2));
        let mut seed = [0; 32];
        seed.chunks_mut(8).for_each(|chunk| chunk.copy_from_slice(&random.next().to_be_bytes()));
        let peer = PeerConfig {
            seed,
            unix_time,
            audio: config.audio,
            ..PeerConfig::new(index as u32, address, certificate())
        };
        let mut client = Self {
            peer: Peer::new(now, peer),
            uplink: Way::new(config.uplink, &uplink),
            downlink: Way::new(config.downlink, &downlink),
            random,
            address,
            due: None,
            vanished: false,
        };
        for video in config.video {
            client.add_video(video);
        }
        if config.channels {
            client.peer.add_channels();
        }
        client
    }

    pub(super) fn add_video(&mut self, video: Video) -> usize {
        let seed = self.random.next();
        video.add_to(&mut self.peer, &Random::new(seed))
    }

    /// What it sent and received.
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Datagrams that vanished on the way to the SFU, and from it.
    pub const fn lost(&self) -> (u64, u64) {
        (self.uplink.lost(), self.downlink.lost())
    }

    pub(super) const fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) const fn path(&self) -> Path {
        Path { local: self.address, remote: SERVER }
    }

    pub(super) const fn path_at_sfu(&self) -> Path {
        Path { local: SERVER, remote: self.address }
    }

    pub(super) const fn poll_timeout(&self) -> Option<Instant> {
        self.due
    }

    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.due.is_some_and(|due| due <= now)
    }

    /// It was given something: it may want the time at another moment.
    pub(super) fn touched(&mut self) {
        self.due = if self.vanished { None } else { self.peer.poll_timeout() };
    }

    pub(super) fn move_away(&mut self, now: Instant) {
        self.address.set_port(self.address.port().wrapping_add(1).max(1));
        self.peer.move_to(now, self.address);
    }

    pub(super) fn vanish(&mut self) {
        self.vanished = true;
        self.touched();
    }

    pub(super) const fn has_vanished(&self) -> bool {
        self.vanished
    }
}

/// Whose address it is.
pub(super) fn index_of(address: SocketAddr) -> Option<usize> {
    match address.ip() {
        IpAddr::V4(ip) => ip.to_bits().checked_sub(NETWORK).map(|index| index as usize),
        IpAddr::V6(_) => None,
    }
}
