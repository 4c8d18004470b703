//! Carries out a plan: batches, the way back when the kernel cannot cut, and what to drop when it takes no more.
//!
//! When a socket's buffer is full, retransmissions and video are dropped and counted, audio and control wait in a bounded
//! carry for the socket to drain. Invariants: never audio before video; per path and class the order holds; a full
//! buffer costs one failed call, never a loop.

use std::io;
use std::net::SocketAddr;

use sfu_transport::{Class, Egress, Path};

use super::UdpSocket;
use super::plan::{MAX_SEGMENTS, Message, Plan};
use crate::sys::SendBuffers;

/// Messages per call. Higher: fewer calls (0–15 % of a send). Lower: smaller kernel structures in the cache.
const MESSAGES_AT_ONCE: usize = 64;
/// Audio and control that wait for a full socket. Higher: survives longer stalls. Lower: less old audio.
const MAX_CARRY_BYTES: usize = 256 << 10;

/// What the kernel is asked for; a trait, so that its refusals can be tested.
pub(crate) trait Kernel {
    /// Sends messages in order until one fails; says how many went, or why the first did not.
    fn send(&mut self, messages: &[Message], order: &[usize], egress: &Egress) -> io::Result<usize>;
}

/// The sockets themselves.
pub(crate) struct SocketsKernel<'a> {
    pub(crate) sockets: &'a [UdpSocket],
    pub(crate) buffers: &'a mut SendBuffers,
}

impl Kernel for SocketsKernel<'_> {
    fn send(&mut self, messages: &[Message], order: &[usize], egress: &Egress) -> io::Result<usize> {
        let Some(first) = messages.first() else {
            return Ok(0);
        };
        let socket = std::os::fd::AsFd::as_fd(&self.sockets[first.socket]);
        let parts = messages.iter().map(|message| {
            let rows = order[message.datagrams.clone()].chunk_by(|before, next| before + 1 == *next);
            let pieces = rows.filter_map(|row| egress.piece(row[0]..row[0] + row.len()));
            (message.path, message.segment, pieces)
        });
        self.buffers.send(socket, parts)
    }
}

/// Datagrams that did not go, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    /// By a full send buffer, indexed by class (least worth first).
    pub(crate) by_class: [u64; 4],
    /// By an error of their path (no route, source address gone, refused by a filter).
    pub(crate) failed: u64,
}

impl Dropped {
    /// All of them.
    pub(crate) fn total(&self) -> u64 {
        self.by_class.iter().sum::<u64>() + self.failed
    }
}

/// One socket as the sender sees it.
#[derive(Debug)]
pub(crate) struct Outlet {
    local: SocketAddr,
    /// From so many datagrams on the kernel cuts; `usize::MAX`: never.
    fewest: usize,
    /// It took no more in this flush.
    full: bool,
}

impl Outlet {
    pub(crate) fn new(local: SocketAddr, fewest: usize) -> Self {
        Self { local, fewest, full: false }
    }

    fn serves(&self, path: Path) -> bool {
        self.local == path.local
            || (self.local.ip().is_unspecified()
                && self.local.is_ipv4() == path.local.is_ipv4()
                && self.local.port() == path.local.port())
    }
}

/// Sends what the core has written.
#[derive(Debug)]
pub(crate) struct Sender {
    outlets: Vec<Outlet>,
    plan: Plan,
    carry: Egress,
    carry_bytes: usize,
    /// Changes places with `carry` while that is sent.
    spare: Egress,
    dropped: Dropped,
    /// Messages that went, by how many datagrams each held.
    runs: [u64; MAX_SEGMENTS],
}

impl Sender {
    pub(crate) fn new(outlets: Vec<Outlet>) -> Self {
        Self {
            outlets,
            plan: Plan::default(),
            carry: Egress::new(),
            carry_bytes: 0,
            spare: Egress::new(),
            dropped: Dropped::default(),
            runs: [0; MAX_SEGMENTS],
        }
    }

    /// Sends what waited and then `egress`.
    pub(crate) fn flush(&mut self, kernel: &mut impl Kernel, egress: &Egress) {
        self.outlets.iter_mut().for_each(|outlet| outlet.full = false);
        if self.waits() {
            std::mem::swap(&mut self.carry, &mut self.spare);
            self.carry_bytes = 0;
            let waited = std::mem::take(&mut self.spare);
            self.transmit(kernel, &waited);
            self.spare = waited;
            self.spare.clear();
        }
        if !egress.is_empty() {
            self.transmit(kernel, egress);
        }
    }

    /// Whether something waits for a socket to become writable.
    pub(crate) fn waits(&self) -> bool {
        !self.carry.is_empty()
    }

    /// What did not go.
    pub(crate) fn dropped(&self) -> Dropped {
        self.dropped
    }

    /// How many messages of one datagram went, how many of two, and so on.
    pub(crate) fn runs(&self) -> &[u64; MAX_SEGMENTS] {
        &self.runs
    }

