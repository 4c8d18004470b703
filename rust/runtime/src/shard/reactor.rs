//! The loop of a shard: wait, take what other shards have for it, receive, obey, keep time, publish, send.
//!
//! One turn reads at most one batch of each socket, so commands and timers wait for no flood. Invariants: the thread never
//! waits for anything but the kernel's poll; after warm-up a datagram costs no allocation here; what a turn reported has been
//! given to the outbox, then what it has for other shards to them, then what it wrote to the kernel, before the next wait.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sfu_core::command::{Command, Reply};
use sfu_core::stats::ShardStats;
use sfu_transport::Path;

use super::answers::Answers;
use super::arrivals::Arrivals;
use super::doorbell::Doorbell;
use super::gauge::Placed;
use super::handover::Handover;
use super::losses::Losses;
use super::outflow::{Outflow, PORTION};
use super::plane::Plane;
use super::pulse::Pulse;
use super::relays::Relays;
use super::wiring::Wiring;
use crate::mailbox::{Letter, Mailbox};
use crate::outbox::Outbox;
use crate::socket::UdpSocket;
use crate::sys::{Interest, Poll, ReceiveBuffers};
use crate::ticket::Ticket;

/// The core is not asked for the time more often than this, whatever it wants.
const TICK: Duration = Duration::from_millis(1);
/// The mailbox's token; the sockets' are their indices.
const MAILBOX: usize = usize::MAX;
/// The doorbell's.
const BELL: usize = usize::MAX - 1;

/// Everything that lives on a shard's thread.
pub(super) struct Reactor<P> {
    shard: u16,
    /// So long it lets datagrams come after the first.
    hold: Duration,
    plane: P,
    sockets: Vec<UdpSocket>,
    poll: Poll,
    interest: Interest,
    mailbox: Arc<Mailbox>,
    bell: Arc<Doorbell>,
    handover: Handover,
    relays: Relays,
    incoming: ReceiveBuffers,
    arrivals: Arrivals,
    outflow: Outflow,
    answers: Answers,
    losses: Losses,
    pulse: Pulse,
}

#[derive(PartialEq, Eq)]
enum Turn {
    Again,
    Last,
}

/// What a reactor waits with. Opened before its thread starts: what the kernel refuses, the start reports.
pub(super) fn watch(mailbox: &Mailbox, bell: &Doorbell, sockets: &[UdpSocket]) -> io::Result<Poll> {
    let poll = Poll::new()?;
    poll.add(mailbox.as_fd(), MAILBOX, Interest::Read)?;
    poll.add(bell.as_fd(), BELL, Interest::Read)?;
    for (token, socket) in sockets.iter().enumerate() {
        poll.add(socket.as_fd(), token, Interest::Read)?;
    }
    Ok(poll)
}

impl<P: Plane> Reactor<P> {
    /// `poll` watches the mailbox, the bell and the sockets ([`watch`]).
    pub(super) fn new(
        plane: P,
        wiring: Wiring,
        (poll, sockets): (Poll, Vec<UdpSocket>),
        mailbox: Arc<Mailbox>,
        outbox: Arc<Outbox>,
    ) -> Self {
        let Wiring { shard, gauge, bell, handover, relays, hold } = wiring;
        let outflow = Outflow::new(&sockets);
        Self {
            shard,
            hold,
            plane,
            sockets,
            poll,
            interest: Interest::Read,
            mailbox,
            bell,
            handover,
            relays,
            incoming: ReceiveBuffers::new(),
            arrivals: Arrivals::new(Instant::now()),
            outflow,
            answers: Answers::new(outbox),
            losses: Losses::default(),
            pulse: Pulse::new(Instant::now(), gauge),
        }
    }

