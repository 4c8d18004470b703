//! A datagram that came to the wrong shard goes to the one that owns its session.
//!
//! The kernel spreads flows over the shards' sockets by a hash of their addresses, which knows no sessions, until it is told better
//! ([`Steering`]). What comes before that, and where it cannot be told, is handed over: a STUN check names its shard in the user
//! fragment; what names none (DTLS, SRTP) goes by its path, once the owner has said that a check over it was authentic. This side
//! only forwards. The owner answers from its own socket of the same port. Invariant: the owner's word for a path is in the ring
//! before its answer to the check is in the kernel, so what the peer sends next finds the route.
//!
//! ```text
//! record: kind, local address, local port, remote address, remote port, scope | arrival, datagram
//! ```

use std::net::{IpAddr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_core::shard_of_ufrag;
use sfu_transport::{Path, stun_local_ufrag};

use super::lanes::Lanes;
use super::routes::Routes;
use super::steering::Steering;
use crate::socket::UdpSocket;

/// Bytes of one direction. Higher: a shard may be late for longer. Lower: what is carried stays in the cache.
pub(super) const CAPACITY: usize = 1 << 18;
/// The largest first byte of a STUN message (RFC 7983 §7).
const LAST_STUN: u8 = 3;

const PATH_LEN: usize = 40;
const ARRIVAL_LEN: usize = 8;
/// A datagram for the shard that reads it.
const STRAY: u8 = 0;
/// The shard that wrote it owns the path.
const PROVEN: u8 = 1;
/// Added where the addresses are of IPv4.
const IPV4: u8 = 0x80;

/// See the module's text.
pub(super) struct Handover {
    shard: u16,
    lanes: Lanes,
    routes: Routes,
    /// Unless the kernel is not to be told.
    steering: Option<Arc<Steering>>,
    /// Arrivals are told as the time since then.
    epoch: Instant,
    counts: Counts,
}

/// Datagrams so far.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Counts {
    /// Given to another shard.
    pub(super) given: u64,
    /// Taken from another shard.
    pub(super) taken: u64,
    /// Lost because a ring was full.
    pub(super) lost: u64,
}

impl Handover {
    /// `epoch` is the same for all shards, as is `steering`.
    pub(super) fn new(
        shard: u16,
        lanes: Lanes,
        steering: Option<Arc<Steering>>,
        epoch: Instant,
        consent: Duration,
    ) -> Self {
        Self { shard, lanes, routes: Routes::new(epoch, consent), steering, epoch, counts: Counts::default() }
    }

    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) fn is_quiet(&mut self) -> bool {
        self.lanes.are_quiet()
    }

    /// The other shard that has proven a path.
    pub(super) fn owner(&mut self, now: Instant, path: &Path) -> Option<u16> {
        self.routes.owner(now, path)
    }

    /// The other shard that a datagram is for; `owner` is the one of its path.
    pub(super) fn destination(&self, owner: Option<u16>, datagram: &[u8]) -> Option<u16> {
        if datagram.first().is_none_or(|first| *first > LAST_STUN) {
            return owner;
        }
        match stun_local_ufrag(datagram).and_then(shard_of_ufrag) {
            Some(shard) if shard == self.shard => None,
            Some(shard) if self.lanes.leads_to(shard) => Some(shard),
            _ => owner,
        }
    }

    /// Puts a datagram into the ring to `shard`, or counts it as lost.
    pub(super) fn give(&mut self, shard: u16, path: &Path, arrived: Instant, datagram: &[u8]) {
        let room =
            self.lanes.to(shard).and_then(|lane| lane.writer.reserve(1 + PATH_LEN + ARRIVAL_LEN + datagram.len()));
        let Some(room) = room else {
            self.counts.lost += 1;
            return;
        };
        let rest = write_path(room, STRAY, path);
        let (arrival, rest) = rest.split_at_mut(ARRIVAL_LEN);
        let since = arrived.saturating_duration_since(self.epoch).as_nanos() as u64;
        arrival.copy_from_slice(&since.to_ne_bytes());
        rest.copy_from_slice(datagram);
        self.counts.given += 1;
    }

    /// Shows the other shards what was given to them.
    pub(super) fn publish(&mut self) {
        self.lanes.publish();
    }

    /// A check that came here has proven that a path is of a session here.
    pub(super) fn proven(&mut self, now: Instant, path: &Path) {
        self.routes.forget(path);
        if let Some(steering) = &self.steering {
            steering.claim(now, &path.remote, self.shard);
        }
    }

    /// Tells the kernel which shard has which flows, if there is something new.
    pub(super) fn steer(&self, now: Instant, sockets: &[UdpSocket]) {
        if let Some(steering) = &self.steering {
            steering.tell(now, sockets);
        }
    }

    /// Takes what the other shards have given: each datagram with its time of arrival and its path into `handle`, which says
    /// whether it was a check that proved the path.
    pub(super) fn take(&mut self, now: Instant, mut handle: impl FnMut(Instant, Path, &mut [u8]) -> bool) {
        for (shard, lane) in self.lanes.all() {
            lane.reader.look();
            while let Some(record) = lane.reader.next() {
                let Some((kind, path, rest)) = read_path(record) else { continue };
                if kind == PROVEN {
                    self.routes.learn(now, path, shard);
                } else if let Some((arrival, datagram)) = rest.split_first_chunk_mut::<ARRIVAL_LEN>() {
                    self.counts.taken += 1;
                    let arrived = self.epoch + Duration::from_nanos(u64::from_ne_bytes(*arrival));
                    if handle(arrived.min(now), path, datagram) {
                        if let Some(steering) = &self.steering {
                            steering.claim(now, &path.remote, self.shard);
                        }
                        // Where the ring is full the next check says it again.
                        if let Some(room) = lane.writer.reserve(1 + PATH_LEN) {
                            write_path(room, PROVEN, &path);
                        }
                        // At once: the answer may leave in the middle of a turn.
                        lane.publish();
                    }
                }
            }
            lane.reader.release();
        }
    }
}

