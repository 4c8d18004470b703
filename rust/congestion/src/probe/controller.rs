//! Decides when to probe and how fast (libwebrtc `probe_controller.cc`, and [`Upgrade`] for the steps of an SFU).
//!
//! Stands between what is known of the path (the estimate, what limits it) and of the demand, and the pacer, which
//! sends the probes. Invariant: no probe is faster than the bounds and the demand allow, none is planned that could not
//! raise the estimate, and after `handle_timeout` the next timeout is later.

use std::mem;
use std::time::{Duration, Instant};

use sfu_wire::Bitrate;

use crate::probe::recovery::Recovery;
use crate::probe::upgrade::Upgrade;
use crate::probe::wanted::Wanted;
use crate::probe::{LimitedBy, ProbeId, ProbePlan};

/// The two probes at the start, in start bitrates.
/// Higher: sooner at full quality, and a longer queue on a slow path. Lower: more rounds.
/// (libwebrtc `probe_controller.cc`)
const INITIAL_SCALES: [f64; 2] = [3.0, 6.0];
/// More than this share of a probe's rate is good: another probe follows.
/// Higher: stops early on noise. Lower: goes on above a capacity that was seen. (libwebrtc `probe_controller.cc`)
const CONTINUE_SHARE: f64 = 0.7;
/// The probe after a good one, in estimates. (libwebrtc `probe_controller.cc`)
const CONTINUE_SCALE: f64 = 2.0;
/// The same share of a probe for the next layer: what is below it has met a bottleneck, and media is about to fill that. (Ours.)
const UPGRADE_SHARE: f64 = 0.85;
/// How long a result is waited for. Higher: other probes wait longer. Lower: long paths are not probed further.
/// (libwebrtc `probe_controller.cc`)
const RESULT_WAIT: Duration = Duration::from_secs(1);
/// The highest probe while no maximum is set. (libwebrtc `probe_controller.cc`)
const DEFAULT_MAX: Bitrate = Bitrate::from_kbps(5_000);
/// How often, and how far above the estimate, a limited application is probed for.
/// Shorter: more padding. Longer: the estimate is older. (libwebrtc `probe_controller.cc`)
const PERIOD: Duration = Duration::from_secs(5);
/// See [`PERIOD`]. Higher: a longer queue where the estimate is the capacity. (libwebrtc `probe_controller.cc`)
const PERIODIC_SCALE: f64 = 2.0;
/// For how long the start is repeated while nothing is wanted. (libwebrtc `probe_controller.cc`)
const REPEAT_WINDOW: Duration = Duration::from_secs(5);
/// The highest probe while loss limits the estimate and it rises, in estimates. (libwebrtc `probe_controller.cc`)
const LOSS_SCALE: f64 = 1.5;
/// The highest probe for the next layer, in estimates; a layer that needs more takes further steps.
/// Higher: a longer queue where the estimate is the capacity, which media that nearly fills it drains slowly. Lower: more steps.
/// (Ours.)
const UPGRADE_SCALE: f64 = 1.5;
/// In how many packets a probe goes. Fewer: too few to measure. More: slow probes get long.
/// (libwebrtc `probe_controller.cc`)
const MIN_PACKETS: u32 = 5;
/// How long a probe takes, and how far its bursts are apart. Longer: surer, and more of a queue where it is too fast.
/// (libwebrtc `probe_controller.cc`)
const SHAPE: (Duration, Duration) = (Duration::from_millis(15), Duration::from_millis(2));
/// The same while the start is repeated: nothing is sent that a queue could hurt. (libwebrtc `probe_controller.cc`)
const REPEATED_SHAPE: (Duration, Duration) = (Duration::from_millis(100), Duration::from_millis(20));

/// Which probes are sent unasked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ProbeConfig {
    /// Twice the estimate, every five seconds while the application is the limit.
    pub periodic: bool,
    /// Once a second for five seconds after the start, as long as nothing is wanted.
    pub repeat_initial: bool,
}

