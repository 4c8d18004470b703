//! A thousand people with three audio slots each: whoever speaks is heard with the first packet, the loudest stay.

use std::collections::{BTreeMap, BTreeSet};

use sfu_core::config::SfuConfig;
use sfu_transport::Random;
use sfu_wire::Ssrc;

use crate::crowd::{Crowd, Heard};
use crate::world::{config, seconds};

const PEOPLE: usize = 1000;
const SLOTS: usize = 3;
/// All more than 6 dB apart.
const LEVELS: [u8; 6] = [5, 13, 21, 29, 37, 45];

fn crowd() -> Crowd {
    // There are no checks here that would renew consent.
    Crowd::new(SfuConfig { consent_timeout: seconds(3600), ..config() }, PEOPLE, SLOTS as u8)
}

/// What a few people have received: each stream's last number, and who was heard in this turn.
#[derive(Default)]
struct Ears {
    numbers: BTreeMap<(usize, Ssrc), u16>,
    heard: BTreeMap<usize, BTreeSet<usize>>,
}

impl Ears {
    fn take(&mut self, heard: &[Heard]) {
        for one in heard {
            assert_ne!(one.ear, one.speaker, "nobody hears itself");
            let last = self.numbers.insert((one.ear, one.ssrc), one.seq);
            assert!(last.is_none_or(|last| one.seq == last.wrapping_add(1)), "no gap, whoever speaks");
            self.heard.entry(one.ear).or_default().insert(one.speaker);
        }
    }
}

/// People who have not spoken before, in any order.
fn speakers(random: &mut Random, turn: usize) -> Vec<(usize, u8)> {
    let mut levels = LEVELS.to_vec();
    let mut speakers = Vec::new();
    for place in 0..LEVELS.len() {
        let level = levels.swap_remove(random.below(levels.len() as u64) as usize);
        speakers.push((100 + turn * 150 + place * 20 + random.below(20) as usize, level));
    }
    speakers
}

#[test]
fn the_loudest_are_heard_by_everybody_and_each_from_its_first_packet() {
    let mut crowd = crowd();
    let mut random = Random::new([5; 32]);
    let mut ears = Ears::default();
    for turn in 0..3 {
        let speakers = speakers(&mut random, turn);
        let listeners = [0, 50, 999];
        let tested: Vec<usize> = listeners.into_iter().chain(speakers.iter().map(|(who, _)| *who)).collect();
        // The turn before has ended.
        crowd.wait(200);
        for (who, level) in &speakers[..SLOTS] {
            let (_, heard) = crowd.send_to(*who, *level, &tested);
            let first: BTreeSet<usize> = heard.iter().map(|one| one.ear).collect();
            assert_eq!(first.len(), tested.len() - 1, "its first packet reaches everybody but itself");
            ears.take(&heard);
        }
        // Packets of 60 ms. A place is kept for a second at least, so the last one settles after a few.
        for _ in 0..75 {
            crowd.wait(60);
            ears.heard.clear();
            for (who, level) in &speakers {
                ears.take(&crowd.send_to(*who, *level, &tested).1);
            }
        }
        let mut ranking = speakers.clone();
        ranking.sort_by_key(|(_, level)| *level);
        let ranking: Vec<usize> = ranking.into_iter().map(|(who, _)| who).collect();
        for ear in 0..PEOPLE {
            let others = ranking.iter().filter(|who| **who != ear);
            let expected: BTreeSet<usize> = others.take(SLOTS).copied().collect();
            let told: BTreeSet<usize> = crowd.slots_of(ear).into_iter().flatten().collect();
            assert_eq!(told, expected, "turn {turn}: {ear} is told who is loudest");
            if tested.contains(&ear) {
                assert_eq!(ears.heard.get(&ear), Some(&expected), "turn {turn}: and that is whom {ear} hears");
            }
        }
    }
}

#[test]
fn what_is_sent_does_not_grow_with_those_who_speak() {
    let mut crowd = crowd();
    let mut sent = Vec::new();
    for count in [SLOTS, 30] {
        for step in 0..60 {
            crowd.wait(20);
            if step == 10 {
                sent.push(crowd.people[999].datagrams);
            }
            for who in 0..count {
                crowd.send(who, 30);
            }
        }
        let before = sent.pop().expect("it was counted");
        sent.push(crowd.people[999].datagrams - before);
    }
    // Three packets each 20 ms for a second, and a few reports.
    assert!(sent.iter().all(|sent| (50 * 3..50 * 3 + 10).contains(sent)), "{sent:?}");
}

#[test]
fn people_who_talk_by_turns_change_one_slot_an_utterance() {
    let mut crowd = crowd();
    let listener = crowd.people[999].session;
    let before = crowd.told[&listener];
    for turn in 0..12 {
        // A second each, breathing for 100 ms in the middle.
        for step in 0..50 {
            crowd.wait(20);
            if !(20..25).contains(&step) {
                crowd.send(turn % 4, 25);
            }
        }
    }
    let changes = crowd.told[&listener] - before;
    assert!((4..=12).contains(&changes), "{changes} for 12 utterances");
}
