//! Commands on their way into a shard, in order.
//!
//! Any thread posts, the shard takes all at once. Invariant: a command that was accepted is taken by the shard or failed by
//! [`Mailbox::close`], never lost; the eventfd is written only when the mailbox goes from empty to non-empty.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};

use sfu_core::command::Command;

use crate::sys::Wake;
use crate::ticket::Ticket;

/// What is posted.
#[derive(Debug)]
pub(crate) enum Letter {
    /// Carry this out and answer under the ticket.
    Command(Ticket, Box<Command>),
    /// End after everything that was posted before.
    Stop,
}

#[derive(Debug)]
enum State {
    /// Someone takes the letters.
    Open(Vec<Letter>),
    /// Nobody will.
    Closed,
}

/// The way into one shard.
#[derive(Debug)]
pub(crate) struct Mailbox {
    state: Mutex<State>,
    wake: Wake,
}

impl Mailbox {
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { state: Mutex::new(State::Open(Vec::new())), wake: Wake::new()? })
    }

    /// Posts a letter; gives it back when nobody takes letters any more.
    pub(crate) fn post(&self, letter: Letter) -> Result<(), Letter> {
        match &mut *self.lock() {
            State::Open(letters) => {
                if letters.is_empty() {
                    self.wake.set();
                }
                letters.push(letter);
                Ok(())
            }
            State::Closed => Err(letter),
        }
    }

    /// Swaps everything that waits with `letters`, which is empty.
    pub(crate) fn take(&self, letters: &mut Vec<Letter>) {
        let mut state = self.lock();
        self.wake.reset();
        if let State::Open(waiting) = &mut *state {
            std::mem::swap(waiting, letters);
        }
    }

    /// Takes no more letters; returns those that nobody will take.
    pub(crate) fn close(&self) -> Vec<Letter> {
        match std::mem::replace(&mut *self.lock(), State::Closed) {
            State::Open(letters) => letters,
            State::Closed => Vec::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here panics half-way; a shard that panicked elsewhere leaves the state whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Readable while letters wait.
impl AsFd for Mailbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn letters_keep_their_order_and_come_back_after_close() {
        let mailbox = Mailbox::new().unwrap();
        for number in 0..3 {
            mailbox.post(Letter::Command(Ticket::new(number), Box::new(Command::SfuStats))).unwrap();
        }
        let mut letters = Vec::new();
        mailbox.take(&mut letters);
        let tickets = letters.iter().map(|letter| match letter {
            Letter::Command(ticket, _) => ticket.get(),
            Letter::Stop => unreachable!("nobody posted it"),
        });
        assert_eq!(tickets.collect::<Vec<_>>(), [0, 1, 2]);

        mailbox.post(Letter::Stop).unwrap();
        assert_eq!(mailbox.close().len(), 1);
        assert!(matches!(mailbox.post(Letter::Stop), Err(Letter::Stop)));
        assert!(mailbox.close().is_empty());
    }
}