impl Default for ProbeConfig {
    /// Periodic probes, and a start that is not repeated.
    fn default() -> Self {
        Self { periodic: true, repeat_initial: false }
    }
}

/// Decides when to probe one transport.
///
/// `set_*`, `want` and `handle_*` put in, [`Self::poll_probe`] takes out what to send, after each of them; then
/// [`Self::handle_timeout`] is called at [`Self::poll_timeout`].
#[derive(Debug, Default)]
pub struct ProbeController {
    config: ProbeConfig,
    available: bool,
    wanted: Wanted,
    limited_since: Option<Instant>,
    path: Path,
    upgrade: Upgrade,
    pending: [Option<ProbePlan>; 2],
    next_id: ProbeId,
}

/// What is forgotten with the network path.
#[derive(Debug)]
struct Path {
    state: State,
    start: Bitrate,
    max: Bitrate,
    estimate: Bitrate,
    limited_by: LimitedBy,
    last_probe: Option<Instant>,
    repeat_until: Option<Instant>,
    recovery: Recovery,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum State {
    /// Nothing was probed for.
    Initial,
    /// An estimate above `above` is followed by another probe.
    Waiting { above: Bitrate, further: Further },
    /// Whatever was probed for is known, or will not be.
    Complete,
}

/// What follows a good probe.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Further {
    /// The highest.
    ceiling: Bitrate,
    /// More than this share of a probe's rate is good.
    share: f64,
}

/// A probe that time brings.
#[derive(Debug, Clone, Copy)]
enum Cause {
    Start,
    Upgrade,
    Period,
}

impl ProbeController {
    /// Of a transport that nothing can be sent on yet, and without bounds.
    pub fn new(config: ProbeConfig) -> Self {
        Self { config, ..Self::default() }
    }

    /// Whether packets can be sent. The first probes go out as soon as they can and there is a start bitrate.
    pub fn handle_available(&mut self, now: Instant, available: bool) {
        self.available = available;
        if available {
            self.start_initial(now);
        } else {
            self.pending = [None; 2];
            if self.path.state != State::Initial {
                self.path.state = State::Complete;
            }
        }
    }

    /// The path is another one. What was learnt is forgotten, demand is not; [`Self::set_bounds`] starts anew.
    pub fn handle_network_change(&mut self, now: Instant) {
        self.path = Path { recovery: Recovery::on_new_path(now), ..Path::default() };
        self.wanted.handle_network_change();
        self.upgrade.handle_network_change();
        self.pending = [None; 2];
    }

    /// The bounds of the estimate. A `start` is also taken as the estimate, so give it at the start only; without one
    /// `min` is where probing starts. A higher `max` is probed for at once.
    pub fn set_bounds(&mut self, now: Instant, min: Bitrate, start: Option<Bitrate>, max: Option<Bitrate>) {
        let path = &mut self.path;
        match start.filter(|start| *start > Bitrate::ZERO) {
            Some(start) => (path.start, path.estimate) = (start, start),
            None if path.start == Bitrate::ZERO => path.start = min,
            None => {}
        }
        let max = max.unwrap_or(DEFAULT_MAX);
        let raised = mem::replace(&mut path.max, max) < max;
        match path.state {
            State::Initial => self.start_initial(now),
            State::Complete if raised && path.estimate > Bitrate::ZERO => _ = self.start_alone(now, max),
            State::Complete | State::Waiting { .. } => {}
        }
    }

    /// The sum of all that could be sent if there were no limit; zero: unknown. It bounds the probes. When it rises,
    /// and the application is the limit, it is probed for.
    pub fn set_wanted(&mut self, now: Instant, wanted: Bitrate) {
        self.wanted.set(wanted);
        if self.wanted.is_known() {
            self.path.repeat_until = None;
        }
        if self.limited_since.is_some()
            && self.path.state == State::Complete
            && let Some(targets) = self.wanted.probes(self.path.estimate)
            && self.start(now, &targets, Some(Further::up_to(self.path.max)))
        {
            self.wanted.probed();
        }
    }

