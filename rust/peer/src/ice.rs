//! The controlling side of ICE (RFC 8445) towards one lite server: checks, nominates, keeps its consent, answers checks.
//!
//! One local address, one remote address, so one pair. The first check comes without nomination, as a browser's does;
//! once it is answered every check nominates.

use std::time::{Duration, Instant};

use is::stun::{StunMessage, StunMessageBuilder, TransId};
use sfu_transport::ice::{hmac_sha1, transaction_id};
use sfu_transport::{Class, Egress, IceCredentials, Path, Random};

/// Until the first answer. (libwebrtc `WEAK_PING_INTERVAL` is 48 ms.)
const CHECK_INTERVAL: Duration = Duration::from_millis(50);
/// Of an established pair. (libwebrtc `STRONG_AND_STABLE_WRITABLE_CONNECTION_PING_INTERVAL`.)
const CONSENT_INTERVAL: Duration = Duration::from_millis(2500);
/// RFC 7675 §5.1.
const CONSENT_TIMEOUT: Duration = Duration::from_secs(30);
/// Requests whose answers are still taken: of the last three seconds of checks. With fewer, a server that is further away than
/// they last is never heard.
const OUTSTANDING: usize = 64;
/// Type preference of a host candidate, one address, one component (RFC 8445 §5.1.2.1).
const PRIORITY: u32 = 126 << 24 | 65535 << 8 | 255;
const MAX_LEN: usize = 256;

#[derive(Debug)]
pub(crate) struct Ice {
    local: IceCredentials,
    remote: Option<(IceCredentials, Path)>,
    tie_breaker: u64,
    state: State,
    outstanding: Vec<TransId>,
    next_check: Option<Instant>,
    last_answer: Option<Instant>,
}

/// In the order of a pair's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Checking,
    Connected,
    Failed,
}

/// What an answer changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IceChange {
    /// The first answer: the path works.
    Connected,
    /// No answer for too long.
    Failed,
}

impl Ice {
    pub(crate) fn new(random: &mut Random) -> Self {
        Self {
            local: credentials(random),
            remote: None,
            tie_breaker: random.u64(),
            state: State::Checking,
            outstanding: Vec::new(),
            next_check: None,
            last_answer: None,
        }
    }

    pub(crate) fn credentials(&self) -> &IceCredentials {
        &self.local
    }

    /// New credentials for the next offer (RFC 8445 §9).
    pub(crate) fn restart(&mut self, random: &mut Random) {
        self.local = credentials(random);
    }

    /// Starts to check. The same credentials over the same path change nothing.
    pub(crate) fn set_remote(&mut self, now: Instant, credentials: &IceCredentials, path: Path) {
        let is_known =
            self.remote.as_ref().is_some_and(|(known, known_path)| known == credentials && *known_path == path);
        if !is_known {
            self.remote = Some((credentials.clone(), path));
            self.next_check = Some(now);
        }
    }

    /// The peer's own address has changed: the next check tells the server.
    pub(crate) fn move_to(&mut self, now: Instant, local: std::net::SocketAddr) {
        if let Some((_, path)) = &mut self.remote {
            path.local = local;
            self.next_check = Some(now);
        }
    }

    /// Where to send, once there was an answer.
    pub(crate) fn path(&self) -> Option<Path> {
        match (self.state, &self.remote) {
            (State::Connected, Some((_, path))) => Some(*path),
            _ => None,
        }
    }

    pub(crate) fn handle_stun(
        &mut self,
        now: Instant,
        path: Path,
        datagram: &[u8],
        egress: &mut Egress,
    ) -> Option<IceChange> {
        let message = StunMessage::parse(datagram).ok()?;
        if message.is_binding_request() {
            self.answer(path, &message, egress);
            return None;
        }
        let (remote, _) = self.remote.as_ref()?;
        let index = self.outstanding.iter().position(|id| *id == message.trans_id())?;
        if !message.verify(remote.pwd.as_bytes(), hmac_sha1) {
            return None;
        }
        self.outstanding.remove(index);
        if !message.is_successful_binding_response() {
            return None;
        }
        self.last_answer = Some(now);
        if self.state == State::Connected {
            return None;
        }
        self.state = State::Connected;
        // Nominates at once.
        self.next_check = Some(now);
        Some(IceChange::Connected)
    }

    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        random: &mut Random,
        egress: &mut Egress,
    ) -> Option<IceChange> {
        if self.state == State::Connected && self.last_answer.is_some_and(|last| now >= last + CONSENT_TIMEOUT) {
            self.state = State::Failed;
            self.next_check = None;
            return Some(IceChange::Failed);
        }
        if self.next_check.is_some_and(|at| now >= at) {
            self.check(random, egress);
            let interval = if self.state == State::Connected { CONSENT_INTERVAL } else { CHECK_INTERVAL };
            self.next_check = Some(now + interval);
        }
        None
    }

    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.next_check
    }

    fn check(&mut self, random: &mut Random, egress: &mut Egress) {
        let Some((remote, path)) = &self.remote else { return };
        let id = transaction_id(random.array());
        let username = format!("{}:{}", remote.ufrag, self.local.ufrag);
        let mut builder = StunMessageBuilder::new()
            .binding()
            .request()
            .username(&username)
            .prio(PRIORITY)
            .ice_controlling(self.tie_breaker);
        if self.state == State::Connected {
            builder = builder.use_candidate();
        }
        write(*path, &builder.build(id), &remote.pwd, egress);
        if self.outstanding.len() == OUTSTANDING {
            self.outstanding.remove(0);
        }
        self.outstanding.push(id);
    }

    /// A full agent answers checks too (RFC 8445 §7.3).
    fn answer(&self, path: Path, message: &StunMessage<'_>, egress: &mut Egress) {
        let is_for_us = message.split_username().is_some_and(|(ufrag, _)| ufrag == self.local.ufrag);
        if is_for_us && message.verify(self.local.pwd.as_bytes(), hmac_sha1) {
            let reply = StunMessage::binding_reply(message.trans_id(), path.remote);
            write(path, &reply, &self.local.pwd, egress);
        }
    }
}

fn credentials(random: &mut Random) -> IceCredentials {
    IceCredentials { ufrag: random.ice_string(8), pwd: random.ice_string(24) }
}

fn write(path: Path, message: &StunMessage<'_>, pwd: &str, egress: &mut Egress) {
    egress.write(path, Class::Control, MAX_LEN, |buffer| {
        (*message).to_bytes(Some(pwd.as_bytes()), buffer, hmac_sha1).unwrap_or(0)
    });
}
