//! A track that comes from another shard, at the shard of its subscribers: whether it is carried here, and what did not arrive.

use std::sync::Arc;
use std::time::Instant;

use sfu_wire::SeqNo;

use super::wants::Wants;
use crate::arena::ReplicaId;
use crate::nack::generator::NackGenerator;

/// The relay's numbers begin above it, with one that may be missing.
const NONE: SeqNo = SeqNo::new(0);

/// Whether packets come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nobody is subscribed.
    Idle,
    /// Asked for; what comes before it begins is of an earlier time.
    Asked,
    Carried,
}

/// See the module's text.
#[derive(Debug)]
pub(crate) struct Inlet {
    state: State,
    pub(crate) replica: ReplicaId,
    /// The publisher's.
    pub(crate) label: Arc<str>,
    /// The relay's highest number so far.
    newest: SeqNo,
    missing: NackGenerator,
    told: Wants,
    /// When its subscribers are looked through again.
    pub(crate) next_review: Option<Instant>,
}

impl Inlet {
    pub(crate) fn new(replica: ReplicaId, label: Arc<str>) -> Self {
        Self {
            state: State::Idle,
            replica,
            label,
            newest: NONE,
            missing: NackGenerator::new(),
            told: Wants::default(),
            next_review: None,
        }
    }

    /// Somebody is subscribed, or nobody; whether that is news.
    pub(crate) fn set_wanted(&mut self, wanted: bool) -> bool {
        let news = (self.state == State::Idle) == wanted;
        if news {
            self.state = if wanted { State::Asked } else { State::Idle };
            self.newest = NONE;
            self.missing.clear();
            self.told = Wants::default();
            self.next_review = None;
        }
        news
    }

    /// It begins. `false`: nobody wants it any more.
    pub(crate) fn begin(&mut self) -> bool {
        let asked = self.state == State::Asked;
        if asked {
            self.state = State::Carried;
        }
        asked
    }

    /// A packet with this number came. `false`: it is of an earlier time.
    pub(crate) fn arrived(&mut self, now: Instant, counter: SeqNo) -> bool {
        if self.state != State::Carried {
            return false;
        }
        if counter > self.newest {
            self.missing.gap(now, self.newest, counter);
            self.newest = counter;
        } else {
            self.missing.arrived(now, counter, true);
        }
        true
    }

    /// The relay's numbers to ask for now.
    pub(crate) fn poll_missing(&mut self, now: Instant) -> &[SeqNo] {
        self.missing.poll(now, None)
    }

    /// When to poll.
    pub(crate) const fn poll_timeout(&self) -> Option<Instant> {
        self.missing.poll_timeout()
    }

    /// What is wanted now, if the other side has not heard that.
    pub(crate) fn tell(&mut self, wants: Wants) -> Option<Wants> {
        let news = self.state != State::Idle && wants != self.told;
        if news {
            self.told = wants;
        }
        news.then_some(wants)
    }
}