    fn transmit(&mut self, kernel: &mut impl Kernel, egress: &Egress) {
        let mut plan = std::mem::take(&mut self.plan);
        self.dropped.failed += plan.make(egress, |path| {
            let socket = self.outlets.iter().position(|outlet| outlet.serves(path))?;
            Some((socket, self.outlets[socket].fewest))
        });
        let mut rest = plan.messages();
        while let Some(first) = rest.first() {
            let outlet = &self.outlets[first.socket];
            let done = if outlet.full {
                self.defer(first, plan.order(), egress);
                1
            } else if first.segment.is_some() && outlet.fewest == usize::MAX {
                self.send_one_by_one(kernel, first, plan.order(), egress);
                1
            } else {
                let together = rest.iter().take(MESSAGES_AT_ONCE);
                let count = together.take_while(|m| m.socket == first.socket).count();
                self.send(kernel, &rest[..count], plan.order(), egress)
            };
            rest = &rest[done..];
        }
        self.plan = plan;
    }

    /// Sends some of `messages`, or does with the first what its error asks for; returns how many are dealt with.
    fn send(&mut self, kernel: &mut impl Kernel, messages: &[Message], order: &[usize], egress: &Egress) -> usize {
        let error = match kernel.send(messages, order, egress) {
            Ok(sent) => {
                for message in messages.iter().take(sent) {
                    self.runs[message.datagrams.len() - 1] += 1;
                }
                return sent.max(1);
            }
            Err(error) => error,
        };
        let first = &messages[0];
        match error.raw_os_error() {
            Some(libc::EINTR) => return 0,
            Some(libc::EAGAIN) => {
                self.outlets[first.socket].full = true;
                self.defer(first, order, egress);
            }
            // The device has no checksum offload, which cutting needs: it never will.
            Some(libc::EIO) if first.segment.is_some() => {
                self.outlets[first.socket].fewest = usize::MAX;
                self.send_one_by_one(kernel, first, order, egress);
            }
            // The segments do not fit this path's MTU, or it goes through something that cannot be cut for (a tunnel):
            // another path may be better.
            Some(libc::EINVAL | libc::EMSGSIZE) if first.segment.is_some() => {
                self.send_one_by_one(kernel, first, order, egress);
            }
            _ => self.dropped.failed += first.datagrams.len() as u64,
        }
        1
    }

    fn send_one_by_one(&mut self, kernel: &mut impl Kernel, message: &Message, order: &[usize], egress: &Egress) {
        for place in message.datagrams.clone() {
            let single = Message { datagrams: place..place + 1, segment: None, ..message.clone() };
            if self.outlets[message.socket].full {
                self.defer(&single, order, egress);
            } else {
                while self.send(kernel, std::slice::from_ref(&single), order, egress) == 0 {}
            }
        }
    }

