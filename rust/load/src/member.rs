//! One peer with its socket.

use std::io;
use std::net::SocketAddr;
use std::os::fd::AsFd as _;
use std::time::Instant;

use mio::net::UdpSocket;
use sfu_peer::Peer;
use sfu_runtime::datagrams::{ReceiveBuffers, coalesce, stamp_arrivals};
use sfu_transport::{DatagramKind, Egress, Path, classify};
use socket2::{Domain, Protocol, Type};

use crate::clock::WallClock;
use crate::config::SwarmConfig;
use crate::counters::Counters;
use crate::loss::{Dice, JustLost, Way};

/// What all members share for the length of a turn.
pub(crate) struct Turn<'a> {
    pub(crate) clock: &'a WallClock,
    pub(crate) dice: &'a mut Dice,
    pub(crate) counters: &'a mut Counters,
    pub(crate) egress: &'a mut Egress,
}

#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) peer: Peer,
    pub(crate) socket: UdpSocket,
    pub(crate) local: SocketAddr,
    /// As it stands in the swarm's timers.
    pub(crate) due: Option<Instant>,
    lost_up: JustLost,
    lost_down: JustLost,
}

impl Member {
    pub(crate) fn new(socket: UdpSocket, local: SocketAddr, peer: Peer) -> Self {
        Self { peer, socket, local, due: None, lost_up: JustLost::default(), lost_down: JustLost::default() }
    }

    /// Hands all datagrams that wait to the peer, and sends what it answers.
    pub(crate) fn receive(&mut self, buffers: &mut ReceiveBuffers, turn: &mut Turn<'_>) {
        // An error is an ICMP message, which says nothing that consent does not.
        while let Ok(more) = buffers.receive(self.socket.as_fd()) {
            let now = Instant::now();
            for mut message in buffers.messages() {
                let path = Path { local: self.local, remote: message.remote };
                let arrived = message.stamp.map_or(now, |stamp| turn.clock.instant(stamp));
                for datagram in message.datagrams() {
                    // Handshakes and checks have timers, which never saw the past.
                    let at = if classify(datagram) == DatagramKind::Rtp { arrived } else { now };
                    self.take(at, path, datagram, turn);
                }
            }
            if !more {
                break;
            }
        }
    }

    fn take(&mut self, at: Instant, path: Path, datagram: &mut [u8], turn: &mut Turn<'_>) {
        if turn.dice.loses(Way::Down, datagram, &mut self.lost_down) {
            turn.counters.lost_down += 1;
            return;
        }
        turn.counters.received += 1;
        turn.counters.received_bytes += datagram.len() as u64;
        self.peer.handle_datagram(at, path, datagram, turn.egress);
        self.send(turn);
    }

    pub(crate) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.peer.handle_timeout(Instant::now(), turn.egress);
        self.send(turn);
    }

    /// Empties the egress into the socket.
    pub(crate) fn send(&mut self, turn: &mut Turn<'_>) {
        for (outgoing, datagram) in turn.egress.iter() {
            if turn.dice.loses(Way::Up, datagram, &mut self.lost_up) {
                turn.counters.lost_up += 1;
                continue;
            }
            match self.socket.send_to(datagram, outgoing.path.remote) {
                Ok(len) => {
                    turn.counters.sent += 1;
                    turn.counters.sent_bytes += len as u64;
                }
                Err(error) => {
                    log::trace!("a datagram was not taken: {error}");
                    turn.counters.refused += 1;
                }
            }
        }
        turn.egress.clear();
    }
}

/// A socket on a free port.
pub(crate) fn bind(config: &SwarmConfig) -> io::Result<(UdpSocket, SocketAddr)> {
    let address = SocketAddr::new(config.ip, 0);
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // The kernel caps it silently at `net.core.rmem_max`; what it drops then is in `Swarm::kernel_drops`.
    socket.set_recv_buffer_size(config.receive_buffer)?;
    if config.coalesce {
        coalesce(socket.as_fd())?;
    }
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into());
    let local = socket.local_addr()?;
    Ok((socket, local))
}

/// The kernel tells from now on when datagrams came, if it can.
pub(crate) fn stamp(socket: &UdpSocket) {
    if let Err(error) = stamp_arrivals(socket.as_fd()) {
        log::debug!("datagrams come without a time: {error}");
    }
}
