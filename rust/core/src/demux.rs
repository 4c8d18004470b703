//! Which connection a datagram belongs to: by its path, or by the local ICE user fragment on first contact.
//!
//! Both look-ups are O(1). A path is learnt only from a check that the connection authenticated, so a stranger can neither
//! take one over nor grow the table; how many paths a connection keeps is its transport's business.

use std::collections::HashMap;

use sfu_transport::Path;

use crate::arena::ConnectionId;

/// See the module's text.
#[derive(Debug, Default)]
pub(crate) struct Demux {
    by_path: HashMap<Path, ConnectionId>,
    by_ufrag: HashMap<String, ConnectionId>,
}

impl Demux {
    pub(crate) fn by_path(&self, path: &Path) -> Option<ConnectionId> {
        self.by_path.get(path).copied()
    }

    pub(crate) fn by_ufrag(&self, ufrag: &str) -> Option<ConnectionId> {
        self.by_ufrag.get(ufrag).copied()
    }

    pub(crate) fn add_ufrag(&mut self, ufrag: &str, connection: ConnectionId) {
        self.by_ufrag.insert(ufrag.to_owned(), connection);
    }

    pub(crate) fn remove_ufrag(&mut self, ufrag: &str) {
        self.by_ufrag.remove(ufrag);
    }

    pub(crate) fn add_path(&mut self, path: Path, connection: ConnectionId) {
        self.by_path.insert(path, connection);
    }

    /// Forgets a path, unless another connection has proved it since (a peer that came back from the same port).
    pub(crate) fn remove_path(&mut self, path: &Path, connection: ConnectionId) {
        if self.by_path(path) == Some(connection) {
            self.by_path.remove(path);
        }
    }
}

/// A user fragment of a shard: two hexadecimal digits and what nobody can guess.
pub(crate) fn ufrag_of(shard: u16, unguessable: &str) -> String {
    format!("{shard:02x}{unguessable}")
}

/// The shard that a user fragment names, whosever it is. Holds for as many shards as two digits can count
/// ([`MAX_SHARDS`]).
pub fn shard_of_ufrag(ufrag: &str) -> Option<u16> {
    let mut digits = ufrag.chars().map(|digit| digit.to_digit(16));
    Some((digits.next()?? << 4 | digits.next()??) as u16)
}

/// So many shards can be told apart by their user fragments.
pub const MAX_SHARDS: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Id;

    #[test]
    fn a_user_fragment_names_its_shard() {
        for shard in [0, 1, 16, 255] {
            assert_eq!(shard_of_ufrag(&ufrag_of(shard, "a+/B09")), Some(shard));
        }
        for other in ["", "1", "g0aaaa", "é0aaaa", "+1aaaa"] {
            assert_eq!(shard_of_ufrag(other), None, "{other:?}");
        }
    }

    #[test]
    fn a_path_that_another_connection_proved_stays_with_it() {
        let path = Path { local: ([127, 0, 0, 1], 7882).into(), remote: ([127, 0, 0, 1], 9).into() };
        let mut demux = Demux::default();
        let (old, new) = (ConnectionId::from_u64(1), ConnectionId::from_u64(2));
        demux.add_path(path, old);
        demux.add_path(path, new);
        demux.remove_path(&path, old);
        assert_eq!(demux.by_path(&path), Some(new));
        demux.remove_path(&path, new);
        assert_eq!(demux.by_path(&path), None);
    }
}