    /// Turns until it is told to stop. `unanswered` holds the tickets of a turn until its replies are published.
    pub(super) fn run(mut self, unanswered: &mut Vec<Ticket>) -> io::Result<()> {
        log::info!("shard {} runs, sockets: {}", self.shard, self.sockets.len());
        let mut ready = Vec::new();
        let mut letters = Vec::new();
        let mut now = Instant::now();
        loop {
            self.wait(now, &mut ready)?;
            now = Instant::now();
            self.pulse.begin(now);
            self.arrivals.begin(now);
            self.take_over(now);
            self.take_relayed(now);
            for &token in ready.iter().filter(|token| **token < BELL) {
                self.receive(token, now);
            }
            let turn = if ready.contains(&MAILBOX) { self.obey(now, &mut letters, unanswered) } else { Turn::Again };
            if let Some(due) = self.plane.poll_timeout().filter(|due| *due <= now) {
                self.pulse.waited(now.saturating_duration_since(due).saturating_sub(TICK));
                self.plane.handle_timeout(now, &mut self.outflow.egress);
            }
            self.publish(unanswered);
            self.give();
            self.send(now)?;
            self.handover.steer(now, &self.sockets);
            now = Instant::now();
            self.pulse.sent(self.outflow.take_given());
            self.pulse.end(now);
            if turn == Turn::Last {
                return Ok(());
            }
        }
    }

    /// Waits until there is something to do.
    fn wait(&mut self, now: Instant, ready: &mut Vec<usize>) -> io::Result<()> {
        self.bell.lie_down();
        let is_quiet = self.handover.is_quiet() && self.relays.is_quiet();
        let patience = if is_quiet { self.patience(now) } else { Some(Duration::ZERO) };
        self.poll.wait(patience, ready)?;
        self.bell.get_up();
        if !self.hold.is_zero() && ready.iter().any(|token| *token < BELL) {
            thread::sleep(self.hold);
        }
        if ready.contains(&BELL) {
            self.bell.reset();
        }
        Ok(())
    }

    /// How long to wait at most.
    fn patience(&self, now: Instant) -> Option<Duration> {
        // What waits for room in a ring is tried again soon: nobody tells when there is room.
        let retry = self.relays.waits().then(|| now + TICK);
        let next = self.plane.poll_timeout().into_iter().chain(retry).min();
        next.map(|time| time.saturating_duration_since(now).max(TICK))
    }

    /// Takes what came to other shards and belongs here.
    fn take_over(&mut self, now: Instant) {
        let Self { plane, sockets, outflow, handover, pulse, .. } = self;
        let mut count = 0;
        handover.take(now, |arrived, path, datagram| {
            count += 1;
            let proven = plane.take_datagram(now, arrived, path, datagram, &mut outflow.egress);
            outflow.flush_portion(sockets);
            proven
        });
        if count > 0 {
            pulse.received(count);
            self.forward(now);
        }
    }

    /// Takes what the other shards' cores have for this one's.
    fn take_relayed(&mut self, now: Instant) {
        let Self { plane, sockets, outflow, relays, .. } = self;
        let mut any = false;
        relays.take(|from, messages| {
            any = true;
            plane.handle_relay(now, from, messages, &mut outflow.egress);
            outflow.flush_portion(sockets);
        });
        if any {
            self.forward(now);
        }
    }

    /// Gives the other shards what the turn has for them.
    fn give(&mut self) {
        while let Some((shard, messages)) = self.plane.poll_relay() {
            self.relays.send(shard, messages);
        }
        self.relays.publish();
        self.handover.publish();
    }

    /// Takes one batch out of a socket.
    fn receive(&mut self, token: usize, now: Instant) {
        let Self { plane, sockets, incoming, arrivals, outflow, losses, handover, pulse, .. } = self;
        let Some(socket) = sockets.get(token) else {
            return;
        };
        if let Err(error) = incoming.receive(socket.as_fd()) {
            log::debug!("receiving failed: {error}");
            return;
        }
        let mut count = 0;
        for mut message in incoming.messages() {
            if let Some(overflow) = message.overflow {
                losses.count_overflow(token, overflow);
            }
            let path = Path { local: socket.reached(message.local), remote: message.remote };
            let arrived = arrivals.time(message.stamp);
            if count == 0 {
                pulse.waited(now.saturating_duration_since(arrived));
            }
            let owner = handover.owner(now, &path);
            for datagram in message.datagrams() {
                count += 1;
                if let Some(shard) = handover.destination(owner, datagram) {
                    handover.give(shard, &path, arrived, datagram);
                    continue;
                }
                if plane.take_datagram(now, arrived, path, datagram, &mut outflow.egress) {
                    handover.proven(now, &path);
                }
                outflow.flush_portion(sockets);
            }
        }
        pulse.received(count);
        self.forward(now);
    }

