//! A running data plane: its shards, its outbox, and what was settled at its start.

use std::net::SocketAddr;
use std::os::fd::{AsFd as _, BorrowedFd};
use std::process;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use sfu_core::command::{Command, CommandError};
use sfu_core::config::SfuConfig;
use sfu_core::{MAX_SHARDS, Sfu};
use sfu_transport::Certificate;

use crate::config::{MAX_HOLD, RuntimeConfig, default_shards};
use crate::error::{CommandFailure, ServerGone, StartError};
use crate::logs;
use crate::outbox::{Drained, Outbox};
use crate::placement::{self, Load};
use crate::shard::{Placed, Shard, Wiring};
use crate::socket::{Bound, bind, candidates};
use crate::sys::{interface_addresses, random_seed, wait_readable};
use crate::ticket::Ticket;

/// A running data plane. Dropping it closes it.
///
/// [`command`](Self::command) puts in, [`drain`](Self::drain) takes out; neither waits. All methods may be called from any
/// thread, but only in the process that started it.
#[derive(Debug)]
pub struct Server {
    /// Empty once closed.
    shards: RwLock<Vec<Shard>>,
    spread: bool,
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
        let shards = config.shards.unwrap_or_else(default_shards);
        let count = u16::try_from(shards).ok().filter(|_| (1..=MAX_SHARDS).contains(&shards));
        let count = count.ok_or(StartError::Shards(shards))?;
        if config.hold > MAX_HOLD {
            return Err(StartError::Hold(config.hold));
        }
        if config.pin.len() > shards {
            return Err(StartError::Pins { processors: config.pin.len(), shards });
        }
        let certificate = Arc::new(match &config.certificate {
            Some(pem) => pem.parse()?,
            None => Certificate::generate()?,
        });
        let Bound { sockets, warnings } = bind(&config.udp, shards, config.receive_buffer, config.send_buffer)?;
        let bound: Vec<SocketAddr> = sockets.iter().take(1).flatten().map(crate::socket::UdpSocket::local).collect();
        let candidates = candidates(&bound, &config.announce, interface_addresses)?;
        let fingerprint = certificate.fingerprint().to_string();
        let outbox = Arc::new(Outbox::new(config.event_capacity).map_err(StartError::system("an eventfd"))?);
        let server = Self {
            shards: RwLock::default(),
            spread: config.spread,
            outbox,
            next_ticket: AtomicU64::new(1),
            candidates,
            fingerprint,
            warnings,
            process: process::id(),
        };
        logs::listen(&server.outbox, config.log_level);
        // What has started ends with the server, which is dropped when one cannot.
        let wiring = Wiring::of(count, config.core.consent_timeout, config.hold, config.steer)
            .map_err(StartError::system("an eventfd"))?;
        for (wiring, sockets) in wiring.into_iter().zip(sockets) {
            let core = core_config(config, (wiring.shard(), count), server.candidates.clone(), certificate.clone())?;
            let plane = || Sfu::new(Instant::now(), core);
            let shard = Shard::start(wiring, sockets, &server.outbox, config.log_level, plane)?;
            server.shards.write().unwrap_or_else(PoisonError::into_inner).push(shard);
        }
        server.pin(&config.pin)?;
        Ok(server)
    }

    /// Posts a command; its answer comes out of [`drain`](Self::drain) under the ticket.
    pub fn command(&self, command: Command) -> Result<Ticket, ServerGone> {
        self.same_process()?;
        let shards = self.shards.read().unwrap_or_else(PoisonError::into_inner);
        if shards.is_empty() {
            return Err(ServerGone::Closed);
        }
        let ticket = Ticket::new(self.next_ticket.fetch_add(1, Ordering::Relaxed));
        match (&command, command.shard()) {
            (Command::SfuStats | Command::RoomStats(_), _) => self.ask_all(&shards, ticket, &command),
            (Command::Join(..), Some(home)) if usize::from(home) < shards.len() => {
                let choose = |loads: &[Load]| placement::place_session(loads, home, self.spread);
                place(&shards, Placed::Session, choose).post(ticket, command);
            }
            (Command::Join(..), _) => {
                let refused = Err(CommandFailure::Refused(CommandError::RoomClosed));
                self.outbox.publish(&mut vec![(ticket, refused)], &mut Vec::new());
            }
            // An id of no shard is no id of ours: any shard says so.
            (_, Some(shard)) => shards.get(usize::from(shard)).unwrap_or(&shards[0]).post(ticket, command),
            (_, None) => place(&shards, Placed::Room, placement::place_room).post(ticket, command),
        }
        Ok(ticket)
    }

    /// Asks every shard; their answers come out as one. Statistics of a shard in a stall are not waited for.
    fn ask_all(&self, shards: &[Shard], ticket: Ticket, command: &Command) {
        let now = Instant::now();
        let stall = |shard: &Shard| shard.gauge().stalled(now).filter(|_| matches!(command, Command::SfuStats));
        let stalls: Vec<Option<Duration>> = shards.iter().map(stall).collect();
        let stalled: Vec<(u16, Duration)> = (0..).zip(&stalls).filter_map(|(n, stall)| Some((n, (*stall)?))).collect();
        self.outbox.expect(ticket, shards.len(), &stalled);
        for (shard, _) in shards.iter().zip(stalls).filter(|(_, stall)| stall.is_none()) {
            shard.post(ticket, command.clone());
        }
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
    (shard, shards): (u16, u16),
    candidates: Vec<SocketAddr>,
    certificate: Arc<Certificate>,
) -> Result<SfuConfig, StartError> {
    let core = &config.core;
    Ok(SfuConfig {
        shard,
        shards,
        seed: random_seed().map_err(StartError::system("randomness"))?,
        unix_time: SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default(),
        candidates,
        certificate,
        consent_timeout: core.consent_timeout,
        close_timeout: core.close_timeout,
        connect_timeout: core.connect_timeout,
        max_half_open: core.max_half_open.div_ceil(usize::from(shards)),
        channel_buffer: core.channel_buffer,
        remb: core.remb,
        event_capacity: config.event_capacity,
        estimation: core.estimation,
    })
}

/// Chooses by the shards' loads, and lets the chosen one expect what comes.
fn place(shards: &[Shard], what: Placed, choose: impl FnOnce(&[Load]) -> u16) -> &Shard {
    let now = Instant::now();
    let load = |shard: &Shard| {
        let gauge = shard.gauge();
        let busy = gauge.stalled(now).is_none().then(|| gauge.busy_permille());
        Load { busy, rooms: gauge.count(Placed::Room), sessions: gauge.count(Placed::Session) }
    };
    let loads: Vec<Load> = shards.iter().map(load).collect();
    let chosen = &shards[usize::from(choose(&loads))];
    chosen.gauge().expect(what);
    chosen
}
