//! One publisher, one viewer, a `Transport` for each, and a wire that delays and loses.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use sfu_peer::{Peer, PeerConfig, PeerEvent};
use sfu_transport::{
    Certificate, Class, DtlsRole, Egress, Incoming, Path, Random, Remote, SctpParameters, Transport, TransportConfig,
    TransportEvent,
};
use sfu_wire::rtp::RtpPeek;
use sfu_wire::{SeqExtender, Ssrc};

pub(crate) static CERTIFICATE: LazyLock<Arc<Certificate>> =
    LazyLock::new(|| Arc::new(Certificate::generate().unwrap()));

const DELAY: Duration = Duration::from_millis(15);

pub(crate) fn server_address() -> SocketAddr {
    ([192, 0, 2, 1], 7882).into()
}

pub(crate) fn peer_config(id: u32) -> PeerConfig {
    PeerConfig::new(id, ([198, 51, 100, id as u8], 4000).into(), CERTIFICATE.clone())
}

/// A peer and the server's end of its transport.
pub(crate) struct Leg {
    pub(crate) peer: Peer,
    pub(crate) transport: Transport,
    pub(crate) peer_events: Vec<PeerEvent>,
    pub(crate) server_events: Vec<TransportEvent>,
    ufrag: String,
    seqs: Vec<(Ssrc, SeqExtender)>,
    to_server: VecDeque<(Instant, Path, Vec<u8>)>,
    to_peer: VecDeque<(Instant, Path, Vec<u8>)>,
}

impl Leg {
    fn new(now: Instant, config: PeerConfig) -> Self {
        let ufrag = format!("leg{}", config.id);
        let transport = Transport::new(TransportConfig {
            ufrag: ufrag.clone(),
            pwd: "the-password-of-the-server".into(),
            certificate: CERTIFICATE.clone(),
            role: DtlsRole::Passive,
            consent_timeout: Duration::from_secs(6),
            channel_buffer: 1 << 20,
        });
        Self {
            peer: Peer::new(now, config),
            transport,
            peer_events: Vec::new(),
            server_events: Vec::new(),
            ufrag,
            seqs: Vec::new(),
            to_server: VecDeque::new(),
            to_peer: VecDeque::new(),
        }
    }

    /// What the server says in its turn: the peer's sections with the direction turned.
    pub(crate) fn mirror(&self, sdp: &str, setup: &str) -> String {
        const DROPPED: [&str; 9] =
            ["ice-ufrag", "ice-pwd", "ice-options", "fingerprint", "setup", "candidate", "rid", "simulcast", "msid"];
        let mut mirrored = String::new();
        for line in sdp.lines() {
            let name = line.strip_prefix("a=").map_or("", |a| a.split(':').next().unwrap_or(a));
            let line = match line {
                "a=sendonly" => "a=recvonly",
                "a=recvonly" => "a=sendonly",
                line => line,
            };
            if !DROPPED.contains(&name) {
                mirrored.push_str(line);
                mirrored.push_str("\r\n");
            }
            if line.starts_with("c=") {
                let (ip, port) = (server_address().ip(), server_address().port());
                mirrored.push_str(
                    &[
                        format!("a=ice-ufrag:{}", self.ufrag),
                        "a=ice-pwd:the-password-of-the-server".into(),
                        format!("a=fingerprint:{}", CERTIFICATE.fingerprint()),
                        format!("a=setup:{setup}"),
                        format!("a=candidate:1 1 udp 1 {ip} {port} typ host\r\n"),
                    ]
                    .join("\r\n"),
                );
            }
        }
        mirrored
    }

    pub(crate) fn set_remote(&mut self, now: Instant) {
        self.transport.set_remote(
            now,
            Remote {
                fingerprints: vec![CERTIFICATE.fingerprint().clone()],
                sctp: Some(SctpParameters { port: 5000, max_message_size: 262_144 }),
            },
        );
    }

    /// The peer offers, the server answers.
    pub(crate) fn offer_and_answer(&mut self, now: Instant) {
        let offer = self.peer.create_offer();
        self.set_remote(now);
        let answer = self.mirror(&offer, "passive");
        self.peer.receive_answer(now, &answer).unwrap();
    }

    fn post(&mut self, now: Instant, egress: &mut Egress, from_peer: bool) {
        for (outgoing, datagram) in egress.iter() {
            let flight = if from_peer { &mut self.to_server } else { &mut self.to_peer };
            // The other end sees the same path from its side.
            let path = Path { local: outgoing.path.remote, remote: outgoing.path.local };
            flight.push_back((now + DELAY, path, datagram.to_vec()));
        }
        egress.clear();
        while let Some(event) = self.peer.poll_event() {
            self.peer_events.push(event);
        }
        while let Some(event) = self.transport.poll_event() {
            self.server_events.push(event);
        }
    }

