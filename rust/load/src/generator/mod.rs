//! Load: a swarm on a thread of its own, told what to do by orders and telling what happened by news.
//!
//! Orders go through a channel and a waker, news come out of one list behind one eventfd, as with the server's mailbox and
//! outbox: whoever signals for the peers handles a few descriptions for each and no packet. Every order but `add` has a
//! ticket and is answered by one [`News::Answered`].

mod figures;
mod peers;
mod thread;

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc};
use std::thread::JoinHandle;

use sfu_runtime::datagrams::Wake;
use sfu_transport::CertificateError;
use thiserror::Error;

pub use figures::{Figures, Totals};
pub use peers::{ConstantVideo, LoadPeer};

use crate::swarm::Waker;
use thread::Load;

/// Why there is no generator.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum GeneratorError {
    /// Sockets, randomness or the thread.
    #[error("the load cannot start: {0}")]
    System(#[from] io::Error),
    /// The peers have no identity.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// It was closed.
    #[error("the load is closed")]
    Closed,
}

/// Settings of a [`Generator`].
#[derive(Debug, Clone, Copy)]
pub struct GeneratorConfig {
    /// The peers' own address.
    pub ip: IpAddr,
    /// `SwarmConfig::coalesce`.
    pub coalesce: bool,
}

/// What to do with one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// An offer, with so many sections more to receive audio and video in.
    Offer {
        /// `recvonly` audio sections.
        audio: usize,
        /// `recvonly` video sections.
        video: usize,
    },
    /// Takes the server's answer.
    Accept(String),
    /// Answers the server's offer.
    Answer(String),
    /// Takes a candidate of the server's.
    Candidate(String),
    /// Leaves as a closed page does; what it counted stays counted.
    Leave,
}

/// What came of an order.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is done.
    Done,
    /// A description of the peer's.
    Sdp(String),
    /// Since the last [`Generator::begin`].
    Figures(Box<Figures>),
}

/// What happened.
#[derive(Debug, Clone)]
pub enum News {
    /// An order is carried out, or cannot be: the text says why.
    Answered(u64, Result<Answer, String>),
    /// Media can flow, with this SRTP profile.
    Connected(u64, &'static str),
    /// A subscriber's first packet has come, or a publisher's has left.
    Media(u64),
    /// The peer has ended by itself, or never began.
    Ended(u64, String),
}

enum Order {
    Add(u64, LoadPeer),
    Ask(u64, u64, Ask),
    Begin(u64),
    Figures(u64),
    Close,
}

/// A running load. Dropping it closes it.
#[derive(Debug)]
pub struct Generator {
    orders: mpsc::Sender<Order>,
    waker: Waker,
    outbox: Arc<Outbox>,
    numbers: AtomicU64,
    thread: Option<JoinHandle<()>>,
}

/// News that wait.
#[derive(Debug)]
struct Outbox {
    waiting: Mutex<Vec<News>>,
    wake: Wake,
}

impl Outbox {
    fn publish(&self, news: &mut Vec<News>) {
        if news.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        if waiting.is_empty() {
            self.wake.set();
        }
        waiting.append(news);
    }

    fn drain(&self) -> Vec<News> {
        let mut waiting = self.lock();
        self.wake.reset();
        std::mem::take(&mut waiting)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<News>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Generator {
    /// Starts the thread.
    pub fn start(config: GeneratorConfig) -> Result<Self, GeneratorError> {
        let outbox = Arc::new(Outbox { waiting: Mutex::default(), wake: Wake::new()? });
        let (orders, inbox) = mpsc::channel();
        let (ready, started) = mpsc::channel();
        let out = outbox.clone();
        // A peer stays on the thread on which it was made.
        let run = move || match Load::start(config, out) {
            Ok((load, waker)) => {
                if ready.send(Ok(waker)).is_ok() {
                    load.run(&inbox);
                }
            }
            // The receiver waits for it.
            Err(error) => drop(ready.send(Err(error))),
        };
        let thread = std::thread::Builder::new().name("sfu-load".into()).spawn(run)?;
        let waker = started.recv().map_err(|_| GeneratorError::Closed)??;
        Ok(Self { orders, waker, outbox, numbers: AtomicU64::new(0), thread: Some(thread) })
    }

    /// A peer more; its number.
    pub fn add(&self, peer: LoadPeer) -> Result<u64, GeneratorError> {
        self.tell(|number| Order::Add(number, peer))
    }

    /// Has a peer do something; the ticket of the answer.
    pub fn ask(&self, peer: u64, ask: Ask) -> Result<u64, GeneratorError> {
        self.tell(|ticket| Order::Ask(ticket, peer, ask))
    }

    /// Figures count from now on; a ticket.
    pub fn begin(&self) -> Result<u64, GeneratorError> {
        self.tell(Order::Begin)
    }

    /// A ticket for the figures since the beginning.
    pub fn figures(&self) -> Result<u64, GeneratorError> {
        self.tell(Order::Figures)
    }

    /// Readable while news wait.
    pub fn fd(&self) -> RawFd {
        self.outbox.wake.as_fd().as_raw_fd()
    }

    /// Takes all news, in order.
    pub fn drain(&self) -> Vec<News> {
        self.outbox.drain()
    }

    /// Has all peers leave and waits for the thread. Does nothing the second time.
    pub fn close(&mut self) {
        // The thread may have ended by itself.
        let _ = self.tell(|_| Order::Close);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }

    fn tell(&self, order: impl FnOnce(u64) -> Order) -> Result<u64, GeneratorError> {
        let number = self.numbers.fetch_add(1, Ordering::Relaxed);
        self.orders.send(order(number)).map_err(|_| GeneratorError::Closed)?;
        self.waker.wake()?;
        Ok(number)
    }
}

impl Drop for Generator {
    fn drop(&mut self) {
        self.close();
    }
}
