//! What a subscriber got, in the order of its numbers, cut into runs: what came from one encoding between two switches.

use super::observer::{Got, Observer};
use super::truth::Truth;

/// A packet in a run.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step<'a> {
    pub(super) got: &'a Got,
    /// Of the publisher's stream, without wraps.
    pub(super) seq: u64,
    /// The picture that it belongs to.
    pub(super) picture: u32,
    /// When the SFU decided on it: of what it read together it takes one after another, and sends all behind the last.
    pub(super) sent: u64,
}

/// Packets from one encoding, by rising number.
#[derive(Debug)]
pub(super) struct Run<'a> {
    pub(super) source: u8,
    pub(super) steps: Vec<Step<'a>>,
    /// When its first packet left.
    pub(super) begins: u64,
    /// When the first packet of the next run left, or the stream was replaced; what reaches the SFU later is too late for this one.
    pub(super) ends: u64,
}

/// See the module's text.
#[derive(Debug)]
pub(super) struct Flow<'a> {
    pub(super) runs: Vec<Run<'a>>,
}

impl<'a> Flow<'a> {
    pub(super) fn new(truth: &Truth<'_>, observer: &'a Observer) -> Self {
        let mut latest = 0;
        let mut steps: Vec<Step<'a>> = observer
            .got
            .iter()
            .filter_map(|got| {
                let source = truth.source(got.token.source)?;
                let frame = source.frames.get(got.token.frame as usize)?;
                let seq = frame.first_seq + u64::from(got.token.part);
                // Not before what left earlier.
                latest = source.arrival(seq).max(got.since).max(latest).min(got.step);
                Some(Step { got, seq, picture: frame.picture, sent: latest })
            })
            .collect();
        steps.sort_by_key(|step| (step.got.out, step.sent));
        let mut runs: Vec<Run<'a>> = Vec::new();
        for step in steps {
            match runs.last_mut() {
                Some(run) if run.source == step.got.token.source => run.steps.push(step),
                _ => runs.push(Run { source: step.got.token.source, steps: vec![step], begins: 0, ends: 0 }),
            }
        }
        let mut ends = observer.end.0;
        for run in runs.iter_mut().rev() {
            run.begins = run.steps.iter().map(|step| step.sent).min().unwrap_or(0);
            run.ends = truth.source(run.source).map_or(ends, |source| ends.min(source.replaced));
            ends = run.begins;
        }
        Self { runs }
    }
}

impl Run<'_> {
    /// For each step, when the first packet with its or a higher number left: then the numbers below it were fixed.
    pub(super) fn fixed(&self) -> Vec<u64> {
        let mut fixed: Vec<u64> = self.steps.iter().map(|step| step.sent).collect();
        for index in (1..fixed.len()).rev() {
            fixed[index - 1] = fixed[index - 1].min(fixed[index]);
        }
        fixed
    }
}
