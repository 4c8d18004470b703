//! A passive `Transport` and an active client of the same parts, joined by a network in virtual time.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunMessageBuilder};
use sfu_transport::ice::{hmac_sha1, transaction_id};
use sfu_transport::{
    Certificate, ChannelEvent, DtlsRole, Egress, Incoming, Path, Random, Remote, SctpParameters, Secured,
    SecuredConfig, SecuredEvent, Transport, TransportConfig, TransportEvent,
};

pub(crate) const UFRAG: &str = "server";
pub(crate) const PWD: &str = "the-password-of-the-server";
pub(crate) const CONSENT_TIMEOUT: Duration = Duration::from_secs(5);
pub(crate) const CHANNEL_BUFFER: usize = 1 << 20;
const DELAY: Duration = Duration::from_millis(10);

pub(crate) static SERVER_CERTIFICATE: LazyLock<Arc<Certificate>> =
    LazyLock::new(|| Arc::new(Certificate::generate().unwrap()));
pub(crate) static CLIENT_CERTIFICATE: LazyLock<Arc<Certificate>> =
    LazyLock::new(|| Arc::new(Certificate::generate().unwrap()));

/// The path on which the client has `port`.
pub(crate) fn path(port: u16) -> Path {
    Path { local: ([192, 0, 2, 1], 7882).into(), remote: ([198, 51, 100, 7], port).into() }
}

pub(crate) fn sctp() -> SctpParameters {
    SctpParameters { port: 5000, max_message_size: 262_144 }
}

/// One side's inbox: what arrives when, over which path.
type Flight = VecDeque<(Instant, Path, Vec<u8>)>;

pub(crate) struct Net {
    pub(crate) now: Instant,
    pub(crate) start: Instant,
    pub(crate) server: Transport,
    pub(crate) client: Secured,
    /// Where the client sends from now.
    pub(crate) client_path: Path,
    pub(crate) random: Random,
    pub(crate) egress: Egress,
    to_server: Flight,
    to_client: Flight,
    /// Of 1000 datagrams so many are lost.
    pub(crate) loss: u64,
    pub(crate) server_events: Vec<TransportEvent>,
    pub(crate) client_events: Vec<SecuredEvent>,
    pub(crate) rtp: Vec<Vec<u8>>,
    pub(crate) rtcp: Vec<Vec<u8>>,
    pub(crate) client_rtp: Vec<Vec<u8>>,
    pub(crate) client_rtcp: Vec<Vec<u8>>,
    /// STUN messages that the client got.
    pub(crate) stun_replies: Vec<Vec<u8>>,
    pub(crate) dropped: u64,
    /// SRTP that the client was sent, as it was on the wire.
    pub(crate) wire: Vec<(Path, Vec<u8>)>,
}

impl Net {
    /// Both ends, each told of the other; nothing was sent.
    pub(crate) fn new() -> Self {
        let mut net = Self::without_remote();
        net.tell_server();
        net
    }

    /// The server does not know the client's SDP yet.
    pub(crate) fn without_remote() -> Self {
        let now = Instant::now();
        let server = Transport::new(TransportConfig {
            ufrag: UFRAG.into(),
            pwd: PWD.into(),
            certificate: SERVER_CERTIFICATE.clone(),
            role: DtlsRole::Passive,
            consent_timeout: CONSENT_TIMEOUT,
            channel_buffer: CHANNEL_BUFFER,
        });
        let mut client = Secured::new(SecuredConfig {
            certificate: CLIENT_CERTIFICATE.clone(),
            role: DtlsRole::Active,
            channel_buffer: CHANNEL_BUFFER,
            profile: None,
        });
        client.set_remote(now, vec![SERVER_CERTIFICATE.fingerprint().clone()], Some(sctp()));
        Self {
            now,
            start: now,
            server,
            client,
            client_path: path(1000),
            random: Random::new([3; 32]),
            egress: Egress::new(),
            to_server: Flight::new(),
            to_client: Flight::new(),
            loss: 0,
            server_events: Vec::new(),
            client_events: Vec::new(),
            rtp: Vec::new(),
            rtcp: Vec::new(),
            client_rtp: Vec::new(),
            client_rtcp: Vec::new(),
            stun_replies: Vec::new(),
            dropped: 0,
            wire: Vec::new(),
        }
    }