/// Writes the head of a record; gives what is behind it.
fn write_path<'a>(record: &'a mut [u8], kind: u8, path: &Path) -> &'a mut [u8] {
    let (head, rest) = record.split_at_mut(1 + PATH_LEN);
    let (local, remote) = (path.local.ip(), path.remote.ip());
    head[0] = kind | if remote.is_ipv4() { IPV4 } else { 0 };
    head[1..17].copy_from_slice(&sixteen(local));
    head[17..19].copy_from_slice(&path.local.port().to_ne_bytes());
    head[19..35].copy_from_slice(&sixteen(remote));
    head[35..37].copy_from_slice(&path.remote.port().to_ne_bytes());
    let scope = match path.remote {
        SocketAddr::V4(_) => 0,
        SocketAddr::V6(remote) => remote.scope_id(),
    };
    head[37..41].copy_from_slice(&scope.to_ne_bytes());
    rest
}

/// The kind, the path, and what is behind them.
fn read_path(record: &mut [u8]) -> Option<(u8, Path, &mut [u8])> {
    let (&mut [kind], rest) = record.split_first_chunk_mut()?;
    let (local_ip, rest) = rest.split_first_chunk_mut::<16>()?;
    let (local_port, rest) = rest.split_first_chunk_mut()?;
    let (remote_ip, rest) = rest.split_first_chunk_mut::<16>()?;
    let (remote_port, rest) = rest.split_first_chunk_mut()?;
    let (scope, rest) = rest.split_first_chunk_mut()?;
    let (local_port, remote_port) = (u16::from_ne_bytes(*local_port), u16::from_ne_bytes(*remote_port));
    let [local_ip, remote_ip] = [Ipv6Addr::from(*local_ip), Ipv6Addr::from(*remote_ip)];
    let path = if kind & IPV4 == 0 {
        Path {
            local: SocketAddr::new(IpAddr::V6(local_ip), local_port),
            remote: SocketAddrV6::new(remote_ip, remote_port, 0, u32::from_ne_bytes(*scope)).into(),
        }
    } else {
        Path {
            local: SocketAddr::new(local_ip.to_canonical(), local_port),
            remote: SocketAddr::new(remote_ip.to_canonical(), remote_port),
        }
    };
    Some((kind & !IPV4, path, rest))
}

