//! The loop of a shard: wait, receive, obey, keep time, send, publish.
//!
//! One turn reads at most one batch of each socket, so commands and timers wait for no flood. Invariants: the thread never
//! waits for anything but the kernel's poll; after warm-up a datagram costs no allocation here; what a turn wrote has been
//! given to the kernel, and what it reported to the outbox, before the next wait.

use std::io;
use std::os::fd::AsFd as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sfu_core::command::Reply;
use sfu_core::event::Event;
use sfu_transport::{Egress, Path};

use super::arrivals::Arrivals;
use super::plane::Plane;
use crate::error::CommandFailure;
use crate::mailbox::{Letter, Mailbox};
use crate::outbox::{Outbox, Ticket};
use crate::socket::{Dropped, Sender, SocketsKernel, UdpSocket};
use crate::sys::{Interest, Poll, ReceiveBuffers, SendBuffers};

/// Bytes that are written before they are sent. Higher: longer runs, fewer system calls. Lower: the kernel finds them in the cache
/// when it copies them, and the first datagram of a batch leaves earlier.
const PORTION: usize = 128 << 10;
/// The core is not asked for the time more often than this, whatever it wants.
const TICK: Duration = Duration::from_millis(1);
/// Between two warnings about datagrams that did not go.
const WARN_EVERY: Duration = Duration::from_secs(10);
/// The mailbox's token; the sockets' are their indices.
const MAILBOX: usize = usize::MAX;

/// Everything that lives on a shard's thread.
pub(super) struct Reactor<P> {
    plane: P,
    sockets: Vec<UdpSocket>,
    poll: Poll,
    interest: Interest,
    mailbox: Arc<Mailbox>,
    outbox: Arc<Outbox>,
    incoming: ReceiveBuffers,
    arrivals: Arrivals,
    outgoing: SendBuffers,
    sender: Sender,
    egress: Egress,
    batch: Batch,
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
pub(super) fn watch(mailbox: &Mailbox, sockets: &[UdpSocket]) -> io::Result<Poll> {
    let poll = Poll::new()?;
    poll.add(mailbox.as_fd(), MAILBOX, Interest::Read)?;
    for (token, socket) in sockets.iter().enumerate() {
        poll.add(socket.as_fd(), token, Interest::Read)?;
    }
    Ok(poll)
}

impl<P: Plane> Reactor<P> {
    /// `poll` watches the mailbox and the sockets ([`watch`]).
    pub(super) fn new(
        plane: P,
        poll: Poll,
        sockets: Vec<UdpSocket>,
        mailbox: Arc<Mailbox>,
        outbox: Arc<Outbox>,
    ) -> Self {
        let sender = Sender::new(sockets.iter().map(UdpSocket::outlet).collect());
        Self {
            plane,
            sockets,
            poll,
            interest: Interest::Read,
            mailbox,
            outbox,
            incoming: ReceiveBuffers::new(),
            arrivals: Arrivals::new(Instant::now()),
            outgoing: SendBuffers::default(),
            sender,
            egress: Egress::new(),
            batch: Batch::default(),
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
            self.poll.wait(self.patience(now), &mut ready)?;
            now = Instant::now();
            self.arrivals.begin(now);
            for &token in ready.iter().filter(|token| **token != MAILBOX) {
                self.receive(token, now);
            }
            let turn = if ready.contains(&MAILBOX) { self.obey(now, &mut letters, unanswered) } else { Turn::Again };
            if self.plane.poll_timeout().is_some_and(|timeout| timeout <= now) {
                self.plane.handle_timeout(now, &mut self.egress);
            }
            self.send(now)?;
            self.publish(unanswered);
            if turn == Turn::Last {
                return Ok(());
            }
        }
    }

    /// How long to wait at most.
    fn patience(&self, now: Instant) -> Option<Duration> {
        self.plane.poll_timeout().map(|timeout| timeout.saturating_duration_since(now).max(TICK))
    }

    /// Takes one batch out of a socket.
    fn receive(&mut self, token: usize, now: Instant) {
        let Self { plane, sockets, incoming, arrivals, outgoing, sender, egress, losses, .. } = self;
        let Some(socket) = sockets.get(token) else {
            return;
        };
        if let Err(error) = incoming.receive(socket.as_fd()) {
            log::debug!("receiving failed: {error}");
            return;
        }
        for mut message in incoming.messages() {
            if let Some(overflow) = message.overflow {
                losses.count_overflow(token, overflow);
            }
            let path = Path { local: socket.reached(message.local), remote: message.remote };
            let arrived = arrivals.time(message.stamp);
            for datagram in message.datagrams() {
                plane.take_datagram(now, arrived, path, datagram, egress);
                if egress.bytes() >= PORTION {
                    flush(sender, sockets, outgoing, egress);
                }
            }
        }
        while plane.forward(now, PORTION, egress) {
            flush(sender, sockets, outgoing, egress);
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
                    let reply = self.plane.handle_command(now, *command, &mut self.egress);
                    let reply = reply.map(|reply| self.complete(reply)).map_err(CommandFailure::from);
                    self.batch.replies.push((ticket, reply));
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
                stats.events_dropped += self.outbox.events_dropped();
                stats.runs = self.sender.runs().to_vec();
                Reply::SfuStats(stats)
            }
            other => other,
        }
    }

    /// Gives the kernel what the turn wrote, and waits for room to write if something is left.
    fn send(&mut self, now: Instant) -> io::Result<()> {
        if !self.egress.is_empty() || self.sender.waits() {
            flush(&mut self.sender, &self.sockets, &mut self.outgoing, &mut self.egress);
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
        self.outbox.publish(&mut self.batch.replies, &mut self.batch.events);
        unanswered.clear();
    }
}

fn flush(sender: &mut Sender, sockets: &[UdpSocket], buffers: &mut SendBuffers, egress: &mut Egress) {
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
