//! Whether a wish waited longer than it had to: from the wish to the request for a keyframe no longer than the distance between
//! requests, and no longer than until a keyframe was there.
//!
//! What lies between, the way there and back, the encoder and repairs of what was lost, is not the SFU's. Only wishes count that
//! nothing but a keyframe could fulfil.

use std::time::Duration;

use super::applied::{Sent, pictures};
use super::flow::Flow;
use super::observer::{Observer, Target};
use super::truth::{NEVER, Source, Truth};
use super::verdict::Verdict;
use crate::encoder::InterLayer;

/// Between two requests for one encoding that has used up half of its share (core: `LONG_INTERVAL`); an unanswered one is repeated after 1 s, 2 s, 4 s.
const BETWEEN_REQUESTS: Duration = Duration::from_secs(1);
/// Core: `FIRST_RETRY`.
const FIRST_RETRY: Duration = Duration::from_secs(1);
/// Up to this (core: `LONGEST_RETRY`).
const LONGEST_RETRY: Duration = Duration::from_secs(8);
/// So many packets may have overtaken a keyframe.
const BEHIND: u64 = 60;
/// So long a keyframe's first packet may come behind others of its picture (core: `early`).
const WINDOW: Duration = Duration::from_millis(100);
/// What was sent within this time before a wish flows.
const RECENTLY: Duration = Duration::from_millis(300);

/// A wish and what became of it.
#[derive(Debug, Clone, Copy)]
struct Wish {
    target: Target,
    until: (u64, Duration),
    /// When a picture of that size left.
    applied: Option<(u64, Duration)>,
}

/// A keyframe's picture, as far up as is wanted. Of independent layers, too: a picture is entered at its first frame.
#[derive(Debug, Clone, Copy)]
struct Keyframe {
    /// When its first packet came, whatever came before.
    started: u64,
    /// When the first of it came, and the last.
    noticed: u64,
    complete: u64,
    /// Its first packet came soon enough behind what overtook it (of independent layers, which have a start each, in order), and
    /// nothing behind the picture before all of it.
    usable: bool,
}

/// What can be asked for: one encoding or spatial layer, over restarts.
#[derive(Debug, Default)]
struct Sought {
    keyframes: Vec<Keyframe>,
    /// When requests came to the publisher.
    requests: Vec<Duration>,
}

pub(super) fn judge(truth: &Truth<'_>, flow: &Flow<'_>, observer: &Observer, verdict: &mut Verdict) {
    let sent = pictures(truth, flow);
    let Some((most, _)) = sent.first().map(|picture| picture.most) else { return };
    let sought: Vec<Sought> = (0..=most).map(|wanted| Sought::new(truth, wanted)).collect();
    for (index, target) in observer.targets.iter().enumerate().skip(1) {
        let until = observer.targets.get(index + 1).map_or(observer.end, |next| (next.step, next.at));
        let wanted = target.layer.spatial.min(most);
        let from = sent.partition_point(|picture| picture.step < target.step);
        if !needs_keyframe(truth, &sent[..from], target, wanted) {
            continue;
        }
        let found = sent[from..].iter().take_while(|picture| picture.step < until.0);
        let applied =
            found.into_iter().find(|picture| picture.spatial == wanted).map(|picture| (picture.step, picture.at));
        let wish = Wish { target: *target, until, applied };
        beyond_keyframe(truth, &sought[usize::from(wanted)], &wish, verdict);
        beyond_governor(truth, &sought[usize::from(wanted)], &wish, verdict);
    }
}

/// Whether a keyframe is the only way: nothing of that size has been sent lately, nor anything that holds it.
fn needs_keyframe(truth: &Truth<'_>, before: &[Sent], target: &Target, wanted: u8) -> bool {
    let mut recent = before.iter().rev().take_while(|picture| picture.at + RECENTLY >= target.at).peekable();
    let nested = truth
        .sources()
        .first()
        .is_some_and(|source| source.structure.spatial > 1 && source.structure.inter_layer == InterLayer::Always);
    recent.peek().is_some()
        && recent.all(|picture| if nested { picture.spatial < wanted } else { picture.spatial != wanted })
}

