//! Sequence numbers and timestamps: each is used once, none goes back, and what is missing was lost.

use super::flow::{Flow, Run, Step};
use super::truth::{Source, Truth};
use super::verdict::{Rule, Verdict};
use crate::encoder::InterLayer;

pub(super) fn judge(truth: &Truth<'_>, flow: &Flow<'_>, verdict: &mut Verdict) {
    for run in &flow.runs {
        let Some(source) = truth.source(run.source) else { continue };
        let fixed = run.fixed();
        for (pair, fixed) in run.steps.windows(2).zip(&fixed[1..]) {
            in_run(source, run, (&pair[0], &pair[1]), *fixed, verdict);
        }
        packets_have_one_number(run, verdict);
    }
    for pair in flow.runs.windows(2) {
        if let (Some(before), Some(after)) = (pair[0].steps.last(), pair[1].steps.first()) {
            between_runs(before, after, verdict);
        }
    }
}

fn in_run(source: &Source<'_>, run: &Run<'_>, (a, b): (&Step<'_>, &Step<'_>), fixed: u64, verdict: &mut Verdict) {
    let (before, after) = (a.got, b.got);
    if before.out == after.out {
        if before.token != after.token {
            verdict.add(Rule::Reused, 1, after.at, || format!("{before:?} and {after:?}"));
        }
        return;
    }
    let passed = after.timestamp.wrapping_sub(before.timestamp) as i32;
    let wrong = if a.picture == b.picture { passed != 0 } else { passed <= 0 };
    if wrong {
        verdict.add(Rule::Backwards, 1, after.at, || format!("by {passed} from {before:?} to {after:?}"));
    }
    if b.seq <= a.seq {
        verdict.add(Rule::Reused, 1, after.at, || format!("numbers change places: {before:?} and {after:?}"));
        return;
    }
    let missing = after.out - before.out - 1;
    let between = a.seq + 1..b.seq;
    let at_most = between.clone().filter(|seq| source.arrival(*seq) >= fixed).count() as u64;
    let at_least =
        between.clone().filter(|seq| source.arrival(*seq) >= run.ends && must_be_missed(source, run, *seq)).count()
            as u64;
    verdict.add(Rule::NeverSent, missing.saturating_sub(at_most), after.at, || {
        let came: Vec<_> = between.clone().map(|seq| (source.owner(seq), source.arrival(seq))).collect();
        format!("{missing} numbers stand for at most {at_most} lost packets, fixed in step {fixed}: {before:?} and {after:?}; between came {came:?}")
    });
    verdict.add(Rule::Gap, at_least.saturating_sub(missing), after.at, || {
        format!("{missing} numbers stand for {at_least} lost packets: {before:?} and {after:?}")
    });
}

/// Whether the receiver is to know that the packet is missing: others of its frame were sent, or it is of a layer that everybody
/// gets.
fn must_be_missed(source: &Source<'_>, run: &Run<'_>, seq: u64) -> bool {
    let Some(index) = source.owner(seq) else { return false };
    let frame = &source.frames[index as usize];
    let base = frame.temporal == 0 && frame.spatial == 0;
    let structure = source.structure;
    let for_everybody = base && (structure.spatial == 1 || structure.inter_layer == InterLayer::Always);
    for_everybody || {
        let found = run.steps.partition_point(|step| step.seq < frame.first_seq);
        run.steps[found..].first().is_some_and(|step| step.got.token.frame == index)
    }
}

fn packets_have_one_number(run: &Run<'_>, verdict: &mut Verdict) {
    for pair in run.steps.windows(2) {
        if pair[0].seq == pair[1].seq && pair[0].got.out != pair[1].got.out {
            let (first, again) = (pair[0].got, pair[1].got);
            verdict.add(Rule::Reused, 1, again.at, || format!("one packet twice: {first:?} and {again:?}"));
        }
    }
}

/// The next number is the last and one if that ended a picture, and one more if it did not: then a receiver knows that what it
/// has of it is not whole.
fn between_runs(before: &Step<'_>, after: &Step<'_>, verdict: &mut Verdict) {
    let (before, after) = (before.got, after.got);
    let passed = after.timestamp.wrapping_sub(before.timestamp) as i32;
    if passed <= 0 {
        verdict.add(Rule::Backwards, 1, after.at, || format!("by {passed} at a switch: {before:?} and {after:?}"));
    }
    let Some(missing) = (after.out - before.out).checked_sub(1) else {
        verdict.add(Rule::Reused, 1, after.at, || format!("at a switch: {before:?} and {after:?}"));
        return;
    };
    let expected = u64::from(!before.marker);
    verdict.add(Rule::NeverSent, missing.saturating_sub(expected), after.at, || {
        format!("{missing} numbers are missing at a switch: {before:?} and {after:?}")
    });
    verdict.add(Rule::Gap, expected.saturating_sub(missing), after.at, || {
        format!("a picture was not over at a switch: {before:?} and {after:?}")
    });
}
