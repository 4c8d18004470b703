//! What lives on the generator's thread: the swarm, the peers by number, and the beginning of the measurement.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::ControlFlow;
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use sfu_peer::{Delays, Peer, PeerConfig, PeerEvent, SdpError};
use sfu_runtime::datagrams::thread_cpu_time;
use sfu_transport::{Certificate, SrtpProfile};

use super::figures::{Figures, Totals};
use super::orders::{Answer, Ask, GeneratorConfig, GeneratorError, News, Order, Outbox};
use super::peers::LoadPeer;
use crate::config::SwarmConfig;
use crate::counters::Counters;
use crate::swarm::{PeerId, Swarm, Waker};

/// Between looks at whether anything happened; the waker and the peers' timers come in between.
const TURN: Duration = Duration::from_secs(1);

pub(super) struct Load {
    swarm: Swarm,
    outbox: Arc<Outbox>,
    certificate: Arc<Certificate>,
    seed: [u8; 32],
    profile: Option<SrtpProfile>,
    /// By number; of one for which there was no socket, why not.
    peers: BTreeMap<u64, Result<PeerId, String>>,
    numbers: BTreeMap<PeerId, u64>,
    subscribers: BTreeSet<PeerId>,
    /// Connected, and no packet yet.
    waiting: BTreeSet<PeerId>,
    /// What those counted that have left.
    gone: Totals,
    beginning: Beginning,
    news: Vec<News>,
}

/// Everything as it was when the measurement began.
struct Beginning {
    at: Instant,
    totals: Totals,
    delays: Delays,
    sockets: Counters,
    kernel_drops: u64,
    cpu: Duration,
    /// What had come to each subscriber.
    received: BTreeMap<PeerId, u64>,
}

impl Load {
    pub(super) fn start(config: GeneratorConfig, outbox: Arc<Outbox>) -> Result<(Self, Waker), GeneratorError> {
        let mut seed = [0; 32];
        aws_lc_rs::rand::fill(&mut seed).map_err(|_| io::Error::other("no randomness"))?;
        let swarm = Swarm::new(SwarmConfig { coalesce: config.coalesce, seed, ..SwarmConfig::new(config.ip) })?;
        let waker = swarm.waker()?;
        let beginning = Beginning {
            at: Instant::now(),
            totals: Totals::default(),
            delays: Delays::default(),
            sockets: Counters::default(),
            kernel_drops: 0,
            cpu: Duration::ZERO,
            received: BTreeMap::new(),
        };
        let load = Self {
            swarm,
            outbox,
            certificate: Arc::new(Certificate::generate()?),
            seed,
            profile: config.profile,
            peers: BTreeMap::new(),
            numbers: BTreeMap::new(),
            subscribers: BTreeSet::new(),
            waiting: BTreeSet::new(),
            gone: Totals::default(),
            beginning,
            news: Vec::new(),
        };
        Ok((load, waker))
    }

    pub(super) fn run(mut self, inbox: &mpsc::Receiver<Order>) {
        while self.turn().is_continue() && self.obey(inbox).is_continue() {
            self.outbox.publish(&mut self.news);
        }
        for peer in self.peers.values().flatten() {
            self.swarm.close(*peer);
        }
        self.outbox.publish(&mut self.news);
    }

    fn turn(&mut self) -> ControlFlow<()> {
        if let Err(error) = self.swarm.turn(TURN) {
            log::error!("the load stops: {error}");
            return ControlFlow::Break(());
        }
        while let Some((id, event)) = self.swarm.poll_event() {
            let Some(&number) = self.numbers.get(&id) else { continue };
            match event {
                PeerEvent::Connected(profile) => {
                    self.news.push(News::Connected(number, profile.as_str()));
                    self.waiting.insert(id);
                }
                PeerEvent::Closed(reason) => self.news.push(News::Ended(number, format!("closed: {reason:?}"))),
                PeerEvent::ConsentLost => {
                    self.news.push(News::Ended(number, "the server does not answer checks any more".into()));
                }
                _ => {}
            }
        }
        self.look_for_media();
        ControlFlow::Continue(())
    }

    fn look_for_media(&mut self) {
        let Self { swarm, waiting, numbers, news, .. } = self;
        waiting.retain(|id| {
            let Some(peer) = swarm.peer(*id) else { return false };
            let flows = packets(peer) > 0;
            if let Some(number) = numbers.get(id).filter(|_| flows) {
                news.push(News::Media(*number));
            }
            !flows
        });
    }

