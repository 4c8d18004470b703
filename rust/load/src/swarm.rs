//! Many peers on one thread: their sockets, their timers, and the loss on their way.
//!
//! The caller drives: [`Swarm::turn`] waits for sockets and timers once, [`Swarm::run_for`] does so for a while. Between
//! turns the caller talks to the peers ([`Swarm::with`]) and hands their SDP to and fro.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::{Events, Interest, Poll, Token};
use sfu_peer::{Peer, PeerConfig, PeerEvent, Receiving};
use sfu_runtime::datagrams::ReceiveBuffers;
use sfu_transport::Egress;

use crate::clock::WallClock;
use crate::config::SwarmConfig;
use crate::counters::Counters;
use crate::kernel;
use crate::loss::{Dice, Loss};
use crate::member::{Member, Turn, bind, stamp};

/// Sockets that one wait reports. Higher: fewer system calls. Lower: timers are served sooner.
const EVENTS: usize = 256;
/// No peer has this number.
const WAKER: Token = Token(usize::MAX);

/// Names a peer of a [`Swarm`]; never used twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(usize);

/// Ends another thread's wait in [`Swarm::turn`].
#[derive(Debug)]
pub struct Waker(mio::Waker);

impl Waker {
    /// The current turn, or else the next one, ends at once.
    pub fn wake(&self) -> io::Result<()> {
        self.0.wake()
    }
}

/// Peers over real sockets.
///
/// [`add`](Self::add), [`with`](Self::with), [`close`](Self::close) and [`remove`](Self::remove) put in,
/// [`turn`](Self::turn) and [`run_for`](Self::run_for) let time pass, [`poll_event`](Self::poll_event) takes out; the rest
/// are getters and settings.
#[derive(Debug)]
pub struct Swarm {
    config: SwarmConfig,
    poll: Poll,
    ready: Events,
    members: BTreeMap<PeerId, Member>,
    timers: BTreeSet<(Instant, PeerId)>,
    next: usize,
    clock: WallClock,
    dice: Dice,
    counters: Counters,
    buffers: ReceiveBuffers,
    egress: Egress,
    events: VecDeque<(PeerId, PeerEvent)>,
}

impl Swarm {
    /// An empty one.
    pub fn new(config: SwarmConfig) -> io::Result<Self> {
        Ok(Self {
            poll: Poll::new()?,
            ready: Events::with_capacity(EVENTS),
            members: BTreeMap::new(),
            timers: BTreeSet::new(),
            next: 0,
            clock: WallClock::read(),
            dice: Dice::new(config.seed),
            counters: Counters::default(),
            buffers: ReceiveBuffers::new(),
            egress: Egress::new(),
            events: VecDeque::new(),
            config,
        })
    }

    /// The swarm's one waker.
    pub fn waker(&self) -> io::Result<Waker> {
        mio::Waker::new(self.poll.registry(), WAKER).map(Waker)
    }

    /// A peer more, on a free port; `configure` is told its address. It goes by the swarm's wall clock.
    pub fn add(&mut self, configure: impl FnOnce(SocketAddr) -> PeerConfig) -> io::Result<PeerId> {
        let (mut socket, local) = bind(&self.config)?;
        let now = Instant::now();
        let config = PeerConfig { unix_time: self.clock.unix(now), ..configure(local) };
        if config.receiving == Receiving::Verify {
            stamp(&socket);
        }
        let id = PeerId(self.next);
        self.poll.registry().register(&mut socket, Token(id.0), Interest::READABLE)?;
        self.next += 1;
        let peer = Peer::new(now, config);
        self.members.insert(id, Member::new(socket, local, peer));
        self.schedule(id);
        Ok(id)
    }

    /// Does something with a peer now, and sends what that brings about. `None`: there is no such peer.
    pub fn with<T>(&mut self, id: PeerId, act: impl FnOnce(Instant, &mut Peer, &mut Egress) -> T) -> Option<T> {
        let Self { members, clock, dice, counters, egress, .. } = self;
        let member = members.get_mut(&id)?;
        let result = act(Instant::now(), &mut member.peer, egress);
        member.send(&mut Turn { clock, dice, counters, egress });
        self.schedule(id);
        Some(result)
    }

