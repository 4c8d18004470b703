//! A running data plane: its shards, its outbox, and what was settled at its start.

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sfu_core::Sfu;
use sfu_core::command::Command;
use sfu_core::config::SfuConfig;
use sfu_transport::Certificate;

use crate::config::RuntimeConfig;
use crate::error::{ServerGone, StartError};
use crate::logs;
use crate::outbox::{Drained, Outbox, Ticket};
use crate::shard::Shard;
use crate::socket::{Bound, bind, candidates};
use crate::sys::{interface_addresses, random_seed, wait_readable};

/// A running data plane. Dropping it closes it.
///
/// [`command`](Self::command) puts in, [`drain`](Self::drain) takes out; neither waits. All methods may be called from any
/// thread, but only in the process that started it.
#[derive(Debug)]
pub struct Server {
    /// Empty once closed.
    shards: RwLock<Vec<Shard>>,
    outbox: Arc<Outbox>,
    next_ticket: AtomicU64,
    candidates: Vec<SocketAddr>,
    fingerprint: String,
    warnings: Vec<String>,
    process: u32,
}

impl Server {
    /// Binds the sockets and starts the threads.
    pub fn start(config: &RuntimeConfig) -> Result<Self, StartError> {
        if config.shards != 1 {
            return Err(StartError::Shards(config.shards));
        }
        let certificate = Arc::new(match &config.certificate {
            Some(pem) => pem.parse()?,
            None => Certificate::generate()?,
        });
        let Bound { sockets, warnings } = bind(&config.udp, config.receive_buffer, config.send_buffer)?;
        let bound: Vec<SocketAddr> = sockets.iter().map(crate::socket::UdpSocket::local).collect();
        let candidates = candidates(&bound, &config.announce, interface_addresses)?;
        let fingerprint = certificate.fingerprint().to_string();
        let outbox = Arc::new(Outbox::new(config.event_capacity).map_err(StartError::system("an eventfd"))?);
        let core = core_config(config, candidates.clone(), certificate)?;
        logs::listen(&outbox, config.log_level);
        let number = core.shard;
        let shard = Shard::start(number, sockets, &outbox, config.log_level, || Sfu::new(Instant::now(), core))
            .inspect_err(|_| logs::forget(&outbox))?;
        let server = Self {
            shards: RwLock::new(vec![shard]),
            outbox,
            next_ticket: AtomicU64::new(1),
            candidates,
            fingerprint,
            warnings,
            process: process::id(),
        };
        // What cannot be pinned ends with the server, which is dropped then.
        server.pin(&config.pin)?;
        Ok(server)
    }

    /// Posts a command; its answer comes out of [`drain`](Self::drain) under the ticket.
    pub fn command(&self, command: Command) -> Result<Ticket, ServerGone> {
        self.same_process()?;
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        // An id of no shard is no id of ours: any shard says so.
        let shard = shards.get(usize::from(shard_of(&command))).or(shards.first()).ok_or(ServerGone::Closed)?;
        let ticket = Ticket::new(self.next_ticket.fetch_add(1, Ordering::Relaxed));
        shard.post(ticket, command);
        Ok(ticket)
    }

    /// Takes out everything that waits. After a close it gives what was left.
    pub fn drain(&self, drained: &mut Drained) -> Result<(), ServerGone> {
        self.same_process()?;
        self.outbox.drain(drained);
        Ok(())
    }

    /// Waits until [`drain`](Self::drain) has something to give, at most `timeout` (`None`: for ever); says whether it has.
    /// For callers without an event loop; the others watch [`event_fd`](Self::event_fd).
    pub fn wait(&self, timeout: Option<Duration>) -> bool {
        wait_readable(self.outbox.as_fd(), timeout).unwrap_or(false)
    }

    /// Readable while something waits; [`drain`](Self::drain) resets it.
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.outbox.as_fd()
    }

    /// The announced socket addresses, in order of preference.
    pub fn candidates(&self) -> &[SocketAddr] {
        &self.candidates
    }

    /// The certificate's fingerprint, as `a=fingerprint` wants it: `sha-256 AA:BB:…`.
    pub fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    /// What the start had to put up with.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Carries out what was posted, ends the threads, waits for them and closes the sockets. Does nothing the second time.
    pub fn close(&self) {
        if self.process != process::id() {
            self.abandon();
            return;
        }
        let shards = std::mem::take(&mut *self.shards.write().unwrap_or_else(PoisonError::into_inner));
        shards.into_iter().for_each(Shard::stop);
        logs::forget(&self.outbox);
    }

    fn pin(&self, processors: &[usize]) -> Result<(), StartError> {
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        shards.iter().zip(processors).try_for_each(|(shard, &processor)| shard.pin(processor))
    }

    /// In a forked process the threads do not exist and the locks may be held for ever: touches neither.
    fn abandon(&self) {
        if let Ok(mut shards) = self.shards.try_write() {
            std::mem::take(&mut *shards).into_iter().for_each(Shard::abandon);
        }
    }

    fn same_process(&self) -> Result<(), ServerGone> {
        if self.process == process::id() { Ok(()) } else { Err(ServerGone::Forked) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.close();
    }
}

/// What the core is told; the seed and the wall clock come from here.
fn core_config(
    config: &RuntimeConfig,
    candidates: Vec<SocketAddr>,
    certificate: Arc<Certificate>,
) -> Result<SfuConfig, StartError> {
    let core = &config.core;
    Ok(SfuConfig {
        shard: 0,
        shards: 1,
        seed: random_seed().map_err(StartError::system("randomness"))?,
        unix_time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        candidates,
        certificate,
        consent_timeout: core.consent_timeout,
        close_timeout: core.close_timeout,
        connect_timeout: core.connect_timeout,
        max_half_open: core.max_half_open,
        channel_buffer: core.channel_buffer,
        remb: core.remb,
        event_capacity: config.event_capacity,
    })
}

/// The shard that a command is for: the one whose id it carries.
fn shard_of(command: &Command) -> u16 {
    match command {
        Command::CreateRoom(_) | Command::SfuStats => 0,
        Command::CloseRoom(room) | Command::Join(room, _) | Command::RoomStats(room) => room.shard(),
        Command::CloseSession(session)
        | Command::Receive(session, _)
        | Command::AddCandidate(session, ..)
        | Command::RestartIce(session, ..)
        | Command::OfferIceRestart(session, _)
        | Command::Subscribe { session, .. }
        | Command::OpenChannel(session, _)
        | Command::SessionStats(session) => session.shard(),
        Command::Unsubscribe(subscription)
        | Command::SetLayer(subscription, _)
        | Command::SetPaused(subscription, _) => subscription.shard(),
        Command::SetMuted(track, _)
        | Command::RequestKeyframe(track)
        | Command::Dump { track, .. }
        | Command::Tap { track, .. } => track.shard(),
        Command::TakeFrames(tap) | Command::Untap(tap) => tap.shard(),
        Command::SendMessage { channel, .. } | Command::CloseChannel(channel) => channel.shard(),
    }
}
