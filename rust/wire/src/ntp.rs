//! NTP timestamps: 32 bits of seconds since 1900, 32 bits of fraction (RFC 3550 §4).

use std::time::Duration;

/// Seconds from the NTP epoch (1900) to the Unix epoch (1970): 70 years with 17 leap days.
const UNIX_EPOCH: u64 = 2_208_988_800;

/// A wall-clock time in 32.32 fixed point; wraps in 2036, so compare only times that are near each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct NtpTime(u64);

impl NtpTime {
    /// From the 64 bits of the packet.
    pub const fn new(value: u64) -> Self {
        Self(value)
    }

    /// From the time since the Unix epoch.
    pub const fn from_unix(since_epoch: Duration) -> Self {
        let seconds = since_epoch.as_secs().wrapping_add(UNIX_EPOCH);
        let fraction = ((since_epoch.subsec_nanos() as u64) << 32) / 1_000_000_000;
        Self(seconds << 32 | fraction)
    }

    /// Since the Unix epoch, for times of the first NTP era (before February 2036); zero for times before 1970.
    pub const fn to_unix(self) -> Duration {
        let seconds = self.0 >> 32;
        if seconds < UNIX_EPOCH {
            return Duration::ZERO;
        }
        // Rounded, so that `to_unix(from_unix(t))` is within a nanosecond of `t`.
        let nanos = ((self.0 & 0xffff_ffff) * 1_000_000_000 + (1 << 31)) >> 32;
        if nanos == 1_000_000_000 {
            Duration::new(seconds - UNIX_EPOCH + 1, 0)
        } else {
            Duration::new(seconds - UNIX_EPOCH, nanos as u32)
        }
    }

    /// The 64 bits of the packet.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The middle 32 bits, units of 1/65536 s, as LSR and LRR carry it (RFC 3550 §6.4.1).
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// This time minus `other` in nanoseconds; right across the wrap of 2036 for times less than 68 years apart.
    pub const fn nanos_since(self, other: Self) -> i64 {
        let difference = self.0.wrapping_sub(other.0) as i64;
        ((difference as i128 * 1_000_000_000) >> 32) as i64
    }
}

/// A `Duration` in units of 1/65536 s, as DLSR and DLRR carry it (RFC 3550 §6.4.1); saturates at 18 hours.
pub fn to_short(duration: Duration) -> u32 {
    u32::try_from((duration.as_nanos() << 16) / 1_000_000_000).unwrap_or(u32::MAX)
}

/// The inverse of [`to_short`].
pub const fn from_short(units: u32) -> Duration {
    Duration::from_nanos(((units as u64) * 1_000_000_000) >> 16)
}

/// The round-trip time from a report: arrival − LSR − DLSR, all in units of 1/65536 s (RFC 3550 §6.4.1). `None` without
/// LSR; zero when the clocks make it slightly negative; `None` when it is nonsense (more than half the range).
pub fn round_trip(now: NtpTime, last_report: u32, delay: u32) -> Option<Duration> {
    if last_report == 0 {
        return None;
    }
    let rtt = now.middle().wrapping_sub(last_report).wrapping_sub(delay) as i32;
    match rtt {
        0.. => Some(from_short(rtt as u32)),
        // 1/65536 s units and independent rounding: a loopback RTT may come out a little below zero.
        -655..0 => Some(Duration::ZERO),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_epochs_are_seventy_years_apart() {
        assert_eq!(NtpTime::from_unix(Duration::ZERO).get(), 2_208_988_800 << 32);
        assert_eq!(NtpTime::from_unix(Duration::from_millis(1_500)).get() & 0xffff_ffff, 1 << 31);
    }

    #[test]
    fn unix_time_comes_back() {
        for nanos in [0, 1, 999_999_999, 123_456_789] {
            let time = Duration::new(1_795_000_000, nanos);
            let back = NtpTime::from_unix(time).to_unix();
            assert!(back.abs_diff(time) <= Duration::from_nanos(1), "{back:?} {time:?}");
        }
        assert_eq!(NtpTime::new(0).to_unix(), Duration::ZERO);
    }

    #[test]
    fn differences_are_signed() {
        let early = NtpTime::from_unix(Duration::from_secs(1));
        let late = NtpTime::from_unix(Duration::from_millis(1_250));
        assert_eq!(late.nanos_since(early), 250_000_000);
        assert_eq!(early.nanos_since(late), -250_000_000);
    }

    #[test]
    fn round_trip_of_the_rfc() {
        // RFC 3550 §6.4.1 figure 2: A = b710:8000, LSR = b705:2000, DLSR = 0005:4000, RTT = 6.125 s.
        let now = NtpTime::new(0x0000_b710_8000_0000);
        assert_eq!(round_trip(now, 0xb705_2000, 0x0005_4000), Some(Duration::from_millis(6_125)));
        assert_eq!(round_trip(now, 0, 0), None);
        assert_eq!(round_trip(now, 0xb710_7000, 0x0000_1001), Some(Duration::ZERO));
        assert_eq!(round_trip(now, 0xb710_8000, 0x7000_0000), None);
    }
}
