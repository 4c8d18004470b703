//! Torture: viewers who change their minds all the time, over a bad network, judged by the model oracle.
//!
//! One publisher, many viewers with a schedule each; loss, reordering, duplicates and wraps on the way in; everything through
//! the whole `Sfu`, SRTP included. [`run`] adds up as many scenes as the wanted number of target changes takes.

mod codec;
mod further;
mod scene;

use std::time::Instant;

use crate::encoder::Structure;
use crate::error::SimError;
use crate::judge::Verdict;

pub use crate::world::RelayConfig;
pub use codec::Codec;
pub use further::{FURTHER, further};
pub use scene::{Scene, SceneConfig};

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Torture {
    /// The codec and its layers.
    pub codec: Codec,
    /// So many target changes.
    pub switches: u64,
    /// Decides everything random.
    pub seed: u64,
}

/// Runs scenes until there were enough target changes. `start` is where virtual time begins.
///
/// # Errors
/// The SFU does not know the codec.
pub fn run(start: Instant, torture: Torture) -> Result<Verdict, SimError> {
    run_while(start, torture, |_| true)
}

/// The same, as long as `go_on` says so of the counts so far: it is asked after each scene, every few seconds.
///
/// # Errors
/// The SFU does not know the codec.
pub fn run_while(start: Instant, torture: Torture, go_on: impl FnMut(&Verdict) -> bool) -> Result<Verdict, SimError> {
    run_structure(start, torture.codec.structure(), (torture.switches, torture.seed), go_on)
}

/// The same of any structure, for so many target changes under this seed.
///
/// # Errors
/// The SFU does not know the codec.
pub fn run_structure(
    start: Instant,
    structure: Structure,
    (switches, seed): (u64, u64),
    go_on: impl FnMut(&Verdict) -> bool,
) -> Result<Verdict, SimError> {
    run_scenes(start, structure, (switches, seed), |scene| scene, go_on)
}

/// The same in scenes that are changed from what they would be: over several shards, where every viewer of a share of them
/// watches over the relay and is judged as if the publisher were on its own; or for an SFU that reads several datagrams together.
///
/// # Errors
/// The SFU does not know the codec.
pub fn run_scenes(
    start: Instant,
    structure: Structure,
    (switches, seed): (u64, u64),
    change: impl Fn(SceneConfig) -> SceneConfig,
    mut go_on: impl FnMut(&Verdict) -> bool,
) -> Result<Verdict, SimError> {
    let mut total = Verdict::default();
    let mut number = 0;
    while total.switches < switches {
        let scene = SceneConfig::of(structure, switches - total.switches, seed, number);
        total += Scene::play(start, &change(scene))?;
        number += 1;
        if !go_on(&total) {
            break;
        }
    }
    Ok(total)
}

/// The counts by their names; the wait in milliseconds.
pub fn counts(verdict: &Verdict) -> [(&'static str, u64); 11] {
    [
        ("switches", verdict.switches),
        ("switches_applied", verdict.switches_applied),
        ("switch_wait_ms_p95", verdict.wait_p95().as_millis() as u64),
        ("frames_forwarded", verdict.frames_forwarded),
        ("frames_withheld", verdict.frames_withheld),
        ("undecodable_frames", verdict.undecodable_frames),
        ("reused_sequence_numbers", verdict.reused_sequence_numbers),
        ("timestamps_backwards", verdict.timestamps_backwards),
        ("marker_errors", verdict.marker_errors),
        ("nacks_never_sent", verdict.nacks_never_sent),
        ("gap_errors", verdict.gap_errors),
    ]
}
