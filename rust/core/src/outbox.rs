//! Events on their way out: bounded, oldest first; what does not fit is counted, never silently lost.

use std::collections::VecDeque;

use crate::event::Event;

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Outbox {
    events: VecDeque<Event>,
    capacity: usize,
    dropped: u64,
}

impl Outbox {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { events: VecDeque::new(), capacity, dropped: 0 }
    }

    pub(crate) fn push(&mut self, event: Event) {
        if self.events.len() < self.capacity {
            self.events.push_back(event);
        } else {
            self.dropped += 1;
        }
    }

    pub(crate) fn extend(&mut self, events: impl IntoIterator<Item = Event>) {
        events.into_iter().for_each(|event| self.push(event));
    }

    pub(crate) fn pop(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }
}
