//! From the configured addresses to open sockets.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd as _, BorrowedFd};

use libc::c_int;
use socket2::{Domain, Protocol, Socket, Type};

use super::UdpSocket;
use crate::error::StartError;
use crate::sys::{get_option, set_option};

/// How often port 0 is tried anew when the port that the first socket got is taken for another.
const PORT_ATTEMPTS: usize = 16;

/// Open sockets and what they had to put up with.
#[derive(Debug)]
pub(crate) struct Bound {
    /// By shard: one for each address, the same for all.
    pub(crate) sockets: Vec<Vec<UdpSocket>>,
    pub(crate) warnings: Vec<String>,
}

/// Binds all addresses, once for each shard; those with port 0 share one port.
pub(crate) fn bind(
    udp: &[SocketAddr],
    shards: usize,
    receive_buffer: usize,
    send_buffer: usize,
) -> Result<Bound, StartError> {
    let addresses = both_families(udp);
    if addresses.is_empty() {
        return Err(StartError::NoAddress);
    }
    let mut attempt = 1;
    let mut bound = loop {
        match bind_once(&addresses, shards) {
            Err(StartError::PortInUse { .. })
                if attempt < PORT_ATTEMPTS && addresses.iter().all(|address| address.port() == 0) =>
            {
                attempt += 1;
            }
            result => break result?,
        }
    };
    for socket in bound.sockets.iter_mut().flatten() {
        configure(socket).map_err(StartError::system("UDP socket options"))?;
    }
    // The kernel caps all sockets alike: one warning each way.
    let capped = |direction: &Buffer, asked| {
        let granted = bound.sockets.iter().flatten().map(|socket| direction.resize(socket.as_fd(), asked)).min()?;
        (granted < asked).then(|| direction.warning(asked, granted))
    };
    let warnings = [capped(&RECEIVE, receive_buffer), capped(&SEND, send_buffer)];
    bound.warnings.extend(warnings.into_iter().flatten());
    Ok(bound)
}

/// `[::]` alone means IPv4 too, as programs with dual-stack sockets have taught.
fn both_families(udp: &[SocketAddr]) -> Vec<SocketAddr> {
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for &address in udp {
        let alone = !udp.iter().any(|other| other.is_ipv4() && other.port() == address.port());
        if address.ip() == IpAddr::V6(Ipv6Addr::UNSPECIFIED) && alone {
            addresses.push(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), address.port()));
        }
        addresses.push(address);
    }
    let mut seen = Vec::new();
    addresses.retain(|address| {
        let new = !seen.contains(address);
        seen.push(*address);
        new
    });
    addresses
}

fn bind_once(addresses: &[SocketAddr], shards: usize) -> Result<Bound, StartError> {
    let mut bound = Bound { sockets: (0..shards).map(|_| Vec::new()).collect(), warnings: Vec::new() };
    let mut picked = 0;
    let more_than_one = addresses.len() > 1;
    for &(mut address) in addresses {
        if address.port() == 0 {
            address.set_port(picked);
        }
        match open_for_all(address, shards) {
            Ok(sockets) => {
                if let Some(first) = sockets.first().filter(|_| address.port() == 0) {
                    picked = first.local.port();
                }
                bound.sockets.iter_mut().zip(sockets).for_each(|(own, socket)| own.push(socket));
            }
            Err(error) if more_than_one && lacks_ipv6(address, &error) => {
                bound.warnings.push(format!("udp: IPv6 is not available on this machine: {address} is left out"));
            }
            Err(error) => return Err(StartError::bind(address, error)),
        }
    }
    if bound.sockets.iter().all(Vec::is_empty) { Err(StartError::NoAddress) } else { Ok(bound) }
}

/// One socket for each shard. Several share an address by `SO_REUSEPORT` (socket(7)): the kernel spreads flows over them.
fn open_for_all(mut address: SocketAddr, shards: usize) -> io::Result<Vec<UdpSocket>> {
    // Sharing asks nobody who shares already, such as another server of the same user: so the address must first be free.
    let alone = open(address, false)?;
    if shards == 1 {
        return Ok(vec![alone]);
    }
    address.set_port(alone.local.port());
    drop(alone);
    (0..shards).map(|_| open(address, true)).collect()
}

fn open(address: SocketAddr, shared: bool) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    let local = socket.local_addr()?.as_socket().unwrap_or(address);
    Ok(UdpSocket { socket, local, offload: false })
}

/// Whether the machine has no IPv6 at all: then `[::]` is a wish, not an error.
fn lacks_ipv6(address: SocketAddr, error: &io::Error) -> bool {
    address.is_ipv6()
        && match error.raw_os_error() {
            Some(libc::EAFNOSUPPORT) => true,
            // What bind(2) says with net.ipv6.conf.all.disable_ipv6.
            Some(libc::EADDRNOTAVAIL) => address.ip().is_unspecified(),
            _ => false,
        }
}

