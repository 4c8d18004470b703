//! Where talkspurts start: the marker tells a receiver when it may set its playout anew (RFC 3551 §4.1).
//!
//! Browsers set no marker after the pauses of discontinuous transmission. A pause is seen from numbers that go on while time has
//! gone on by more than a packet can hold.

use sfu_wire::SeqNo;
use sfu_wire::payload::red::RedPayload;

use crate::codec::CodecName;
use crate::layer::Packet;

/// The longest Opus packet in ticks (RFC 6716 §3.2.5: 120 ms).
const LONGEST: u64 = 5_760;
/// An Opus packet without sound: the encoder would have left it out (RFC 6716 §3.1).
const SILENT_LEN: usize = 2;

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Talkspurts {
    last: Option<Last>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    seq: SeqNo,
    timestamp: u64,
    silent: bool,
}

impl Talkspurts {
    /// Whether one starts with `packet`. What comes late starts none.
    pub(crate) fn starts(&mut self, packet: &Packet<'_>) -> bool {
        let silent = is_silent(packet.codec, packet.payload);
        let last = self.last;
        if last.is_some_and(|last| packet.seq <= last.seq) {
            return false;
        }
        self.last = Some(Last { seq: packet.seq, timestamp: packet.timestamp, silent });
        let pause = |last: Last| {
            let most = (packet.seq.get() - last.seq.get()).saturating_mul(LONGEST);
            last.silent || packet.timestamp.saturating_sub(last.timestamp) > most
        };
        !silent && last.is_some_and(pause)
    }
}

/// Whether there is no sound in an audio payload.
pub(crate) fn is_silent(codec: CodecName, payload: &[u8]) -> bool {
    let frame = match codec {
        CodecName::Red => RedPayload::parse(payload).ok().and_then(|red| red.primary()).map_or(&[][..], |new| new.data),
        _ => payload,
    };
    frame.len() <= SILENT_LEN
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;
    use crate::layer::{Dependencies, FrameFacts};

    fn starts(talkspurts: &mut Talkspurts, seq: u64, ms: u64, payload: &[u8]) -> bool {
        talkspurts.starts(&Packet {
            encoding: 0,
            epoch: 0,
            seq: SeqNo::new(seq),
            newest: SeqNo::new(seq),
            timestamp: ms * 48,
            marker: false,
            codec: CodecName::Opus,
            payload,
            facts: FrameFacts::opaque(false),
            dependencies: Dependencies::None,
            arrival: Instant::now(),
        })
    }

    const SOUND: &[u8] = &[0x78; 40];
    const NONE: &[u8] = &[0x78];

    #[test]
    fn the_first_sound_after_a_pause_starts_one() {
        let mut talkspurts = Talkspurts::default();
        assert!(!starts(&mut talkspurts, 1, 0, SOUND), "a run marks its own start");
        assert!(!starts(&mut talkspurts, 2, 20, SOUND));
        assert!(starts(&mut talkspurts, 3, 500, SOUND));
        assert!(!starts(&mut talkspurts, 4, 520, SOUND));
    }

    #[test]
    fn comfort_noise_starts_none_and_what_follows_does() {
        let mut talkspurts = Talkspurts::default();
        starts(&mut talkspurts, 1, 0, SOUND);
        assert!(!starts(&mut talkspurts, 2, 400, NONE));
        assert!(!starts(&mut talkspurts, 3, 800, NONE));
        assert!(starts(&mut talkspurts, 4, 820, SOUND));
    }

    #[test]
    fn loss_and_disorder_are_no_pause() {
        let mut talkspurts = Talkspurts::default();
        starts(&mut talkspurts, 1, 0, SOUND);
        assert!(!starts(&mut talkspurts, 21, 400, SOUND), "nineteen were lost");
        assert!(!starts(&mut talkspurts, 20, 380, SOUND));
        assert!(!starts(&mut talkspurts, 22, 420, SOUND));
    }
}
