//! The addresses from which a peer has passed a check, and which of them we send to.
//!
//! The first authenticated one is used until another is nominated; from then on the peer's nominations decide
//! ([`Paths::check`] has the rule). Invariant: at most [`MAX_PATHS`] entries, the selected one among them.

use std::time::{Duration, Instant};

use crate::egress::Path;

/// Higher: more interfaces and rebindings are remembered. Lower: less memory a session. A laptop has three to six pairs
/// with a server of one or two addresses.
const MAX_PATHS: usize = 8;
/// Returns to paths of old nominations that are granted at once. 1: a check that was overtaken on its way moves the path,
/// and the next one could not move it back. Higher: who nominates several pairs in turns makes the path flap longer.
const MAX_RETURNS: u8 = 2;
/// So many nominations in a row are a choice. Lower: a lost check looks like one to us where a peer nominates two pairs in
/// turns. Higher: who changes to and fro faster than it checks is followed later.
const CHOICE: u8 = 3;
/// Without any check for so long the selected path gives way to one that was nominated earlier and is still checked. Higher:
/// media goes longer to a pair that an aggressive nominator has given up (RFC 5245 §8.1.1.2). Lower: lost checks move the
/// path. (RFC 7675 §5.1: consent is asked for every 5 s.)
const SILENCE: Duration = Duration::from_secs(10);

/// Authenticated paths in the order of their first check.
#[derive(Debug, Default)]
pub(super) struct Paths {
    entries: Vec<Entry>,
    selected: Option<Path>,
    /// What was nominated last, and how many times in a row (counted up to [`CHOICE`]).
    nominee: Option<(Path, u8)>,
    /// Returns that were granted since a choice was clear.
    returns: u8,
}

#[derive(Debug)]
struct Entry {
    path: Path,
    last_check: Instant,
    /// Of the last check with USE-CANDIDATE under the current credentials.
    nominated: Option<Priority>,
}

