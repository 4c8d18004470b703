use std::time::Instant;

use super::*;
use crate::codec::Kind;
use crate::layer::FrameFacts;

const OPUS: Pt = Pt::new(111);

fn packet(codec: CodecName, seq: u64, payload: &[u8]) -> Packet<'_> {
    Packet {
        encoding: 0,
        epoch: 0,
        seq: SeqNo::new(seq),
        newest: SeqNo::new(seq),
        timestamp: seq * 960,
        marker: false,
        codec,
        payload,
        facts: FrameFacts::opaque(false),
        dependencies: Dependencies::None,
        arrival: Instant::now(),
    }
}

fn history_of(payloads: &[(u64, &[u8])]) -> History {
    let mut history = History::new(Kind::Audio);
    for (seq, payload) in payloads {
        history.push(&packet(CodecName::Opus, *seq, payload), std::iter::empty());
    }
    history
}

/// Blocks of a RED payload: payload type, age, frame.
fn blocks(payload: &[u8]) -> Vec<(u8, u16, Vec<u8>)> {
    let red = RedPayload::parse(payload).expect("RED");
    red.blocks().map(|block| (block.pt.get(), block.timestamp_offset, block.data.to_vec())).collect()
}

fn red_payload(frames: &[(u16, &[u8])]) -> Vec<u8> {
    let blocks: Vec<RedBlock<'_>> = frames
        .iter()
        .map(|(age, data)| RedBlock { pt: Pt::new(96), timestamp_offset: *age, primary: *age == 0, data })
        .collect();
    let mut buffer = vec![0; 3000];
    let len = write(&blocks, &mut buffer).expect("it fits");
    buffer.truncate(len);
    buffer
}

#[test]
fn opus_becomes_red_with_what_came_before_and_again_the_same() {
    let mut history = history_of(&[(9, &[1, 1]), (10, &[2, 2])]);
    let material = Material { packet: packet(CodecName::Opus, 11, &[3, 3]), history: &history };
    let form = material.red(OPUS, 2, |_| false);
    assert_eq!(form, Form::Red(0b11));
    let mut buffer = [0; MAX_RED];
    let sent = material.payload(form, Some(OPUS), &mut buffer).unwrap().to_vec();
    assert_eq!(blocks(&sent), [(111, 1920, vec![1, 1]), (111, 960, vec![2, 2]), (111, 0, vec![3, 3])]);
    history.push(&packet(CodecName::Opus, 12, &[4]), std::iter::empty());
    let material = Material { packet: packet(CodecName::Opus, 11, &[3, 3]), history: &history };
    assert_eq!(material.payload(form, Some(OPUS), &mut buffer).unwrap(), sent);
}

#[test]
fn a_frame_that_came_late_does_not_change_what_was_sent() {
    let mut history = history_of(&[(9, &[1, 1])]);
    let newest = packet(CodecName::Opus, 11, &[3, 3]);
    let form = Material { packet: newest, history: &history }.red(OPUS, 2, |_| false);
    assert_eq!(form, Form::Red(0b10), "the packet 10 is missing");
    history.push(&packet(CodecName::Opus, 10, &[2, 2]), std::iter::empty());
    let mut buffer = [0; MAX_RED];
    let again = Material { packet: newest, history: &history };
    let again = again.payload(form, Some(OPUS), &mut buffer).unwrap();
    assert_eq!(blocks(again), [(111, 1920, vec![1, 1]), (111, 0, vec![3, 3])]);
}

