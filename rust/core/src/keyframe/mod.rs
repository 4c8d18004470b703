//! How often a publisher is asked for a keyframe of one encoding.
//!
//! All subscribers' wishes become one request; an arriving keyframe fulfils them; a request that is not answered is repeated
//! at growing distance, because the encoding may not be reachable at all (mediasoup, LiveKit and Jitsi have each had storms
//! of hundreds a minute from such layers). Keyframes take a tenth of the bitrate at most, but for the bound after which nobody is
//! left waiting (docs/forwarding.md).

mod picture_loss;
mod share;

use std::time::{Duration, Instant};

pub(crate) use picture_loss::PictureLoss;
use share::Share;

/// Between two requests that are answered. Lower: a late joiner waits less. Higher: keyframes take less of the bitrate
/// (60 kB every 2 s are 20 % of 1.2 Mbit/s; jitsi-videobridge #2448).
const MIN_INTERVAL: Duration = Duration::from_millis(500);
/// The same when more than half of the share is used up: many who join within seconds still see a picture within a second and a
/// half, for half of the keyframes.
const LONG_INTERVAL: Duration = Duration::from_secs(1);
/// Before the first repetition; each further one waits twice as long.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// The longest wait between repetitions.
const LONGEST_RETRY: Duration = Duration::from_secs(8);

/// How much somebody needs a keyframe: of several wishes the highest counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wish {
    /// A subscriber lost its picture again. Such wishes have half of the share.
    Again,
    /// A subscriber begins, switches, or lost its picture for the first time in a while.
    First,
}

impl Wish {
    /// Which part of the share it may use: one in so many.
    const fn part(self) -> u64 {
        match self {
            Self::Again => 2,
            Self::First => 1,
        }
    }

    /// So long after the last keyframe one is asked for though the share is used up. Higher: the share holds for streams whose
    /// keyframes are large against their bitrate (a screen share). Lower: a newcomer to such a stream waits less.
    const fn patience(self) -> Duration {
        match self {
            Self::Again => Duration::from_secs(16),
            Self::First => Duration::from_secs(8),
        }
    }
}

/// Where the wishes for a keyframe of one encoding stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum State {
    /// Nobody wants one.
    #[default]
    Idle,
    /// Somebody does; it is asked for at `due`, unless the share has no room then.
    Wanted { wish: Wish, due: Instant },
    /// Asked for; asked again at `due`.
    Asked { wish: Wish, due: Instant },
}

/// See the module's text.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyframeGovernor {
    state: State,
    /// The application asked, who has no subscription to withdraw.
    ordered: bool,
    last_sent: Option<Instant>,
    /// Requests since the last keyframe. Outlives the wishes: who changes its mind does not make the layer reachable.
    unanswered: u32,
    last_arrived: Option<Instant>,
    share: Share,
    sent: u64,
}

impl KeyframeGovernor {
    /// The application wants one: that stands until a keyframe comes.
    pub fn order(&mut self, now: Instant) {
        self.ordered = true;
        self.request(now, Wish::First);
    }

    /// Subscribers cannot go on without a keyframe; `wish` is the highest of theirs.
    pub fn request(&mut self, now: Instant, wish: Wish) {
        let wish = if self.ordered { Wish::First } else { wish };
        self.state = match self.state {
            State::Idle | State::Wanted { .. } => State::Wanted { wish, due: self.due(now, wish) },
            State::Asked { due, .. } => State::Asked { wish, due },
        };
    }

    /// A packet of the encoding came, `len` bytes of payload; `keyframe`: it is of the newest keyframe.
    pub fn received(&mut self, now: Instant, len: usize, keyframe: bool) {
        self.share.add(now, len, keyframe);
    }

    /// A keyframe has begun to arrive.
    pub fn arrived(&mut self, now: Instant) {
        self.state = State::Idle;
        self.ordered = false;
        self.unanswered = 0;
        self.last_arrived = Some(now);
        self.share.keyframe();
    }

    /// So many bytes of the newest keyframe came before it was known to be one.
    pub fn recount(&mut self, now: Instant, len: usize) {
        self.share.recount(now, len);
    }

    /// When a keyframe last began to arrive.
    pub fn last_arrived(&self) -> Option<Instant> {
        self.last_arrived
    }

    /// The encoding flows again after a silence: it may be reachable now.
    pub fn resumed(&mut self, now: Instant) {
        self.unanswered = 0;
        if let State::Asked { wish, .. } | State::Wanted { wish, .. } = self.state {
            self.state = State::Wanted { wish, due: self.due(now, wish) };
        }
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
        let (State::Wanted { wish, .. } | State::Asked { wish, .. }) = self.state else { return false };
        let due = self.due(now, wish);
        if due > now {
            self.state = State::Wanted { wish, due };
            return false;
        }
        self.unanswered += 1;
        self.last_sent = Some(now);
        self.sent += 1;
        self.state = State::Asked { wish, due: now + self.spacing(now) };
        true
    }

    /// When `poll` may say yes.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Wanted { due, .. } | State::Asked { due, .. } => Some(due),
        }
    }

    /// Requests so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// When a wish may be sent, as things stand.
    fn due(&self, now: Instant, wish: Wish) -> Instant {
        let spaced = self.last_sent.map_or(now, |sent| now.max(sent + self.spacing(now)));
        match self.last_arrived {
            Some(arrived) if !self.share.has_room(now, wish.part()) => spaced.max(arrived + wish.patience()),
            _ => spaced,
        }
    }

    /// From one request to the next.
    fn spacing(&self, now: Instant) -> Duration {
        match self.unanswered.checked_sub(1) {
            None if self.share.has_room(now, 2) => MIN_INTERVAL,
            None => LONG_INTERVAL,
            Some(repetitions) => (FIRST_RETRY * 2_u32.pow(repetitions.min(8))).min(LONGEST_RETRY),
        }
    }
}

#[cfg(test)]
mod tests;
