//! What stands behind a `Core`: threads and sockets, or a simulation.
//!
//! A simulation carries a command out before it returns; its answers wait for the next drain like everybody's, so that
//! Python sees one and the same order of things.

use std::net::SocketAddr;
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::{io, process};

use sfu_core::command::{Command, Reply};
use sfu_runtime::{CommandFailure, Drained, Server, ServerGone, Ticket};
use sfu_sim::call::Call;

/// One of the two.
pub(crate) enum Plane {
    Threads(Server),
    Simulated(Arc<Simulated>),
}

impl Plane {
    pub(crate) fn command(&self, command: Command) -> Result<u64, ServerGone> {
        match self {
            Self::Threads(server) => server.command(command).map(Ticket::get),
            Self::Simulated(simulated) => simulated.command(command),
        }
    }

    pub(crate) fn drain(&self, drained: &mut Drained) -> Result<(), ServerGone> {
        match self {
            Self::Threads(server) => server.drain(drained),
            Self::Simulated(simulated) => {
                simulated.drain(drained);
                Ok(())
            }
        }
    }

    pub(crate) fn candidates(&self) -> Vec<SocketAddr> {
        match self {
            Self::Threads(server) => server.candidates().to_vec(),
            Self::Simulated(_) => vec![Call::server()],
        }
    }

    pub(crate) fn fingerprint(&self) -> String {
        match self {
            Self::Threads(server) => server.fingerprint().to_owned(),
            Self::Simulated(_) => Call::fingerprint(),
        }
    }
}

/// A call in virtual time and the answers that wait.
///
/// The call lives on a thread of its own, because its SCTP associations may not change theirs; whoever asks waits.
pub(crate) struct Simulated {
    /// `None` once closed.
    thread: Mutex<Option<Thread>>,
    answers: Mutex<Answers>,
    process: u32,
}

struct Thread {
    asks: Sender<Ask>,
    handle: JoinHandle<()>,
}

type Ask = Box<dyn FnOnce(&mut Call) + Send>;

#[derive(Default)]
struct Answers {
    tickets: u64,
    replies: Vec<(Ticket, Result<Reply, CommandFailure>)>,
}

impl Simulated {
    pub(crate) fn new(make: impl FnOnce() -> Call + Send + 'static) -> io::Result<Self> {
        let (asks, asked) = mpsc::channel::<Ask>();
        let live = move || {
            let mut call = make();
            for ask in asked {
                ask(&mut call);
            }
        };
        let handle = std::thread::Builder::new().name(String::from("sfu-simulation")).spawn(live)?;
        let thread = Mutex::new(Some(Thread { asks, handle }));
        Ok(Self { thread, answers: Mutex::default(), process: process::id() })
    }

    /// Something is done with the call.
    pub(crate) fn with<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&mut Call) -> T + Send + 'static,
    ) -> Result<T, ServerGone> {
        if self.process != process::id() {
            return Err(ServerGone::Forked);
        }
        let (answer, answered) = mpsc::channel();
        let ask = move |call: &mut Call| {
            // Whoever asked waits for it.
            let _ = answer.send(ask(call));
        };
        lock(&self.thread)
            .as_ref()
            .and_then(|thread| thread.asks.send(Box::new(ask)).ok())
            .ok_or(ServerGone::Closed)?;
        answered.recv().map_err(|_| ServerGone::Closed)
    }

    /// Ends the thread and waits for it. Does nothing the second time.
    pub(crate) fn close(&self) {
        // In a forked process there is no such thread.
        if let Some(Thread { asks, handle }) = lock(&self.thread).take().filter(|_| self.process == process::id()) {
            drop(asks);
            // A panic was printed where it happened.
            let _ = handle.join();
        }
    }

    fn command(&self, command: Command) -> Result<u64, ServerGone> {
        let reply = self.with(|call| call.command(command))?;
        let mut answers = lock(&self.answers);
        answers.tickets += 1;
        let ticket = Ticket::new(answers.tickets);
        answers.replies.push((ticket, reply.map_err(CommandFailure::Refused)));
        Ok(ticket.get())
    }

    fn drain(&self, drained: &mut Drained) {
        drained.replies.append(&mut lock(&self.answers).replies);
        let events = self.with(|call| std::iter::from_fn(|| call.poll_event()).collect::<Vec<_>>());
        drained.events.extend(events.unwrap_or_default());
    }
}

impl Drop for Simulated {
    fn drop(&mut self) {
        self.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
