//! When frames were captured, by what the publisher says of each (webrtc.org `abs-capture-time`).
//!
//! Senders add it to some frames only; of the others it follows by the RTP clock.

use sfu_wire::NtpTime;

use crate::codec::Kind;

/// A frame further away tells nothing, in seconds. (libwebrtc `kInterpolationMaxInterval`.)
const HOLDS: i64 = 5;

/// Whence the time of a frame is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CaptureSource {
    /// The header extension `abs-capture-time`.
    AbsCaptureTime,
    /// Sender reports (RFC 3550 §6.4.1): when the frame was sampled by the clock of the RTP timestamps.
    SenderReport,
}

impl CaptureSource {
    /// As Python has it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AbsCaptureTime => "abs-capture-time",
            Self::SenderReport => "sender-report",
        }
    }
}

/// The last that the publisher of a track said.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CaptureTimes {
    rate: i64,
    /// At the sender's clock, and where the track's timeline stood.
    newest: Option<(NtpTime, i64)>,
}

impl CaptureTimes {
    /// Nothing was said yet.
    pub(crate) const fn new(kind: Kind) -> Self {
        Self { rate: kind.clock_rate() as i64, newest: None }
    }

    /// A frame at this point of the track's timeline was captured then, at the sender's clock.
    pub(crate) fn learn(&mut self, timeline: i64, captured: NtpTime) {
        if self.newest.is_none_or(|(_, newest)| timeline >= newest) {
            self.newest = Some((captured, timeline));
        }
    }

    /// When the frame at this point was captured, at the sender's clock.
    pub(crate) fn at(&self, timeline: i64) -> Option<NtpTime> {
        let (ntp, known) = self.newest?;
        let ticks = timeline - known;
        let fixed = (i128::from(ticks) << 32) / i128::from(self.rate);
        (ticks.abs() <= HOLDS * self.rate).then(|| NtpTime::new(ntp.get().wrapping_add(fixed as u64)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ntp(millis: u64) -> NtpTime {
        NtpTime::from_unix(Duration::from_millis(1_700_000_000_000 + millis))
    }

    #[test]
    fn between_two_that_say_it_the_rtp_clock_tells() {
        let mut times = CaptureTimes::new(Kind::Video);
        assert_eq!(times.at(0), None);
        times.learn(9000, ntp(100));
        assert_eq!(times.at(99_000), Some(ntp(1100)));
        assert_eq!(times.at(0), Some(ntp(0)), "what came late is judged by what came before");
        assert_eq!(times.at(9000 + 5 * 90_000 + 1), None, "too long ago");
        times.learn(8999, ntp(5000));
        assert_eq!(times.at(9000), Some(ntp(100)), "the newest counts");
    }
}