    fn send_rtp(&mut self, egress: &mut Egress, clear: &[u8]) {
        let peek = RtpPeek::parse(clear).unwrap();
        let index = self.seqs.iter().position(|(ssrc, _)| *ssrc == peek.ssrc).unwrap_or_else(|| {
            self.seqs.push((peek.ssrc, SeqExtender::new()));
            self.seqs.len() - 1
        });
        let seq = self.seqs[index].1.extend(peek.seq);
        // The extender starts one cycle up, a sender in cycle 0.
        let seq = sfu_wire::SeqNo::new(seq.get() - (1 << 16));
        self.transport.send_rtp(egress, Class::Video, (peek.ssrc, seq), clear.len(), |buffer| {
            buffer.copy_from_slice(clear);
            (clear.len(), peek.header_len)
        });
    }

    fn next(&self) -> Option<Instant> {
        let arrivals = [&self.to_server, &self.to_peer].into_iter().filter_map(|f| f.front().map(|d| d.0));
        arrivals.chain([self.peer.poll_timeout(), self.transport.poll_timeout()].into_iter().flatten()).min()
    }
}

/// Publisher and viewer; what one sends the other gets, RTP and RTCP alike.
pub(crate) struct Relay {
    pub(crate) now: Instant,
    pub(crate) publisher: Leg,
    pub(crate) viewer: Leg,
    pub(crate) random: Random,
    /// Of 1000 datagrams so many are lost on the viewer's leg.
    pub(crate) loss: u64,
    /// RTP of the publisher, in the clear.
    pub(crate) published: Vec<Vec<u8>>,
    egress: Egress,
}

impl Relay {
    pub(crate) fn new(publisher: PeerConfig, viewer: PeerConfig) -> Self {
        let now = Instant::now();
        Self {
            now,
            publisher: Leg::new(now, publisher),
            viewer: Leg::new(now, viewer),
            random: Random::new([1; 32]),
            loss: 0,
            published: Vec::new(),
            egress: Egress::new(),
        }
    }

    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut steps = 0;
        while let Some(next) = [self.publisher.next(), self.viewer.next()].into_iter().flatten().min()
            && next <= end
        {
            steps += 1;
            assert!(steps < 2_000_000, "timers do not come to rest");
            self.now = self.now.max(next);
            self.turn(true);
            self.turn(false);
        }
        self.now = end;
    }

    fn turn(&mut self, publisher: bool) {
        let Self { now, publisher: p, viewer: v, random, loss, published, egress } = self;
        let now = *now;
        let (leg, other, loss) = if publisher { (p, v, 0) } else { (v, p, *loss) };
        while leg.to_server.front().is_some_and(|d| d.0 <= now) {
            let (_, path, mut datagram) = leg.to_server.pop_front().unwrap();
            if random.below(1000) < loss {
                continue;
            }
            let incoming = leg.transport.handle_datagram(now, path, &mut datagram, egress);
            let forwarded = match incoming {
                Incoming::Rtp(clear) => Some((true, clear.to_vec())),
                Incoming::Rtcp(clear) => Some((false, clear.to_vec())),
                Incoming::Check | Incoming::KeepAlive | Incoming::Dtls | Incoming::Dropped(_) => None,
            };
            leg.post(now, egress, false);
            if let (Some((true, clear)), true) = (&forwarded, publisher) {
                published.push(clear.clone());
            }
            match forwarded {
                Some((true, clear)) if other.transport.profile().is_some() => other.send_rtp(egress, &clear),
                Some((false, clear)) => {
                    other.transport.send_rtcp(egress, &clear);
                }
                _ => {}
            }
            other.post(now, egress, false);
        }
        while leg.to_peer.front().is_some_and(|d| d.0 <= now) {
            let (_, path, mut datagram) = leg.to_peer.pop_front().unwrap();
            if random.below(1000) >= loss {
                leg.peer.handle_datagram(now, path, &mut datagram, egress);
                leg.post(now, egress, true);
            }
        }
        if leg.transport.poll_timeout().is_some_and(|at| at <= now) {
            leg.transport.handle_timeout(now, egress);
            leg.post(now, egress, false);
        }
        if leg.peer.poll_timeout().is_some_and(|at| at <= now) {
            leg.peer.handle_timeout(now, egress);
            leg.post(now, egress, true);
        }
    }

    pub(crate) fn close_publisher(&mut self) {
        self.publisher.peer.close(self.now, &mut self.egress);
        self.publisher.post(self.now, &mut self.egress, true);
    }
}
