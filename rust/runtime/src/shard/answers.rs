//! What a shard tells the application: replies to its commands, some of them later, and events; a turn's all at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use sfu_core::command::{CommandError, PendingId, Reply};
use sfu_core::event::Event;

use super::plane::Plane;
use crate::error::CommandFailure;
use crate::outbox::Outbox;
use crate::ticket::Ticket;

/// See the module's text.
pub(super) struct Answers {
    outbox: Arc<Outbox>,
    replies: Vec<(Ticket, Result<Reply, CommandFailure>)>,
    events: Vec<Event>,
    /// Commands that wait for another shard.
    pending: BTreeMap<PendingId, Ticket>,
}

impl Answers {
    pub(super) fn new(outbox: Arc<Outbox>) -> Self {
        Self { outbox, replies: Vec::new(), events: Vec::new(), pending: BTreeMap::new() }
    }

    pub(super) fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Takes what the core answered at once; that may be that it answers later.
    pub(super) fn add(&mut self, ticket: Ticket, reply: Result<Reply, CommandError>) {
        match reply {
            Ok(Reply::Pending(id)) => _ = self.pending.insert(id, ticket),
            reply => self.replies.push((ticket, reply.map_err(CommandFailure::from))),
        }
    }

    /// Takes what the core answers later and what happened, and gives all to the outbox. `unanswered` holds those commands
    /// from then on that still wait.
    pub(super) fn publish(&mut self, plane: &mut impl Plane, unanswered: &mut Vec<Ticket>) {
        while let Some(event) = plane.poll_event() {
            self.events.push(event);
        }
        while let Some((id, reply)) = plane.poll_reply() {
            if let Some(ticket) = self.pending.remove(&id) {
                self.replies.push((ticket, reply.map_err(CommandFailure::from)));
            }
        }
        self.outbox.publish(&mut self.replies, &mut self.events);
        unanswered.clear();
        unanswered.extend(self.pending.values());
    }
}