    fn obey(&mut self, inbox: &mpsc::Receiver<Order>) -> ControlFlow<()> {
        loop {
            match inbox.try_recv() {
                Ok(Order::Add(number, peer)) => self.add(number, peer),
                Ok(Order::Ask(ticket, number, ask)) => {
                    let answer = self.carry_out(number, ask);
                    self.news.push(News::Answered(ticket, answer));
                }
                Ok(Order::Begin(ticket)) => {
                    self.beginning = self.now();
                    self.news.push(News::Answered(ticket, Ok(Answer::Done)));
                }
                Ok(Order::Figures(ticket)) => {
                    let figures = Answer::Figures(Box::new(self.figures()));
                    self.news.push(News::Answered(ticket, Ok(figures)));
                }
                Ok(Order::Close) | Err(mpsc::TryRecvError::Disconnected) => return ControlFlow::Break(()),
                Err(mpsc::TryRecvError::Empty) => return ControlFlow::Continue(()),
            }
        }
    }

    fn add(&mut self, number: u64, peer: LoadPeer) {
        let mut seed = self.seed;
        for (byte, of_number) in seed.iter_mut().zip(number.to_le_bytes()) {
            *byte ^= of_number;
        }
        let (certificate, profile) = (self.certificate.clone(), self.profile);
        let added = self.swarm.add(|local| {
            peer.configure(PeerConfig { seed, profile, ..PeerConfig::new(number as u32, local, certificate) })
        });
        match added {
            Ok(id) => {
                self.peers.insert(number, Ok(id));
                self.numbers.insert(id, number);
                if matches!(peer, LoadPeer::Subscriber { .. }) {
                    self.subscribers.insert(id);
                }
            }
            Err(error) => {
                let reason = format!("no socket for it: {error}");
                self.peers.insert(number, Err(reason.clone()));
                self.news.push(News::Ended(number, reason));
            }
        }
    }

    fn carry_out(&mut self, number: u64, ask: Ask) -> Result<Answer, String> {
        if ask == Ask::Leave {
            self.leave(number);
            return Ok(Answer::Done);
        }
        let id = self.peers.get(&number).cloned().unwrap_or_else(|| Err("the peer has left".into()))?;
        let done = self.swarm.with(id, |now, peer, _| match ask {
            Ask::Offer { audio, video } => {
                peer.add_receivers(audio, video);
                Ok(Answer::Sdp(peer.create_offer()))
            }
            Ask::Accept(sdp) => peer.receive_answer(now, &sdp).map(|()| Answer::Done),
            Ask::Answer(sdp) => peer.receive_offer(now, &sdp).map(Answer::Sdp),
            Ask::Candidate(line) => {
                peer.add_candidate(now, &line);
                Ok(Answer::Done)
            }
            Ask::Leave => Ok(Answer::Done),
        });
        done.unwrap_or(Ok(Answer::Done)).map_err(|error: SdpError| error.to_string())
    }

    /// One that is not there has left already.
    fn leave(&mut self, number: u64) {
        let Some(Ok(id)) = self.peers.remove(&number) else { return };
        self.swarm.close(id);
        self.numbers.remove(&id);
        self.waiting.remove(&id);
        self.subscribers.remove(&id);
        if let Some(peer) = self.swarm.remove(id) {
            self.gone.add(&Totals::of(&peer));
        }
    }

    fn now(&self) -> Beginning {
        let (mut totals, mut delays, mut received) = (self.gone, Delays::default(), BTreeMap::new());
        for (id, peer) in self.swarm.peers() {
            let of_peer = Totals::of(peer);
            if self.subscribers.contains(&id) {
                received.insert(id, of_peer.received);
            }
            totals.add(&of_peer);
            delays.merge(&peer.delays());
        }
        Beginning {
            at: Instant::now(),
            totals,
            delays,
            sockets: *self.swarm.counters(),
            kernel_drops: self.swarm.kernel_drops().unwrap_or_default(),
            cpu: thread_cpu_time(),
            received,
        }
    }

    fn figures(&self) -> Figures {
        let (then, now) = (&self.beginning, self.now());
        let is_silent =
            |(id, received): &(&PeerId, &u64)| then.received.get(id).copied().unwrap_or_default() == **received;
        let mut profiles = BTreeMap::new();
        for profile in self.swarm.peers().filter_map(|(_, peer)| peer.profile()) {
            *profiles.entry(profile.as_str()).or_default() += 1;
        }
        Figures {
            elapsed: now.at.saturating_duration_since(then.at),
            totals: now.totals.since(&then.totals),
            delays: now.delays.since(&then.delays),
            silent: now.received.iter().filter(is_silent).count() as u64,
            sockets: now.sockets.since(&then.sockets),
            kernel_drops: now.kernel_drops.saturating_sub(then.kernel_drops),
            cpu: now.cpu.saturating_sub(then.cpu),
            profiles,
        }
    }
}

/// Of media, either way.
fn packets(peer: &Peer) -> u64 {
    peer.tally().packets + peer.sent_packets() + peer.received().map(|stream| stream.packets).sum::<u64>()
}
