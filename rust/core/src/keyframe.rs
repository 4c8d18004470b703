//! How often a publisher is asked for a keyframe of one encoding.
//!
//! All subscribers' wishes become one request; an arriving keyframe fulfils them; a request that is not answered is repeated
//! at growing distance, because the encoding may not be reachable at all (mediasoup, LiveKit and Jitsi have each had storms
//! of hundreds a minute from such layers).

use std::time::{Duration, Instant};

/// Between two requests that are answered. Lower: a late joiner waits less. Higher: keyframes take less of the bitrate
/// (60 kB every 2 s are 20 % of 1.2 Mbit/s; jitsi-videobridge #2448).
const MIN_INTERVAL: Duration = Duration::from_millis(500);
/// Before the first repetition; each further one waits twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait between repetitions.
const LONGEST_RETRY: Duration = Duration::from_secs(8);

/// Where the wishes for a keyframe of one encoding stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Nobody wants one.
    #[default]
    Idle,
    /// Somebody does; it is asked for at `due`, when the interval allows.
    Wanted { due: Instant },
    /// Asked for; asked again at `again`, then after twice `wait`.
    Asked { again: Instant, wait: Duration },
}

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyframeGovernor {
    state: State,
    /// The application asked, who has no subscription to withdraw.
    ordered: bool,
    last_sent: Option<Instant>,
    sent: u64,
}

impl KeyframeGovernor {
    /// The application wants one: that stands until a keyframe comes.
    pub fn order(&mut self, now: Instant) {
        self.ordered = true;
        self.request(now);
    }

    /// A subscriber cannot go on without a keyframe.
    pub fn request(&mut self, now: Instant) {
        if self.state == State::Idle {
            let due = self.last_sent.map_or(now, |sent| now.max(sent + MIN_INTERVAL));
            self.state = State::Wanted { due };
        }
    }

    /// A keyframe has begun to arrive.
    pub fn arrived(&mut self) {
        self.state = State::Idle;
        self.ordered = false;
    }

    /// No subscriber waits any more.
    pub fn withdraw(&mut self) {
        if !self.ordered {
            self.state = State::Idle;
        }
    }

    /// Whether to ask the publisher now.
    pub fn poll(&mut self, now: Instant) -> bool {
        if self.poll_timeout().is_none_or(|due| due > now) {
            return false;
        }
        let wait = match self.state {
            State::Asked { wait, .. } => (wait * 2).min(LONGEST_RETRY),
            State::Idle | State::Wanted { .. } => FIRST_RETRY,
        };
        self.state = State::Asked { again: now + wait, wait };
        self.last_sent = Some(now);
        self.sent += 1;
        true
    }

    /// When `poll` says yes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Wanted { due } => Some(due),
            State::Asked { again, .. } => Some(again),
        }
    }

    /// Requests so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    #[test]
    fn many_wishes_are_one_request_and_a_keyframe_fulfils_them() {
        let start = Instant::now();
        let mut governor = KeyframeGovernor::default();
        assert!(!governor.poll(start), "nobody wants one");
        for _ in 0..100 {
            governor.request(start);
        }
        assert!(governor.poll(start));
        assert!(!governor.poll(start + millis(999)));
        governor.arrived();
        assert_eq!(governor.poll_timeout(), None);
        assert_eq!(governor.sent(), 1);
    }

    #[test]
    fn requests_keep_their_distance() {
        let start = Instant::now();
        let mut governor = KeyframeGovernor::default();
        governor.request(start);
        assert!(governor.poll(start));
        governor.arrived();
        governor.request(start + millis(100));
        assert!(!governor.poll(start + millis(499)));
        assert!(governor.poll(start + millis(500)));
    }

    #[test]
    fn what_nobody_waits_for_is_not_asked_again_unless_the_application_did() {
        let start = Instant::now();
        let mut governor = KeyframeGovernor::default();
        governor.request(start);
        assert!(governor.poll(start));
        governor.withdraw();
        assert_eq!(governor.poll_timeout(), None);
        governor.order(start + millis(600));
        governor.withdraw();
        assert!(governor.poll(start + millis(600)));
        governor.withdraw();
        assert!(governor.poll(start + millis(1600)), "it is repeated");
        governor.arrived();
        assert_eq!(governor.poll_timeout(), None);
    }

    #[test]
    fn an_unreachable_layer_is_asked_less_and_less_often() {
        let start = Instant::now();
        let mut governor = KeyframeGovernor::default();
        governor.request(start);
        let mut asked = Vec::new();
        for ms in (0..60_000).step_by(100) {
            if governor.poll(start + millis(ms)) {
                asked.push(ms);
            }
        }
        assert_eq!(asked, [0, 1000, 3000, 7000, 15_000, 23_000, 31_000, 39_000, 47_000, 55_000]);
    }
}
