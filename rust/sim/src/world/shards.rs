//! [`Shards`]: several `Sfu`s with a relay between them, which look like one from outside, in virtual time.
//!
//! Sessions go to the shards in turns, commands to where they belong. What shards say to each other takes a while, and media may
//! be lost on the way. With one shard it is that one and nothing else.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use sfu_core::command::{Command, CommandError, PendingId, Reply};
use sfu_core::config::SfuConfig;
use sfu_core::event::Event;
use sfu_core::id::SessionId;
use sfu_core::relay::{may_be_dropped, messages};
use sfu_core::stats::SfuStats;
use sfu_core::transport::TransportKind;
use sfu_core::{Sfu, shard_of_ufrag};
use sfu_transport::srtp::SrtpKeys;
use sfu_transport::{Egress, Path, stun_local_ufrag};

use crate::random::Random;

/// How the relay between shards is.
#[derive(Debug, Clone, Copy)]
pub struct RelayConfig {
    /// How many shards there are.
    pub shards: u16,
    /// From one to another. Without any what is said is heard in the same step, as if there were one shard.
    pub delay: Duration,
    /// So much of the media is lost between two shards.
    pub loss: f64,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self { shards: 1, delay: Duration::from_micros(100), loss: 0.0 }
    }
}

/// See the module's text.
#[derive(Debug)]
pub struct Shards {
    config: RelayConfig,
    sfus: Vec<Sfu>,
    /// Messages on their way: when they arrive and in which order they left; from, to.
    flights: BTreeMap<(Instant, u64), (u16, u16, Vec<u8>)>,
    launched: u64,
    random: Random,
    joined: u16,
    /// Where a path's session lives.
    paths: HashMap<Path, u16>,
}

impl Shards {
    /// As many as `relay` says, each as `config` says but for its number and its seed.
    pub fn new(now: Instant, config: SfuConfig, relay: RelayConfig) -> Self {
        let random = Random::new(u64::from_be_bytes([config.seed[0]; 8]));
        let configs = std::iter::repeat_n(config, usize::from(relay.shards)).zip(0..);
        let shard = |(mut config, shard): (SfuConfig, u16)| {
            config.seed[31] ^= shard as u8;
            Sfu::new(now, SfuConfig { shard, shards: relay.shards, ..config })
        };
        Self {
            config: relay,
            sfus: configs.map(shard).collect(),
            flights: BTreeMap::new(),
            launched: 0,
            random,
            joined: 0,
            paths: HashMap::new(),
        }
    }

    /// A command, where it belongs. One that waits for another shard is answered when that one has, at a later `now`.
    ///
    /// # Errors
    /// The command's.
    pub fn handle_command(
        &mut self,
        now: &mut Instant,
        command: Command,
        egress: &mut Egress,
    ) -> Result<Reply, CommandError> {
        match command {
            Command::SfuStats => return Ok(Reply::SfuStats(Box::new(self.stats()))),
            Command::RoomStats(room) => return self.room_stats(*now, room.shard(), &command, egress),
            _ => {}
        }
        let shard = self.shard_of(&command);
        let reply = self.shard(shard)?.handle_command(*now, command, egress);
        self.collect(*now, egress);
        match reply {
            Ok(Reply::Pending(id)) => self.wait(now, shard, id, egress),
            reply => reply,
        }
    }

    /// A datagram by itself.
    pub fn handle_datagram(&mut self, now: Instant, path: Path, datagram: &mut [u8], egress: &mut Egress) {
        self.take_datagram((now, now), path, datagram, egress);
        self.forward(now, usize::MAX, egress);
    }

    /// A datagram of several that are read together `now`, where its session lives.
    pub fn take_datagram(
        &mut self,
        (now, arrived): (Instant, Instant),
        path: Path,
        datagram: &mut [u8],
        egress: &mut Egress,
    ) {
        let told = stun_local_ufrag(datagram).and_then(shard_of_ufrag);
        // Nobody's goes to the first, which says so.
        let told = told.filter(|shard| *shard < self.config.shards);
        let shard = match told {
            Some(shard) => *self.paths.entry(path).insert_entry(shard).get(),
            None => self.paths.get(&path).copied().unwrap_or(0),
        };
        if let Ok(sfu) = self.shard(shard) {
            sfu.take_datagram(now, arrived, path, datagram, egress);
        }
    }

    /// As [`Sfu::forward`].
    pub fn forward(&mut self, now: Instant, enough: usize, egress: &mut Egress) -> bool {
        let mut more = false;
        for sfu in &mut self.sfus {
            more |= sfu.forward(now, enough, egress);
        }
        self.collect(now, egress);
        more
    }