fn sixteen(ip: IpAddr) -> [u8; 16] {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
        IpAddr::V6(v6) => v6.octets(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::super::doorbell::Doorbell;
    use super::*;

    const CONSENT: Duration = Duration::from_secs(10);

    fn two() -> (Handover, Handover, Instant) {
        let now = Instant::now();
        let bells: Vec<_> = (0..2).map(|_| Arc::new(Doorbell::new().unwrap())).collect();
        let mut mesh = Lanes::mesh(&bells, CAPACITY).into_iter();
        let mut next = |shard| Handover::new(shard, mesh.next().unwrap(), None, now, CONSENT);
        (next(0), next(1), now)
    }

    fn path(remote: &str) -> Path {
        let local = if remote.starts_with('[') { "[2001:db8::7]:7882" } else { "192.0.2.7:7882" };
        Path { local: local.parse().unwrap(), remote: remote.parse().unwrap() }
    }

    /// A binding request for a user fragment (RFC 8489 §5, §14.3).
    fn check(ufrag: &str) -> Vec<u8> {
        let name = format!("{ufrag}:peer");
        let mut message = vec![0, 1, 0, 0, 0x21, 0x12, 0xa4, 0x42];
        message.extend([7; 12]);
        message.extend([0, 6, 0, name.len() as u8]);
        message.extend(name.as_bytes());
        message.resize(message.len().next_multiple_of(4), 0);
        message
    }

    /// What a shard takes.
    fn taken(handover: &mut Handover, now: Instant, proves: bool) -> Vec<(Instant, Path, Vec<u8>)> {
        let mut all = Vec::new();
        handover.take(now, |arrived, path, datagram| {
            all.push((arrived, path, datagram.to_vec()));
            proves
        });
        all
    }

    #[test]
    fn a_datagram_arrives_with_its_path_and_its_time() {
        let (mut one, mut other, now) = two();
        for remote in ["198.51.100.4:9", "[2001:db8::4]:9", "[fe80::4%3]:9"] {
            let arrived = now + Duration::from_micros(1234);
            one.give(1, &path(remote), arrived, b"media");
            assert!(other.is_quiet());
            one.publish();
            assert!(!other.is_quiet());
            let later = arrived + Duration::from_millis(1);
            assert_eq!(taken(&mut other, later, false), [(arrived, path(remote), b"media".to_vec())]);
            assert!(one.is_quiet(), "nothing was proven");
        }
        assert_eq!((one.counts().given, other.counts().taken, one.counts().lost), (3, 3, 0));
    }

    #[test]
    fn a_check_goes_by_its_user_fragment_and_the_rest_by_the_path() {
        let (one, _, _) = two();
        assert_eq!(one.destination(None, &check("01abcdef")), Some(1));
        assert_eq!(one.destination(Some(1), &check("00abcdef")), None, "a session here, whatever was on this path");
        assert_eq!(one.destination(None, &check("07abcdef")), None, "no shard of ours");
        assert_eq!(one.destination(Some(1), &[0, 0x11, 0, 0]), Some(1), "an indication names nobody");
        for datagram in [&[0x80, 96][..], &[22, 254], &[]] {
            assert_eq!(one.destination(Some(1), datagram), Some(1));
            assert_eq!(one.destination(None, datagram), None);
        }
    }

    #[test]
    fn a_path_is_learnt_from_the_owner_alone() {
        let (mut one, mut other, now) = two();
        let path = path("198.51.100.4:9");
        for proves in [false, true] {
            one.give(1, &path, now, &check("01abcdef"));
            one.publish();
            taken(&mut other, now, proves);
            taken(&mut one, now, false);
            assert_eq!(one.owner(now, &path), proves.then_some(1));
        }
        one.proven(now, &path);
        assert_eq!(one.owner(now, &path), None, "the peer has come back to a session here");
    }

    #[test]
    fn strangers_leave_nothing_behind() {
        let (mut one, mut other, now) = two();
        for number in 0..10_000_u32 {
            let [a, b, c, d] = number.to_be_bytes();
            let made_up = Path { remote: ([a, b, c, d], 5).into(), ..path("198.51.100.4:9") };
            one.give(1, &made_up, now, &check("01guess!"));
            one.publish();
            taken(&mut other, now, false);
            taken(&mut one, now, false);
            assert_eq!(one.owner(now, &made_up), None);
        }
    }

    #[test]
    fn a_full_ring_loses_and_counts() {
        let (mut one, mut other, now) = two();
        let path = path("198.51.100.4:9");
        let count = CAPACITY as u64 / 1000;
        (0..count).for_each(|_| one.give(1, &path, now, &[0x80; 1200]));
        one.publish();
        let arrived = taken(&mut other, now, false).len() as u64;
        assert!(arrived > 100 && arrived < count, "{arrived}");
        assert_eq!((one.counts().given, one.counts().lost), (arrived, count - arrived));
        one.give(1, &path, now, &[0x80; 1200]);
        one.publish();
        assert_eq!(taken(&mut other, now, false).len(), 1, "there is room again");
    }
}
