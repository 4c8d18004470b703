//! Which wishes were followed by a frame of the wanted layer before the next wish, and how long that took.

use super::flow::Flow;
use super::observer::Observer;
use super::truth::Truth;
use super::verdict::Verdict;

/// A picture as it left.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sent {
    pub(super) step: u64,
    pub(super) at: std::time::Duration,
    pub(super) spatial: u8,
    temporal: u8,
    /// The highest that there is.
    pub(super) most: (u8, u8),
}

pub(super) fn judge(truth: &Truth<'_>, flow: &Flow<'_>, observer: &Observer, verdict: &mut Verdict) {
    let sent = pictures(truth, flow);
    for (index, target) in observer.targets.iter().enumerate().skip(1) {
        verdict.switches += 1;
        let before = observer.targets[index - 1].layer;
        let until = observer.targets.get(index + 1).map_or(observer.end.0, |next| next.step);
        let from = sent.partition_point(|picture| picture.step < target.step);
        let shows = |picture: &&Sent| {
            let (spatial, temporal) = picture.most;
            let raised = target.layer.temporal.min(temporal) > before.temporal.min(temporal);
            let temporal_fits = if raised {
                picture.temporal == target.layer.temporal.min(temporal)
            } else {
                picture.temporal <= target.layer.temporal
            };
            picture.spatial == target.layer.spatial.min(spatial) && temporal_fits
        };
        let found = sent[from..].iter().take_while(|picture| picture.step < until).find(shows);
        if let Some(picture) = found {
            verdict.switches_applied += 1;
            verdict.waits.push(picture.at.saturating_sub(target.at));
        }
    }
}

/// By step.
pub(super) fn pictures(truth: &Truth<'_>, flow: &Flow<'_>) -> Vec<Sent> {
    let encodings = truth.sources().iter().map(|source| source.place).max().unwrap_or(0);
    let mut sent = Vec::new();
    for run in &flow.runs {
        let Some(source) = truth.source(run.source) else { continue };
        let structure = source.structure;
        for picture in run.steps.chunk_by(|a, b| a.picture == b.picture) {
            let (Some(first), Some(end)) = (picture.first(), picture.last()) else { continue };
            let frame = &source.frames[end.got.token.frame as usize];
            sent.push(Sent {
                step: first.sent,
                at: first.got.at,
                spatial: if encodings > 0 { source.place } else { frame.spatial },
                temporal: frame.temporal,
                most: (if encodings > 0 { encodings } else { structure.spatial - 1 }, structure.temporal - 1),
            });
        }
    }
    sent.sort_by_key(|picture| picture.step);
    sent
}
