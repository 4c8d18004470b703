//! Frames that a subscriber asked for, that the SFU had whole and in order, that the subscriber could have decoded, and that
//! were not sent.
//!
//! Nothing is held against the SFU that it could not know when the frame came: a layer is expected from the frame on whose
//! descriptor tells that it can be entered there.

use std::ops::Range;

use super::flow::{Flow, Run};
use super::observer::{Observer, Target};
use super::truth::{NEVER, Source, Truth};
use super::verdict::{Rule, Verdict};
use crate::encoder::{Frame, InterLayer, Payload};

pub(super) fn judge(truth: &Truth<'_>, flow: &Flow<'_>, observer: &Observer, verdict: &mut Verdict) {
    for run in &flow.runs {
        if let Some(source) = truth.source(run.source) {
            in_run(source, run, observer, verdict);
        }
    }
    missed_switches(truth, flow, observer, verdict);
}

/// The wish that stood in a step.
fn target(observer: &Observer, step: u64) -> Option<Target> {
    let after = observer.targets.partition_point(|target| target.step < step);
    observer.targets.get(after.checked_sub(1)?).copied()
}

/// What was sent of each frame, whole or not.
fn sent_whole(source: &Source<'_>, run: &Run<'_>) -> (u32, Vec<bool>) {
    let first = run.steps.first().map_or(0, |step| step.got.token.frame);
    let last = run.steps.iter().map(|step| step.got.token.frame).max().unwrap_or(0);
    let mut parts = vec![0_u8; (last.saturating_sub(first)) as usize + 1];
    for step in &run.steps {
        if let Some(sent) = step.got.token.frame.checked_sub(first) {
            parts[sent as usize] |= 1 << step.got.token.part;
        }
    }
    let whole =
        |(place, parts): (usize, &u8)| parts.count_ones() == u32::from(source.frames[first as usize + place].packets);
    (first, parts.iter().enumerate().map(whole).collect())
}

fn in_run(source: &Source<'_>, run: &Run<'_>, observer: &Observer, verdict: &mut Verdict) {
    let (first, sent) = sent_whole(source, run);
    let was_sent = |frame: u32| frame.checked_sub(first).is_some_and(|place| sent.get(place as usize) == Some(&true));
    for index in first..first + sent.len() as u32 {
        let frame = &source.frames[index as usize];
        if was_sent(index) || source.complete(index) >= run.ends || !in_order(source, index) {
            continue;
        }
        let Some(target) = target(observer, source.noticed(index)) else { continue };
        if is_asked_for(source, frame, target) && is_provable(source, observer, (index, target), &was_sent) {
            let at = run.steps.first().map(|step| step.got.at).unwrap_or_default();
            verdict.add(Rule::Withheld, 1, at, || {
                let before: Vec<_> = (index.saturating_sub(6 * u32::from(source.structure.spatial))..index)
                    .filter(|before| source.frames[*before as usize].spatial == frame.spatial)
                    .map(|before| {
                        let temporal = source.frames[before as usize].temporal;
                        (before, temporal, was_sent(before), source.arrivals(before).collect::<Vec<_>>())
                    })
                    .collect();
                format!(
                    "source {} frame {index} (picture {} S{}T{} entry {}) refers to {:?}, came in steps {:?}, {target:?}, \
                     the run is of steps {}..{}; before it {before:?}",
                    run.source,
                    frame.picture,
                    frame.spatial,
                    frame.temporal,
                    frame.entry,
                    frame.references,
                    source.arrivals(index).collect::<Vec<_>>(),
                    run.begins,
                    run.ends
                )
            });
        }
    }
}

/// It and what it refers to came whole, one behind the other.
fn in_order(source: &Source<'_>, index: u32) -> bool {
    let noticed = source.noticed(index);
    let first = source.frames[index as usize].first_seq;
    let in_front = first.saturating_sub(40)..first;
    source.arrival(first) == noticed
        && source.arrivals(index).is_sorted()
        && in_front.into_iter().all(|seq| source.owner(seq).is_none() || source.arrival(seq) < noticed)
        // Nothing behind it came before it.
        && (first + 1..first + 40).all(|seq| source.arrival(seq) == NEVER || source.arrival(seq) > noticed)
}

