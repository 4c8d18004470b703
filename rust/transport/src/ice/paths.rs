//! The addresses from which a peer has passed a check, and which of them we send to.
//!
//! The first authenticated one is used until another is nominated. Invariant: at most [`MAX_PATHS`] entries, the selected
//! one among them.

use std::time::Instant;

use crate::egress::Path;

/// Higher: more interfaces and rebindings are remembered. Lower: less memory a session. A laptop has three to six pairs
/// with a server of one or two addresses.
const MAX_PATHS: usize = 8;

/// Authenticated paths in the order of their first check.
#[derive(Debug, Default)]
pub(super) struct Paths {
    entries: Vec<Entry>,
    selected: Option<Path>,
}

#[derive(Debug)]
struct Entry {
    path: Path,
    last_check: Instant,
    /// There was a check with USE-CANDIDATE under the current credentials.
    nominated: bool,
}

/// What a check changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PathChange {
    /// A path that was not known before.
    pub added: Option<Path>,
    /// A path that made room for it.
    pub removed: Option<Path>,
    /// The path that is sent to from now on.
    pub selected: Option<Path>,
}

impl Paths {
    /// Where to send.
    pub(super) fn selected(&self) -> Option<Path> {
        self.selected
    }

    pub(super) fn contains(&self, path: Path) -> bool {
        self.entries.iter().any(|e| e.path == path)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Path> {
        self.entries.iter().map(|e| e.path)
    }

    /// Notes an authenticated check.
    ///
    /// A first nomination moves the selection at once (the peer changed its address, or chose). A path that was
    /// nominated before takes over again once it is checked twice in a row while the selected one is not checked at all:
    /// so a peer that goes back is followed, and one that nominates several pairs (RFC 5245 §8.1.1.2) neither makes the
    /// path flap nor is left on a pair that it does not use.
    pub(super) fn check(&mut self, now: Instant, path: Path, nominates: bool) -> PathChange {
        let mut change = PathChange::default();
        let before = self.entries.iter_mut().find(|e| e.path == path).map(|entry| {
            let before = (entry.last_check, entry.nominated);
            entry.last_check = now;
            entry.nominated |= nominates;
            before
        });
        if before.is_none() {
            change.removed = self.make_room();
            change.added = Some(path);
            self.entries.push(Entry { path, last_check: now, nominated: nominates });
        }
        let moves = match (self.selected, before) {
            (None, _) => true,
            (Some(selected), _) if selected == path => false,
            (Some(selected), Some((last_check, true))) => !self.was_checked_since(selected, last_check),
            _ => nominates,
        };
        if moves {
            self.selected = Some(path);
            change.selected = Some(path);
        }
        change
    }

    /// New credentials are in use: nominations begin anew (RFC 8445 §9).
    pub(super) fn forget_nominations(&mut self) {
        for entry in &mut self.entries {
            entry.nominated = false;
        }
    }

    fn was_checked_since(&self, path: Path, instant: Instant) -> bool {
        self.entries.iter().any(|e| e.path == path && e.last_check >= instant)
    }

    fn make_room(&mut self) -> Option<Path> {
        if self.entries.len() < MAX_PATHS {
            return None;
        }
        let (index, _) = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, e)| Some(e.path) != self.selected)
            .min_by_key(|(_, e)| e.last_check)?;
        Some(self.entries.remove(index).path)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn path(port: u16) -> Path {
        Path { local: ([127, 0, 0, 1], 7000).into(), remote: ([127, 0, 0, 1], port).into() }
    }

    struct Clock(Instant);

    impl Clock {
        fn tick(&mut self) -> Instant {
            self.0 += Duration::from_secs(1);
            self.0
        }
    }

    #[test]
    fn the_first_check_selects_and_a_nomination_moves() {
        let (mut paths, mut clock) = (Paths::default(), Clock(Instant::now()));
        assert_eq!(paths.check(clock.tick(), path(1), false).selected, Some(path(1)));
        let change = paths.check(clock.tick(), path(2), false);
        assert_eq!((change.added, change.selected), (Some(path(2)), None), "a check alone does not move");
        assert_eq!(paths.check(clock.tick(), path(2), true).selected, Some(path(2)));
        assert_eq!(paths.check(clock.tick(), path(3), true).selected, Some(path(3)), "a new source moves at once");
    }

    #[test]
    fn a_peer_that_goes_back_is_followed_within_two_checks() {
        let (mut paths, mut clock) = (Paths::default(), Clock(Instant::now()));
        paths.check(clock.tick(), path(1), true);
        paths.check(clock.tick(), path(2), true);
        paths.check(clock.tick(), path(2), true);
        assert_eq!(paths.check(clock.tick(), path(1), true).selected, None);
        assert_eq!(paths.check(clock.tick(), path(1), true).selected, Some(path(1)));
    }

    #[test]
    fn of_several_nominated_paths_the_one_in_use_wins() {
        let (mut paths, mut clock) = (Paths::default(), Clock(Instant::now()));
        paths.check(clock.tick(), path(1), true);
        paths.check(clock.tick(), path(2), true);
        paths.check(clock.tick(), path(3), true);
        assert_eq!(paths.check(clock.tick(), path(1), false).selected, None);
        assert_eq!(paths.check(clock.tick(), path(1), false).selected, Some(path(1)), "consent goes on here only");
        paths.check(clock.tick(), path(4), false);
        assert_eq!(paths.check(clock.tick(), path(4), false).selected, None, "that one was never nominated");
    }

    #[test]
    fn two_nominated_paths_do_not_flap() {
        let (mut paths, mut clock) = (Paths::default(), Clock(Instant::now()));
        paths.check(clock.tick(), path(1), true);
        paths.check(clock.tick(), path(2), true);
        for _ in 0..10 {
            assert_eq!(paths.check(clock.tick(), path(1), true).selected, None);
            assert_eq!(paths.check(clock.tick(), path(2), true).selected, None);
        }
        paths.forget_nominations();
        assert_eq!(paths.check(clock.tick(), path(1), true).selected, Some(path(1)), "after a restart");
    }

    #[test]
    fn the_oldest_path_makes_room_but_never_the_selected_one() {
        let (mut paths, mut clock) = (Paths::default(), Clock(Instant::now()));
        for port in 1..=8 {
            assert_eq!(paths.check(clock.tick(), path(port), false).removed, None);
        }
        assert_eq!(paths.check(clock.tick(), path(9), false).removed, Some(path(2)));
        assert!(paths.contains(path(1)) && !paths.contains(path(2)));
        assert_eq!(paths.iter().count(), 8);
    }
}
