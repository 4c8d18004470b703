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
    if !end.got.marker
        && !last
        && came_whole(source, run, end)
        && ends_were_known(source, end.got.token.frame, end.got.step)
    {
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

/// Whether the ends of all pictures that the frame refers to had come when its last packet left. Where a picture lacks a layer, the
/// layer above this frame refers to the one before it; until the marker of that picture has come nobody can know whether the
/// layer above has what it needs, and whether this frame is the last.
fn ends_were_known(source: &Source<'_>, index: u32, step: u64) -> bool {
    let came = |reference: &u32| {
        let Frame { spatial, top, .. } = source.frames[*reference as usize];
        let last = &source.frames[*reference as usize + usize::from(top - spatial)];
        source.arrival(last.first_seq + u64::from(last.packets) - 1) <= step
    };
    let frame = &source.frames[index as usize];
    frame
        .references
        .iter()
        .all(|reference| source.frames[*reference as usize].picture == frame.picture || came(reference))
}

/// Whether every packet of the picture, of all its layers, came while the run lasted.
fn came_whole(source: &Source<'_>, run: &Run<'_>, step: &Step<'_>) -> bool {
    let index = step.got.token.frame;
    let spatial = source.frames[index as usize].spatial;
    let first = index - u32::from(spatial);
    let layers = u32::from(source.frames[index as usize].top) + 1;
    (first..first + layers).all(|frame| source.complete(frame) < run.ends)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::encoder::{Payload, Structure};

    #[test]
    fn which_packet_is_the_last_is_known_when_the_ends_of_what_it_refers_to_have_come() {
        let frame = |picture: u32| Frame {
            picture,
            spatial: 0,
            temporal: 0,
            references: picture.checked_sub(1).into_iter().collect(),
            entry: false,
            in_keyframe: picture == 0,
            top: 0,
            first_seq: u64::from(picture),
            packets: 1,
            timestamp: u64::from(picture) * 3000,
        };
        let frames = [frame(0), frame(1)];
        let source = Source::of(&frames, Structure::single(Payload::Vp9 { flexible: true }), 0, vec![10, 5]);
        assert!(!ends_were_known(&source, 1, 7), "whether picture 0 has further layers is not known");
        assert!(ends_were_known(&source, 1, 12) && ends_were_known(&source, 0, 7));
    }
}