    /// The total that the next layer up needs, with a reserve; zero: nothing. It is probed for at just that rate, and again while that shows too
    /// little. Not only while the application is the limit: with 540 of 600 kbit/s sent it is not, the estimate grows by steps of a
    /// packet, and of a way that has become four times as wide nothing is seen for ten seconds.
    pub fn want(&mut self, now: Instant, needed: Bitrate) {
        self.upgrade.want(now, needed);
    }

    /// Since when the application, not the network, limits what is sent.
    pub fn set_application_limited(&mut self, now: Instant, since: Option<Instant>) {
        if mem::replace(&mut self.limited_since, since).is_some() && since.is_none() {
            self.path.recovery.handle_limited_end(now);
        }
    }

    /// The estimate, results of probes included, after each report.
    pub fn handle_estimate(&mut self, now: Instant, estimate: Bitrate, limited_by: LimitedBy) {
        let path = &mut self.path;
        path.limited_by = limited_by;
        path.recovery.handle_estimate(now, path.estimate, estimate);
        path.estimate = estimate;
        self.upgrade.handle_estimate(now, estimate);
        if let State::Waiting { above, further } = path.state
            && estimate > above
        {
            let target = (estimate * CONTINUE_SCALE).min(further.ceiling);
            self.start(now, &[target], (target < further.ceiling).then_some(further));
        }
    }

    /// The delay-based estimator is back to normal after an overuse; the estimate was told. If that has cost much, most
    /// of it is probed for.
    pub fn handle_recovered(&mut self, now: Instant) {
        let path = &self.path;
        let target = path.recovery.target(now, self.limited_since.is_some(), path.estimate);
        if let Some(target) = target.filter(|_| path.state == State::Complete)
            && self.start_alone(now, target)
        {
            self.path.recovery.attempted(now);
        }
    }

