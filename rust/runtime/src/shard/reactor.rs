//! The loop of a shard: wait, take what other shards have for it, receive, obey, keep time, publish, send.
//!
//! One turn reads at most one batch of each socket, so commands and timers wait for no flood. Invariants: the thread never
//! waits for anything but the kernel's poll; after warm-up a datagram costs no allocation here; what a turn reported has been
//! given to the outbox, then what it has for other shards to them, then what it wrote to the kernel, before the next wait.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use sfu_core::command::{Command, PendingId, Reply};
use sfu_core::event::Event;
use sfu_core::stats::ShardStats;
use sfu_transport::{Egress, Path};

use super::arrivals::Arrivals;
use super::doorbell::Doorbell;
use super::gauge::Placed;
use super::handover::Handover;
use super::plane::Plane;
use super::pulse::Pulse;
use super::relays::Relays;
use super::wiring::Wiring;
use crate::error::CommandFailure;
use crate::mailbox::{Letter, Mailbox};
use crate::outbox::Outbox;
use crate::socket::{Dropped, Sender, SocketsKernel, UdpSocket};
use crate::sys::{Interest, Poll, ReceiveBuffers, SendBuffers};
use crate::ticket::Ticket;

/// Bytes that are written before they are sent. Higher: longer runs, fewer system calls. Lower: the kernel finds them in the cache
/// when it copies them, and the first datagram of a batch leaves earlier.
const PORTION: usize = 128 << 10;
/// The core is not asked for the time more often than this, whatever it wants.
const TICK: Duration = Duration::from_millis(1);
/// Between two warnings about datagrams that did not go.
const WARN_EVERY: Duration = Duration::from_secs(10);
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
    outbox: Arc<Outbox>,
    handover: Handover,
    relays: Relays,
    pulse: Pulse,
    incoming: ReceiveBuffers,
    arrivals: Arrivals,
    outgoing: SendBuffers,
    sender: Sender,
    egress: Egress,
    batch: Batch,
    /// Commands that wait for another shard.
    pending: BTreeMap<PendingId, Ticket>,
    losses: Losses,
}

/// What goes to the outbox at the end of a turn.
#[derive(Default)]
struct Batch {
    replies: Vec<(Ticket, Result<Reply, CommandFailure>)>,
    events: Vec<Event>,
}

