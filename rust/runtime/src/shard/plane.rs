//! What a shard drives: the seam between input/output and the core.

use std::time::Instant;

use sfu_core::Sfu;
use sfu_core::command::{Command, CommandError, PendingId, Reply};
use sfu_core::event::Event;
use sfu_transport::{Egress, Path};

/// Pure state that takes datagrams, commands and the time (`handle_*`), and gives datagrams (into the `Egress`), replies
/// and events (`poll_*`). It need not be `Send`: it lives and dies on its shard's thread.
pub(crate) trait Plane {
    /// A datagram has been read at `now` that came at `arrived`. The media in it waits for `forward`. Says whether it was a check
    /// that proved its path to be of a session here.
    fn take_datagram(
        &mut self,
        now: Instant,
        arrived: Instant,
        path: Path,
        datagram: &mut [u8],
        egress: &mut Egress,
    ) -> bool;
    /// All that was read together has been taken: its media goes on, until `enough` bytes wait in the egress. `true`: something is
    /// left.
    fn forward(&mut self, now: Instant, enough: usize, egress: &mut Egress) -> bool;
    /// The application asks for something.
    fn handle_command(&mut self, now: Instant, command: Command, egress: &mut Egress) -> Result<Reply, CommandError>;
    /// Time has passed.
    fn handle_timeout(&mut self, now: Instant, egress: &mut Egress);
    /// When `handle_timeout` wants to be called.
    fn poll_timeout(&self) -> Option<Instant>;
    /// What happened.
    fn poll_event(&mut self) -> Option<Event>;
    /// How many rooms and sessions exist.
    fn live(&self) -> (usize, usize);
    /// Whole messages of another shard, as its `poll_relay` gave them. The media in them waits for `forward`.
    fn handle_relay(&mut self, now: Instant, from: u16, messages: &[u8], egress: &mut Egress);
    /// All that waits for one other shard, given once.
    fn poll_relay(&mut self) -> Option<(u16, &[u8])>;
    /// The answer to a command that was answered by `Reply::Pending`.
    fn poll_reply(&mut self) -> Option<(PendingId, Result<Reply, CommandError>)>;
}

impl Plane for Sfu {
    fn take_datagram(
        &mut self,
        now: Instant,
        arrived: Instant,
        path: Path,
        datagram: &mut [u8],
        egress: &mut Egress,
    ) -> bool {
        Sfu::take_datagram(self, now, arrived, path, datagram, egress)
    }

    fn forward(&mut self, now: Instant, enough: usize, egress: &mut Egress) -> bool {
        Sfu::forward(self, now, enough, egress)
    }

    fn handle_command(&mut self, now: Instant, command: Command, egress: &mut Egress) -> Result<Reply, CommandError> {
        Sfu::handle_command(self, now, command, egress)
    }

    fn handle_timeout(&mut self, now: Instant, egress: &mut Egress) {
        Sfu::handle_timeout(self, now, egress);
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Sfu::poll_timeout(self)
    }

    fn poll_event(&mut self) -> Option<Event> {
        Sfu::poll_event(self)
    }

    fn live(&self) -> (usize, usize) {
        (self.rooms(), self.sessions())
    }

    fn handle_relay(&mut self, now: Instant, from: u16, messages: &[u8], egress: &mut Egress) {
        Sfu::handle_relay(self, now, from, messages, egress);
    }

    fn poll_relay(&mut self) -> Option<(u16, &[u8])> {
        Sfu::poll_relay(self)
    }

    fn poll_reply(&mut self) -> Option<(PendingId, Result<Reply, CommandError>)> {
        Sfu::poll_reply(self)
    }
}
