use std::time::Instant;

use sfu_wire::Pt;
use sfu_wire::payload::red::{RedBlock, write};

use super::*;
use crate::codec::Kind;
use crate::layer::FrameFacts;

/// The packet `seq`, with its frame and `earlier` ones of 20 ms each.
fn red(earlier: u16) -> Vec<u8> {
    // 0x78: 20 ms.
    let block = |back: u16| RedBlock {
        pt: Pt::new(111),
        timestamp_offset: back * 960,
        primary: back == 0,
        data: &[0x78, 1, 2],
    };
    let blocks: Vec<RedBlock<'_>> = (0..=earlier).rev().map(block).collect();
    let mut buffer = vec![0; 200];
    let len = write(&blocks, &mut buffer).expect("it fits");
    buffer.truncate(len);
    buffer
}

#[derive(Default)]
struct Stream {
    recovery: Recovery,
    history: Option<History>,
    newest: u64,
}

impl Stream {
    fn take(&mut self, seq: u64, timestamp: u64, payload: &[u8]) -> Vec<u64> {
        self.newest = self.newest.max(seq);
        let packet = Packet {
            encoding: 0,
            epoch: 0,
            seq: SeqNo::new(seq),
            newest: SeqNo::new(self.newest),
            timestamp,
            marker: false,
            codec: CodecName::Red,
            payload,
            facts: FrameFacts::opaque(false),
            dependencies: Dependencies::None,
            arrival: Instant::now(),
        };
        let history = self.history.get_or_insert_with(|| History::new(Kind::Audio));
        let recovered = self.recovery.take(&packet, history);
        history.push(&packet, std::iter::empty());
        recovered.iter().map(|found| found.seq.get()).collect()
    }

    fn receive(&mut self, seq: u64) -> Vec<u64> {
        self.take(seq, seq * 960, &red(2))
    }
}

#[test]
fn what_is_missing_is_given_back_once_and_oldest_first() {
    let mut stream = Stream::default();
    assert_eq!(stream.receive(100), [98, 99], "whether anybody wants what was before is not decided here");
    assert_eq!(stream.receive(101), [0; 0]);
    assert_eq!(stream.receive(104), [102, 103]);
    assert_eq!(stream.receive(105), [0; 0], "103 is in there again");
    assert_eq!(stream.receive(108), [106, 107]);
    assert_eq!(stream.receive(112), [110, 111], "109 is lost");
    assert!(stream.recovery.contains(SeqNo::new(110)) && !stream.recovery.contains(SeqNo::new(109)));
    assert!(!stream.recovery.contains(SeqNo::new(108)), "it came itself");
}

#[test]
fn what_was_given_back_is_known_until_it_is_too_late_anyway() {
    let mut stream = Stream::default();
    stream.receive(100);
    stream.receive(103);
    stream.take(150, 150 * 960, &red(0));
    assert!(stream.recovery.contains(SeqNo::new(102)));
    stream.take(1000, 1000 * 960, &red(0));
    assert!(!stream.recovery.contains(SeqNo::new(102)));
    assert_eq!(stream.receive(700), [0; 0], "it comes too late itself");
}

/// A frame of 20 ms, so many ticks before the new one.
fn at(timestamp_offset: u16, primary: bool) -> RedBlock<'static> {
    RedBlock { pt: Pt::new(111), timestamp_offset, primary, data: &[0x78, 1, 2] }
}

#[test]
fn redundancy_that_does_not_match_what_came_is_not_believed() {
    let mut stream = Stream::default();
    stream.receive(100);
    // Its earlier frames are those of two and four packets ago, not of one and two.
    let mut buffer = [0; 100];
    let len = write(&[at(4 * 960, false), at(2 * 960, false), at(0, true)], &mut buffer).unwrap();
    assert_eq!(stream.take(102, 102 * 960, &buffer[..len]), [0; 0]);
    let len = write(&[at(960, false), at(1920, false), at(0, true)], &mut buffer).unwrap();
    assert_eq!(stream.take(105, 105 * 960, &buffer[..len]), [0; 0], "they run backwards");
    assert_eq!(stream.take(107, 107 * 960, &[0xff, 1]), [0; 0], "it is no RED at all");
}

#[test]
fn a_pause_between_frames_is_no_contradiction() {
    let mut stream = Stream::default();
    stream.receive(100);
    // 101 was the last before 300 ms of silence.
    let mut buffer = [0; 100];
    let len = write(&[at(300 * 48, false), at(0, true)], &mut buffer).unwrap();
    assert_eq!(stream.take(102, 101 * 960 + 300 * 48, &buffer[..len]), [101]);
}
