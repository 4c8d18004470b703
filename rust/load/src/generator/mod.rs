//! Load: a swarm on a thread of its own, told what to do by orders and telling what happened by news.
//!
//! Orders go through a channel and a waker, news come out of one list behind one eventfd, as with the server's mailbox and
//! outbox: whoever signals for the peers handles a few descriptions for each and no packet. Every order but `add` has a
//! ticket and is answered by one [`News::Answered`].

mod figures;
mod orders;
mod peers;
mod thread;

use std::os::fd::{AsFd as _, AsRawFd as _, RawFd};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

pub use figures::{Figures, Totals};
pub use orders::{Answer, Ask, GeneratorConfig, GeneratorError, News};
pub use peers::{ConstantVideo, LoadPeer};

use crate::swarm::Waker;
use orders::{Order, Outbox};
use thread::Load;

/// A running load. Dropping it closes it.
#[derive(Debug)]
pub struct Generator {
    orders: mpsc::Sender<Order>,
    waker: Waker,
    outbox: Arc<Outbox>,
    numbers: AtomicU64,
    thread: Option<JoinHandle<()>>,
}

impl Generator {
    /// Starts the thread.
    pub fn start(config: GeneratorConfig) -> Result<Self, GeneratorError> {
        let outbox = Arc::new(Outbox::new()?);
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
        self.outbox.as_fd().as_raw_fd()
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
