//! Which shard owns a path, for datagrams that name no session (DTLS, SRTP) and came to the wrong shard.
//!
//! A path is learnt only from its owner's word that a check over it was authentic, so a stranger's datagrams, however
//! many, grow nothing here. Who may join a room can prove paths, also made-up ones: those known already are kept alive by
//! their checks whatever comes, new ones find room in half of the table only. Two generations: what is not proven again
//! within one to two periods is forgotten, without a clock for each.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use sfu_transport::Path;

/// Paths of one generation. Higher: more sessions whose datagrams come to the wrong shard. Lower: less memory (64 bytes each).
const CAPACITY: usize = 1 << 16;
/// Browsers check every 2.5 to 5 s, others up to every 15 s (RFC 7675 §5.1).
pub(super) const SHORTEST_PERIOD: Duration = Duration::from_secs(15);

/// See the module's text.
pub(super) struct Routes {
    young: HashMap<Path, u16>,
    old: HashMap<Path, u16>,
    period: Duration,
    /// When the young become the old.
    turn: Instant,
    capacity: usize,
}

impl Routes {
    /// `consent`: for so long a session lives without a check.
    pub(super) fn new(now: Instant, consent: Duration) -> Self {
        Self::with_capacity(now, consent.max(SHORTEST_PERIOD), CAPACITY)
    }

    fn with_capacity(now: Instant, period: Duration, capacity: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), period, turn: now + period, capacity }
    }

    /// The owner of a path, if it is another shard.
    pub(super) fn owner(&mut self, now: Instant, path: &Path) -> Option<u16> {
        self.age(now);
        self.known(path)
    }

    /// `shard` says that the path is its own.
    pub(super) fn learn(&mut self, now: Instant, path: Path, shard: u16) {
        self.age(now);
        let room = if self.known(&path).is_some() { self.capacity } else { self.capacity / 2 };
        if self.young.len() < room || self.young.contains_key(&path) {
            self.young.insert(path, shard);
        }
    }

    /// The path was proven to be of a session here.
    pub(super) fn forget(&mut self, path: &Path) {
        self.young.remove(path);
        self.old.remove(path);
    }

    fn known(&self, path: &Path) -> Option<u16> {
        if self.young.is_empty() && self.old.is_empty() {
            return None; // all datagrams come this way where every flow comes to its owner
        }
        self.young.get(path).or_else(|| self.old.get(path)).copied()
    }

    fn age(&mut self, now: Instant) {
        if now < self.turn {
            return;
        }
        std::mem::swap(&mut self.young, &mut self.old);
        self.young.clear();
        if now >= self.turn + self.period {
            self.old.clear(); // nobody has looked for so long
        }
        self.turn = now + self.period;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn path(number: u32) -> Path {
        let [a, b, c, d] = number.to_be_bytes();
        Path { local: ([127, 0, 0, 1], 7882).into(), remote: ([10, a, b, c], 1000 + u16::from(d)).into() }
    }

    #[test]
    fn a_path_is_known_while_its_owner_proves_it() {
        let mut now = Instant::now();
        let mut routes = Routes::new(now, 10 * SECOND);
        for _ in 0..20 {
            routes.learn(now, path(1), 3);
            now += 14 * SECOND;
            assert_eq!(routes.owner(now, &path(1)), Some(3));
            assert_eq!(routes.owner(now, &path(2)), None);
        }
        now += 17 * SECOND;
        assert_eq!(routes.owner(now, &path(1)), None);
        routes.learn(now, path(1), 3);
        assert_eq!(routes.owner(now + 100 * SECOND, &path(1)), None, "whenever it is looked for");
    }

    #[test]
    fn the_last_word_counts_and_a_path_may_come_home() {
        let now = Instant::now();
        let mut routes = Routes::new(now, SECOND);
        routes.learn(now, path(1), 3);
        routes.learn(now, path(1), 4);
        assert_eq!(routes.owner(now, &path(1)), Some(4));
        routes.forget(&path(1));
        assert_eq!(routes.owner(now, &path(1)), None);
    }

    #[test]
    fn made_up_paths_cannot_push_out_real_ones() {
        let mut now = Instant::now();
        let mut routes = Routes::with_capacity(now, 15 * SECOND, 1000);
        let real = 0..100;
        real.clone().for_each(|number| routes.learn(now, path(number), 1));
        let mut made_up = 1000;
        for second in 0..120 {
            now += SECOND;
            for _ in 0..2000 {
                made_up += 1;
                routes.learn(now, path(made_up), 1);
            }
            // In the middle of the flood, as browsers check.
            if second % 5 == 0 {
                real.clone().for_each(|number| routes.learn(now, path(number), 1));
            }
            assert!(real.clone().all(|number| routes.owner(now, &path(number)) == Some(1)), "second {second}");
            assert!(routes.young.len() <= 1000 && routes.old.len() <= 1000);
        }
    }
}
