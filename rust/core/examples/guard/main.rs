//! The packet path, to count its instructions: `guard CASE` plays one case under callgrind, which counts what happens inside
//! [`measured`] and nothing else; `guard` alone lists the cases. `make bench-guard` runs all of them (`scripts/bench_guard.py`).
//!
//! Each case is an `Sfu` with clients by hand, from a sealed datagram that comes in to the sealed datagrams that wait to be
//! sent. Keys, seeds and times are fixed; what fills memories comes first and does not count.

#![allow(dead_code, reason = "the other programs of this folder use the rest of the scene")]
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "an example")]

mod cases;
#[path = "../support/mod.rs"]
mod support;

use cases::CASES;

/// Rounds before those that count: memories grow to their full size with what is sent in a second or two.
const WARM_UP: u32 = 150;
/// Those that count: less than a second of frames, in which no report goes beside them.
const ROUNDS: u32 = 20;

fn main() {
    let name = std::env::args().nth(1);
    let Some(case) = CASES.iter().find(|case| Some(case.name) == name.as_deref()) else {
        return CASES.iter().for_each(|case| println!("{:<10} {}", case.name, case.about));
    };
    let made = case.play(WARM_UP, ROUNDS);
    assert_eq!(made, case.units * ROUNDS, "what {} sends", case.name);
    println!("{made}");
}

/// Whether what is done now counts.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meter {
    Off,
    On,
}

impl Meter {
    fn run<T>(self, work: impl FnOnce() -> T) -> T {
        match self {
            Self::Off => work(),
            Self::On => measured(work),
        }
    }
}

/// Callgrind counts from its beginning to its end: it knows it by its name.
#[inline(never)]
fn measured<T>(work: impl FnOnce() -> T) -> T {
    work()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_case_sends_what_it_says() {
        for case in CASES {
            assert_eq!(case.play(WARM_UP, ROUNDS), case.units * ROUNDS, "{}", case.name);
        }
    }
}