fn beyond_keyframe(truth: &Truth<'_>, sought: &Sought, wish: &Wish, verdict: &mut Verdict) {
    let from = sought.keyframes.partition_point(|keyframe| keyframe.noticed < wish.target.step);
    let within = sought.keyframes[from..].iter().take_while(|keyframe| keyframe.noticed < wish.until.0);
    let usable = within.filter(|keyframe| keyframe.usable);
    let Some(whole) = usable.map(|keyframe| keyframe.complete).min().filter(|whole| *whole < wish.until.0) else {
        return;
    };
    let (step, at) = wish.applied.unwrap_or(wish.until);
    let beyond = if step <= whole { Duration::ZERO } else { at.saturating_sub(truth.time(whole)) };
    verdict.waits_beyond_keyframe.add(beyond, || format!("a keyframe was whole in step {whole}: {wish:?}"));
}

fn beyond_governor(truth: &Truth<'_>, sought: &Sought, wish: &Wish, verdict: &mut Verdict) {
    let wished = wish.target.at + truth.one_way;
    let asked = sought.requests.partition_point(|request| *request < wished);
    let allowed = sought.requests[..asked]
        .last()
        .map_or(wished, |last| wished.max(*last + sought.spacing(truth, &sought.requests[..asked], wish.target.step)));
    let request = sought.requests.get(asked).copied();
    // Whoever did not need one any more did not wait for it.
    let started = sought.keyframes.iter().map(|keyframe| keyframe.started).filter(|step| *step >= wish.target.step);
    let keyframe = started.min().filter(|step| *step != NEVER).map(|step| truth.time(step));
    let applied = wish.applied.map(|(_, at)| at);
    let over = [applied, keyframe, Some(wish.until.1)].into_iter().flatten().min().unwrap_or_default();
    if request.is_some_and(|request| request <= over) || over > allowed {
        let waited = request.map_or(over, |request| request.min(over));
        verdict.waits_for_request.add(waited.saturating_sub(wished), || format!("{wish:?}"));
        verdict.waits_beyond_governor.add(waited.saturating_sub(allowed), || {
            format!("allowed at {allowed:?}, asked {:?}, over at {over:?}: {wish:?}", sought.requests.get(asked))
        });
    }
}

impl Sought {
    fn new(truth: &Truth<'_>, wanted: u8) -> Self {
        let mut sought = Self::default();
        let simulcast = truth.sources().iter().any(|source| source.place > 0);
        for source in truth.sources().iter().filter(|source| !simulcast || source.place == wanted) {
            sought.requests.extend(source.requests);
            sought.keyframes.extend(keyframes(truth, source, if simulcast { 0 } else { wanted }));
        }
        sought.requests.sort_unstable();
        sought.keyframes.sort_by_key(|keyframe| keyframe.noticed);
        sought
    }

    /// How long after the last of these requests the next one may be, as it stands in a step.
    fn spacing(&self, truth: &Truth<'_>, requests: &[Duration], step: u64) -> Duration {
        let started = self.keyframes.iter().map(|keyframe| keyframe.started).filter(|started| *started < step);
        let newest = started.max().map(|started| truth.time(started));
        let unanswered =
            requests.iter().rev().take_while(|request| newest.is_none_or(|newest| newest < **request)).count();
        match unanswered.checked_sub(1) {
            None => BETWEEN_REQUESTS,
            Some(repetitions) => (FIRST_RETRY * 2_u32.pow(repetitions.min(8) as u32)).min(LONGEST_RETRY),
        }
    }
}

fn keyframes(truth: &Truth<'_>, source: &Source<'_>, wanted: u8) -> impl Iterator<Item = Keyframe> {
    let starts = (0..source.frames.len() as u32).filter(|index| {
        let frame = &source.frames[*index as usize];
        frame.spatial == 0 && frame.is_keyframe()
    });
    starts.map(move |index| {
        let top = index + u32::from(wanted);
        let last = &source.frames[top as usize];
        let end = last.first_seq + u64::from(last.packets);
        let complete = (index..=top).map(|frame| source.complete(frame)).max().unwrap_or(NEVER);
        let started = source.arrival(source.frames[index as usize].first_seq);
        let noticed = (index..=top).map(|frame| source.noticed(frame)).min().unwrap_or(NEVER);
        let soon = || truth.time(started) < truth.time(noticed) + WINDOW;
        let behind = || (end..end + BEHIND).all(|seq| source.arrival(seq) > complete);
        let in_time = || match source.structure.inter_layer {
            InterLayer::Never => (index..=top).flat_map(|frame| source.arrivals(frame)).is_sorted(),
            _ => started != NEVER && soon(),
        };
        let usable = source.structure.spatial == 1 || (in_time() && behind());
        Keyframe { started, noticed, complete, usable }
    })
}
