//! Transactions that have nominated already.
//!
//! A check that comes twice (sent again because its answer was lost, duplicated, or recorded and replayed) is answered each
//! time (RFC 8489 §6.3.1), but it says nothing new: only its first arrival may move the path.

use is::stun::TransId;

/// Higher: older replays are told. Lower: less memory a session. Twenty seconds of a browser's checks.
const REMEMBERED: usize = 8;

/// The last few transaction ids.
#[derive(Debug, Default)]
pub(super) struct Seen {
    ids: [Option<TransId>; REMEMBERED],
    next: usize,
}

impl Seen {
    /// Notes a transaction; whether it is new.
    pub(super) fn is_new(&mut self, id: TransId) -> bool {
        if self.ids.contains(&Some(id)) {
            return false;
        }
        self.ids[self.next] = Some(id);
        self.next = (self.next + 1) % REMEMBERED;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ice::transaction_id;

    #[test]
    fn a_transaction_is_new_once() {
        let mut seen = Seen::default();
        for byte in 0..20 {
            let id = transaction_id([byte; 12]);
            assert!(seen.is_new(id));
            assert!(!seen.is_new(id));
        }
        assert!(!seen.is_new(transaction_id([12; 12])), "one of the last eight");
        assert!(seen.is_new(transaction_id([11; 12])), "one before them");
    }
}
