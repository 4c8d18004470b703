//! A shard: one thread with its own sockets and its own core; nothing on the packet's way is shared with another.
//!
//! [`Shard`] is the handle that the server keeps; the thread runs a [`Reactor`](reactor::Reactor). Invariant: when the
//! thread ends, for whatever reason, every command that was accepted has its answer in the outbox.

mod answers;
mod arrivals;
mod doorbell;
mod gauge;
mod handover;
mod lanes;
mod losses;
mod outflow;
mod plane;
mod pulse;
mod reactor;
mod relays;
mod routes;
mod steering;
mod wiring;

use std::any::Any;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use log::{Level, LevelFilter};
use sfu_core::command::Command;

pub(crate) use gauge::{Gauge, Placed};
pub(crate) use plane::Plane;
pub(crate) use wiring::Wiring;

use crate::error::{CommandFailure, StartError};
use crate::logs;
use crate::mailbox::{Letter, Mailbox};
use crate::outbox::{LogRecord, Outbox};
use crate::socket::UdpSocket;
use crate::sys;
use crate::ticket::Ticket;
use reactor::Reactor;

/// A running shard.
#[derive(Debug)]
pub(crate) struct Shard {
    mailbox: Arc<Mailbox>,
    outbox: Arc<Outbox>,
    gauge: Arc<Gauge>,
    thread: Option<JoinHandle<()>>,
}

impl Shard {
    /// Starts the thread; `plane` makes the core on it.
    pub(crate) fn start<P: Plane>(
        wiring: Wiring,
        sockets: Vec<UdpSocket>,
        outbox: &Arc<Outbox>,
        log_level: LevelFilter,
        plane: impl FnOnce() -> P + Send + 'static,
    ) -> Result<Self, StartError> {
        let system = || StartError::system("starting a shard");
        let mailbox = Arc::new(Mailbox::new().map_err(system())?);
        let poll = reactor::watch(&mailbox, &wiring.bell, &sockets).map_err(system())?;
        let (number, gauge) = (wiring.shard, Arc::clone(&wiring.gauge));
        let own = Arc::clone(&gauge);
        let (mine, out) = (Arc::clone(&mailbox), Arc::clone(outbox));
        let run = move || {
            logs::own(&out, log_level);
            let mut unanswered = Vec::new();
            let ended = panic::catch_unwind(AssertUnwindSafe(|| {
                Reactor::new(plane(), wiring, (poll, sockets), Arc::clone(&mine), Arc::clone(&out)).run(&mut unanswered)
            }));
            let reason = match ended {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(panic) => Some(panic_message(panic.as_ref())),
            };
            if reason.is_some() {
                own.fail();
            }
            end(number, reason, unanswered, &mine, &out);
        };
        let thread = thread::Builder::new().name(format!("sfu-shard-{number}")).spawn(run).map_err(system())?;
        Ok(Self { mailbox, outbox: Arc::clone(outbox), gauge, thread: Some(thread) })
    }

    /// How it does.
    pub(crate) fn gauge(&self) -> &Gauge {
        &self.gauge
    }

    /// Posts a command; its answer comes out of the outbox, whatever becomes of the shard.
    pub(crate) fn post(&self, ticket: Ticket, command: Command) {
        if self.mailbox.post(Letter::Command(ticket, Box::new(command))).is_err() {
            self.outbox.publish(&mut vec![(ticket, Err(CommandFailure::Crashed))], &mut Vec::new());
        }
    }

    /// Keeps the thread on one processor from now on.
    pub(crate) fn pin(&self, processor: usize) -> Result<(), StartError> {
        let pinned = self.thread.as_ref().map_or(Ok(()), |thread| sys::pin(thread, processor));
        pinned.map_err(|source| StartError::Pin { processor, source })
    }

    /// Lets the thread carry out what was posted and end, and waits for it.
    pub(crate) fn stop(mut self) {
        let _ = self.mailbox.post(Letter::Stop);
        if let Some(thread) = self.thread.take() {
            // A panic has been caught and reported on the thread.
            let _ = thread.join();
        }
    }

    /// Forgets the thread: in a forked process it does not exist.
    pub(crate) fn abandon(mut self) {
        std::mem::forget(self.thread.take());
    }
}