    /// Sends on the media of what was taken.
    fn forward(&mut self, now: Instant) {
        while self.plane.forward(now, PORTION, &mut self.outflow.egress) {
            self.outflow.flush(&self.sockets);
        }
    }

    /// Carries out what is in the mailbox.
    fn obey(&mut self, now: Instant, letters: &mut Vec<Letter>, unanswered: &mut Vec<Ticket>) -> Turn {
        self.mailbox.take(letters);
        unanswered.extend(letters.iter().filter_map(|letter| match letter {
            Letter::Command(ticket, _) => Some(*ticket),
            Letter::Stop => None,
        }));
        let mut turn = Turn::Again;
        for letter in letters.drain(..) {
            match letter {
                Letter::Command(ticket, command) => {
                    let placed = placed(&command);
                    let reply = self.plane.handle_command(now, *command, &mut self.outflow.egress);
                    let reply = reply.map(|reply| self.complete(reply));
                    self.answers.add(ticket, reply);
                    if let Some(placed) = placed {
                        self.pulse.gauge().arrived(placed);
                    }
                }
                Letter::Stop => turn = Turn::Last,
            }
        }
        turn
    }

    /// Adds to the core's statistics what only this floor knows.
    fn complete(&self, reply: Reply) -> Reply {
        match reply {
            Reply::SfuStats(mut stats) => {
                let sender = self.outflow.sender();
                stats.dropped.kernel += self.losses.received() + sender.dropped().total();
                // The outbox is that of all shards.
                stats.events_dropped += if self.shard == 0 { self.answers.outbox().events_dropped() } else { 0 };
                stats.runs = sender.runs().to_vec();
                stats.shards = vec![self.shard_stats(stats.sessions)];
                Reply::SfuStats(stats)
            }
            other => other,
        }
    }

    fn shard_stats(&self, sessions: u64) -> ShardStats {
        let (strays, relays) = (self.handover.counts(), self.relays.counts());
        let mut stats = ShardStats {
            shard: self.shard,
            sessions,
            handed_over: strays.given,
            taken_over: strays.taken,
            relayed_bytes: relays.bytes,
            ring_drops: strays.lost + relays.lost,
            ..ShardStats::default()
        };
        self.pulse.tell(&mut stats);
        stats
    }

    /// Gives the kernel what the turn wrote, and waits for room to write if something is left.
    fn send(&mut self, now: Instant) -> io::Result<()> {
        self.outflow.flush(&self.sockets);
        let sender = self.outflow.sender();
        let interest = if sender.waits() { Interest::ReadWrite } else { Interest::Read };
        if interest != self.interest {
            for (token, socket) in self.sockets.iter().enumerate() {
                self.poll.change(socket.as_fd(), token, interest)?;
            }
            self.interest = interest;
        }
        self.losses.warn(now, sender.dropped());
        Ok(())
    }

    /// Tells the application what the turn has for it.
    fn publish(&mut self, unanswered: &mut Vec<Ticket>) {
        let (rooms, sessions) = self.plane.live();
        self.pulse.gauge().set_live(rooms, sessions);
        self.answers.publish(&mut self.plane, unanswered);
    }
}

/// What a command makes that was placed on this shard.
fn placed(command: &Command) -> Option<Placed> {
    match command {
        Command::CreateRoom(_) => Some(Placed::Room),
        Command::Join(..) => Some(Placed::Session),
        _ => None,
    }
}
