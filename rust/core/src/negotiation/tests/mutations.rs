//! Broken descriptions never panic, and whatever is refused changes nothing.

use std::fmt::Write;

use proptest::prelude::*;

use super::client::{Client, Rounds, credentials, negotiator, sender};
use crate::codec::CodecName;
use crate::negotiation::NegotiatorRole;

const SEEDS: [&str; 5] = [
    include_str!("../../../../../tests/golden/sdp/chromium156-publish.sdp"),
    include_str!("../../../../../tests/golden/sdp/firefox153-default.sdp"),
    include_str!("../../../../../tests/golden/sdp/aiortc1.16-publish.sdp"),
    include_str!("../../../../../tests/golden/sdp/gstreamer1.22-publish.sdp"),
    include_str!("../../../../../tests/golden/sdp/obs-shaped.sdp"),
];

const WORDS: [&str; 13] = ["0", "-1", "255", "65536", "99999999999", "*", "", "=", ":", ";", "a b", "é", "~"];

#[derive(Debug, Clone)]
enum Mutation {
    Delete(usize),
    Repeat(usize, usize),
    Replace(usize, usize, char),
    Cut(usize, usize),
    Word(usize, usize, &'static str),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        3 => (0..200usize).prop_map(Mutation::Delete),
        1 => (0..200usize, 0..200usize).prop_map(|(from, to)| Mutation::Repeat(from, to)),
        2 => (0..200usize, 0..80usize, any::<char>()).prop_map(|(line, at, c)| Mutation::Replace(line, at, c)),
        1 => (0..200usize, 0..80usize).prop_map(|(line, at)| Mutation::Cut(line, at)),
        3 => (0..200usize, 0..8usize, prop::sample::select(&WORDS[..]))
            .prop_map(|(line, at, word)| Mutation::Word(line, at, word)),
    ]
}

fn mutate(seed: &str, mutations: &[Mutation]) -> String {
    let mut lines: Vec<String> = seed.lines().map(str::to_owned).collect();
    for mutation in mutations {
        let count = lines.len().max(1);
        match mutation {
            Mutation::Delete(line) => {
                if lines.len() > 1 {
                    lines.remove(line % count);
                }
            }
            Mutation::Repeat(from, to) => {
                let line = lines[from % count].clone();
                lines.insert(to % count, line);
            }
            Mutation::Replace(line, at, c) => {
                let line = &mut lines[line % count];
                *line = line.chars().enumerate().map(|(i, old)| if i == *at { *c } else { old }).collect();
            }
            Mutation::Cut(line, at) => {
                let line = &mut lines[line % count];
                *line = line.chars().take(*at).collect();
            }
            Mutation::Word(line, at, word) => {
                let line = &mut lines[line % count];
                let mut words: Vec<&str> = line.split(' ').collect();
                let at = at % words.len();
                words[at] = word;
                *line = words.join(" ");
            }
        }
    }
    lines.iter().fold(String::new(), |mut sdp, line| {
        let _ = write!(sdp, "{line}\r\n");
        sdp
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn offers(seed in 0..SEEDS.len(), mutations in prop::collection::vec(mutation(), 1..6), agreed in any::<bool>()) {
        let mut negotiator = negotiator(NegotiatorRole::Either);
        negotiator.add_sender(sender(1, CodecName::Vp8));
        if agreed {
            negotiator.answer_to(SEEDS[seed]);
            let (id, offer) = negotiator.offered();
            negotiator.take(&Client::answering(&offer).sdp(), id);
        }
        let before = negotiator.sections().to_vec();
        if let Ok(answer) = negotiator.receive_offer(&mutate(SEEDS[seed], &mutations), &credentials("x")) {
            // What is written can be read.
            prop_assert!(super::super::parse::parse(&answer).is_ok(), "{}", answer);
        } else {
            prop_assert_eq!(negotiator.sections(), &before[..]);
        }
    }

    #[test]
    fn answers(mutations in prop::collection::vec(mutation(), 1..6)) {
        let mut negotiator = negotiator(NegotiatorRole::Either);
        negotiator.add_sender(sender(1, CodecName::Vp8));
        negotiator.add_sender(sender(2, CodecName::Opus));
        negotiator.want_data();
        let (id, offer) = negotiator.offered();
        let answer = Client::answering(&offer).sdp();
        if negotiator.receive_answer(&mutate(&answer, &mutations), Some(id)).is_err() {
            prop_assert!(negotiator.sections().is_empty());
            negotiator.take(&answer, id);
        }
    }

    #[test]
    fn any_text(text in "\\PC{0,200}") {
        prop_assert!(negotiator(NegotiatorRole::Either).receive_offer(&text, &credentials("x")).is_err());
    }
}

#[test]
fn endless_lists_are_cut_short() {
    let mut sdp = Client::new(&[("video", "sendonly", super::client::VP8)]).sdp();
    for number in 0..20_000 {
        write!(sdp, "a=rid:r{number} send\r\na=ssrc:{number} cname:x\r\na=extmap:{} urn:x\r\n", number % 250 + 1)
            .unwrap();
    }
    let list: Vec<String> = (0..20_000).map(|number| format!("r{number}")).collect();
    write!(sdp, "a=simulcast:send {}\r\n", list.join(";")).unwrap();
    let mut negotiator = negotiator(NegotiatorRole::Either);
    negotiator.answer_to(&sdp);
    let receive = negotiator.sections()[0].receive.as_ref().unwrap();
    assert_eq!((receive.ssrcs.len(), receive.rids.len()), (64, 0));
}
