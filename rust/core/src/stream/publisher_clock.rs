//! The publisher's clock against ours: one for all tracks of a session, so that audio and video are off by the same amount and stay in
//! step, however different their ways were.
//!
//! What a report shows is late by its way. The least late of several seconds tells how the clocks drift, and that is slewed: nothing
//! that a subscriber is told ever jumps, unless the publisher's clock was set. Invariant: no correction is larger than
//! [`LONGEST`] / [`SLEW`], a millisecond.

use std::time::Duration;

use sfu_wire::NtpTime;

/// A report that is off by more, twice, means that the clock was set.
const STEP_NANOS: i64 = 1_000_000_000;
/// The least late report of so long a time counts. Higher: jitter matters less. Lower: drift is followed sooner.
const WINDOW: Duration = Duration::from_secs(10);
/// So much of the time that passes is made up at most, as its reciprocal: 500 ppm, ten times the drift of usual clocks (ntpd's limit). Higher:
/// a drift is left behind. Lower: reports of two tracks that are a second apart differ by more than half a millisecond.
const SLEW: i64 = 2000;
/// More time than this between reports makes up no more at once.
const LONGEST: Duration = Duration::from_secs(2);

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub struct PublisherClock {
    /// A moment in our Unix time and what the publisher's clock showed then.
    anchor: Option<(Duration, NtpTime)>,
    /// When the window ends, and by how much the least late report of it was ahead of what was expected, in nanoseconds.
    window: (Duration, Option<i64>),
    /// What the last window told, so far as it is not made up for.
    wrong: i64,
    /// The last report did not fit.
    doubted: bool,
}

impl PublisherClock {
    /// A sender report with this time came at `unix`.
    pub fn reported(&mut self, unix: Duration, ntp: NtpTime) {
        let Some(expected) = self.at(unix) else {
            self.set(unix, ntp);
            return;
        };
        let ahead = ntp.nanos_since(expected);
        if ahead.abs() > STEP_NANOS {
            if self.doubted {
                self.set(unix, ntp);
            } else {
                self.doubted = true;
            }
            return;
        }
        self.doubted = false;
        let (ends, best) = &mut self.window;
        *best = (*best).max(Some(ahead));
        if unix >= *ends {
            self.wrong = best.take().unwrap_or(0);
            *ends = unix + WINDOW;
        }
        self.slew(unix, expected);
    }

    /// What the publisher's clock shows at our Unix time.
    pub fn at(&self, unix: Duration) -> Option<NtpTime> {
        let (since, ntp) = self.anchor?;
        Some(later(ntp, unix.as_nanos() as i128 - since.as_nanos() as i128))
    }

    /// Our Unix time when the publisher's clock shows `ntp`.
    pub fn unix(&self, ntp: NtpTime) -> Option<Duration> {
        let (since, anchor) = self.anchor?;
        let nanos = since.as_nanos() as i128 + i128::from(ntp.nanos_since(anchor));
        Some(Duration::from_nanos(u64::try_from(nanos).ok()?))
    }

    fn set(&mut self, unix: Duration, ntp: NtpTime) {
        *self = Self { anchor: Some((unix, ntp)), window: (unix + WINDOW, None), wrong: 0, doubted: false };
    }

    /// Makes up for a little of what is wrong.
    fn slew(&mut self, unix: Duration, expected: NtpTime) {
        let Some((since, _)) = self.anchor else { return };
        let most = unix.saturating_sub(since).min(LONGEST).as_nanos() as i64 / SLEW;
        let step = self.wrong.clamp(-most, most);
        self.anchor = Some((unix, later(expected, i128::from(step))));
        self.wrong -= step;
        self.window.1 = self.window.1.map(|best| best - step);
    }
}

fn later(ntp: NtpTime, nanos: i128) -> NtpTime {
    let fixed = (nanos << 32) / 1_000_000_000;
    NtpTime::new(ntp.get().wrapping_add(fixed as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const MICROSECOND: i64 = 1000;

    fn ntp(millis: u64) -> NtpTime {
        NtpTime::from_unix(Duration::from_millis(1_700_000_000_000 + millis))
    }

    #[test]
    fn tracks_stay_in_step_however_different_their_ways() {
        let mut clock = PublisherClock::default();
        let unix = Duration::from_secs(50);
        clock.reported(unix, ntp(1000));
        clock.reported(unix + Duration::from_millis(1400), ntp(2000));
        let off = clock.at(unix + 2 * SECOND).map(|at| at.nanos_since(ntp(3000)).abs());
        assert!(off.is_some_and(|off| off < MICROSECOND), "{off:?}");
    }

    #[test]
    fn a_step_of_the_publishers_clock_is_followed_at_the_second_report() {
        let mut clock = PublisherClock::default();
        let unix = Duration::from_secs(50);
        clock.reported(unix, ntp(0));
        clock.reported(unix + SECOND, ntp(900_000));
        assert_eq!(clock.at(unix + SECOND), Some(ntp(1000)));
        clock.reported(unix + 2 * SECOND, ntp(901_000));
        assert_eq!(clock.at(unix + 2 * SECOND), Some(ntp(901_000)));
    }

    /// A day of two tracks' reports, a second apart, of a clock that is fast or slow: how far the clock stands from the publisher's at
    /// most from the second hour on, and its largest step, in nanoseconds.
    fn a_day(ppm: i64) -> (i64, i64) {
        let (mut clock, mut random) = (PublisherClock::default(), 7_u64);
        let (mut off, mut step) = (0, 0);
        for half in 0..2 * 86_400_u64 {
            let sent = SECOND / 2 * half as u32;
            let shown = sent.as_nanos() as i64 + sent.as_nanos() as i64 / 1_000_000 * ppm;
            let shown = NtpTime::from_unix(Duration::from_secs(1_700_000_000) + Duration::from_nanos(shown as u64));
            // Sound takes 20 ms, pictures 400 ms; both are up to 30 ms late on top of that.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let way = if half.is_multiple_of(2) { 20 } else { 420 } + (random >> 33) % 30;
            let arrival = Duration::from_secs(50) + sent + Duration::from_millis(way);
            let before = clock.at(arrival);
            clock.reported(arrival, shown);
            let at = clock.at(arrival).unwrap();
            step = step.max(before.map_or(0, |before| at.nanos_since(before).abs()));
            if half > 7200 {
                off = off.max((at.nanos_since(shown) - way as i64 * 1_000_000 + 20_000_000).abs());
            }
        }
        (off, step)
    }

    #[test]
    fn a_drift_is_slewed_all_day_and_never_jumps() {
        for ppm in [-100, -50, 0, 50, 100] {
            let (off, step) = a_day(ppm);
            // Less than a second makes up less than half a millisecond. What is left is the jitter of the least late.
            assert!(step <= 500 * MICROSECOND, "{ppm} ppm: a step of {step} ns");
            assert!(off <= 15_000 * MICROSECOND, "{ppm} ppm: {off} ns off");
        }
    }
}
