//! One peer with its socket.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;

use mio::net::UdpSocket;
use sfu_peer::Peer;
use sfu_transport::{Egress, Path};
use socket2::{Domain, Protocol, Type};

use crate::counters::Counters;
use crate::loss::{Dice, JustLost, Way};

/// No datagram of a call is larger: paths carry 1500 bytes.
const MAX_DATAGRAM: usize = 2048;

/// What all members share for the length of a turn.
pub(crate) struct Turn<'a> {
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
    pub(crate) fn receive(&mut self, turn: &mut Turn<'_>) {
        let mut buffer = [0; MAX_DATAGRAM];
        loop {
            let (len, remote) = match self.socket.recv_from(&mut buffer) {
                Ok(received) => received,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                // Nothing more waits; or an ICMP error, which says nothing that consent does not.
                Err(_) => break,
            };
            let datagram = &mut buffer[..len];
            if turn.dice.loses(Way::Down, datagram, &mut self.lost_down) {
                turn.counters.lost_down += 1;
                continue;
            }
            turn.counters.received += 1;
            turn.counters.received_bytes += len as u64;
            let path = Path { local: self.local, remote };
            self.peer.handle_datagram(Instant::now(), path, datagram, turn.egress);
            self.send(turn);
        }
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

/// A socket on a free port of `ip`.
pub(crate) fn bind(ip: IpAddr, receive_buffer: usize) -> io::Result<(UdpSocket, SocketAddr)> {
    let address = SocketAddr::new(ip, 0);
    let socket = socket2::Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // The kernel caps it silently at `net.core.rmem_max`; what it drops then is in `Swarm::kernel_drops`.
    socket.set_recv_buffer_size(receive_buffer)?;
    socket.bind(&address.into())?;
    let socket = UdpSocket::from_std(socket.into());
    let local = socket.local_addr()?;
    Ok((socket, local))
}