fn is_asked_for(source: &Source<'_>, frame: &Frame, target: Target) -> bool {
    let structure = source.structure;
    if frame.temporal > target.layer.temporal {
        return false;
    }
    if structure.spatial == 1 {
        return true;
    }
    let wanted = target.layer.spatial.min(structure.spatial - 1);
    match structure.inter_layer {
        InterLayer::Always => frame.spatial <= wanted,
        // Below the wanted layer only a keyframe's picture is needed.
        InterLayer::AtKeyframes | InterLayer::Shifted => {
            frame.spatial == wanted || (frame.in_keyframe && frame.spatial < wanted)
        }
        InterLayer::Never => frame.spatial == wanted,
    }
}

/// The subscriber has all references, and the descriptors tell so: the layers below are unbroken, and this one is either entered
/// with the frame or unbroken too.
fn is_provable(
    source: &Source<'_>,
    observer: &Observer,
    (index, target): (u32, Target),
    was_sent: &impl Fn(u32) -> bool,
) -> bool {
    let frame = &source.frames[index as usize];
    if frame.references.is_empty()
        || !frame.references.iter().all(|reference| was_sent(*reference))
        || !came_in_time(source, index)
    {
        return false;
    }
    let unbroken = |fits: &dyn Fn(&Frame) -> bool| {
        let before = (0..index).rev().take(40).find(|before| fits(&source.frames[*before as usize]));
        let Some(before) = before else {
            // What a picture is for is decided by its first frame.
            return stayed(observer, source, index - u32::from(frame.spatial)..index, target);
        };
        // Where a layer was entered by a frame that came late, it is not known to be whole.
        let entrance = &source.frames[before as usize];
        let entered_late = (entrance.entry || entrance.in_keyframe) && !in_order(source, before);
        was_sent(before) && !entered_late && stayed(observer, source, before..index, target)
    };
    // A spatial layer that was left is entered again at a keyframe.
    let spatial = |other: &Frame| other.spatial == frame.spatial && other.temporal <= target.layer.temporal;
    let layer = |temporal| unbroken(&move |other| other.spatial == frame.spatial && other.temporal == temporal);
    if source.structure.has_dependency_descriptor() {
        // A decode target is entered at a frame with the indication Switch, which layers above 0 do not have for themselves.
        return layer(frame.temporal) && unbroken(&spatial);
    }
    let entered = frame.entry && (frame.spatial == 0 || unbroken(&spatial));
    let below = source.structure.payload == Payload::Vp8 || (0..frame.temporal).all(layer);
    (entered && below) || (layer(frame.temporal) && below && (frame.spatial == 0 || unbroken(&spatial)))
}

/// Whether all that the frame refers to had come when its picture began. Where descriptors list pictures, one that has not come
/// may lack the frame's layer, which then refers to another one; and what goes out of the picture, and where it ends, is decided
/// with the lowest layer.
fn came_in_time(source: &Source<'_>, index: u32) -> bool {
    let structure = source.structure;
    if structure.payload != (Payload::Vp9 { flexible: true }) || structure.has_dependency_descriptor() {
        return true;
    }
    let frame = &source.frames[index as usize];
    let begins = source.noticed(index - u32::from(frame.spatial));
    let earlier = |reference: &&u32| source.frames[**reference as usize].picture < frame.picture;
    frame.references.iter().filter(earlier).all(|reference| source.complete(*reference) < begins)
}

/// Whether the layer of the frame behind `span` was wanted all the time since its first one: one that was left is entered anew.
fn stayed(observer: &Observer, source: &Source<'_>, span: Range<u32>, target: Target) -> bool {
    let frame = &source.frames[span.end as usize];
    // It may have been left at a frame behind the first one that overtook it.
    let since = (span.start..=span.end).map(|frame| source.noticed(frame)).min().unwrap_or(NEVER);
    let first = observer.targets.partition_point(|standing| standing.step < since).saturating_sub(1);
    let wishes = observer.targets[first..].iter().take_while(|wish| wish.step <= target.step);
    let simulcast = source.structure.spatial == 1;
    let top = source.structure.spatial - 1;
    let same_spatial = |wish: &Target| match source.structure.inter_layer {
        InterLayer::Always => wish.layer.spatial >= frame.spatial,
        _ => wish.layer.spatial.min(top) == target.layer.spatial.min(top),
    };
    wishes.into_iter().all(|wish| wish.layer.temporal >= frame.temporal && (simulcast || same_spatial(wish)))
}

