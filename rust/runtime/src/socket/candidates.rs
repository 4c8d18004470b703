//! The host candidates: under which addresses peers reach the sockets.

use std::io;
use std::net::{IpAddr, SocketAddr};

use crate::error::StartError;

/// The announced addresses with the ports of the sockets; with none announced, what the sockets are bound to, and for a
/// wildcard the interfaces' addresses, loopback last.
pub(crate) fn candidates(
    bound: &[SocketAddr],
    announce: &[IpAddr],
    interfaces: impl FnOnce() -> io::Result<Vec<IpAddr>>,
) -> Result<Vec<SocketAddr>, StartError> {
    let mut candidates = Vec::new();
    let mut add = |ip: IpAddr, socket: &SocketAddr| {
        let candidate = SocketAddr::new(ip, socket.port());
        if !candidates.contains(&candidate) {
            candidates.push(candidate);
        }
    };
    if announce.is_empty() {
        let found = if bound.iter().any(|socket| socket.ip().is_unspecified()) {
            reachable(interfaces().map_err(StartError::system("the addresses of the interfaces"))?)
        } else {
            Vec::new()
        };
        for socket in bound {
            if socket.ip().is_unspecified() {
                found.iter().filter(|ip| ip.is_ipv4() == socket.is_ipv4()).for_each(|ip| add(*ip, socket));
            } else {
                add(socket.ip(), socket);
            }
        }
    }
    for &ip in announce {
        if ip.is_unspecified() {
            return Err(StartError::AnnounceUnspecified(ip));
        }
        let mut matching = bound.iter().filter(|socket| socket.is_ipv4() == ip.is_ipv4()).peekable();
        if matching.peek().is_none() {
            return Err(StartError::Announce(ip));
        }
        matching.for_each(|socket| add(ip, socket));
    }
    Ok(candidates)
}

/// What peers may try, in order of preference: IPv4 before IPv6 (more of them have it), loopback last (only this machine
/// has it). Link-local addresses need a scope that means nothing to the peer.
fn reachable(mut interfaces: Vec<IpAddr>) -> Vec<IpAddr> {
    interfaces.retain(|ip| match ip {
        IpAddr::V4(v4) => !v4.is_link_local(),
        IpAddr::V6(v6) => !v6.is_unicast_link_local(),
    });
    interfaces.sort_by_key(|ip| (ip.is_loopback(), ip.is_ipv6()));
    interfaces
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all<T: std::str::FromStr<Err: std::fmt::Debug>>(texts: &[&str]) -> Vec<T> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[expect(clippy::unnecessary_wraps, reason = "stands for a system call")]
    fn interfaces() -> io::Result<Vec<IpAddr>> {
        Ok(all(&["127.0.0.1", "::1", "192.168.1.5", "169.254.3.4", "fe80::1", "2001:db8::5"]))
    }

    #[test]
    fn announced_addresses_get_the_port_of_their_family() {
        let bound = all(&["0.0.0.0:7", "[::]:7"]);
        let found = candidates(&bound, &all(&["203.0.113.7", "2001:db8::7"]), || unreachable!("not asked")).unwrap();
        assert_eq!(found, all::<SocketAddr>(&["203.0.113.7:7", "[2001:db8::7]:7"]));
    }

    #[test]
    fn a_family_without_a_socket_cannot_be_announced() {
        let error = candidates(&all(&["0.0.0.0:7"]), &all(&["2001:db8::7"]), interfaces).unwrap_err();
        assert!(error.to_string().contains("[::]:7882"), "{error}");
        assert!(candidates(&all(&["0.0.0.0:7"]), &all(&["0.0.0.0"]), interfaces).is_err());
    }

    #[test]
    fn a_wildcard_announces_the_interfaces_without_link_local_ones() {
        let found = candidates(&all(&["0.0.0.0:7", "[::]:7"]), &[], interfaces).unwrap();
        assert_eq!(found, all::<SocketAddr>(&["192.168.1.5:7", "127.0.0.1:7", "[2001:db8::5]:7", "[::1]:7"]));
        let found = candidates(&all(&["0.0.0.0:7"]), &[], interfaces).unwrap();
        assert_eq!(found, all::<SocketAddr>(&["192.168.1.5:7", "127.0.0.1:7"]));
    }

    #[test]
    fn a_bound_address_announces_itself() {
        let found = candidates(&all(&["127.0.0.1:7"]), &[], || unreachable!("not asked")).unwrap();
        assert_eq!(found, all::<SocketAddr>(&["127.0.0.1:7"]));
    }
}