/// Datagrams that the kernel lost in either direction.
#[derive(Default)]
struct Losses {
    /// Each socket's last count of what its full queue has cost.
    overflow: Vec<u32>,
    /// Not read in time, on all sockets.
    received: u64,
    /// When the last warning was.
    warned: Option<Instant>,
    /// What it said: received and sent.
    reported: (u64, Dropped),
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
        let sender = Sender::new(sockets.iter().map(UdpSocket::outlet).collect());
        Self {
            shard,
            hold,
            plane,
            sockets,
            poll,
            interest: Interest::Read,
            mailbox,
            bell,
            outbox,
            handover,
            relays,
            pulse: Pulse::new(Instant::now(), gauge),
            incoming: ReceiveBuffers::new(),
            arrivals: Arrivals::new(Instant::now()),
            outgoing: SendBuffers::default(),
            sender,
            egress: Egress::new(),
            batch: Batch::default(),
            pending: BTreeMap::new(),
            losses: Losses::default(),
        }
    }

    /// Turns until it is told to stop. `unanswered` holds the tickets of a turn until its replies are published.
    pub(super) fn run(mut self, unanswered: &mut Vec<Ticket>) -> io::Result<()> {
        log::info!("running, sockets: {}", self.sockets.len());
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
                self.plane.handle_timeout(now, &mut self.egress);
            }
            self.publish(unanswered);
            self.give();
            self.send(now)?;
            now = Instant::now();
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
        let Self { plane, sockets, outgoing, sender, egress, handover, pulse, .. } = self;
        let mut count = 0;
        handover.take(now, |arrived, path, datagram| {
            count += 1;
            let proven = plane.take_datagram(now, arrived, path, datagram, egress);
            if egress.bytes() >= PORTION {
                flush(sender, sockets, outgoing, egress, pulse);
            }
            proven
        });
        if count > 0 {
            pulse.received(count);
            self.forward(now);
        }
    }

    /// Takes what the other shards' cores have for this one's.
    fn take_relayed(&mut self, now: Instant) {
        let Self { plane, sockets, outgoing, sender, egress, relays, pulse, .. } = self;
        let mut any = false;
        relays.take(|from, messages| {
            any = true;
            plane.handle_relay(now, from, messages, egress);
            if egress.bytes() >= PORTION {
                flush(sender, sockets, outgoing, egress, pulse);
            }
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
        let Self { plane, sockets, incoming, arrivals, outgoing, sender, egress, losses, handover, pulse, .. } = self;
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
                if plane.take_datagram(now, arrived, path, datagram, egress) {
                    handover.proven(&path);
                }
                if egress.bytes() >= PORTION {
                    flush(sender, sockets, outgoing, egress, pulse);
                }
            }
        }
        pulse.received(count);
        self.forward(now);
    }

    /// Sends on the media of what was taken.
    fn forward(&mut self, now: Instant) {
        while self.plane.forward(now, PORTION, &mut self.egress) {
            self.flush();
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
                    match self.plane.handle_command(now, *command, &mut self.egress) {
                        Ok(Reply::Pending(id)) => _ = self.pending.insert(id, ticket),
                        reply => {
                            let reply = reply.map(|reply| self.complete(reply)).map_err(CommandFailure::from);
                            self.batch.replies.push((ticket, reply));
                        }
                    }
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
                stats.dropped.kernel += self.losses.received + self.sender.dropped().total();
                // The outbox is that of all shards.
                stats.events_dropped += if self.shard == 0 { self.outbox.events_dropped() } else { 0 };
                stats.runs = self.sender.runs().to_vec();
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
        if !self.egress.is_empty() || self.sender.waits() {
            self.flush();
        }
        let interest = if self.sender.waits() { Interest::ReadWrite } else { Interest::Read };
        if interest != self.interest {
            for (token, socket) in self.sockets.iter().enumerate() {
                self.poll.change(socket.as_fd(), token, interest)?;
            }
            self.interest = interest;
        }
        self.losses.warn(now, self.sender.dropped());
        Ok(())
    }

    fn publish(&mut self, unanswered: &mut Vec<Ticket>) {
        while let Some(event) = self.plane.poll_event() {
            self.batch.events.push(event);
        }
        while let Some((id, reply)) = self.plane.poll_reply() {
            if let Some(ticket) = self.pending.remove(&id) {
                self.batch.replies.push((ticket, reply.map_err(CommandFailure::from)));
            }
        }
        let (rooms, sessions) = self.plane.live();
        self.pulse.gauge().set_live(rooms, sessions);
        self.outbox.publish(&mut self.batch.replies, &mut self.batch.events);
        unanswered.clear();
        unanswered.extend(self.pending.values());
    }

    fn flush(&mut self) {
        let Self { sockets, outgoing, sender, egress, pulse, .. } = self;
        flush(sender, sockets, outgoing, egress, pulse);
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

fn flush(
    sender: &mut Sender,
    sockets: &[UdpSocket],
    buffers: &mut SendBuffers,
    egress: &mut Egress,
    pulse: &mut Pulse,
) {
    pulse.sent(egress.len());
    sender.flush(&mut SocketsKernel { sockets, buffers }, egress);
    egress.clear();
}

impl Losses {
    /// Takes a socket's count of what its full queue has cost; it wraps.
    fn count_overflow(&mut self, token: usize, overflow: u32) {
        if self.overflow.len() <= token {
            self.overflow.resize(token + 1, 0);
        }
        let before = std::mem::replace(&mut self.overflow[token], overflow);
        self.received += u64::from(overflow.wrapping_sub(before));
    }

    /// Says at most every [`WARN_EVERY`] what has been lost since the last word.
    fn warn(&mut self, now: Instant, sent: Dropped) {
        let losses = (self.received, sent);
        if losses == self.reported || self.warned.is_some_and(|warned| now < warned + WARN_EVERY) {
            return;
        }
        let (received, before) = self.reported;
        let [retransmissions, video, audio, control] =
            std::array::from_fn(|class| sent.by_class[class] - before.by_class[class]);
        log::warn!(
            "datagrams lost at the sockets: {} not read in time; not sent for a full buffer: {retransmissions} \
             retransmissions, {video} video, {audio} audio, {control} control; {} could not be sent",
            self.received - received,
            sent.failed - before.failed,
        );
        self.reported = losses;
        self.warned = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_count_of_losses_wraps() {
        let mut losses = Losses::default();
        losses.count_overflow(1, u32::MAX - 1);
        losses.count_overflow(0, 5);
        let before = losses.received;
        losses.count_overflow(1, 3);
        assert_eq!(losses.received - before, 5);
    }
}