/// Keyframes of the wanted encoding that came whole and in order while another flowed.
fn missed_switches(truth: &Truth<'_>, flow: &Flow<'_>, observer: &Observer, verdict: &mut Verdict) {
    let encodings = truth.sources().iter().map(|source| source.place).max().unwrap_or(0);
    for (number, source) in (0_u8..).zip(truth.sources()).filter(|_| encodings > 0) {
        let keyframes = (0..source.frames.len() as u32).filter(|index| source.frames[*index as usize].is_keyframe());
        for index in keyframes {
            let (noticed, complete) = (source.noticed(index), source.complete(index));
            if complete >= observer.end.0 || !in_order(source, index) {
                continue;
            }
            let Some(target) =
                target(observer, noticed).filter(|target| target.layer.spatial.min(encodings) == source.place)
            else {
                continue;
            };
            let flowing = flow.runs.partition_point(|run| run.begins <= noticed).checked_sub(1);
            let flows = flowing.is_some_and(|run| flow.runs[run].source == number);
            if !flows {
                let at = target.at;
                verdict.add(Rule::Withheld, 1, at, || {
                    format!("keyframe {index} of source {number} came in step {noticed}; target {target:?}")
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use sfu_core::layer::Layer;
    use sfu_wire::Ssrc;

    use super::*;
    use crate::encoder::Structure;

    /// Frames of a picture of three spatial layers, each of which refers to the one below, and those of another picture behind it.
    fn pictures() -> Vec<Frame> {
        let frame = |index: u32| Frame {
            picture: index / 3,
            spatial: (index % 3) as u8,
            temporal: 0,
            references: [index.checked_sub(3), (index % 3).checked_sub(1).map(|_| index - 1)]
                .into_iter()
                .flatten()
                .collect(),
            entry: false,
            in_keyframe: index < 3,
            top: 2,
            first_seq: u64::from(index),
            packets: 1,
            timestamp: u64::from(index / 3) * 3000,
        };
        (0..6).map(frame).collect()
    }

    /// Whether a frame, of which all before went out, is expected when the wish rises to all layers in this step.
    fn is_expected(index: u32, arrived: [u64; 6], rises: u64) -> bool {
        let structure = Structure { temporal: 1, ..Structure::l3t3(Payload::Av1, InterLayer::AtKeyframes) };
        let frames = pictures();
        let source = Source::of(&frames, structure, 0, arrived.to_vec());
        let mut observer = Observer::new(Ssrc::new(1), structure);
        observer.wants((0, Duration::ZERO), Layer { spatial: 1, temporal: 0 });
        observer.wants((rises, Duration::ZERO), Layer::MAX);
        let Some(target) = target(&observer, source.noticed(index)) else { return false };
        is_provable(&source, &observer, (index, target), &|frame| frame < index)
    }

    #[test]
    fn who_changes_its_mind_within_a_picture_gets_another_size_with_the_next_one() {
        let in_order = [10, 20, 30, 40, 50, 60];
        assert!(is_expected(2, in_order, 5));
        assert!(!is_expected(2, in_order, 25), "the picture had begun for layer 1");
    }

    #[test]
    fn a_layer_is_expected_when_what_it_refers_to_came_before_its_picture() {
        let structure =
            Structure { temporal: 1, ..Structure::l3t3(Payload::Vp9 { flexible: true }, InterLayer::Always) };
        let frames = pictures();
        let in_time = |arrived: [u64; 6]| came_in_time(&Source::of(&frames, structure, 0, arrived.to_vec()), 5);
        assert!(in_time([10, 20, 30, 40, 50, 60]));
        assert!(!in_time([10, 20, 45, 40, 50, 60]), "picture 0 might have had two layers");
    }

    #[test]
    fn a_layer_is_not_entered_by_a_keyframe_that_came_late() {
        assert!(is_expected(5, [10, 20, 30, 40, 50, 60], 5));
        assert!(!is_expected(5, [10, 20, 45, 40, 50, 60], 5), "what is behind it had come");
    }
}
