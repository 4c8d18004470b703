//! A generator without a server: orders, their answers, and its end.
#![allow(clippy::unwrap_used)]

use std::net::{IpAddr, Ipv4Addr};
use std::thread;
use std::time::{Duration, Instant};

use sfu_load::generator::{Answer, Ask, ConstantVideo, LoadPeer, News};
use sfu_load::{Generator, GeneratorConfig, GeneratorError};
use sfu_peer::{Pacing, Receiving};

/// Nothing here takes so long, however slow the machine.
const PATIENCE: Duration = Duration::from_secs(30);

fn generator() -> Generator {
    Generator::start(GeneratorConfig { ip: IpAddr::V4(Ipv4Addr::LOCALHOST), coalesce: false, profile: None }).unwrap()
}

fn publisher() -> LoadPeer {
    let pacing = Pacing::Burst;
    let video = ConstantVideo { size: 1200, packets_per_frame: 8, frames_per_second: 30, simulcast: false, pacing };
    LoadPeer::Publisher { video: Some(video), audio: true }
}

/// The answers to so many orders.
fn answers(generator: &Generator, count: usize) -> Vec<(u64, Result<Answer, String>)> {
    let (start, mut answers) = (Instant::now(), Vec::new());
    while answers.len() < count {
        assert!(start.elapsed() < PATIENCE, "only {answers:?}");
        for news in generator.drain() {
            if let News::Answered(ticket, answer) = news {
                answers.push((ticket, answer));
            }
        }
        thread::yield_now();
    }
    answers
}

#[test]
fn orders_are_answered_in_their_order() {
    let generator = generator();
    let sender = generator.add(publisher()).unwrap();
    let viewer = generator.add(LoadPeer::Subscriber { receiving: Receiving::Verify, ask_again: 0.0 }).unwrap();
    let tickets = [
        generator.ask(sender, Ask::Offer { audio: 0, video: 0 }).unwrap(),
        generator.ask(viewer, Ask::Offer { audio: 1, video: 2 }).unwrap(),
        generator.ask(viewer, Ask::Accept("nonsense".into())).unwrap(),
        generator.ask(sender, Ask::Leave).unwrap(),
        generator.ask(sender, Ask::Offer { audio: 0, video: 0 }).unwrap(),
    ];
    let answers = answers(&generator, tickets.len());
    assert_eq!(answers.iter().map(|(ticket, _)| *ticket).collect::<Vec<_>>(), tickets);
    let answers: Vec<_> = answers.into_iter().map(|(_, answer)| answer).collect();
    let [Ok(Answer::Sdp(sent)), Ok(Answer::Sdp(received)), refused, Ok(Answer::Done), left] = &answers[..] else {
        panic!("{answers:?}")
    };
    assert_eq!((sent.matches("m=audio").count(), sent.matches("m=video").count()), (1, 1));
    assert_eq!((received.matches("m=audio").count(), received.matches("m=video").count()), (1, 2));
    assert_eq!(refused.as_ref().unwrap_err(), "a=ice-ufrag is missing");
    assert_eq!(left.as_ref().unwrap_err(), "the peer has left");
}

#[test]
fn a_peer_without_a_socket_says_why_and_may_leave() {
    // An address for examples (RFC 5737), which no machine has.
    let ip = IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1));
    let generator = Generator::start(GeneratorConfig { ip, coalesce: false, profile: None }).unwrap();
    let peer = generator.add(publisher()).unwrap();
    generator.ask(peer, Ask::Offer { audio: 0, video: 0 }).unwrap();
    generator.ask(peer, Ask::Leave).unwrap();
    generator.ask(peer, Ask::Leave).unwrap();
    let answers: Vec<_> = answers(&generator, 3).into_iter().map(|(_, answer)| answer).collect();
    let [Err(why), Ok(Answer::Done), Ok(Answer::Done)] = &answers[..] else { panic!("{answers:?}") };
    assert!(why.starts_with("no socket for it: "), "{why}");
}

#[test]
fn nothing_that_was_sent_is_nothing_to_measure() {
    let generator = generator();
    generator.add(publisher()).unwrap();
    generator.add(LoadPeer::Subscriber { receiving: Receiving::Verify, ask_again: 0.0 }).unwrap();
    generator.begin().unwrap();
    generator.figures().unwrap();
    let (_, Ok(Answer::Figures(figures))) = answers(&generator, 2).remove(1) else { panic!("no figures") };
    assert!(figures.totals.fields().all(|(_, value)| value == 0), "{figures:?}");
    assert_eq!((figures.silent, figures.delays.count(), figures.profiles.len()), (1, 0, 0), "one would receive");
}

#[test]
fn a_closed_generator_takes_no_orders() {
    let mut generator = generator();
    let peer = generator.add(publisher()).unwrap();
    generator.close();
    generator.close();
    assert!(matches!(generator.ask(peer, Ask::Leave), Err(GeneratorError::Closed)));
    assert!(matches!(generator.add(publisher()), Err(GeneratorError::Closed)));
}
