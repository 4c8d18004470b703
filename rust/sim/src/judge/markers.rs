//! Exactly one marker for each picture, on the last packet of it that was sent.

use super::flow::{Flow, Run, Step};
use super::truth::{Source, Truth};
use super::verdict::{Rule, Verdict};
use crate::encoder::Frame;

pub(super) fn judge(truth: &Truth<'_>, flow: &Flow<'_>, verdict: &mut Verdict) {
    for run in &flow.runs {
        let Some(source) = truth.source(run.source) else { continue };
        let mut pictures = run.steps.chunk_by(|a, b| a.picture == b.picture).peekable();
        while let Some(picture) = pictures.next() {
            judge_picture(source, run, picture, pictures.peek().is_none(), verdict);
        }
    }
}

fn judge_picture(source: &Source<'_>, run: &Run<'_>, picture: &[Step<'_>], last: bool, verdict: &mut Verdict) {
    let Some((end, before)) = picture.split_last() else { return };
    let early = before.iter().filter(|step| step.got.marker && step.got.out != end.got.out).count() as u64;
    verdict.add(Rule::Marker, early, end.got.at, || format!("a marker before the end of a picture: {picture:?}"));
    // The last picture of a run may have been cut off by the switch.
    if !end.got.marker && !last && came_whole(source, run, end) {
        verdict.add(Rule::Marker, 1, end.got.at, || {
            let index = end.got.token.frame;
            let of_frame = |frame: u32| {
                let Frame { picture, spatial, temporal, top, .. } = source.frames[frame as usize];
                (picture, spatial, temporal, top, source.arrivals(frame).collect::<Vec<_>>())
            };
            let above = &source.frames[index as usize + 1];
            let referred: Vec<_> = above.references.iter().map(|reference| of_frame(*reference)).collect();
            format!(
                "no marker: {:?} of {:?}; behind it {:?}, which refers to {referred:?}",
                end.got,
                of_frame(index),
                of_frame(index + 1)
            )
        });
    }
}

/// Whether every packet of the picture, of all its layers, came while the run lasted.
fn came_whole(source: &Source<'_>, run: &Run<'_>, step: &Step<'_>) -> bool {
    let index = step.got.token.frame;
    let spatial = source.frames[index as usize].spatial;
    let first = index - u32::from(spatial);
    let layers = u32::from(source.frames[index as usize].top) + 1;
    (first..first + layers).all(|frame| source.complete(frame) < run.ends)
}
