//! What a command and its answer have in common.

/// Names a command until its answer is drained.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(u64);

impl Ticket {
    /// For whoever answers commands in a server's place (simulations).
    pub const fn new(number: u64) -> Self {
        Self(number)
    }

    /// The plain number; unique within a server.
    pub const fn get(self) -> u64 {
        self.0
    }
}