    /// When to call [`Self::handle_timeout`]; may be in the past.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.path.state {
            State::Waiting { .. } => self.path.after_last(RESULT_WAIT),
            State::Initial | State::Complete => self.due().into_iter().flatten().map(|(at, _)| at).min(),
        }
    }

    /// Time has passed: gives up waiting for a result, and starts what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        let path = &mut self.path;
        if matches!(path.state, State::Waiting { .. }) && path.after_last(RESULT_WAIT).is_none_or(|at| at <= now) {
            path.state = State::Complete;
        }
        path.repeat_until = path.repeat_until.filter(|until| now < *until);
        let (estimate, max) = (path.estimate, path.max);
        let Some((_, cause)) = self.due().into_iter().flatten().find(|(at, _)| *at <= now) else { return };
        match cause {
            Cause::Start => self.start(now, &[estimate * INITIAL_SCALES[0]], Some(Further::up_to(max))),
            Cause::Period => self.start(now, &[estimate * PERIODIC_SCALE], Some(Further::up_to(max))),
            Cause::Upgrade => {
                let needed = self.upgrade.needed();
                let target = needed.min(estimate * UPGRADE_SCALE);
                self.upgrade.attempted(now, target.size_in(SHAPE.0), estimate);
                self.start(
                    now,
                    &[target],
                    (target < needed).then_some(Further { ceiling: needed, share: UPGRADE_SHARE }),
                )
            }
        };
    }

    /// What to send next. A newer decision replaces what was not taken.
    pub fn poll_probe(&mut self) -> Option<ProbePlan> {
        self.pending.iter_mut().find_map(Option::take)
    }

    /// The timed probes, in the order of preference. None while there is nothing to gain.
    fn due(&self) -> [Option<(Instant, Cause)>; 3] {
        let path = &self.path;
        let ready = self.available && path.state == State::Complete && path.estimate > Bitrate::ZERO;
        if !ready || self.cap().is_none_or(|cap| cap <= path.estimate) {
            return [None; 3];
        }
        // A result on its way may be enough.
        let after = |at: Instant, wait| path.after_last(wait).map_or(at, |next| next.max(at));
        let start = path.after_last(RESULT_WAIT).filter(|at| path.repeat_until.is_some_and(|until| *at < until));
        let upgrade = self.upgrade.due(path.estimate);
        let period = self.limited_since.filter(|_| self.config.periodic);
        [
            start.map(|at| (at, Cause::Start)),
            upgrade.map(|at| (after(at, RESULT_WAIT), Cause::Upgrade)),
            period.map(|since| (after(since + PERIOD, PERIOD), Cause::Period)),
        ]
    }

    /// The highest rate to probe; `None`: not now.
    fn cap(&self) -> Option<Bitrate> {
        let path = &self.path;
        let cap = self.wanted.cap(path.max);
        match path.limited_by {
            LimitedBy::Delay => Some(cap),
            LimitedBy::LossRising => Some(cap.min(path.estimate * LOSS_SCALE)),
            LimitedBy::Queue | LimitedBy::RoundTrip | LimitedBy::Loss => None,
        }
    }

    fn start_initial(&mut self, now: Instant) {
        let path = &mut self.path;
        if !self.available || path.state != State::Initial || path.start == Bitrate::ZERO {
            return;
        }
        if self.config.repeat_initial && !self.wanted.is_known() {
            path.repeat_until = Some(now + REPEAT_WINDOW);
        }
        let (start, max) = (path.start, path.max);
        self.start(now, &INITIAL_SCALES.map(|scale| start * scale), Some(Further::up_to(max)));
    }

    /// Plans one probe that is not followed by others, whatever it shows.
    fn start_alone(&mut self, now: Instant, target: Bitrate) -> bool {
        self.start(now, &[target], None)
    }

    /// Plans probes at rising `targets`. A good result is followed by `further` ones. False when there is
    /// none that could show anything.
    fn start(&mut self, now: Instant, targets: &[Bitrate], mut further: Option<Further>) -> bool {
        let Some(cap) = self.cap().filter(|_| self.available) else { return false };
        let mut highest = self.path.estimate;
        let mut pending = [None; 2];
        for (slot, target) in pending.iter_mut().zip(targets) {
            if *target >= cap {
                further = None;
            }
            let target = cap.min(*target);
            if target > highest {
                highest = target;
                *slot = Some(self.plan(now, target));
            }
        }
        self.path.state = State::Complete;
        if pending == [None; 2] {
            return false;
        }
        if let Some(further) = further {
            self.path.state = State::Waiting { above: highest * further.share, further };
        }
        self.path.last_probe = Some(now);
        self.pending = pending;
        true
    }

    fn plan(&mut self, now: Instant, target: Bitrate) -> ProbePlan {
        let id = self.next_id;
        self.next_id = id.next();
        let repeated = self.path.repeat_until.is_some_and(|until| now < until);
        let (duration, min_delta) = if repeated { REPEATED_SHAPE } else { SHAPE };
        ProbePlan { id, target, duration, min_packets: MIN_PACKETS, min_delta }
    }
}

impl Further {
    const fn up_to(ceiling: Bitrate) -> Self {
        Self { ceiling, share: CONTINUE_SHARE }
    }
}

impl Path {
    fn after_last(&self, wait: Duration) -> Option<Instant> {
        self.last_probe.map(|last| last + wait)
    }
}

impl Default for Path {
    fn default() -> Self {
        Self {
            state: State::Initial,
            start: Bitrate::ZERO,
            max: DEFAULT_MAX,
            estimate: Bitrate::ZERO,
            limited_by: LimitedBy::Delay,
            last_probe: None,
            repeat_until: None,
            recovery: Recovery::default(),
        }
    }
}

#[cfg(test)]
mod tests;
