//! Replies, events and log records on their way out, behind one eventfd.
//!
//! Shards publish in batches, the application drains everything at once. Invariants: replies are never dropped; events and
//! log records are bounded, and what does not fit is counted; the eventfd is written only when the outbox goes from empty
//! to non-empty, so a batch costs one wake, and never under the lock.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use log::Level;
use sfu_core::command::Reply;
use sfu_core::event::Event;

use crate::error::CommandFailure;
use crate::gather::Gatherings;
use crate::sys::Wake;
use crate::ticket::Ticket;

/// Payload bytes of channel messages and dumps that wait at most. Higher: a slower reader loses nothing. Lower: less memory.
const MAX_BULK_BYTES: usize = 64 << 20;
/// Log records that wait at most.
const MAX_LOGS: usize = 4096;

/// A log record of the data plane.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// How bad.
    pub level: Level,
    /// The module that wrote it (`sfu_core::session`).
    pub target: String,
    /// What it says.
    pub message: String,
}

/// One batch out of the outbox; reused from drain to drain.
#[derive(Debug, Default)]
pub struct Drained {
    /// Answers, in the order in which the commands were carried out.
    pub replies: Vec<(Ticket, Result<Reply, CommandFailure>)>,
    /// What happened, in order.
    pub events: Vec<Event>,
    /// What was logged, in order.
    pub logs: Vec<LogRecord>,
    /// Events that did not fit since the last drain.
    pub events_dropped: u64,
    /// Log records that did not fit since the last drain.
    pub logs_dropped: u64,
}

impl Drained {
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.replies.is_empty()
            && self.events.is_empty()
            && self.logs.is_empty()
            && self.events_dropped == 0
            && self.logs_dropped == 0
    }

    fn clear(&mut self) {
        self.replies.clear();
        self.events.clear();
        self.logs.clear();
        self.events_dropped = 0;
        self.logs_dropped = 0;
    }
}

#[derive(Debug, Default)]
struct Waiting {
    batch: Drained,
    /// Payload bytes of the bulk events among them.
    bulk_bytes: usize,
    /// The eventfd has been written and nothing was drained since.
    signalled: bool,
    /// All events ever dropped.
    events_dropped: u64,
    /// Commands that several shards answer.
    gatherings: Gatherings,
}

impl Waiting {
    /// A shard has answered; whether that makes a reply.
    fn answer(&mut self, ticket: Ticket, reply: Result<Reply, CommandFailure>) -> bool {
        match self.gatherings.answer(ticket, reply) {
            Some(whole) => {
                self.batch.replies.push((ticket, whole));
                true
            }
            None => false,
        }
    }
}

/// The way out of all shards of a server.
#[derive(Debug)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    wake: Wake,
    event_capacity: usize,
}

impl Outbox {
    pub(crate) fn new(event_capacity: usize) -> io::Result<Self> {
        Ok(Self { waiting: Mutex::default(), wake: Wake::new()?, event_capacity })
    }

    /// Every one of `shards` will be asked under `ticket`; those in a stall will not, they are told of instead.
    pub(crate) fn expect(&self, ticket: Ticket, shards: usize, stalled: &[(u16, Duration)]) {
        let mut waiting = self.lock();
        let stand_ins: Vec<_> =
            stalled.iter().map(|(shard, stall)| waiting.gatherings.stand_in(*shard, *stall)).collect();
        waiting.gatherings.expect(ticket, shards);
        let mut news = false;
        for stats in stand_ins {
            news |= waiting.answer(ticket, Ok(Reply::SfuStats(Box::new(stats))));
        }
        self.release(waiting, news);
    }

    /// Moves a batch in; both vectors are left empty.
    pub(crate) fn publish(&self, replies: &mut Vec<(Ticket, Result<Reply, CommandFailure>)>, events: &mut Vec<Event>) {
        if replies.is_empty() && events.is_empty() {
            return;
        }
        let mut waiting = self.lock();
        let mut news = !events.is_empty();
        for (ticket, reply) in replies.drain(..) {
            news |= waiting.answer(ticket, reply);
        }
        for event in events.drain(..) {
            self.admit(&mut waiting, event);
        }
        self.release(waiting, news);
    }

    /// Adds a log record or counts it as dropped.
    pub(crate) fn log(&self, record: LogRecord) {
        let mut waiting = self.lock();
        if waiting.batch.logs.len() < MAX_LOGS {
            waiting.batch.logs.push(record);
        } else {
            waiting.batch.logs_dropped += 1;
        }
        self.release(waiting, true);
    }

    /// Takes everything out; what was in `drained` is forgotten, its memory is used again.
    pub(crate) fn drain(&self, drained: &mut Drained) {
        drained.clear();
        // First: a signal for what comes from here on is not lost, and one that is late wakes the reader once too often.
        self.wake.reset();
        let mut waiting = self.lock();
        waiting.signalled = false;
        waiting.bulk_bytes = 0;
        std::mem::swap(&mut waiting.batch, drained);
    }

    /// How many events have been dropped since the start.
    pub(crate) fn events_dropped(&self) -> u64 {
        self.lock().events_dropped
    }

