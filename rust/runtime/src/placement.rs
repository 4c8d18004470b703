//! On which shard a new room or session lives.
//!
//! The least loaded one, in coarse steps: while the steps are equal a session goes to its room's home, so a room stays together
//! until its shard has real work, and a relay is paid for only then. Pure: loads in, a shard out.

use std::cmp::Reverse;

/// A step of load, in thousandths of a processor. Higher: rooms stay together for longer. Lower: shards are loaded more evenly.
const STEP: u32 = 250;
/// What a session will take at least, once media flows, in thousandths of a processor for a thousand: what comes in a
/// crowd is not seen in the load of the last second.
const PER_THOUSAND_SESSIONS: u32 = 250;

/// One shard as placement sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Load {
    /// Thousandths of a processor in the last second; `None`: it does not turn.
    pub(crate) busy: Option<u32>,
    pub(crate) rooms: u32,
    pub(crate) sessions: u32,
}

impl Load {
    /// Steps, so that little differences do not matter; what does not turn is beyond all others.
    fn step(&self) -> u32 {
        let expected = (u64::from(self.sessions) * u64::from(PER_THOUSAND_SESSIONS) / 1000) as u32;
        self.busy.map_or(u32::MAX, |busy| busy.max(expected) / STEP)
    }
}

/// Where a new room has its home.
pub(crate) fn place_room(loads: &[Load]) -> u16 {
    least(loads, |_, load| (load.step(), load.rooms, load.sessions))
}

/// Where a new session of a room lives. `spread`: whether a room is to be spread from its first session on.
pub(crate) fn place_session(loads: &[Load], home: u16, spread: bool) -> u16 {
    least(loads, |shard, load| {
        let (is_home, sessions) = (Reverse(shard == home), load.sessions);
        if spread {
            (load.step(), Reverse(false), sessions, is_home)
        } else {
            (load.step(), is_home, sessions, is_home)
        }
    })
}

fn least<K: Ord>(loads: &[Load], key: impl Fn(u16, &Load) -> K) -> u16 {
    (0..).zip(loads).min_by_key(|(shard, load)| key(*shard, load)).map_or(0, |(shard, _)| shard)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(busy: u32, rooms: u32, sessions: u32) -> Load {
        Load { busy: Some(busy), rooms, sessions }
    }

    #[test]
    fn a_room_stays_together_while_its_shard_has_little_to_do() {
        assert_eq!(place_session(&[load(0, 0, 0), load(240, 1, 50)], 1, false), 1);
        assert_eq!(place_session(&[load(0, 0, 0), load(251, 1, 50)], 1, false), 0, "a step more");
        assert_eq!(place_session(&[load(260, 0, 0), load(490, 1, 50)], 1, false), 1, "the same step");
        assert_eq!(place_session(&[load(260, 1, 9), load(260, 1, 7), load(500, 1, 0)], 2, false), 1, "fewest sessions");
    }

    #[test]
    fn a_spread_room_goes_where_the_fewest_sessions_are() {
        let mut loads = [load(0, 1, 0), load(0, 0, 0)];
        let shards: Vec<u16> = (0..6)
            .map(|_| {
                let shard = place_session(&loads, 0, true);
                loads[usize::from(shard)].sessions += 1;
                shard
            })
            .collect();
        assert_eq!(shards, [0, 1, 0, 1, 0, 1], "among equals the home");
        assert_eq!(place_session(&[load(900, 0, 0), load(0, 0, 10)], 0, true), 1, "the load comes first");
    }

    #[test]
    fn a_crowd_is_spread_before_any_media_flows() {
        let mut loads = [load(0, 1, 0), load(0, 0, 0)];
        for _ in 0..3000 {
            loads[usize::from(place_session(&loads, 0, false))].sessions += 1;
        }
        assert!(loads.iter().all(|load| (1000..=2000).contains(&load.sessions)), "{loads:?}");
    }

    #[test]
    fn rooms_take_turns_while_nothing_is_loaded() {
        let mut loads = [load(0, 0, 0), load(100, 0, 40), load(0, 0, 0)];
        let shards: Vec<u16> = (0..6)
            .map(|_| {
                let shard = place_room(&loads);
                loads[usize::from(shard)].rooms += 1;
                shard
            })
            .collect();
        assert_eq!(shards, [0, 2, 1, 0, 2, 1]);
        assert_eq!(place_room(&[load(800, 0, 10), load(0, 5, 100)]), 1);
    }

    #[test]
    fn a_shard_that_does_not_turn_gets_nothing() {
        let stuck = Load { busy: None, rooms: 0, sessions: 0 };
        assert_eq!(place_room(&[stuck, load(900, 9, 9)]), 1);
        assert_eq!(place_session(&[stuck, load(900, 9, 9)], 0, false), 1);
        assert_eq!(place_session(&[stuck, stuck], 1, false), 1, "the home, if nothing turns");
    }
}
