//! Whether what was sent can be decoded: every frame whole, and all that it refers to before it in the same run.

use super::flow::{Flow, Run};
use super::truth::{NEVER, Source, Truth};
use super::verdict::{Rule, Verdict};

/// What became of a frame at the subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not a packet of it was sent.
    NotSent,
    /// It can be decoded.
    Decodable,
    /// It cannot: something did not reach the SFU.
    Lost,
    /// It cannot, although the SFU had all that it needs.
    Spoilt,
}

/// The fates of a source's frames in one run.
#[derive(Debug)]
pub(super) struct Fates {
    first: u32,
    fates: Vec<Fate>,
}

impl Fates {
    pub(super) fn of(&self, frame: u32) -> Fate {
        let place = frame.checked_sub(self.first).and_then(|place| self.fates.get(place as usize));
        place.copied().unwrap_or(Fate::NotSent)
    }
}

/// Counts, and tells the fates run by run.
pub(super) fn judge(truth: &Truth<'_>, flow: &Flow<'_>, verdict: &mut Verdict) -> Vec<Fates> {
    flow.runs
        .iter()
        .map(|run| match truth.source(run.source) {
            Some(source) => judge_run(source, run, verdict),
            None => Fates { first: 0, fates: Vec::new() },
        })
        .collect()
}

fn judge_run(source: &Source<'_>, run: &Run<'_>, verdict: &mut Verdict) -> Fates {
    let first = run.steps.iter().map(|step| step.got.token.frame).min().unwrap_or(0);
    let last = run.steps.iter().map(|step| step.got.token.frame).max().unwrap_or(0);
    let mut sent = vec![0_u8; (last - first) as usize + 1];
    for step in &run.steps {
        sent[(step.got.token.frame - first) as usize] |= 1 << step.got.token.part;
    }
    let mut fates = Fates { first, fates: vec![Fate::NotSent; sent.len()] };
    for (place, sent) in sent.iter().enumerate().filter(|(_, sent)| **sent != 0) {
        let index = first + place as u32;
        let fate = fate(source, run, (index, *sent), &fates);
        fates.fates[place] = fate;
        verdict.frames_forwarded += u64::from(fate == Fate::Decodable);
        if fate == Fate::Spoilt {
            let at = run.steps.iter().find(|step| step.got.token.frame == index).map(|step| step.got.at);
            verdict.add(Rule::Undecodable, 1, at.unwrap_or_default(), || explain(source, run, (index, *sent), &fates));
        }
    }
    fates
}

fn fate(source: &Source<'_>, run: &Run<'_>, (index, sent): (u32, u8), fates: &Fates) -> Fate {
    let mut fate = own_fate(source, run, index, sent);
    for reference in &source.frames[index as usize].references {
        let passed_on = match fates.of(*reference) {
            Fate::Decodable => Fate::Decodable,
            Fate::NotSent if had(source, run, *reference) => Fate::Spoilt,
            Fate::NotSent | Fate::Lost => Fate::Lost,
            Fate::Spoilt => Fate::Spoilt,
        };
        fate = match (fate, passed_on) {
            (Fate::Spoilt, _) | (_, Fate::Spoilt) => Fate::Spoilt,
            (Fate::Lost, _) | (_, Fate::Lost) => Fate::Lost,
            _ => Fate::Decodable,
        };
    }
    fate
}

/// Every packet of the frame that came in time was sent, and whether that is all of it.
fn own_fate(source: &Source<'_>, run: &Run<'_>, index: u32, sent: u8) -> Fate {
    let mut fate = Fate::Decodable;
    for (part, arrival) in source.arrivals(index).enumerate() {
        if sent >> part & 1 == 0 {
            if arrival < run.ends && !too_late(source, index, arrival) {
                return Fate::Spoilt;
            }
            fate = Fate::Lost;
        }
    }
    fate
}

/// Whether the SFU had the whole frame in time.
fn had(source: &Source<'_>, run: &Run<'_>, index: u32) -> bool {
    source.arrivals(index).all(|arrival| arrival < run.ends && !too_late(source, index, arrival))
}

/// What comes when a hundred later frames have come is of no use to anybody.
fn too_late(source: &Source<'_>, index: u32, arrival: u64) -> bool {
    const FRAMES: usize = 45;
    let later = index as usize + FRAMES * usize::from(source.structure.spatial);
    arrival == NEVER || (later < source.frames.len() && source.noticed(later as u32) < arrival)
}

fn explain(source: &Source<'_>, run: &Run<'_>, (index, sent): (u32, u8), fates: &Fates) -> String {
    let frame = &source.frames[index as usize];
    let arrivals: Vec<u64> = source.arrivals(index).collect();
    let references: Vec<_> = frame
        .references
        .iter()
        .map(|reference| (*reference, fates.of(*reference), source.arrivals(*reference).collect::<Vec<_>>()))
        .collect();
    format!(
        "source {} frame {index} (picture {} S{}T{}), parts sent {sent:#b}, arrived in steps {arrivals:?}, refers to \
         {references:?}; the run is of steps {}..{}",
        run.source, frame.picture, frame.spatial, frame.temporal, run.begins, run.ends
    )
}