/// Answers what is left and says why, if it was not asked for.
fn end(number: u16, reason: Option<String>, unanswered: Vec<Ticket>, mailbox: &Mailbox, outbox: &Outbox) {
    let waiting = mailbox.close().into_iter().filter_map(|letter| match letter {
        Letter::Command(ticket, _) => Some(ticket),
        Letter::Stop => None,
    });
    let mut replies = unanswered.into_iter().chain(waiting).map(|t| (t, Err(CommandFailure::Crashed))).collect();
    if let Some(reason) = reason {
        outbox.log(LogRecord {
            level: Level::Error,
            target: module_path!().to_owned(),
            message: format!("shard {number} has failed, all its sessions are gone: {reason}"),
        });
    }
    outbox.publish(&mut replies, &mut Vec::new());
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| String::from("a panic without a text"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::net::{SocketAddr, UdpSocket as StdSocket};
    use std::os::fd::AsFd as _;
    use std::sync::Barrier;
    use std::time::{Duration, Instant};

    use sfu_core::command::{CommandError, PendingId, Reply};
    use sfu_core::event::Event;
    use sfu_core::id::{ChannelId, RoomId, TapId, TrackId};
    use sfu_core::stats::SfuStats;
    use sfu_transport::{Class, Egress, Path};

    use super::gauge::STALLED;
    use super::*;
    use crate::outbox::Drained;
    use crate::skips::skip;
    use crate::socket::bind;
    use crate::sys::{Interest, Poll, SendBuffers};

    /// Sends each datagram back `copies` times, tells the local address as an event, and panics when asked to.
    struct Echo {
        copies: usize,
        events: Vec<Event>,
        timeout: Option<Instant>,
        /// Whoever asks it to be stuck waits here twice.
        stuck: Arc<Barrier>,
    }

    impl Plane for Echo {
        fn take_datagram(
            &mut self,
            _: Instant,
            _: Instant,
            path: Path,
            datagram: &mut [u8],
            egress: &mut Egress,
        ) -> bool {
            for _ in 0..self.copies {
                egress.push(path, Class::Video, datagram);
            }
            self.events.push(Event::ChannelMessage {
                channel: ChannelId::new(1),
                binary: false,
                payload: path.local.to_string().into_bytes(),
            });
            false
        }

        fn forward(&mut self, _: Instant, _: usize, _: &mut Egress) -> bool {
            false
        }

        fn handle_command(&mut self, now: Instant, command: Command, _: &mut Egress) -> Result<Reply, CommandError> {
            match command {
                Command::SfuStats => Ok(Reply::SfuStats(Box::<SfuStats>::default())),
                Command::RequestKeyframe(_) => {
                    self.timeout = Some(now);
                    Ok(Reply::Done)
                }
                Command::CloseRoom(_) => panic!("asked to panic"),
                Command::Untap(_) => {
                    self.stuck.wait();
                    self.stuck.wait();
                    Ok(Reply::Done)
                }
                _ => Err(CommandError::RoomClosed),
            }
        }

        fn handle_timeout(&mut self, now: Instant, _: &mut Egress) {
            if self.timeout.is_some_and(|timeout| timeout <= now) {
                self.timeout = None;
                self.events.push(Event::TrackStalled(TrackId::new(1), true));
            }
        }

        fn poll_timeout(&self) -> Option<Instant> {
            self.timeout
        }

        fn poll_event(&mut self) -> Option<Event> {
            self.events.pop()
        }

        fn live(&self) -> (usize, usize) {
            (0, 0)
        }

        fn handle_relay(&mut self, _: Instant, _: u16, _: &[u8], _: &mut Egress) {}

        fn poll_relay(&mut self) -> Option<(u16, &[u8])> {
            None
        }

        fn poll_reply(&mut self) -> Option<(PendingId, Result<Reply, CommandError>)> {
            None
        }
    }

    fn wiring() -> Wiring {
        Wiring::of(1, Duration::from_secs(10), Duration::ZERO, true).unwrap().remove(0)
    }

    fn start(udp: &str, copies: usize) -> (Shard, Arc<Outbox>, SocketAddr) {
        start_with(udp, copies, &Arc::new(Barrier::new(2)))
    }

    fn start_with(udp: &str, copies: usize, stuck: &Arc<Barrier>) -> (Shard, Arc<Outbox>, SocketAddr) {
        let mut bound = bind(&[udp.parse().unwrap()], 1, 1 << 20, 1 << 20).unwrap();
        let sockets = bound.sockets.remove(0);
        let local = sockets[0].local();
        let outbox = Arc::new(Outbox::new(1024).unwrap());
        let stuck = Arc::clone(stuck);
        let plane = move || Echo { copies, events: Vec::new(), timeout: None, stuck };
        let shard = Shard::start(wiring(), sockets, &outbox, LevelFilter::Off, plane).unwrap();
        (shard, outbox, local)
    }

    fn peer(local: &str) -> StdSocket {
        let socket = StdSocket::bind(local).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        socket
    }

    /// Drains until `done` says that there is enough.
    fn drain_until(outbox: &Outbox, done: impl Fn(&Drained) -> bool) -> Drained {
        let (poll, mut ready, mut all) = (Poll::new().unwrap(), Vec::new(), Drained::default());
        poll.add(outbox.as_fd(), 0, Interest::Read).unwrap();
        while !done(&all) {
            poll.wait(Some(Duration::from_secs(10)), &mut ready).unwrap();
            assert!(!ready.is_empty(), "nothing came: {all:?}");
            let mut drained = Drained::default();
            outbox.drain(&mut drained);
            all.replies.append(&mut drained.replies);
            all.events.append(&mut drained.events);
            all.logs.append(&mut drained.logs);
        }
        all
    }

    fn echoes_from_the_address_that_was_reached(bind: &str, reach: &[&str], own: &str) {
        let (shard, outbox, local) = start(bind, 1);
        for (count, ip) in reach.iter().enumerate() {
            let target = SocketAddr::new(ip.parse().unwrap(), local.port());
            let socket = peer(own);
            socket.send_to(b"hello", target).unwrap();
            let mut buffer = [0; 100];
            let (len, from) = socket.recv_from(&mut buffer).unwrap();
            assert_eq!((&buffer[..len], from), (&b"hello"[..], target));
            let drained = drain_until(&outbox, |drained| !drained.events.is_empty());
            let Event::ChannelMessage { payload, .. } = &drained.events[0] else { panic!("{drained:?}") };
            assert_eq!(payload, target.to_string().as_bytes(), "address {count}");
        }
        shard.stop();
    }

    #[test]
    fn ipv4_replies_leave_from_the_address_that_was_reached() {
        echoes_from_the_address_that_was_reached("0.0.0.0:0", &["127.0.0.1", "127.0.0.2", "127.1.2.3"], "127.0.0.1:0");
        echoes_from_the_address_that_was_reached("127.0.0.3:0", &["127.0.0.3"], "127.0.0.1:0");
    }

    #[test]
    fn ipv6_replies_leave_from_the_address_that_was_reached() {
        if StdSocket::bind("[::1]:0").is_err() {
            return skip("this machine has no IPv6 loopback");
        }
        echoes_from_the_address_that_was_reached("[::1]:0", &["::1"], "[::1]:0");
    }

    #[test]
    fn a_wildcard_ipv6_socket_tells_the_address_that_was_reached() {
        if StdSocket::bind("[::1]:0").is_err() {
            return skip("this machine has no IPv6 loopback");
        }
        let mut bound = bind(&["[::]:0".parse().unwrap()], 1, 1 << 20, 1 << 20).unwrap();
        let sockets = bound.sockets.remove(0);
        assert_eq!(sockets.len(), 2, "both families");
        let port = sockets[0].local().port();
        let outbox = Arc::new(Outbox::new(1024).unwrap());
        let plane = || Echo { copies: 1, events: Vec::new(), timeout: None, stuck: Arc::new(Barrier::new(2)) };
        let shard = Shard::start(wiring(), sockets, &outbox, LevelFilter::Off, plane).unwrap();
        for (own, reach) in [("[::1]:0", "::1"), ("127.0.0.1:0", "127.0.0.9")] {
            let target = SocketAddr::new(reach.parse().unwrap(), port);
            let socket = peer(own);
            socket.send_to(b"x", target).unwrap();
            assert_eq!(socket.recv_from(&mut [0; 10]).unwrap().1, target);
        }
        shard.stop();
    }

    #[test]
    fn many_datagrams_at_once_arrive_whole_and_in_order() {
        let (shard, _outbox, local) = start("127.0.0.1:0", 3);
        let socket = peer("127.0.0.1:0");
        socket2::SockRef::from(&socket).set_recv_buffer_size(4 << 20).unwrap();
        socket.connect(local).unwrap();
        // Sizes rise and fall, so that runs begin and end everywhere.
        let sizes = [900, 900, 900, 300, 300, 1200, 5, 1200, 1200, 1199, 1];
        let datagrams: Vec<Vec<u8>> = sizes.iter().enumerate().map(|(n, size)| vec![n as u8; *size]).collect();
        for datagram in &datagrams {
            socket.send(datagram).unwrap();
        }
        let mut buffer = [0; 2000];
        for datagram in &datagrams {
            for _ in 0..3 {
                let len = socket.recv(&mut buffer).unwrap();
                assert_eq!(&buffer[..len], datagram.as_slice());
            }
        }
        shard.stop();
    }

    #[test]
    fn coalesced_datagrams_are_taken_apart() {
        let (shard, outbox, local) = start("127.0.0.1:0", 1);
        let socket = peer("127.0.0.1:0");
        // One message that the kernel cuts into 20; on loopback it stays whole until it is read (UDP_GRO).
        let bytes: Vec<u8> = (0..20).flat_map(|n| vec![n; 500]).collect();
        let path = Path { local: socket.local_addr().unwrap(), remote: local };
        let message = (path, Some(500), std::iter::once(bytes.as_slice()));
        assert_eq!(SendBuffers::default().send(socket.as_fd(), std::iter::once(message)).unwrap(), 1);
        let mut buffer = [0; 2000];
        for expected in bytes.chunks(500) {
            let len = socket.recv(&mut buffer).unwrap();
            assert_eq!(&buffer[..len], expected);
        }
        let drained = drain_until(&outbox, |drained| drained.events.len() >= 20);
        assert_eq!(drained.events.len(), 20);
        shard.stop();
    }

    #[test]
    fn commands_are_answered_under_their_tickets_and_timeouts_fire() {
        let (shard, outbox, _) = start("127.0.0.1:0", 1);
        shard.post(Ticket::new(4), Command::SfuStats);
        shard.post(Ticket::new(5), Command::RequestKeyframe(TrackId::new(1)));
        shard.post(Ticket::new(6), Command::RoomStats(RoomId::new(1)));
        let drained = drain_until(&outbox, |drained| drained.replies.len() == 3 && drained.events.len() == 1);
        assert!(matches!(drained.replies[0], (ticket, Ok(Reply::SfuStats(_))) if ticket.get() == 4));
        assert!(matches!(drained.replies[1], (ticket, Ok(Reply::Done)) if ticket.get() == 5));
        let refused = CommandFailure::Refused(CommandError::RoomClosed);
        assert!(matches!(&drained.replies[2], (ticket, Err(error)) if ticket.get() == 6 && *error == refused));
        shard.stop();
    }

    #[test]
    fn a_shard_that_is_stuck_shows_it() {
        let stuck = Arc::new(Barrier::new(2));
        let (shard, outbox, _) = start_with("127.0.0.1:0", 1, &stuck);
        shard.post(Ticket::new(1), Command::Untap(TapId::new(1)));
        stuck.wait();
        let later = Instant::now() + 3 * STALLED;
        assert!(shard.gauge().stalled(later).is_some_and(|stall| stall >= 3 * STALLED));
        stuck.wait();
        drain_until(&outbox, |drained| drained.replies.len() == 1);
        shard.post(Ticket::new(2), Command::SfuStats);
        let drained = drain_until(&outbox, |drained| drained.replies.len() == 1);
        let (_, Ok(Reply::SfuStats(stats))) = &drained.replies[0] else { panic!("{drained:?}") };
        assert!(stats.shards[0].stall > Duration::ZERO, "{stats:?}");
        shard.stop();
    }

    #[test]
    fn a_shard_that_fails_outside_of_a_turn_gets_no_sessions_either() {
        let mut bound = bind(&["127.0.0.1:0".parse().unwrap()], 1, 1 << 20, 1 << 20).unwrap();
        let outbox = Arc::new(Outbox::new(1024).unwrap());
        let plane = || -> Echo { panic!("asked to panic before the first turn") };
        let shard = Shard::start(wiring(), bound.sockets.remove(0), &outbox, LevelFilter::Off, plane).unwrap();
        drain_until(&outbox, |drained| !drained.logs.is_empty());
        assert!(shard.gauge().stalled(Instant::now() + STALLED).is_some());
        shard.stop();
    }

    #[test]
    fn a_panic_is_reported_and_fails_what_is_and_will_be_asked() {
        let (shard, outbox, _) = start("127.0.0.1:0", 1);
        for (ticket, command) in [Command::CloseRoom(RoomId::new(1)), Command::SfuStats].into_iter().enumerate() {
            shard.post(Ticket::new(ticket as u64), command);
        }
        let drained = drain_until(&outbox, |drained| drained.replies.len() == 2 && !drained.logs.is_empty());
        assert!(drained.replies.iter().all(|(_, reply)| matches!(reply, Err(CommandFailure::Crashed))));
        assert!(drained.logs[0].message.contains("asked to panic"), "{drained:?}");
        shard.post(Ticket::new(9), Command::SfuStats);
        let drained = drain_until(&outbox, |drained| !drained.replies.is_empty());
        assert!(matches!(drained.replies[0], (ticket, Err(CommandFailure::Crashed)) if ticket.get() == 9));
        shard.stop();
    }
}