/// The PRIORITY of a check (RFC 8445 §7.1.1).
pub(super) type Priority = u32;

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
        self.entry(path).is_some()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Path> {
        self.entries.iter().map(|e| e.path)
    }

    /// Notes an authenticated check; `nomination` is the PRIORITY of one with USE-CANDIDATE.
    ///
    /// - A first nomination moves the selection at once: the peer has another address, or chose.
    /// - So does another nomination of a path that had one before: the peer is back (libwebrtc checks all its pairs and puts
    ///   USE-CANDIDATE on the selected one only). A check that was overtaken on its way looks the same; the next one of the
    ///   path that it moved us off moves us back.
    /// - After [`MAX_RETURNS`] such moves without [`CHOICE`] nominations in a row the peer nominates several pairs in turns
    ///   (RFC 5245 §8.1.1.2). It uses the one of highest priority itself, so only a higher one moves us, and nothing flaps.
    /// - Without USE-CANDIDATE nothing moves, but for a peer that nominated several pairs and then keeps only one of them:
    ///   that one takes over when the selected path was silent for [`SILENCE`].
    pub(super) fn check(&mut self, now: Instant, path: Path, nomination: Option<Priority>) -> PathChange {
        let mut change = PathChange::default();
        let mut before = None;
        if let Some(entry) = self.entries.iter_mut().find(|e| e.path == path) {
            before = entry.nominated;
            entry.last_check = now;
            entry.nominated = nomination.or(before);
        } else {
            change.removed = self.make_room();
            change.added = Some(path);
            self.entries.push(Entry { path, last_check: now, nominated: nomination });
        }
        if nomination.is_some() {
            self.note_nominee(path);
        }
        let moves = match (self.selected, nomination) {
            (None, _) => true,
            (Some(selected), _) if selected == path => false,
            (Some(selected), Some(priority)) => before.is_none() || self.returns_to(priority, selected),
            (Some(selected), None) => before.is_some() && self.is_silent(now, selected),
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
            entry.nominated = None;
        }
        (self.nominee, self.returns) = (None, 0);
    }

    fn note_nominee(&mut self, path: Path) {
        let in_a_row = match self.nominee {
            Some((nominee, in_a_row)) if nominee == path => CHOICE.min(in_a_row + 1),
            _ => 1,
        };
        self.nominee = Some((path, in_a_row));
        if in_a_row == CHOICE {
            self.returns = 0;
        }
    }

    fn returns_to(&mut self, priority: Priority, selected: Path) -> bool {
        if self.returns < MAX_RETURNS {
            self.returns += 1;
            return true;
        }
        self.entry(selected).is_none_or(|entry| entry.nominated.is_none_or(|standing| priority > standing))
    }

    fn is_silent(&self, now: Instant, path: Path) -> bool {
        self.entry(path).is_none_or(|entry| now >= entry.last_check + SILENCE)
    }

    fn entry(&self, path: Path) -> Option<&Entry> {
        self.entries.iter().find(|e| e.path == path)
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
    use super::*;

    fn path(port: u16) -> Path {
        Path { local: ([127, 0, 0, 1], 7000).into(), remote: ([127, 0, 0, 1], port).into() }
    }

    /// Paths by their port, which is also their priority, and a check a second.
    struct World {
        paths: Paths,
        now: Instant,
    }

    impl World {
        fn new() -> Self {
            Self { paths: Paths::default(), now: Instant::now() }
        }

        fn check(&mut self, port: u16, nomination: Option<Priority>) -> PathChange {
            self.now += Duration::from_secs(1);
            self.paths.check(self.now, path(port), nomination)
        }

        /// A check without USE-CANDIDATE; the path that is selected now.
        fn ping(&mut self, port: u16) -> u16 {
            self.check(port, None);
            self.selected()
        }

        /// One with it.
        fn nominate(&mut self, port: u16) -> u16 {
            self.check(port, Some(Priority::from(port)));
            self.selected()
        }

        fn selected(&self) -> u16 {
            self.paths.selected().map_or(0, |path| path.remote.port())
        }

        /// Moves of the path while these are nominated in order.
        fn moves(&mut self, ports: impl IntoIterator<Item = u16>) -> usize {
            ports.into_iter().filter(|port| self.selected() != self.nominate(*port)).count()
        }
    }

    #[test]
    fn the_first_check_selects_and_a_nomination_moves() {
        let mut world = World::new();
        assert_eq!(world.check(1, None).selected, Some(path(1)));
        let change = world.check(2, None);
        assert_eq!((change.added, change.selected), (Some(path(2)), None), "a check alone does not move");
        assert_eq!(world.nominate(2), 2);
        assert_eq!(world.nominate(3), 3, "a new source moves at once");
        assert_eq!(world.nominate(1), 1, "whatever its priority");
    }

    #[test]
    fn a_peer_that_goes_back_is_followed_within_one_check() {
        for stay in 1..6 {
            let mut world = World::new();
            for port in [2, 1, 2, 1] {
                assert_eq!(world.nominate(port), port, "after a stay of {stay}");
                for _ in 1..stay {
                    assert_eq!(world.nominate(port), port);
                }
            }
        }
    }

    #[test]
    fn a_peer_that_goes_to_and_fro_all_day_is_followed_each_time() {
        let mut world = World::new();
        for round in 0..100 {
            let port = 1 + round % 2;
            for _ in 0..CHOICE {
                assert_eq!(world.nominate(port), port);
            }
        }
    }

    #[test]
    fn an_overtaken_check_moves_the_path_for_one_check_at_most() {
        for seen_before in 1..5 {
            for seen_after in 1..5 {
                let mut world = World::new();
                world.moves(std::iter::repeat_n(1, seen_before));
                world.moves(std::iter::repeat_n(2, seen_after));
                world.nominate(1);
                assert_eq!(world.nominate(2), 2, "{seen_before} before, {seen_after} after");
                assert_eq!(world.moves([2; 10]), 0);
            }
        }
    }

    #[test]
    fn several_pairs_that_are_nominated_in_turns_do_not_flap() {
        for pairs in 2..=MAX_PATHS as u16 {
            let mut world = World::new();
            let first: usize = world.moves(1..=pairs);
            assert_eq!(first, usize::from(pairs), "first nominations move");
            world.moves(1..=pairs);
            assert_eq!(world.moves((0..50).flat_map(|_| 1..=pairs)), 0);
            assert_eq!(world.selected(), pairs, "the one of highest priority, which the peer uses itself");
        }
    }

    #[test]
    fn lost_checks_of_an_aggressive_nominator_seldom_move_the_path() {
        let mut random = crate::Random::new([5; 32]);
        let mut world = World::new();
        let turns: Vec<u16> = (0..10_000).map(|n| 1 + n % 2).filter(|_| random.below(100) >= 5).collect();
        let moves = world.moves(turns);
        assert!(moves < 100, "{moves} moves in 10 000 checks, 5 % of them lost");
        world.moves((0..4).flat_map(|_| 1..=2));
        assert_eq!(world.selected(), 2);
    }

    #[test]
    fn the_best_of_several_pairs_is_left_when_the_peer_leaves_it() {
        let mut world = World::new();
        world.moves((0..10).flat_map(|_| 1..=2));
        assert_eq!(world.selected(), 2);
        assert_eq!([world.nominate(1), world.nominate(1), world.nominate(1)], [2, 2, 1]);
    }

    #[test]
    fn of_several_nominated_paths_the_one_that_is_kept_wins_once_the_selected_one_is_silent() {
        let mut world = World::new();
        world.moves([1, 2, 3]);
        let consent: Vec<u16> = (0..10).map(|_| world.ping(1)).collect();
        assert_eq!(consent, [3, 3, 3, 3, 3, 3, 3, 3, 3, 1], "consent goes on here only");
        assert_eq!((0..20).map(|_| world.ping(4)).max(), Some(1), "that one was never nominated");
    }

    #[test]
    fn without_a_nomination_nothing_leaves_a_path_that_is_checked() {
        let mut world = World::new();
        world.moves([1, 2]);
        for _ in 0..50 {
            assert_eq!([world.ping(1), world.ping(1), world.ping(2)], [2, 2, 2]);
        }
    }

    #[test]
    fn a_restart_begins_anew() {
        let mut world = World::new();
        world.moves((0..10).flat_map(|_| 1..=2));
        world.paths.forget_nominations();
        assert_eq!(world.nominate(1), 1, "a first nomination again");
    }

    #[test]
    fn the_oldest_path_makes_room_but_never_the_selected_one() {
        let mut world = World::new();
        for port in 1..=8 {
            assert_eq!(world.check(port, None).removed, None);
        }
        assert_eq!(world.check(9, None).removed, Some(path(2)));
        assert!(world.paths.contains(path(1)) && !world.paths.contains(path(2)));
        assert_eq!(world.paths.iter().count(), 8);
    }
}
