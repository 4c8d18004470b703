//! What an Opus packet says in front (RFC 6716 §3): how much time it holds and whether it is one of silence.

use std::time::Duration;

use crate::error::ParseError;

/// Ticks of an RTP timestamp in a second, whatever the codec's own rate (RFC 7587 §4.1).
pub const CLOCK_RATE: u32 = 48_000;

/// The longest packet, 120 ms (RFC 6716 §3.2.5), in ticks.
const LONGEST: u32 = 5_760;

/// A packet of two bytes or less holds no sound: the encoder would have left it out, had it been allowed to
/// (RFC 6716 §3.1; libopus `opus_encode`, discontinuous transmission).
const SILENT_LEN: usize = 2;

/// What stands in front of every Opus packet.
///
/// ```text
///  0 1 2 3 4 5 6 7
/// +-+-+-+-+-+-+-+-+
/// | config  |s| c |
/// +-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpusToc {
    /// Mode, bandwidth and frame size, 0..=31 (table 2).
    pub config: u8,
    /// Two channels.
    pub stereo: bool,
    /// How many frames there are, 1..=48.
    pub frames: u8,
    /// No sound in it: discontinuous transmission.
    pub silent: bool,
}

impl OpusToc {
    /// Reads the front of `payload`.
    pub fn parse(payload: &[u8]) -> Result<Self, ParseError> {
        let toc = *payload.first().ok_or(ParseError::TooShort)?;
        let frames = match toc & 0x03 {
            0 => 1,
            1 | 2 => 2,
            _ => payload.get(1).ok_or(ParseError::TooShort)? & 0x3f,
        };
        let silent = payload.len() <= SILENT_LEN;
        let packet = Self { config: toc >> 3, stereo: toc & 0x04 != 0, frames, silent };
        // §3.2.5: at least one frame, at most 120 ms.
        if (1..=LONGEST).contains(&packet.ticks()) { Ok(packet) } else { Err(ParseError::Value) }
    }

    /// Ticks of [`CLOCK_RATE`] that a frame takes (table 2).
    pub const fn frame_ticks(self) -> u32 {
        match (self.config, self.config & 3) {
            (0..=11, 0) => 480,
            (0..=11, 1) => 960,
            (0..=11, 2) => 1_920,
            (0..=11, _) => 2_880,
            (12..=15, size) => 480 << (size & 1),
            (_, size) => 120 << size,
        }
    }

    /// Ticks that the packet takes: the next one's timestamp is that much higher.
    pub const fn ticks(self) -> u32 {
        self.frame_ticks() * self.frames as u32
    }

    /// The time that the packet takes.
    pub fn duration(self) -> Duration {
        Duration::from_micros(u64::from(self.ticks()) * 1_000_000 / u64::from(CLOCK_RATE))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn golden_twenty_milliseconds_of_browser_speech() {
        // 0x78: CELT fullband 20 ms mono, one frame.
        let toc = OpusToc::parse(&[0x78, 0x01, 0x02]).unwrap();
        assert_eq!(toc, OpusToc { config: 15, stereo: false, frames: 1, silent: false });
        assert_eq!((toc.ticks(), toc.duration()), (960, Duration::from_millis(20)));
        assert!(OpusToc::parse(&[0xf8]).unwrap().silent);
    }

    #[test]
    fn frame_sizes_of_table_2() {
        let ticks = |config: u8| OpusToc::parse(&[config << 3, 0, 0]).unwrap().frame_ticks();
        assert_eq!([0, 1, 2, 3].map(ticks), [480, 960, 1_920, 2_880]);
        assert_eq!([8, 11].map(ticks), [480, 2_880]);
        assert_eq!([12, 13, 14, 15].map(ticks), [480, 960, 480, 960]);
        assert_eq!([16, 17, 18, 19, 31].map(ticks), [120, 240, 480, 960, 960]);
    }

    #[test]
    fn a_packet_holds_at_most_120_milliseconds() {
        assert_eq!(OpusToc::parse(&[0x80 | 3, 48, 0]).unwrap().duration(), Duration::from_millis(120));
        assert_eq!(OpusToc::parse(&[0x80 | 3, 49, 0]), Err(ParseError::Value));
        assert_eq!(OpusToc::parse(&[0x1b, 3, 0]), Err(ParseError::Value), "three times 60 ms");
        assert_eq!(OpusToc::parse(&[0x1b, 0, 0]), Err(ParseError::Value), "no frame");
        assert_eq!(OpusToc::parse(&[0x03]), Err(ParseError::TooShort));
        assert_eq!(OpusToc::parse(&[]), Err(ParseError::TooShort));
    }

    proptest! {
        #[test]
        fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..8)) {
            if let Ok(toc) = OpusToc::parse(&bytes) {
                prop_assert!((120..=LONGEST).contains(&toc.ticks()));
                prop_assert_eq!(toc.config << 3 | u8::from(toc.stereo) << 2, bytes[0] & 0xfc);
            }
        }
    }
}
