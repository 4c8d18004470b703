use std::cell::Cell;
use std::cmp::Ordering;

use super::*;

const QUIET: AudioLevel = AudioLevel { voice: false, level: 80 };

fn at(level: u8) -> AudioLevel {
    AudioLevel { voice: true, level }
}

fn millis(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Without the spare one's.
fn holders<K: Copy + Ord>(loudest: &Loudest<K>) -> Vec<Option<K>> {
    (0..loudest.places.len() - 1).map(|place| loudest.holder(place)).collect()
}

/// One room in time, 20 ms a step; everybody in it sends a packet in each.
struct Talk {
    now: Instant,
    loudest: Loudest<u32>,
    changes: usize,
}

impl Talk {
    fn new(places: usize) -> Self {
        Self { now: Instant::now(), loudest: Loudest::new(places), changes: 0 }
    }

    fn run(&mut self, ms: u64, levels: &[(u32, AudioLevel)]) {
        for _ in 0..ms / 20 {
            for (who, level) in levels {
                self.changes += usize::from(self.loudest.hear(self.now, *who, *level) != Changed::Nothing);
            }
            self.now += millis(20);
        }
    }
}

#[test]
fn a_free_place_is_taken_with_the_first_packet() {
    let mut talk = Talk::new(2);
    talk.run(20, &[(1, QUIET), (2, at(50))]);
    assert_eq!(holders(&talk.loudest), [Some(2), None], "the flag says voice");
    talk.run(20, &[(3, AudioLevel { voice: false, level: SPEECH })]);
    assert_eq!(holders(&talk.loudest), [Some(2), Some(3)], "it is loud enough without");
    assert_eq!([talk.loudest.remove(2), talk.loudest.remove(2)], [Changed::Places, Changed::Nothing]);
    assert_eq!(holders(&talk.loudest), [None, Some(3)]);
}

#[test]
fn a_silent_place_is_given_at_once_to_who_speaks() {
    let mut talk = Talk::new(1);
    talk.run(200, &[(1, at(20))]);
    talk.run(120, &[(1, QUIET)]);
    talk.run(20, &[(2, at(40))]);
    assert_eq!(holders(&talk.loudest), [Some(1)], "a breath is no end");
    talk.run(20, &[(2, at(40))]);
    assert_eq!(holders(&talk.loudest), [Some(2)]);
}

#[test]
fn who_speaks_keeps_the_place_unless_somebody_is_clearly_louder() {
    let mut talk = Talk::new(1);
    talk.run(3000, &[(1, at(30)), (2, at(26))]);
    assert_eq!(holders(&talk.loudest), [Some(1)], "4 dB are not enough");
    talk.run(20, &[(1, at(30)), (3, at(10))]);
    assert_eq!(holders(&talk.loudest), [Some(1)], "one packet is not");
    talk.run(20, &[(1, at(30)), (3, at(10))]);
    assert_eq!(holders(&talk.loudest), [Some(3)]);
    talk.run(900, &[(1, at(1)), (3, at(30))]);
    assert_eq!(holders(&talk.loudest), [Some(3)], "for a second it is his");
    talk.run(200, &[(1, at(1)), (3, at(30))]);
    assert_eq!(holders(&talk.loudest), [Some(1)]);
}

#[test]
fn who_has_the_spare_place_moves_up() {
    let mut talk = Talk::new(1);
    talk.run(100, &[(1, at(25)), (2, at(30))]);
    let all = |talk: &Talk| [talk.loudest.holder(0), talk.loudest.spare()];
    assert_eq!(all(&talk), [Some(1), Some(2)]);
    talk.run(200, &[(1, QUIET), (2, at(30))]);
    assert_eq!(all(&talk), [Some(2), Some(1)]);
    assert_eq!(talk.loudest.remove(2), Changed::Places);
    talk.run(20, &[(1, at(25))]);
    assert_eq!(all(&talk), [Some(1), None]);
    talk.run(20, &[(3, at(30))]);
    assert_eq!(talk.loudest.remove(3), Changed::Spare);
}

#[test]
fn who_moved_up_keeps_the_place_for_a_second_too() {
    let mut talk = Talk::new(1);
    talk.run(2000, &[(1, at(25)), (2, at(30))]);
    talk.run(200, &[(1, QUIET), (2, at(30))]);
    assert_eq!(holders(&talk.loudest), [Some(2)]);
    talk.run(700, &[(2, at(30)), (3, at(1))]);
    assert_eq!(holders(&talk.loudest), [Some(2)]);
    talk.run(400, &[(2, at(30)), (3, at(1))]);
    assert_eq!(holders(&talk.loudest), [Some(3)]);
}

#[test]
fn who_lost_its_place_is_judged_by_what_it_said_before() {
    let mut talk = Talk::new(1);
    talk.run(1100, &[(1, at(10)), (2, at(44))]);
    talk.run(20, &[(1, at(10)), (2, at(44)), (3, at(30))]);
    assert_eq!(talk.loudest.spare(), Some(3));
    talk.run(60, &[(1, at(10)), (2, at(1)), (3, at(30))]);
    assert_eq!(holders(&talk.loudest), [Some(1)], "three loud packets are not enough");
    talk.run(60, &[(1, at(10)), (2, at(1)), (3, at(30))]);
    assert_eq!(holders(&talk.loudest), [Some(2)]);
}

#[test]
fn of_two_who_speak_by_turns_each_keeps_a_place() {
    let mut talk = Talk::new(2);
    for _ in 0..30 {
        talk.run(500, &[(1, at(25)), (2, QUIET)]);
        talk.run(500, &[(1, QUIET), (2, at(25))]);
    }
    assert_eq!(talk.changes, 2);
}

thread_local! {
    static COMPARISONS: Cell<u64> = const { Cell::new(0) };
}

/// A key whose comparisons are counted.
#[derive(Debug, Clone, Copy)]
struct Counted(u32);

impl Ord for Counted {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARISONS.set(COMPARISONS.get() + 1);
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for Counted {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Counted {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Counted {}

/// The most comparisons that one packet takes in a room where `count` people all speak.
fn most_comparisons(count: u32) -> u64 {
    let mut loudest = Loudest::new(3);
    let mut now = Instant::now();
    let mut most = 0;
    for round in 0..100_u32 {
        for who in 0..count {
            let before = COMPARISONS.get();
            let level = (who.wrapping_mul(2_654_435_761).wrapping_add(round * 7_919) >> 8) % u32::from(SPEECH);
            loudest.hear(now, Counted(who), at(level as u8));
            most = most.max(COMPARISONS.get() - before);
        }
        now += millis(20);
    }
    most
}

#[test]
fn what_a_packet_costs_grows_as_the_logarithm_of_the_room() {
    let (ten, thousand, ten_thousand) = (most_comparisons(10), most_comparisons(1000), most_comparisons(10_000));
    println!("comparisons per packet: {ten} of 10, {thousand} of 1000, {ten_thousand} of 10000");
    // Four places; two walks down a tree of eleven keys a node, and one to write.
    assert!(thousand <= 4 + 3 * 11 * 3, "{thousand}");
    assert!(ten_thousand <= thousand + 3 * 11 * 2, "{ten_thousand}");
}