    pub(crate) fn remote() -> Remote {
        Remote { fingerprints: vec![CLIENT_CERTIFICATE.fingerprint().clone()], sctp: Some(sctp()) }
    }

    pub(crate) fn tell_server(&mut self) {
        self.server.set_remote(self.now, Self::remote());
    }

    /// Both ends with keys and an association.
    pub(crate) fn connected() -> Self {
        let mut net = Self::new();
        net.check(true);
        net.start_dtls();
        net.run_for(Duration::from_secs(1));
        assert!(net.server.profile().is_some(), "{:?}", net.server_events);
        assert!(net.client.profile().is_some(), "{:?}", net.client_events);
        net.server_events.clear();
        net.client_events.clear();
        net
    }

    pub(crate) fn start_dtls(&mut self) {
        self.client.start(self.now, self.client_path, &mut self.egress);
        self.post_client();
    }

    /// A check as a browser sends it.
    pub(crate) fn check(&mut self, nominate: bool) {
        self.check_with(UFRAG, PWD, nominate);
    }

    pub(crate) fn check_with(&mut self, ufrag: &str, pwd: &str, nominate: bool) {
        let datagram = self.binding_request(ufrag, pwd, nominate);
        self.send_to_server(self.client_path, datagram);
    }

    pub(crate) fn binding_request(&mut self, ufrag: &str, pwd: &str, nominate: bool) -> Vec<u8> {
        let username = format!("{ufrag}:client");
        let mut builder = StunMessageBuilder::new().binding().request().username(&username).prio(1).ice_controlling(7);
        if nominate {
            builder = builder.use_candidate();
        }
        write(&builder.build(transaction_id(self.random.array())), pwd)
    }

    pub(crate) fn send_to_server(&mut self, path: Path, datagram: Vec<u8>) {
        self.to_server.push_back((self.now + DELAY, path, datagram));
    }

