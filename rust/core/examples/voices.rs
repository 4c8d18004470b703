//! What audio slots cost: nanoseconds for a packet that is ranked and not heard, in rooms of 10, 100 and 1000 who all speak,
//! and microseconds for a voice that takes a place which a thousand people hear: `cargo run --release -p sfu-core --example voices`.
//! The last line is JSON.

#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "an example")]
#![allow(dead_code, reason = "the scenarios use the rest of the crowd")]

use std::fmt::Write as _;
use std::time::Duration;

#[path = "../tests/scenarios/crowd.rs"]
mod crowd;
mod support;

use crowd::{Crowd, SILENT};
use support::config;

const SLOTS: u8 = 3;
/// How often a second a place can change hands at most: its holder is silent for 150 ms first.
const CHANGES: f64 = 1000.0 / 150.0;

fn main() {
    let mut json = String::new();
    for people in [10, 100, 1000] {
        let (silent, ranked) = ranking(people);
        println!("{people:>5} people: {silent:>7.0} ns for a silent packet, {ranked:>7.0} ns for a ranked one");
        let _ = write!(json, "\"silent_{people}_ns\": {silent:.1}, \"ranked_{people}_ns\": {ranked:.1}, ");
    }
    let (packet, change) = changes(1000);
    let percent = change * CHANGES / 1e7;
    println!(
        "1000 people: {:.0} us for a packet that all hear, {:.0} us more for a change",
        packet / 1e3,
        change / 1e3
    );
    println!("             {percent:.2} % of a core for a change each 150 ms");
    println!("{{{json}\"change_us\": {:.1}, \"changes_percent\": {percent:.3}}}", change / 1e3);
}

/// Nanoseconds for a packet of somebody who is not heard: silent, and in a ranking of everybody.
fn ranking(people: usize) -> (f64, f64) {
    let mut crowd = Crowd::new(config(), people, SLOTS);
    let (mut silent, mut ranked) = (Vec::new(), Vec::new());
    for round in 0..20_000 / people {
        crowd.wait(20);
        // Those who have the places, and the spare one.
        (0..=usize::from(SLOTS)).for_each(|who| _ = crowd.send(who, 10));
        for who in usize::from(SLOTS) + 1..people {
            let took = crowd.send(who, if round % 2 == 0 { 30 } else { SILENT });
            if round % 2 == 0 { &mut ranked } else { &mut silent }.push(took);
        }
    }
    (median(silent), median(ranked))
}

/// Nanoseconds for a packet that everybody hears, and for a change of voice beyond that.
fn changes(people: usize) -> (f64, f64) {
    let mut crowd = Crowd::new(config(), people, SLOTS);
    let (mut first, mut next) = (Vec::new(), Vec::new());
    // Each turn somebody else speaks, when the last one has been silent for long enough.
    for turn in 0..300 {
        let who = turn % people;
        first.push(crowd.send(who, 20));
        crowd.wait(20);
        next.push(crowd.send(who, 20));
        crowd.wait(180);
    }
    let (first, next) = (median(first), median(next));
    (next, first - next)
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_nanos() as f64
}