#[test]
fn whatever_has_a_frame_goes_out_in_the_form_that_was_chosen_for_it() {
    // A number that is given to a packet which then does not leave would be a loss that nobody can repair.
    let history = history_of(&[(8, &[1; 1023]), (9, &[1; 1024]), (10, &[2; 300])]);
    let long: Vec<u8> = vec![7; 1023];
    for primary in [1, 2, 700, 1075, 1099, 1100, 1275, 1400] {
        let new = vec![9; primary];
        let of_red: Vec<Vec<(u16, &[u8])>> = vec![
            vec![(0, &new)],
            vec![(960, &[1]), (0, &new)],
            vec![(0x3fff, &long), (0, &new)],
            vec![(960, &[]), (0, &new)],
            (0..=12).rev().map(|back| (back * 960, if back == 0 { &new[..] } else { &long[..40] })).collect(),
        ];
        let packets = of_red.iter().map(|frames| (CodecName::Red, red_payload(frames)));
        for (codec, payload) in packets.chain([(CodecName::Opus, new.clone())]) {
            assert!(codec != CodecName::Red || has_frame(&payload));
            for opus in [OPUS, Pt::new(96)] {
                for precedes in [0, 10, 11] {
                    let material = Material { packet: packet(codec, 11, &payload), history: &history };
                    let form = material.red(opus, 2, |seq| seq.get() < precedes);
                    let mut buffer = [0; MAX_RED];
                    let sent = material.payload(form, Some(opus), &mut buffer).expect("it goes out");
                    let frame = match form.codec(codec) {
                        CodecName::Red => RedPayload::parse(sent).unwrap().primary().unwrap().data,
                        _ => sent,
                    };
                    assert_eq!(frame, new, "{codec:?} of {primary} bytes as {form:?}");
                }
            }
        }
    }
}

#[test]
fn redundancy_is_bounded_in_length_time_and_by_where_the_run_began() {
    let long = vec![7; 1000];
    let history = history_of(&[(1, &[1; 1024]), (9, &long), (10, &long), (40, &[5, 5])]);
    let red = |seq, payload: &[u8], precedes: u64| {
        let material = Material { packet: packet(CodecName::Opus, seq, payload), history: &history };
        material.red(OPUS, 2, |seq| seq.get() < precedes)
    };
    assert_eq!(red(2, &[3], 0), Form::Red(0), "ten bits of length");
    assert_eq!(red(11, &[3; 50], 0), Form::Red(0b01), "two do not fit");
    assert_eq!(red(11, &[3; 200], 0), Form::Red(0), "nor does one");
    assert_eq!(red(41, &[3], 41), Form::Red(0), "it is of before the run");
    let late = Packet { timestamp: 40 * 960 + 0x4000, ..packet(CodecName::Opus, 41, &[3]) };
    assert_eq!(
        Material { packet: late, history: &history }.red(OPUS, 2, |_| false),
        Form::Red(0),
        "fourteen bits of time"
    );
}

#[test]
fn opus_is_taken_out_of_red() {
    let history = History::new(Kind::Audio);
    let payload = red_payload(&[(1920, &[1]), (960, &[2, 2]), (0, &[3, 3, 3])]);
    let material = Material { packet: packet(CodecName::Red, 11, &payload), history: &history };
    let mut buffer = [0; MAX_RED];
    for (back, frame) in [(0, vec![3, 3, 3]), (1, vec![2, 2]), (2, vec![1])] {
        assert_eq!(material.payload(Form::Frame(back), None, &mut buffer), Some(&frame[..]));
    }
    assert_eq!(material.payload(Form::Frame(3), None, &mut buffer), None);
    let broken = Material { packet: packet(CodecName::Red, 11, &payload[..5]), history: &history };
    assert_eq!(broken.payload(Form::Frame(0), None, &mut buffer), None);
}

#[test]
fn red_passes_as_it_came_unless_its_run_or_its_numbers_differ() {
    let history = History::new(Kind::Audio);
    let payload = red_payload(&[(1920, &[1]), (960, &[2, 2]), (0, &[3, 3, 3])]);
    let material = Material { packet: packet(CodecName::Red, 11, &payload), history: &history };
    assert_eq!(material.red(Pt::new(96), 0, |_| false), Form::Whole);
    let mut buffer = [0; MAX_RED];
    let renumbered = material.red(OPUS, 0, |_| false);
    let sent = blocks(material.payload(renumbered, Some(OPUS), &mut buffer).unwrap());
    assert_eq!(sent, [(111, 1920, vec![1]), (111, 960, vec![2, 2]), (111, 0, vec![3, 3, 3])]);
    // The run began with the packet 10: the frame of 9 is somebody else's time.
    let shortened = material.red(Pt::new(96), 0, |seq| seq.get() < 10);
    let sent = blocks(material.payload(shortened, Some(Pt::new(96)), &mut buffer).unwrap());
    assert_eq!(sent, [(96, 960, vec![2, 2]), (96, 0, vec![3, 3, 3])]);
}
