//! What stands in the header extensions: one type per value, with `parse` and `to_bytes`.
//!
//! Mid and rid are text: see [`Mid::from_bytes`](crate::Mid::from_bytes) and [`Mid::as_bytes`](crate::Mid::as_bytes).

use std::time::Duration;

use crate::bytes::Reader;
use crate::ntp::NtpTime;

/// Loudness of a packet's audio (RFC 6464 §3): 127 is silence, 0 the loudest.
///
/// ```text
///  0                   1
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |  ID   | len=0 |V| level       |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// The sender believes that it is voice.
    pub voice: bool,
    /// In −dBov, 0..=127.
    pub level: u8,
}

impl AudioLevel {
    /// `None` when the value is empty; what follows the first byte is ignored.
    pub fn parse(value: &[u8]) -> Option<Self> {
        value.first().map(|byte| Self { voice: byte & 0x80 != 0, level: byte & 0x7f })
    }

    /// The value.
    pub const fn to_bytes(self) -> [u8; 1] {
        [(self.voice as u8) << 7 | self.level & 0x7f]
    }
}

/// A transport-wide sequence number as it is in the packet (draft-holmer-rmcat-transport-wide-cc-extensions-01 §2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransportSeq(pub u16);

impl TransportSeq {
    /// `None` when the value is shorter than two bytes; a feedback request behind them (version 2) is ignored.
    pub fn parse(value: &[u8]) -> Option<Self> {
        Reader::new(value).u16().ok().map(Self)
    }

    /// The value.
    pub const fn to_bytes(self) -> [u8; 2] {
        self.0.to_be_bytes()
    }
}

/// When a packet left: 24 bits, seconds in 6.18 fixed point, so it wraps every 64 s (webrtc.org `abs-send-time`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsSendTime(u32);

impl AbsSendTime {
    /// Bytes of the value.
    pub const LEN: usize = 3;

    /// From the time since any epoch.
    pub fn from_duration(since_epoch: Duration) -> Self {
        let fraction = (u64::from(since_epoch.subsec_nanos()) << 18) / 1_000_000_000;
        Self(((since_epoch.as_secs() << 18 | fraction) & 0xff_ffff) as u32)
    }

    /// `None` when the value is shorter than three bytes.
    pub fn parse(value: &[u8]) -> Option<Self> {
        Reader::new(value).u24().ok().map(Self)
    }

    /// The value.
    pub const fn to_bytes(self) -> [u8; Self::LEN] {
        let [_, a, b, c] = self.0.to_be_bytes();
        [a, b, c]
    }

    /// The 24 bits.
    pub const fn get(self) -> u32 {
        self.0
    }
}

/// When a frame was captured, at the clock of whoever made it (webrtc.org `abs-capture-time`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AbsCaptureTime {
    /// At the capturer's clock.
    pub timestamp: NtpTime,
    /// How far the capturer's clock is ahead of the sender's, in 32.32 fixed point seconds, when the sender knows it.
    pub clock_offset: Option<i64>,
}

impl AbsCaptureTime {
    /// `None` when the value is shorter than eight bytes.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(value);
        let timestamp = NtpTime::new(reader.u64().ok()?);
        Some(Self { timestamp, clock_offset: reader.u64().ok().map(|offset| offset as i64) })
    }

    /// The same moment at the clock of the sender's reports; without an offset the sender is the capturer.
    pub fn sender_time(self) -> NtpTime {
        NtpTime::new(self.timestamp.get().wrapping_sub(self.clock_offset.unwrap_or_default() as u64))
    }

    /// The value: 16 bytes and how many of them count (8 without an offset).
    pub fn to_bytes(self) -> ([u8; 16], usize) {
        let offset = self.clock_offset.unwrap_or_default() as u64;
        let both = u128::from(self.timestamp.get()) << 64 | u128::from(offset);
        (both.to_be_bytes(), if self.clock_offset.is_some() { 16 } else { 8 })
    }
}

/// How a receiver turns the picture (3GPP TS 26.114 §7.4.5): `0 0 0 0 C F R1 R0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VideoOrientation {
    /// The back camera.
    pub back_camera: bool,
    /// Mirrored horizontally.
    pub flip: bool,
    /// Quarter turns clockwise, 0..=3.
    pub quarter_turns: u8,
}

impl VideoOrientation {
    /// `None` when the value is empty.
    pub fn parse(value: &[u8]) -> Option<Self> {
        let byte = *value.first()?;
        Some(Self { back_camera: byte & 8 != 0, flip: byte & 4 != 0, quarter_turns: byte & 3 })
    }

    /// The value.
    pub const fn to_bytes(self) -> [u8; 1] {
        [(self.back_camera as u8) << 3 | (self.flip as u8) << 2 | self.quarter_turns & 3]
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn abs_send_time_is_6_18_fixed_point() {
        assert_eq!(AbsSendTime::from_duration(Duration::from_millis(1_500)).get(), 0x06_0000);
        assert_eq!(AbsSendTime::from_duration(Duration::from_secs(64)).get(), 0);
        assert_eq!(AbsSendTime::from_duration(Duration::from_nanos(63_999_999_999)).to_bytes(), [0xff; 3]);
    }

    #[test]
    fn abs_capture_time_with_and_without_an_offset() {
        let time = AbsCaptureTime { timestamp: NtpTime::new(0x0102_0304_0506_0708), clock_offset: Some(-2) };
        let (bytes, len) = time.to_bytes();
        assert_eq!((&bytes[..8], &bytes[8..], len), (&[1, 2, 3, 4, 5, 6, 7, 8][..], &(-2i64).to_be_bytes()[..], 16));
        assert_eq!(AbsCaptureTime::parse(&bytes), Some(time));
        assert_eq!(AbsCaptureTime::parse(&bytes[..8]), Some(AbsCaptureTime { clock_offset: None, ..time }));
        assert_eq!(AbsCaptureTime::parse(&bytes[..7]), None);
        assert_eq!(time.sender_time().get(), 0x0102_0304_0506_070a, "the capturer's clock is behind the sender's");
        assert_eq!(AbsCaptureTime { clock_offset: None, ..time }.sender_time(), time.timestamp);
    }

    #[test]
    fn a_silent_packet_without_voice() {
        assert_eq!(AudioLevel::parse(&[0x7f]), Some(AudioLevel { voice: false, level: 127 }));
        assert_eq!(AudioLevel { voice: true, level: 30 }.to_bytes(), [0x9e]);
        assert_eq!(AudioLevel::parse(&[]), None);
    }

    proptest! {
        #[test]
        fn values_come_back(byte: u8, seq: u16, nanos in 0u64..1 << 40) {
            prop_assert_eq!(AudioLevel::parse(&[byte]).unwrap().to_bytes(), [byte]);
            prop_assert_eq!(VideoOrientation::parse(&[byte]).unwrap().to_bytes(), [byte & 0x0f]);
            prop_assert_eq!(TransportSeq::parse(&TransportSeq(seq).to_bytes()), Some(TransportSeq(seq)));
            let time = AbsSendTime::from_duration(Duration::from_nanos(nanos));
            prop_assert_eq!(AbsSendTime::parse(&time.to_bytes()), Some(time));
        }
    }
}
