//! What goes to the generator's thread and what comes back.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sfu_runtime::datagrams::Wake;
use sfu_transport::{CertificateError, SrtpProfile};
use thiserror::Error;

use super::figures::Figures;
use super::peers::LoadPeer;

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

/// Settings of a [`Generator`](super::Generator).
#[derive(Debug, Clone, Copy)]
pub struct GeneratorConfig {
    /// The peers' own address.
    pub ip: IpAddr,
    /// `SwarmConfig::coalesce`.
    pub coalesce: bool,
    /// `PeerConfig::profile` of all.
    pub profile: Option<SrtpProfile>,
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
    /// Since the last [`Generator::begin`](super::Generator::begin).
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

/// What the thread is told.
#[derive(Debug)]
pub(super) enum Order {
    Add(u64, LoadPeer),
    Ask(u64, u64, Ask),
    Begin(u64),
    Figures(u64),
    Close,
}

/// News that wait.
#[derive(Debug)]
pub(super) struct Outbox {
    waiting: Mutex<Vec<News>>,
    wake: Wake,
}

impl Outbox {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self { waiting: Mutex::default(), wake: Wake::new()? })
    }

    pub(super) fn publish(&self, news: &mut Vec<News>) {
        if news.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        if waiting.is_empty() {
            self.wake.set();
        }
        waiting.append(news);
    }

    pub(super) fn drain(&self) -> Vec<News> {
        let mut waiting = self.lock();
        self.wake.reset();
        std::mem::take(&mut waiting)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<News>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Readable while news wait.
impl AsFd for Outbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
