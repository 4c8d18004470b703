//! The publisher's clock against ours: one for all tracks of a session, so that audio and video are off by the same amount and stay in
//! step, however different their ways were.
//!
//! What a report shows is late by its way. The least late of several seconds tells how the clocks drift, and that is slewed: nothing
//! that a subscriber is told ever jumps, unless the publisher's clock was set. Invariant: no correction is faster than 1 / [`SLEW`].

use std::time::Duration;

use sfu_wire::NtpTime;

/// A report that is off by more, twice, means that the clock was set.
const STEP_NANOS: i64 = 1_000_000_000;
/// The least late report of so long a time counts. Higher: jitter matters less. Lower: drift is followed sooner.
const WINDOW: Duration = Duration::from_secs(10);
/// So much of the time that passes is made up at most, as its reciprocal: 500 ppm, ten times the drift of usual clocks (ntpd's limit). Higher:
/// a drift is left behind. Lower: reports of two tracks that are a second apart differ by more than half a millisecond.
const SLEW: i128 = 2000;

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub struct PublisherClock {
    /// A moment in our Unix time and what the publisher's clock showed then.
    anchor: Option<(Duration, NtpTime)>,
    /// When the window ends, and by how much the least late report of it was ahead of what was expected, in nanoseconds.
    window: (Duration, Option<i64>),
    /// What the last window told, so far as it was not made up for at the anchor.
    wrong: i64,
    /// The last report did not fit.
    doubted: bool,
}

/// What another [`PublisherClock`] needs to tell the same time until the next report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PublisherState {
    /// A moment in our Unix time …
    pub(crate) unix_nanos: u64,
    /// … and what the publisher's clock showed then.
    pub(crate) ntp: NtpTime,
    /// In nanoseconds; made up for slowly.
    pub(crate) wrong: i64,
}

impl PublisherClock {
    /// How it stands, once a report came.
    pub(crate) fn state(&self) -> Option<PublisherState> {
        let (unix, ntp) = self.anchor?;
        Some(PublisherState { unix_nanos: unix.as_nanos() as u64, ntp, wrong: self.wrong })
    }

    /// As another one stands that hears the reports.
    pub(crate) fn adopt(&mut self, state: &PublisherState) {
        self.anchor = Some((Duration::from_nanos(state.unix_nanos), state.ntp));
        self.wrong = state.wrong;
    }

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
        self.move_anchor(unix, expected);
        let (ends, best) = &mut self.window;
        *best = (*best).max(Some(ahead));
        if unix >= *ends {
            self.wrong = best.take().unwrap_or(0);
            *ends = unix + WINDOW;
        }
    }

    /// What the publisher's clock shows at our Unix time.
    pub fn at(&self, unix: Duration) -> Option<NtpTime> {
        let (anchor, ntp) = self.anchor?;
        let passed = nanos(unix) - nanos(anchor);
        Some(later(ntp, passed + self.made_up(passed)))
    }

    /// Our Unix time when the publisher's clock shows `ntp`.
    pub fn unix(&self, ntp: NtpTime) -> Option<Duration> {
        let (anchor, at) = self.anchor?;
        let passed = i128::from(ntp.nanos_since(at));
        // A two-thousandth of a two-thousandth off.
        let unix = nanos(anchor) + passed - self.made_up(passed);
        Some(Duration::from_nanos(u64::try_from(unix).ok()?))
    }

    fn set(&mut self, unix: Duration, ntp: NtpTime) {
        *self = Self { anchor: Some((unix, ntp)), window: (unix + WINDOW, None), wrong: 0, doubted: false };
    }

    /// What is made up for by now stays.
    fn move_anchor(&mut self, unix: Duration, expected: NtpTime) {
        let Some((anchor, _)) = self.anchor.replace((unix, expected)) else { return };
        let made_up = self.made_up(nanos(unix) - nanos(anchor)) as i64;
        self.wrong -= made_up;
        // What the window knows is against the clock as it was.
        self.window.1 = self.window.1.map(|best| best - made_up);
    }

    /// How much of what is wrong is made up for in so much time since the anchor.
    fn made_up(&self, passed: i128) -> i128 {
        let most = passed.max(0) / SLEW;
        i128::from(self.wrong).clamp(-most, most)
    }
}

fn nanos(duration: Duration) -> i128 {
    duration.as_nanos() as i128
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
            // Sound takes 20 ms, pictures 420 ms; both are up to 30 ms late on top of that.
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let way = if half.is_multiple_of(2) { 20 } else { 420 } + (random >> 33) % 30;
            let arrival = Duration::from_secs(50) + sent + Duration::from_millis(way);
            let before = clock.at(arrival);
            clock.reported(arrival, shown);
            let at = clock.at(arrival).unwrap();
            step = step.max(before.map_or(0, |before| at.nanos_since(before).abs()));
            assert_eq!(clock.unix(at).map(|unix| unix.abs_diff(arrival) < Duration::from_micros(1)), Some(true));
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
            assert!(step <= MICROSECOND, "{ppm} ppm: a step of {step} ns");
            // What is left is the jitter of the least late.
            assert!(off <= 15_000 * MICROSECOND, "{ppm} ppm: {off} ns off");
        }
    }

    #[test]
    fn what_is_wrong_is_made_up_for_at_a_two_thousandth() {
        let mut clock = PublisherClock::default();
        let unix = Duration::from_secs(50);
        // The first report took 20 ms longer than all others.
        clock.reported(unix, ntp(0));
        (1..=10).for_each(|second| clock.reported(unix + SECOND * second, ntp(u64::from(second) * 1000 + 20)));
        let ahead = |clock: &PublisherClock, second: u64| {
            clock.at(unix + Duration::from_secs(second)).unwrap().nanos_since(ntp(second * 1000)) / MICROSECOND
        };
        assert_eq!([10, 11, 20, 50].map(|second| (ahead(&clock, second) + 5) / 10 * 10), [0, 500, 5000, 20_000]);
    }
}
