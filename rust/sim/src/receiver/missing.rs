//! What has not come, and when it is asked for (libwebrtc's `NackRequester`).

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Then it is given up.
const MAX_TRIES: u8 = 10;
/// What is further behind is given up too.
const MAX_AGE: u64 = 10_000;

#[derive(Debug, Clone, Copy)]
struct Request {
    tries: u8,
    due: Instant,
}

/// See the module's text.
#[derive(Debug, Default)]
pub(super) struct Missing {
    first: Option<u64>,
    highest: u64,
    requests: BTreeMap<u64, Request>,
}

impl Missing {
    /// A packet came; `false`: it had come before, or had been given up.
    pub(super) fn arrived(&mut self, at: Instant, seq: u64) -> bool {
        if self.first.is_none() {
            (self.first, self.highest) = (Some(seq), seq);
            return true;
        }
        if seq <= self.highest {
            return self.requests.remove(&seq).is_some();
        }
        for missing in self.highest + 1..seq {
            self.requests.insert(missing, Request { tries: 0, due: at });
        }
        self.highest = seq;
        self.requests = self.requests.split_off(&seq.saturating_sub(MAX_AGE));
        true
    }

    /// What to ask for now.
    pub(super) fn poll(&mut self, now: Instant, rtt: Duration) -> Vec<u64> {
        let mut asked = Vec::new();
        self.requests.retain(|seq, request| {
            if request.due <= now {
                request.tries += 1;
                request.due = now + rtt;
                if request.tries > MAX_TRIES {
                    return false;
                }
                asked.push(*seq);
            }
            true
        });
        asked
    }

    /// The highest number, and how many were expected.
    pub(super) fn progress(&self) -> Option<(u64, u64)> {
        self.first.map(|first| (self.highest, self.highest - first + 1))
    }
}
