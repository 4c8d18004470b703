//! What a receiver reads of the descriptors, and whether it leads to the true frames.
//!
//! A receiver finds a frame's references by picture ids, TL0PICIDX and the group of pictures, or by frame numbers: a number
//! that jumps or repeats is a frozen picture, however whole the packets are.

use std::collections::BTreeMap;

use super::decodable::{Fate, Fates};
use super::flow::{Flow, Run, Step};
use super::reader::Descriptors;
use super::truth::{Source, Truth};
use super::verdict::{Rule, Verdict};
use crate::encoder::Payload;

pub(super) fn judge(truth: &Truth<'_>, flow: &Flow<'_>, fates: &[Fates], verdict: &mut Verdict) {
    for (run, fates) in flow.runs.iter().zip(fates) {
        let Some(source) = truth.source(run.source) else { continue };
        match source.structure.payload {
            _ if source.structure.has_dependency_descriptor() => {
                frame_numbers_lead_to_references(source, run, fates, verdict);
            }
            Payload::Vp8 | Payload::Vp9 { .. } => pictures_go_on(source, run, verdict),
            Payload::Av1 | Payload::H264 | Payload::H265 => {}
        }
    }
    for pair in flow.runs.windows(2) {
        if let (Some(before), Some(after)) = (pair[0].steps.last(), pair[1].steps.first()) {
            numbers_go_on_at_a_switch(before, after, verdict);
        }
    }
}

/// In VP8 dropped frames close their ids, in VP9 they keep them; TL0PICIDX and KEYIDX go as they went.
fn pictures_go_on(source: &Source<'_>, run: &Run<'_>, verdict: &mut Verdict) {
    for (pair, fixed) in run.steps.windows(2).zip(&run.fixed()[1..]) {
        let (before, after) = (&pair[0], &pair[1]);
        let (Descriptors::Picture { id: from, tl0: tl0_from, .. }, Descriptors::Picture { id: to, tl0: tl0_to, .. }) =
            (before.got.descriptors, after.got.descriptors)
        else {
            verdict.add(Rule::Undecodable, 1, after.got.at, || format!("unreadable: {:?}", after.got));
            continue;
        };
        let passed = u64::from(to.wrapping_sub(from) & 0x7fff);
        let between = pictures_between(source, before, after);
        let fits = if before.picture == after.picture {
            passed == 0
        } else if source.structure.payload == Payload::Vp8 {
            // What had not reached the SFU when the later one's numbers were fixed may have been a frame for this subscriber.
            let lost = between.clone().filter(|frame| source.noticed(*frame) >= *fixed).count() as u64;
            (1..=1 + lost).contains(&passed)
        } else {
            passed == u64::from(after.picture - before.picture)
        };
        let bases =
            between.chain([after.got.token.frame]).filter(|frame| starts_base(source, *frame, before)).count() as u8;
        let tl0_fits = match (tl0_from, tl0_to) {
            (Some(from), Some(to)) => to.wrapping_sub(from) == bases,
            _ => true,
        };
        if !fits || !tl0_fits {
            let came: Vec<_> = (before.got.token.frame + 1..after.got.token.frame)
                .map(|frame| (source.frames[frame as usize].temporal, source.arrivals(frame).collect::<Vec<_>>()))
                .collect();
            verdict.add(Rule::Undecodable, 1, after.got.at, || {
                format!(
                    "numbers do not go on (pictures by {passed}, {bases} base pictures): {:?} and {:?}; between came {came:?}",
                    before.got, after.got
                )
            });
        }
    }
}

/// Frames strictly between two packets' frames, in the lowest spatial layer.
fn pictures_between<'a>(
    source: &'a Source<'_>,
    before: &Step<'_>,
    after: &Step<'_>,
) -> impl Iterator<Item = u32> + Clone + use<'a> {
    let (from, to) = (before.got.token.frame, after.got.token.frame);
    let (first, last) = (before.picture, after.picture);
    (from + 1..to).filter(move |frame| {
        let frame = &source.frames[*frame as usize];
        frame.spatial == 0 && frame.picture > first && frame.picture < last
    })
}

/// Whether the frame belongs to a later picture of temporal layer 0.
fn starts_base(source: &Source<'_>, frame: u32, before: &Step<'_>) -> bool {
    let frame = &source.frames[frame as usize];
    frame.picture > before.picture && frame.temporal == 0
}