    /// Leaves as a closed page does: the server is told. The peer can still be looked at.
    pub fn close(&mut self, id: PeerId) {
        self.with(id, |now, peer, egress| peer.close(now, egress));
    }

    /// Closes the socket without a word and gives the peer back.
    pub fn remove(&mut self, id: PeerId) -> Option<Peer> {
        let mut member = self.members.remove(&id)?;
        if let Some(due) = member.due {
            self.timers.remove(&(due, id));
        }
        // Closing the descriptor ends the registration as well, should this fail.
        let _ = self.poll.registry().deregister(&mut member.socket);
        Some(member.peer)
    }

    /// Loses datagrams from now on.
    pub fn set_loss(&mut self, loss: Loss) {
        self.dice.set_loss(loss);
    }

    /// Waits for a datagram or a timer, at most `longest`, and serves what is there.
    pub fn turn(&mut self, longest: Duration) -> io::Result<()> {
        let until_due = self.timers.first().map(|(due, _)| due.saturating_duration_since(Instant::now()));
        let wait = until_due.map_or(longest, |until_due| until_due.min(longest));
        match self.poll.poll(&mut self.ready, Some(wait)) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => self.ready.clear(),
            other => other?,
        }
        let ready: Vec<PeerId> = self.ready.iter().map(|event| PeerId(event.token().0)).collect();
        for id in ready {
            self.serve(id, Member::receive);
        }
        let now = Instant::now();
        while let Some(&(due, id)) = self.timers.first()
            && due <= now
        {
            self.timers.pop_first();
            if let Some(member) = self.members.get_mut(&id) {
                member.due = None;
            }
            self.serve(id, |member, _, turn| member.handle_timeout(turn));
        }
        Ok(())
    }

    /// Turns until `duration` has passed.
    pub fn run_for(&mut self, duration: Duration) -> io::Result<()> {
        let end = Instant::now() + duration;
        while let Some(left) = end.checked_duration_since(Instant::now())
            && !left.is_zero()
        {
            self.turn(left)?;
        }
        Ok(())
    }

    /// The next event of any peer.
    pub fn poll_event(&mut self) -> Option<(PeerId, PeerEvent)> {
        self.events.pop_front()
    }

    /// A peer, to look at.
    pub fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.members.get(&id).map(|member| &member.peer)
    }

    /// Where a peer's socket is bound.
    pub fn address(&self, id: PeerId) -> Option<SocketAddr> {
        self.members.get(&id).map(|member| member.local)
    }

    /// All peers, in the order in which they came.
    pub fn peers(&self) -> impl Iterator<Item = (PeerId, &Peer)> {
        self.members.iter().map(|(id, member)| (*id, &member.peer))
    }

    /// Totals.
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Datagrams that the kernel dropped because this thread was too slow to read its peers' sockets.
    pub fn kernel_drops(&self) -> io::Result<u64> {
        kernel::drops(&self.members.values().map(|member| member.local.port()).collect())
    }

    fn serve(&mut self, id: PeerId, act: impl FnOnce(&mut Member, &mut ReceiveBuffers, &mut Turn<'_>)) {
        let Self { members, clock, dice, counters, buffers, egress, .. } = self;
        if let Some(member) = members.get_mut(&id) {
            act(member, buffers, &mut Turn { clock, dice, counters, egress });
            self.schedule(id);
        }
    }

    /// After anything that may have changed a peer's next timeout.
    fn schedule(&mut self, id: PeerId) {
        let Some(member) = self.members.get_mut(&id) else { return };
        while let Some(event) = member.peer.poll_event() {
            self.events.push_back((id, event));
        }
        let due = member.peer.poll_timeout();
        if due == member.due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut member.due, due) {
            self.timers.remove(&(before, id));
        }
        if let Some(due) = due {
            self.timers.insert((due, id));
        }
    }
}
