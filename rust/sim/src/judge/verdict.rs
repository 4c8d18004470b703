//! What a judgement counts.

use std::fmt;
use std::ops::AddAssign;
use std::time::Duration;

/// So many problems of each rule are described; the rest is only counted.
const DESCRIBED: usize = 10;

/// What can be wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// A frame was decodable at the target, asked for, and not sent.
    Withheld,
    /// A frame was sent that cannot be decoded although the SFU had all that it needs, or whose descriptor leads a receiver to
    /// the wrong frames.
    Undecodable,
    /// A sequence number stands for two packets, or a packet has two.
    Reused,
    /// A timestamp goes back, or is not the same over a picture.
    Backwards,
    /// A picture has no marker, several, or one before its last packet.
    Marker,
    /// A number is missing that stands for nothing that was lost.
    NeverSent,
    /// Something was lost and no number is missing for it.
    Gap,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What.
    pub rule: Rule,
    /// When, since the beginning of the scenario.
    pub at: Duration,
    /// In words.
    pub text: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} at {:.3} s: {}", self.rule, self.at.as_secs_f64(), self.text)
    }
}

/// The longest of some kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wait {
    /// How many there were.
    pub count: u64,
    /// The longest.
    pub longest: Duration,
    /// Of which, in words.
    pub text: String,
}

impl Wait {
    pub(super) fn add(&mut self, wait: Duration, text: impl FnOnce() -> String) {
        self.count += 1;
        if wait > self.longest {
            (self.longest, self.text) = (wait, text());
        }
    }

    fn merge(&mut self, other: Self) {
        let count = self.count + other.count;
        if other.longest > self.longest {
            *self = other;
        }
        self.count = count;
    }
}

/// The counts of one subscriber, or of many added up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Target changes.
    pub switches: u64,
    /// Those that were followed by a frame of the target before the next change.
    pub switches_applied: u64,
    /// How long each applied one took.
    pub waits: Vec<Duration>,
    /// How much longer wishes waited than until the SFU had a keyframe of the wanted layer whole.
    pub waits_beyond_keyframe: Wait,
    /// How long wishes waited until a keyframe was asked for because of them.
    pub waits_for_request: Wait,
    /// How much longer that was than the distance between requests allows.
    pub waits_beyond_governor: Wait,
    /// Frames that arrived whole at the subscriber.
    pub frames_forwarded: u64,
    /// [`Rule::Withheld`].
    pub frames_withheld: u64,
    /// [`Rule::Undecodable`].
    pub undecodable_frames: u64,
    /// [`Rule::Reused`].
    pub reused_sequence_numbers: u64,
    /// [`Rule::Backwards`].
    pub timestamps_backwards: u64,
    /// [`Rule::Marker`].
    pub marker_errors: u64,
    /// [`Rule::NeverSent`].
    pub nacks_never_sent: u64,
    /// [`Rule::Gap`].
    pub gap_errors: u64,
    /// The first of them in words.
    pub problems: Vec<Problem>,
}

impl Verdict {
    /// One more that is wrong.
    pub(super) fn add(&mut self, rule: Rule, count: u64, at: Duration, text: impl FnOnce() -> String) {
        if count == 0 {
            return;
        }
        *match rule {
            Rule::Withheld => &mut self.frames_withheld,
            Rule::Undecodable => &mut self.undecodable_frames,
            Rule::Reused => &mut self.reused_sequence_numbers,
            Rule::Backwards => &mut self.timestamps_backwards,
            Rule::Marker => &mut self.marker_errors,
            Rule::NeverSent => &mut self.nacks_never_sent,
            Rule::Gap => &mut self.gap_errors,
        } += count;
        if self.described(rule) < DESCRIBED {
            self.problems.push(Problem { rule, at, text: text() });
        }
    }

    fn described(&self, rule: Rule) -> usize {
        self.problems.iter().filter(|problem| problem.rule == rule).count()
    }

    /// How many things are wrong.
    pub const fn errors(&self) -> u64 {
        self.frames_withheld
            + self.undecodable_frames
            + self.reused_sequence_numbers
            + self.timestamps_backwards
            + self.marker_errors
            + self.nacks_never_sent
            + self.gap_errors
    }

    /// The wait that 95 of 100 applied switches did not exceed.
    pub fn wait_p95(&self) -> Duration {
        let mut waits = self.waits.clone();
        waits.sort_unstable();
        waits.get((waits.len() * 95).div_ceil(100).saturating_sub(1)).copied().unwrap_or_default()
    }
}

impl AddAssign for Verdict {
    fn add_assign(&mut self, other: Self) {
        self.switches += other.switches;
        self.switches_applied += other.switches_applied;
        self.waits.extend(other.waits);
        self.waits_beyond_keyframe.merge(other.waits_beyond_keyframe);
        self.waits_for_request.merge(other.waits_for_request);
        self.waits_beyond_governor.merge(other.waits_beyond_governor);
        self.frames_forwarded += other.frames_forwarded;
        self.frames_withheld += other.frames_withheld;
        self.undecodable_frames += other.undecodable_frames;
        self.reused_sequence_numbers += other.reused_sequence_numbers;
        self.timestamps_backwards += other.timestamps_backwards;
        self.marker_errors += other.marker_errors;
        self.nacks_never_sent += other.nacks_never_sent;
        self.gap_errors += other.gap_errors;
        for problem in other.problems {
            if self.described(problem.rule) < DESCRIBED {
                self.problems.push(problem);
            }
        }
    }
}
