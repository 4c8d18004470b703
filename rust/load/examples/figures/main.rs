//! The measuring half of `benches/`: one figure a run, as one line of JSON; the scripts there repeat, compare and explain.
//!
//! ```text
//! figures packets <peers> <seconds>     CPU of a forwarded packet, everybody publishing to everybody
//! figures joins <count>                 a viewer's way from the command to its first packets, one after another and many at once
//! figures sections <count>              negotiating so many m-lines at once
//! figures fanout [name=value …]         CPU of a forwarded packet, few publishers and many subscribers, the server on a core
//!                                       (publishers subscribers media rate frame bytes feedback profile seconds fixed warm core shards hold wire)
//! figures crowd [name=value …]          the same of rooms in which everybody publishes, and the delay through the server
//!                                       (rooms people high middle low voices fps seconds warm core shards steer)
//! figures echo [name=value …]           the delay of a bare echo (size frame rate destinations seconds core)
//! figures forward <subscribers>         the core alone: a packet taken in, and a packet forwarded
//! figures idle <sessions>               memory of a connected session that does nothing
//! figures subscribers <sessions>        memory of a session that receives one audio and one video track
//! ```
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program for figures")]
#![allow(missing_docs)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod crowd;
mod echo;
mod fanout;
mod forward;
mod live;
mod settings;
mod still;
mod window;
mod wire;

use settings::Settings;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let number = |text: &str| text.parse::<usize>().expect("a number");
    let figures = match words[..] {
        ["packets", peers, seconds] => live::packets(number(peers), number(seconds) as u64),
        ["joins", count] => live::joins(number(count)),
        ["sections", count] => still::sections(number(count)),
        ["fanout", ..] => fanout::fanout(Settings::parse(&arguments[1..])),
        ["crowd", ..] => crowd::crowd(Settings::parse(&arguments[1..])),
        ["echo", ..] => echo::echo(Settings::parse(&arguments[1..])),
        ["forward", subscribers] => forward::forward(number(subscribers)),
        ["idle", sessions] => still::idle(number(sessions)),
        ["subscribers", sessions] => still::subscribers(number(sessions)),
        _ => panic!(
            "what to measure: packets, joins, sections, fanout, crowd, echo, forward, idle, subscribers; see the head of this file"
        ),
    };
    let fields: Vec<_> = figures.iter().map(|(name, value)| format!("\"{name}\": {value:.5}")).collect();
    println!("{{{}}}", fields.join(", "));
}

/// Names and values of one run.
type Figures = Vec<(&'static str, f64)>;

/// The one in the middle.
fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
