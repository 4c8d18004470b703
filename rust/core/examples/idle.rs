//! What sessions cost that are connected and receive nothing: nanoseconds of the core for each, for a second of its life.
//!
//! Run it in release mode: `cargo run --release -p sfu-core --example idle`. The sessions have joined one after another, so that
//! they are called one after another, too, as in life; checks are not in it.

#![allow(dead_code, reason = "the other programs of this folder use the rest of the scene")]
#![allow(clippy::print_stdout, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "an example")]

mod support;

use std::time::{Duration, Instant};

use support::scene::{Scene, video};

const ROUNDS: usize = 15;

fn main() {
    for sessions in [1000, 5000] {
        println!("{sessions} idle sessions: {:>5.0} ns each, for a second", second_of(sessions));
    }
}

/// The median of seconds, after the first ones.
fn second_of(sessions: u32) -> f64 {
    let mut scene = Scene::new();
    for _ in 0..sessions {
        scene.join(&video("recvonly", &[]));
        scene.wait(Duration::from_secs(1) / sessions);
        scene.forget();
    }
    let mut rounds: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let began = Instant::now();
            scene.wait(Duration::from_secs(1));
            let took = began.elapsed();
            scene.forget();
            took.as_nanos() as f64 / f64::from(sessions)
        })
        .skip(ROUNDS / 3)
        .collect();
    rounds.sort_by(f64::total_cmp);
    rounds[rounds.len() / 2]
}
