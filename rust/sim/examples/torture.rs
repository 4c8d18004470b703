//! `cargo run --release -p sfu-sim --example torture -- CODEC SWITCHES SEED [RULE]`: the counts, and the first
//! problems in words (of one rule: `Gap`, `Marker`, …).

#![allow(clippy::print_stdout, clippy::print_stderr, reason = "a program for the terminal")]

use std::time::Instant;

use sfu_sim::judge::Problem;
use sfu_sim::torture::{Codec, Torture, counts, run};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let codec = arguments.next().and_then(|name| Codec::from_name(&name));
    let Some(codec) = codec else {
        let names = Codec::ALL.map(Codec::as_str).join(", ");
        eprintln!("torture CODEC [SWITCHES [SEED]]; CODEC is one of {names}");
        std::process::exit(2);
    };
    let mut number = |default| arguments.next().and_then(|text| text.parse().ok()).unwrap_or(default);
    let torture = Torture { codec, switches: number(10_000), seed: number(1) };
    let rule = arguments.next();
    let start = Instant::now();
    match run(start, torture) {
        Ok(verdict) => {
            println!("{:?}", counts(&verdict));
            eprintln!("{:.1} s", start.elapsed().as_secs_f64());
            let shown = |problem: &&Problem| rule.as_ref().is_none_or(|rule| *rule == format!("{:?}", problem.rule));
            for problem in verdict.problems.iter().filter(shown) {
                eprintln!("{:?} {:?}: {}", problem.rule, problem.at, problem.text);
            }
        }
        Err(error) => {
            eprintln!("{}: {error}", codec.as_str());
            std::process::exit(1);
        }
    }
}