    fn admit(&self, waiting: &mut Waiting, event: Event) {
        let bulk = bulk_bytes(&event);
        // Messages and dumps leave half the room to events that change state: losing those would leave the application
        // with a wrong picture.
        let capacity = if bulk.is_some() { self.event_capacity / 2 } else { self.event_capacity };
        let bulk_bytes = waiting.bulk_bytes + bulk.unwrap_or(0);
        if waiting.batch.events.len() >= capacity || (bulk.is_some() && bulk_bytes > MAX_BULK_BYTES) {
            waiting.batch.events_dropped += 1;
            waiting.events_dropped += 1;
        } else {
            waiting.bulk_bytes = bulk_bytes;
            waiting.batch.events.push(event);
        }
    }

    /// Unlocks, and wakes the reader if there is something new: who is woken must not wait for the lock.
    fn release(&self, mut waiting: MutexGuard<'_, Waiting>, news: bool) {
        let signals = news && !waiting.signalled;
        waiting.signalled |= news;
        drop(waiting);
        if signals {
            self.wake.set();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        // Nothing in here panics half-way; a shard that panicked elsewhere leaves the state whole.
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Readable while something waits.
impl AsFd for Outbox {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}

/// The payload of an event whose size and number the peers decide.
fn bulk_bytes(event: &Event) -> Option<usize> {
    match event {
        Event::ChannelMessage { payload, .. } => Some(payload.len()),
        Event::Dump { bytes, last: false, .. } => Some(bytes.len()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use sfu_core::id::{ChannelId, TrackId};

    use super::*;
    use crate::sys::{Interest, Poll};

    fn stalled() -> Event {
        Event::TrackStalled(TrackId::new(1), true)
    }

    fn message(len: usize) -> Event {
        Event::ChannelMessage { channel: ChannelId::new(1), binary: true, payload: vec![0; len] }
    }

    fn readable(outbox: &Outbox) -> bool {
        let (poll, mut ready) = (Poll::new().unwrap(), Vec::new());
        poll.add(outbox.as_fd(), 0, Interest::Read).unwrap();
        poll.wait(Some(Duration::ZERO), &mut ready).unwrap();
        !ready.is_empty()
    }

    /// The eventfd's counter counts the writes.
    fn wakes(outbox: &Outbox) -> u64 {
        use std::io::Read as _;
        let mut counter = [0; 8];
        let file = std::fs::File::from(outbox.as_fd().try_clone_to_owned().unwrap());
        (&file).read_exact(&mut counter).map_or(0, |()| u64::from_ne_bytes(counter))
    }

    #[test]
    fn empty_to_non_empty_wakes_once() {
        let (outbox, mut drained) = (Outbox::new(16).unwrap(), Drained::default());
        assert!(!readable(&outbox));
        outbox.publish(&mut Vec::new(), &mut vec![]);
        assert!(!readable(&outbox), "an empty batch wakes nobody");
        for _ in 0..5 {
            outbox.publish(&mut vec![(Ticket::new(1), Ok(Reply::Done))], &mut vec![stalled()]);
        }
        outbox.log(LogRecord { level: Level::Info, target: String::new(), message: String::new() });
        assert!(readable(&outbox));
        assert_eq!(wakes(&outbox), 1);

        outbox.drain(&mut drained);
        assert!(!readable(&outbox));
        assert_eq!((drained.replies.len(), drained.events.len(), drained.logs.len()), (5, 5, 1));
        outbox.publish(&mut Vec::new(), &mut vec![stalled()]);
        assert_eq!(wakes(&outbox), 1);
    }

    #[test]
    fn events_are_bounded_and_counted_and_replies_are_not() {
        let (outbox, mut drained) = (Outbox::new(4).unwrap(), Drained::default());
        let mut replies: Vec<_> = (0..100).map(|n| (Ticket::new(n), Ok(Reply::Done))).collect();
        outbox.publish(&mut replies, &mut (0..7).map(|_| stalled()).collect());
        outbox.drain(&mut drained);
        assert_eq!((drained.replies.len(), drained.events.len(), drained.events_dropped), (100, 4, 3));
        outbox.drain(&mut drained);
        assert!(drained.is_empty(), "the count starts anew");
        assert_eq!(outbox.events_dropped(), 3);
    }

    #[test]
    fn messages_leave_room_for_state() {
        let (outbox, mut drained) = (Outbox::new(4).unwrap(), Drained::default());
        let mut events: Vec<_> = (0..4).map(|_| message(1)).chain((0..3).map(|_| stalled())).collect();
        outbox.publish(&mut Vec::new(), &mut events);
        outbox.drain(&mut drained);
        assert_eq!(drained.events_dropped, 3);
        assert_eq!(drained.events, [message(1), message(1), stalled(), stalled()]);
    }

    #[test]
    fn messages_are_bounded_by_bytes() {
        let (outbox, mut drained) = (Outbox::new(64).unwrap(), Drained::default());
        outbox.publish(&mut Vec::new(), &mut vec![message(MAX_BULK_BYTES), message(1), message(0), stalled()]);
        outbox.drain(&mut drained);
        assert_eq!((drained.events.len(), drained.events_dropped), (3, 1));
        outbox.publish(&mut Vec::new(), &mut vec![message(1)]);
        outbox.drain(&mut drained);
        assert_eq!(drained.events.len(), 1, "a drain makes room");
    }

    #[test]
    fn logs_are_bounded_and_counted() {
        let (outbox, mut drained) = (Outbox::new(4).unwrap(), Drained::default());
        for _ in 0..MAX_LOGS + 2 {
            outbox.log(LogRecord { level: Level::Warn, target: String::new(), message: String::new() });
        }
        outbox.drain(&mut drained);
        assert_eq!((drained.logs.len(), drained.logs_dropped), (MAX_LOGS, 2));
    }
}
