//! `cargo run --release -p sfu-sim --example torture -- CODEC SWITCHES SEED [RULE]`: the counts, and the first
//! problems in words (of one rule: `Gap`, `Marker`, …).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::time::Instant;

use sfu_sim::judge::Problem;
use sfu_sim::torture::{Codec, FURTHER, counts, further, run_structure};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let Some(structure) = Codec::from_name(&name).map(Codec::structure).or_else(|| further(&name)) else {
        let names = [&Codec::ALL.map(Codec::as_str)[..], &FURTHER.map(|(name, _)| name)[..]].concat().join(", ");
        eprintln!("torture CODEC [SWITCHES [SEED]]; CODEC is one of {names}");
        std::process::exit(2);
    };
    let mut number = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let (switches, seed) = (number(10_000), number(1));
    let rule = arguments.next();
    let start = Instant::now();
    match run_structure(start, structure, (switches, seed), |_| true) {
        Ok(verdict) => {
            println!("{:?}", counts(&verdict));
            for (name, wait) in [
                ("beyond the keyframe", &verdict.waits_beyond_keyframe),
                ("for a request", &verdict.waits_for_request),
                ("beyond the governor", &verdict.waits_beyond_governor),
            ] {
                println!("longest wait {name}: {:?} of {}: {}", wait.longest, wait.count, wait.text);
            }
            eprintln!("{:.1} s", start.elapsed().as_secs_f64());
            let shown = |problem: &&Problem| rule.as_ref().is_none_or(|rule| *rule == format!("{:?}", problem.rule));
            for problem in verdict.problems.iter().filter(shown) {
                eprintln!("{:?} {:?}: {}", problem.rule, problem.at, problem.text);
            }
        }
        Err(error) => {
            eprintln!("{name}: {error}");
            std::process::exit(1);
        }
    }
}