fn configure(socket: &mut UdpSocket) -> io::Result<()> {
    let fd = socket.socket.as_fd();
    if socket.local.is_ipv4() {
        set_option(fd, libc::IPPROTO_IP, libc::IP_PKTINFO, 1)?;
    } else {
        set_option(fd, libc::IPPROTO_IPV6, libc::IPV6_RECVPKTINFO, 1)?;
    }
    // Linux has had these two for ever; sandboxes and emulators of its calls may not. Without the first, losses in front of
    // this process are not counted.
    let _ = set_option(fd, libc::SOL_SOCKET, libc::SO_RXQ_OVFL, 1);
    // When each datagram came, however late this thread reads it: what a sender learns of its way is made of this. Without
    // it the time of reading counts.
    let _ = set_option(fd, libc::SOL_SOCKET, libc::SO_TIMESTAMPNS, 1);
    // Both are of Linux 4.18 and 5.0; without them datagrams come and go one by one.
    let _ = set_option(fd, libc::SOL_UDP, libc::UDP_GRO, 1);
    socket.offload = get_option(fd, libc::SOL_UDP, libc::UDP_SEGMENT).is_ok();
    Ok(())
}

/// One of a socket's two buffers.
struct Buffer {
    name: &'static str,
    option: c_int,
    force: c_int,
    limit: &'static str,
}

const RECEIVE: Buffer =
    Buffer { name: "receive", option: libc::SO_RCVBUF, force: libc::SO_RCVBUFFORCE, limit: "net.core.rmem_max" };
const SEND: Buffer =
    Buffer { name: "send", option: libc::SO_SNDBUF, force: libc::SO_SNDBUFFORCE, limit: "net.core.wmem_max" };

impl Buffer {
    /// Asks for a size, beyond the limit if this process may; returns what the kernel grants.
    fn resize(&self, socket: BorrowedFd<'_>, bytes: usize) -> usize {
        let asked = c_int::try_from(bytes).unwrap_or(c_int::MAX / 2);
        let granted = || get_option(socket, libc::SOL_SOCKET, self.option).unwrap_or(0) as usize / 2; // socket(7): doubled
        let _ = set_option(socket, libc::SOL_SOCKET, self.option, asked);
        if granted() < bytes {
            let _ = set_option(socket, libc::SOL_SOCKET, self.force, asked); // needs CAP_NET_ADMIN
        }
        granted()
    }

    fn warning(&self, asked: usize, granted: usize) -> String {
        let Self { name, limit, .. } = self;
        format!(
            "udp: the kernel caps the {name} buffer at {granted} of {asked} bytes, bursts may be lost: \
             `sysctl -w {limit}={asked}` allows it"
        )
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn addresses(texts: &[&str]) -> Vec<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn the_ipv6_wildcard_alone_means_both_families() {
        assert_eq!(both_families(&addresses(&["[::]:7"])), addresses(&["0.0.0.0:7", "[::]:7"]));
        assert_eq!(both_families(&addresses(&["[::]:7", "10.0.0.1:7"])), addresses(&["[::]:7", "10.0.0.1:7"]));
        assert_eq!(both_families(&addresses(&["[::1]:7"])), addresses(&["[::1]:7"]));
        assert_eq!(both_families(&addresses(&["0.0.0.0:7", "0.0.0.0:7"])), addresses(&["0.0.0.0:7"]));
    }

    #[test]
    fn port_0_is_one_port_for_all() {
        let bound = bind(&addresses(&["127.0.0.1:0", "[::1]:0"]), 2, 1 << 16, 1 << 16).unwrap();
        let ports: Vec<u16> = bound.sockets.iter().flatten().map(|socket| socket.local().port()).collect();
        assert_eq!(bound.sockets.len(), 2, "shards");
        assert!(ports[0] != 0 && ports.len() == 4);
        assert!(ports.iter().all(|port| *port == ports[0]), "{ports:?}");
    }

    #[test]
    fn a_port_in_use_is_named() {
        for (first, second) in [(1, 1), (1, 2), (2, 1), (2, 2)] {
            let first = bind(&addresses(&["127.0.0.1:0"]), first, 1 << 16, 1 << 16).unwrap();
            let taken = first.sockets[0][0].local();
            let error = bind(&[taken], second, 1 << 16, 1 << 16).unwrap_err();
            assert!(error.to_string().contains(&format!("port {} is in use", taken.port())), "{error}");
        }
    }

    #[test]
    fn a_foreign_address_is_named() {
        let error = bind(&addresses(&["192.0.2.1:0"]), 1, 1 << 16, 1 << 16).unwrap_err();
        assert!(error.to_string().contains("192.0.2.1 is not an address of this machine"), "{error}");
        assert!(matches!(bind(&[], 1, 1, 1), Err(StartError::NoAddress)));
    }

    #[test]
    fn a_capped_buffer_is_a_warning() {
        let absurd = 1 << 40;
        let bound = bind(&addresses(&["127.0.0.1:0"]), 1, absurd, 1 << 16).unwrap();
        assert_eq!(bound.warnings.len(), 1, "{:?}", bound.warnings);
        assert!(bound.warnings[0].contains("net.core.rmem_max"));
    }
}