fn frame_numbers_lead_to_references(source: &Source<'_>, run: &Run<'_>, fates: &Fates, verdict: &mut Verdict) {
    let mut frames: BTreeMap<u16, u32> = BTreeMap::new();
    let mut last_top = None;
    for picture in run.steps.chunk_by(|a, b| a.picture == b.picture) {
        for step in picture {
            let index = step.got.token.frame;
            let frame = &source.frames[index as usize];
            let Descriptors::Frame { number, layer, diffs, bounds, .. } = step.got.descriptors else {
                verdict.add(Rule::Undecodable, 1, step.got.at, || {
                    let near = index.saturating_sub(3)..(index + 2).min(source.frames.len() as u32);
                    let came: Vec<_> = near
                        .map(|near| (near, source.frames[near as usize].is_keyframe(), source.arrivals(near).collect()))
                        .collect::<Vec<(u32, bool, Vec<u64>)>>();
                    format!("unreadable: {:?} of {frame:?}; near it came {came:?}", step.got)
                });
                continue;
            };
            let token = step.got.token;
            let told =
                layer == (frame.spatial, frame.temporal) && bounds == (token.part == 0, token.part + 1 == token.count);
            let mut found: Vec<u32> = diffs
                .iter()
                .filter(|diff| **diff > 0)
                .filter_map(|diff| frames.get(&number.wrapping_sub(*diff)).copied())
                .collect();
            let mut truly: Vec<u32> =
                frame.references.iter().copied().filter(|reference| fates.of(*reference) != Fate::NotSent).collect();
            found.sort_unstable();
            truly.sort_unstable();
            if !told || found != truly {
                verdict.add(Rule::Undecodable, 1, step.got.at, || {
                    format!("{:?} leads to {found:?} instead of {truly:?} ({frame:?})", step.got)
                });
            }
            frames.insert(number, index);
        }
        // Old numbers come again.
        let newest = picture.last().map_or(0, |step| step.got.token.frame);
        frames.retain(|_, frame| *frame + 2000 > newest);
        last_top = inactive_layers_are_declared(source, run, picture, last_top, verdict);
    }
}

/// A receiver waits for the chains of every decode target that is declared active: one that is not sent must not be. (A keyframe
/// declares all of them; what follows it takes that back.)
fn inactive_layers_are_declared(
    source: &Source<'_>,
    run: &Run<'_>,
    picture: &[Step<'_>],
    last_top: Option<u8>,
    verdict: &mut Verdict,
) -> Option<u8> {
    let end = picture.last()?;
    let frame = &source.frames[end.got.token.frame as usize];
    let Descriptors::Frame { active_spatial, .. } = end.got.descriptors else { return last_top };
    let next = end.got.token.frame + 1;
    let dropped = frame.spatial < frame.top && source.complete(next) < run.ends;
    if dropped && last_top == Some(frame.spatial) && active_spatial > frame.spatial && !frame.in_keyframe {
        verdict.add(Rule::Undecodable, 1, end.got.at, || {
            format!("layer {active_spatial} is declared active and not sent: {:?}", end.got)
        });
    }
    Some(frame.spatial)
}

fn numbers_go_on_at_a_switch(before: &Step<'_>, after: &Step<'_>, verdict: &mut Verdict) {
    let fits = match (before.got.descriptors, after.got.descriptors) {
        (
            Descriptors::Picture { id: from, tl0: tl0_from, key: key_from },
            Descriptors::Picture { id: to, tl0: tl0_to, key: key_to },
        ) => {
            let by_one = |from: Option<u8>, to: Option<u8>, mask: u8| match (from, to) {
                (Some(from), Some(to)) => to.wrapping_sub(from) & mask == 1,
                _ => true,
            };
            to.wrapping_sub(from) & 0x7fff == 1 && by_one(tl0_from, tl0_to, 0xff) && by_one(key_from, key_to, 0x1f)
        }
        (Descriptors::Frame { number: from, .. }, Descriptors::Frame { number: to, .. }) => {
            (to.wrapping_sub(from) as i16) > 0
        }
        _ => true,
    };
    if !fits {
        verdict.add(Rule::Undecodable, 1, after.got.at, || {
            format!("numbers do not go on at a switch: {:?} and {:?}", before.got, after.got)
        });
    }
}
