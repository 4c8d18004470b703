//! The model oracle: what each subscriber could decode, and whether that is the SFU's doing.
//!
//! It knows every frame's true references and every packet by its token, and shares no code with the SFU's selection and
//! rewriting. [`Observer`] notes what one subscriber got, [`Truth`] what was sent and what of it reached the SFU; [`judge`]
//! compares. Each rule has a file.

mod applied;
mod decodable;
mod descriptors;
mod flow;
mod markers;
mod numbers;
mod observer;
mod reader;
mod truth;
mod verdict;
mod waits;
mod withheld;

use flow::Flow;

pub use observer::{Got, Observer, Target};
pub use reader::Descriptors;
pub use truth::{Source, Truth};
pub use verdict::{Problem, Rule, Verdict, Wait};

/// Judges what one subscriber got of a publisher.
pub fn judge(truth: &Truth<'_>, observer: &Observer) -> Verdict {
    let mut verdict = Verdict::default();
    let flow = Flow::new(truth, observer);
    numbers::judge(truth, &flow, &mut verdict);
    let fates = decodable::judge(truth, &flow, &mut verdict);
    markers::judge(truth, &flow, &mut verdict);
    descriptors::judge(truth, &flow, &fates, &mut verdict);
    withheld::judge(truth, &flow, observer, &mut verdict);
    applied::judge(truth, &flow, observer, &mut verdict);
    waits::judge(truth, &flow, observer, &mut verdict);
    verdict
}
