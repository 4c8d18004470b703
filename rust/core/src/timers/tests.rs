use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::arena::Id;

fn connection(number: u64) -> Timer {
    Timer::Connection(ConnectionId::from_u64(number))
}

fn room(number: u64) -> Timer {
    Timer::Room(RoomId::from_u64(number))
}

#[test]
fn the_earlier_deadline_stands_and_each_fires_once() {
    let start = Instant::now();
    let at = |ms| start + Duration::from_millis(ms);
    let (room, other) = (room(1), connection(1));
    let mut timers = Timers::new(start);
    timers.set(room, at(20));
    timers.set(room, at(30));
    assert_eq!(timers.next(), Some(at(20)));
    timers.set(room, at(10));
    timers.set(other, at(15));
    assert_eq!(timers.pop_due(at(9)), None);
    assert_eq!(timers.pop_due(at(40)), Some(room));
    assert_eq!(timers.pop_due(at(40)), Some(other));
    assert_eq!(timers.pop_due(at(40)), None);
    timers.set(room, at(50));
    timers.remove(room);
    assert_eq!(timers.next(), None);
}

#[test]
fn whoever_takes_a_slot_again_has_a_deadline_of_its_own() {
    let start = Instant::now();
    let (old, new) = (connection(1 << 24 | 5), connection(2 << 24 | 5));
    let mut timers = Timers::new(start);
    timers.set(old, start);
    timers.set(new, start + Duration::from_secs(9));
    timers.remove(old);
    assert_eq!(timers.pop_due(start + Duration::from_secs(8)), None);
    assert_eq!(timers.pop_due(start + Duration::from_secs(9)), Some(new));
}

/// The plainest thing that can be right: everything in one ordered set.
#[derive(Default)]
struct Plain {
    queue: BTreeSet<(Instant, Timer)>,
    deadlines: BTreeMap<Timer, Instant>,
}

impl Plain {
    fn set(&mut self, timer: Timer, deadline: Instant) {
        if self.deadlines.get(&timer).is_none_or(|standing| deadline < *standing) {
            self.remove(timer);
            self.deadlines.insert(timer, deadline);
            self.queue.insert((deadline, timer));
        }
    }

    fn remove(&mut self, timer: Timer) {
        if let Some(deadline) = self.deadlines.remove(&timer) {
            self.queue.remove(&(deadline, timer));
        }
    }

    fn pop_due(&mut self, now: Instant) -> Option<Timer> {
        let (_, timer) = *self.queue.first().filter(|(deadline, _)| *deadline <= now)?;
        self.remove(timer);
        Some(timer)
    }

    fn next(&self) -> Option<Instant> {
        self.queue.first().map(|(deadline, _)| *deadline)
    }
}

#[derive(Debug, Clone)]
enum Step {
    /// From now on; what is in the past is due at once.
    Set(Timer, Duration),
    Remove(Timer),
    Pass(Duration),
    /// To the moment that `next` names.
    Sleep,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let timer = prop_oneof![
        8 => (1..20_u64).prop_map(connection),
        2 => (1..5_u64).prop_map(room),
        1 => Just(Timer::EndedTaps),
    ];
    // Within a millisecond, and at every level of the wheel.
    let span = || (0..34_u32, any::<u64>()).prop_map(|(bits, any)| Duration::from_micros(any & ((1 << bits) - 1)));
    let step = prop_oneof![
        6 => (timer.clone(), span()).prop_map(|(timer, span)| Step::Set(timer, span)),
        1 => timer.prop_map(Step::Remove),
        1 => span().prop_map(Step::Pass),
        3 => Just(Step::Sleep),
    ];
    proptest::collection::vec(step, 1..200)
}

proptest! {
    #[test]
    fn the_wheel_calls_whom_an_ordered_set_calls(steps in steps()) {
        let start = Instant::now();
        let (mut now, mut timers, mut plain) = (start, Timers::new(start), Plain::default());
        for step in steps {
            match step {
                Step::Set(timer, span) => {
                    timers.set(timer, now + span);
                    plain.set(timer, now + span);
                }
                Step::Remove(timer) => {
                    timers.remove(timer);
                    plain.remove(timer);
                }
                Step::Pass(span) => now += span,
                Step::Sleep => now = timers.next().unwrap_or(now).max(now),
            }
            loop {
                let called = timers.pop_due(now);
                prop_assert_eq!(called, plain.pop_due(now));
                if called.is_none() {
                    break;
                }
            }
            prop_assert_eq!(timers.next().is_some(), plain.next().is_some());
            prop_assert!(timers.next() <= plain.next(), "nobody is called late");
        }
        // Sleeping from moment to moment reaches everybody.
        for _ in 0..plain.queue.len() * 20 {
            now = timers.next().unwrap_or(now).max(now);
            while let Some(called) = timers.pop_due(now) {
                prop_assert_eq!(Some(called), plain.pop_due(now));
            }
        }
        prop_assert_eq!((timers.next(), plain.next()), (None, None));
    }
}