    /// Keeps what is worth it, while there is room, and drops the rest.
    fn defer(&mut self, message: &Message, order: &[usize], egress: &Egress) {
        for &index in &order[message.datagrams.clone()] {
            let Some((outgoing, bytes)) = egress.get(index) else {
                continue;
            };
            if outgoing.class >= Class::Audio && self.carry_bytes + bytes.len() <= MAX_CARRY_BYTES {
                self.carry.push(outgoing.path, outgoing.class, bytes);
                self.carry_bytes += bytes.len();
            } else {
                self.dropped.by_class[outgoing.class as usize] += 1;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::VecDeque;

    use super::*;

    /// A kernel that follows a script of results, then takes everything; `taken` is what came through.
    #[derive(Default)]
    struct Scripted {
        script: VecDeque<Result<usize, i32>>,
        calls: usize,
        taken: Vec<(u16, u8)>,
        messages: Vec<usize>,
    }

    impl Scripted {
        fn new(script: &[Result<usize, i32>]) -> Self {
            Self { script: script.iter().copied().collect(), ..Self::default() }
        }
    }

    impl Kernel for Scripted {
        fn send(&mut self, messages: &[Message], order: &[usize], egress: &Egress) -> io::Result<usize> {
            self.calls += 1;
            let result = self.script.pop_front().unwrap_or(Ok(messages.len()));
            let count = result.map_err(io::Error::from_raw_os_error)?.min(messages.len());
            for message in &messages[..count] {
                self.messages.push(message.datagrams.len());
                for &index in &order[message.datagrams.clone()] {
                    self.taken.push((message.path.remote.port(), egress.get(index).unwrap().1[0]));
                }
            }
            Ok(count)
        }
    }

    fn path(port: u16) -> Path {
        Path { local: "127.0.0.1:7".parse().unwrap(), remote: ([127, 0, 0, 1], port).into() }
    }

    fn sender() -> Sender {
        Sender::new(vec![Outlet::new("0.0.0.0:7".parse().unwrap(), 2)])
    }

    fn egress(datagrams: &[(u16, Class, u8)]) -> Egress {
        let mut egress = Egress::new();
        for &(port, class, mark) in datagrams {
            egress.push(path(port), class, &[mark; 50]);
        }
        egress
    }

    #[test]
    fn a_short_count_goes_on_where_it_stopped() {
        let (mut kernel, mut sender) = (Scripted::new(&[Ok(1)]), sender());
        sender.flush(&mut kernel, &egress(&[(1, Class::Video, 1), (2, Class::Video, 2), (3, Class::Video, 3)]));
        assert_eq!(kernel.taken, [(1, 1), (2, 2), (3, 3)]);
        assert_eq!(sender.dropped(), Dropped::default());
    }

    #[test]
    fn a_device_without_checksum_offload_gets_single_datagrams_from_then_on() {
        let (mut kernel, mut sender) = (Scripted::new(&[Err(libc::EIO)]), sender());
        let run = egress(&[(1, Class::Video, 1), (1, Class::Video, 2), (1, Class::Video, 3)]);
        sender.flush(&mut kernel, &run);
        sender.flush(&mut kernel, &run);
        assert_eq!(kernel.messages, [1; 6]);
        assert_eq!(kernel.taken, [(1, 1), (1, 2), (1, 3), (1, 1), (1, 2), (1, 3)]);
        assert_eq!(sender.dropped(), Dropped::default());
    }

    #[test]
    fn a_path_that_cannot_be_cut_for_does_not_spoil_the_others() {
        for error in [libc::EMSGSIZE, libc::EINVAL] {
            let (mut kernel, mut sender) = (Scripted::new(&[Err(error)]), sender());
            let two = egress(&[(1, Class::Video, 1), (1, Class::Video, 2), (2, Class::Video, 3), (2, Class::Video, 4)]);
            sender.flush(&mut kernel, &two);
            assert_eq!(kernel.messages, [1, 1, 2]);
            assert_eq!(sender.runs()[..3], [2, 1, 0]);
            assert_eq!(kernel.taken, [(1, 1), (1, 2), (2, 3), (2, 4)]);
        }
    }

    #[test]
    fn an_unreachable_peer_costs_its_own_datagrams_only() {
        let (mut kernel, mut sender) = (Scripted::new(&[Err(libc::ENETUNREACH)]), sender());
        sender.flush(&mut kernel, &egress(&[(1, Class::Audio, 1), (2, Class::Audio, 2)]));
        assert_eq!(kernel.taken, [(2, 2)]);
        assert_eq!(sender.dropped(), Dropped { failed: 1, ..Dropped::default() });
    }

    #[test]
    fn a_full_buffer_drops_video_and_keeps_audio_and_control_for_later() {
        let (mut kernel, mut sender) = (Scripted::new(&[Err(libc::EAGAIN)]), sender());
        let mixed = egress(&[
            (1, Class::Video, 1),
            (1, Class::Audio, 2),
            (2, Class::Retransmission, 3),
            (2, Class::Control, 4),
            (3, Class::Audio, 5),
        ]);
        sender.flush(&mut kernel, &mixed);
        assert!(sender.waits());
        assert_eq!((kernel.calls, kernel.taken.len()), (1, 0), "no second try");
        assert_eq!(sender.dropped().by_class, [1, 1, 0, 0]);

        sender.flush(&mut kernel, &egress(&[(3, Class::Video, 6)]));
        assert!(!sender.waits());
        assert_eq!(kernel.taken, [(1, 2), (2, 4), (3, 5), (3, 6)]);
    }

    #[test]
    fn what_waits_goes_first_and_stays_in_order_while_the_buffer_is_full() {
        let (mut kernel, mut sender) = (Scripted::new(&[Err(libc::EAGAIN), Err(libc::EAGAIN)]), sender());
        sender.flush(&mut kernel, &egress(&[(1, Class::Audio, 1)]));
        sender.flush(&mut kernel, &egress(&[(1, Class::Audio, 2), (1, Class::Video, 3)]));
        assert_eq!(kernel.calls, 2, "one try a flush");
        sender.flush(&mut kernel, &Egress::new());
        assert_eq!(kernel.taken, [(1, 1), (1, 2)]);
        assert_eq!(sender.dropped().by_class, [0, 1, 0, 0]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let (mut kernel, mut sender) = (Scripted::new(&[Err(libc::EAGAIN)]), sender());
        let count = MAX_CARRY_BYTES / 50 + 10;
        sender.flush(&mut kernel, &egress(&vec![(1, Class::Audio, 1); count]));
        assert_eq!(sender.dropped().by_class, [0, 0, 10, 0]);
    }

    #[test]
    fn a_path_goes_through_the_socket_of_its_local_address() {
        let (mut kernel, mut sender) = (Scripted::default(), sender());
        let mut egress = Egress::new();
        let other = Path { local: "127.0.0.1:8".parse().unwrap(), ..path(1) };
        egress.push(other, Class::Control, &[1; 50]);
        sender.flush(&mut kernel, &egress);
        assert_eq!((kernel.calls, sender.dropped().failed), (0, 1));
    }
}