    /// Until `duration` has passed.
    pub(crate) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        self.run_until(end, |_| false);
        self.now = end;
    }

    /// Until `done`, at most a minute.
    pub(crate) fn run_to(&mut self, done: impl Fn(&Self) -> bool) {
        let end = self.now + Duration::from_secs(60);
        assert!(self.run_until(end, done), "it did not happen within a minute");
    }

    fn run_until(&mut self, end: Instant, done: impl Fn(&Self) -> bool) -> bool {
        for step in 0.. {
            assert!(step < 1_000_000, "timers do not come to rest");
            if done(self) {
                return true;
            }
            let arrivals = [&self.to_server, &self.to_client].into_iter().filter_map(|f| f.front().map(|d| d.0));
            let timers = [self.server.poll_timeout(), self.client.poll_timeout()].into_iter().flatten();
            let Some(next) = arrivals.chain(timers).min() else {
                return false;
            };
            if next > end {
                return false;
            }
            self.now = self.now.max(next);
            self.deliver();
            self.tick();
        }
        false
    }

    fn deliver(&mut self) {
        while self.to_server.front().is_some_and(|d| d.0 <= self.now) {
            let (_, path, mut datagram) = self.to_server.pop_front().unwrap();
            if self.is_lost() {
                continue;
            }
            match self.server.handle_datagram(self.now, path, &mut datagram, &mut self.egress) {
                Incoming::Check | Incoming::KeepAlive | Incoming::Dtls => {}
                Incoming::Rtp(clear) => self.rtp.push(clear.to_vec()),
                Incoming::Rtcp(clear) => self.rtcp.push(clear.to_vec()),
                Incoming::Dropped(_) => self.dropped += 1,
            }
            self.post_server();
        }
        while self.to_client.front().is_some_and(|d| d.0 <= self.now) {
            let (_, path, mut datagram) = self.to_client.pop_front().unwrap();
            if !self.is_lost() {
                self.client_receive(path, &mut datagram);
            }
        }
    }

    fn client_receive(&mut self, path: Path, datagram: &mut [u8]) {
        match sfu_transport::classify(datagram) {
            sfu_transport::DatagramKind::Stun => self.stun_replies.push(datagram.to_vec()),
            sfu_transport::DatagramKind::Dtls => {
                let path = Path { remote: self.client_path.remote, ..path };
                let _ = self.client.handle_dtls(self.now, path, datagram, &mut self.egress);
                self.post_client();
            }
            sfu_transport::DatagramKind::Rtp => {
                self.wire.push((path, datagram.to_vec()));
                self.client_rtp.push(self.client.unprotect_rtp(datagram).unwrap().to_vec());
            }
            sfu_transport::DatagramKind::Rtcp => {
                self.client_rtcp.push(self.client.unprotect_rtcp(datagram).unwrap().to_vec());
            }
            sfu_transport::DatagramKind::Unknown => panic!("the server sent what is nothing"),
        }
    }

    fn tick(&mut self) {
        if self.server.poll_timeout().is_some_and(|t| t <= self.now) {
            self.server.handle_timeout(self.now, &mut self.egress);
            self.post_server();
        }
        if self.client.poll_timeout().is_some_and(|t| t <= self.now) {
            self.client.handle_timeout(self.now, Some(self.client_path), &mut self.egress);
            self.post_client();
        }
    }

    /// Takes what the server wrote.
    pub(crate) fn post_server(&mut self) {
        for (outgoing, datagram) in self.egress.iter() {
            self.to_client.push_back((self.now + DELAY, outgoing.path, datagram.to_vec()));
        }
        self.egress.clear();
        while let Some(event) = self.server.poll_event() {
            self.server_events.push(event);
        }
    }

    /// Takes what the client wrote.
    pub(crate) fn post_client(&mut self) {
        for (_, datagram) in self.egress.iter() {
            self.to_server.push_back((self.now + DELAY, self.client_path, datagram.to_vec()));
        }
        self.egress.clear();
        while let Some(event) = self.client.poll_event() {
            self.client_events.push(event);
        }
    }

    fn is_lost(&mut self) -> bool {
        self.random.below(1000) < self.loss
    }

    pub(crate) fn server_channel_events(&self) -> Vec<ChannelEvent> {
        let channel = |event: &TransportEvent| match event {
            TransportEvent::Channel(event) => Some(event.clone()),
            _ => None,
        };
        self.server_events.iter().filter_map(channel).collect()
    }

    pub(crate) fn client_channel_events(&self) -> Vec<ChannelEvent> {
        let channel = |event: &SecuredEvent| match event {
            SecuredEvent::Channel(event) => Some(event.clone()),
            _ => None,
        };
        self.client_events.iter().filter_map(channel).collect()
    }
}

pub(crate) fn write(message: &StunMessage<'_>, pwd: &str) -> Vec<u8> {
    let mut datagram = vec![0; 256];
    let len = (*message).to_bytes(Some(pwd.as_bytes()), &mut datagram, hmac_sha1).unwrap();
    datagram.truncate(len);
    datagram
}

/// A clear RTP packet.
pub(crate) fn rtp_packet(ssrc: u32, seq: u16, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x80, 96];
    packet.extend_from_slice(&seq.to_be_bytes());
    packet.extend_from_slice(&[0; 4]);
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(payload);
    packet
}

/// A PLI.
pub(crate) fn rtcp_packet(ssrc: u32) -> Vec<u8> {
    let mut packet = vec![0x81, 206, 0, 2];
    packet.extend_from_slice(&ssrc.to_be_bytes());
    packet.extend_from_slice(&[0, 0, 0, 9]);
    packet
}