    /// Does what is due at `now`, on its shard and between shards.
    pub fn handle_timeout(&mut self, now: Instant, egress: &mut Egress) {
        self.land(now, egress);
        for sfu in &mut self.sfus {
            if sfu.poll_timeout().is_some_and(|due| due <= now) {
                sfu.handle_timeout(now, egress);
            }
        }
        self.collect(now, egress);
    }

    /// When `handle_timeout` is due.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let flight = self.flights.keys().next().map(|(at, _)| *at);
        self.sfus.iter().filter_map(Sfu::poll_timeout).chain(flight).min()
    }

    /// The next event of any of them.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.sfus.iter_mut().find_map(Sfu::poll_event)
    }

    /// As [`Sfu::connect_with_keys`].
    ///
    /// # Errors
    /// As a command to that session.
    pub fn connect_with_keys(
        &mut self,
        now: Instant,
        (session, transport): (SessionId, TransportKind),
        path: Path,
        keys: &SrtpKeys,
        egress: &mut Egress,
    ) -> Result<(), CommandError> {
        self.paths.insert(path, session.shard());
        let connected = self.shard(session.shard())?.connect_with_keys(now, (session, transport), path, keys, egress);
        self.collect(now, egress);
        connected
    }

    /// Of all together.
    pub fn stats(&self) -> SfuStats {
        let mut total = SfuStats::default();
        for sfu in &self.sfus {
            total.add(&sfu.stats());
        }
        total
    }

    /// Each of them.
    pub fn each(&self) -> impl Iterator<Item = &Sfu> {
        self.sfus.iter()
    }

    /// What shards say takes so long from now on, and so much of the media is lost.
    pub const fn set_relay(&mut self, delay: Duration, loss: f64) {
        (self.config.delay, self.config.loss) = (delay, loss);
    }

    fn shard(&mut self, shard: u16) -> Result<&mut Sfu, CommandError> {
        self.sfus.get_mut(usize::from(shard)).ok_or(CommandError::SessionClosed)
    }

    /// Sessions go to one shard after another, what names nothing to the first.
    fn shard_of(&mut self, command: &Command) -> u16 {
        if let Command::Join(..) = command {
            self.joined += 1;
            return (self.joined - 1) % self.config.shards;
        }
        command.shard().unwrap_or(0)
    }

    /// Time goes on until the reply is there: nothing else happens meanwhile.
    fn wait(
        &mut self,
        now: &mut Instant,
        shard: u16,
        id: PendingId,
        egress: &mut Egress,
    ) -> Result<Reply, CommandError> {
        loop {
            while let Some((answered, reply)) = self.shard(shard)?.poll_reply() {
                if answered == id {
                    return reply;
                }
            }
            let Some(due) = self.poll_timeout() else { return Err(CommandError::RoomUnavailable) };
            *now = (*now).max(due);
            self.handle_timeout(*now, egress);
        }
    }

    /// Everybody tells of its own sessions.
    fn room_stats(
        &mut self,
        now: Instant,
        home: u16,
        command: &Command,
        egress: &mut Egress,
    ) -> Result<Reply, CommandError> {
        let mut replies = self.sfus.iter_mut().map(|sfu| sfu.handle_command(now, command.clone(), egress));
        let mut all: Vec<_> = replies.by_ref().collect();
        let Ok(Reply::RoomStats(mut total)) = all.swap_remove(usize::from(home)) else {
            return Err(CommandError::RoomClosed);
        };
        for reply in all {
            if let Ok(Reply::RoomStats(stats)) = reply {
                total.sessions.extend(stats.sessions);
            }
        }
        Ok(Reply::RoomStats(total))
    }

    /// What has arrived between shards.
    fn land(&mut self, now: Instant, egress: &mut Egress) {
        while let Some(flight) = self.flights.first_entry().filter(|flight| flight.key().0 <= now) {
            let (from, to, bytes) = flight.remove();
            if let Ok(sfu) = self.shard(to) {
                sfu.handle_relay(now, from, &bytes, egress);
                sfu.forward(now, usize::MAX, egress);
            }
            self.launch(now);
        }
    }

    /// Hears what shards have to say.
    fn collect(&mut self, now: Instant, egress: &mut Egress) {
        self.launch(now);
        if self.config.delay.is_zero() {
            self.land(now, egress);
        }
    }

    /// Puts what shards say on its way.
    fn launch(&mut self, now: Instant) {
        let Self { config, sfus, flights, launched, random, .. } = self;
        for (from, sfu) in (0..).zip(sfus) {
            while let Some((to, bytes)) = sfu.poll_relay() {
                let arrives = |message: &&[u8]| !may_be_dropped(message) || !random.chance(config.loss);
                let bytes: Vec<u8> = messages(bytes).filter(arrives).flatten().copied().collect();
                *launched += 1;
                flights.insert((now + config.delay, *launched), (from, to, bytes));
            }
        }
    }
}
